"""Exit codes other than 0."""

__all__ = ["FINDING", "INTERRUPTED", "UNUSABLE"]

FINDING = 1
"""A check found something."""
UNUSABLE = 2
"""Input that cannot be used; nothing is lost."""
INTERRUPTED = 130
"""Stopped by Ctrl-C or SIGTERM."""
