"""The version of Oddframe.

It has a file of its own, which imports nothing, so that every room can name it without a cycle.
"""

__version__ = "0.1.0"
