"""What other users of the machine see of a running program: its arguments, and passwords in them."""

import ctypes
from collections.abc import Iterable
from pathlib import Path

__all__ = ["hide_in_process_title"]

_ARG_START, _ARG_END = 45, 46
"""Places in /proc/self/stat behind the program's name, of where the arguments lie in memory (proc(5): 48 and 49)."""


def hide_in_process_title(secrets: Iterable[str]) -> None:
    """Overwrite texts in the arguments that `ps` shows, with as many asterisks.

    Arguments are readable from the start of the program to this call; only a variable keeps a password out of them
    altogether. Where the system does not say where they lie (Linux does) nothing happens.

    Args:
        secrets: What to hide.
    """
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        shown = Path("/proc/self/cmdline").read_bytes()
    except OSError:
        return
    start, end = int(fields[_ARG_START]), int(fields[_ARG_END])
    hidden = shown
    for secret in filter(None, secrets):
        hidden = hidden.replace(secret.encode(), b"*" * len(secret.encode()))
    if hidden != shown and start > 0 and end - start == len(shown):
        ctypes.memmove(start, hidden, len(hidden))
