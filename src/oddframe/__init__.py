"""Oddframe finds what is abnormal in video after learning only from normal video."""

__version__ = "0.1.0"
