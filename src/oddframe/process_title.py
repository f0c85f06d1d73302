"""What other users of the machine see of a running program: its arguments, and passwords in them."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from oddframe.errors import MissingExtraError

__all__ = ["hide_in_process_title"]


def hide_in_process_title(secrets: Iterable[str]) -> tuple[str, ...]:
    """Overwrite texts in the arguments that `ps` shows, with as many asterisks.

    Arguments are readable from the start of the program to this call; only a variable keeps a
    password out of them altogether. Where the system does not show arguments as Linux does
    nothing happens.

    Args:
        secrets: What to hide.

    Returns:
        A sentence where it could not be done, for whoever started the program.
    """
    hidden = tuple(os.fsencode(secret) for secret in secrets if secret)
    if not _shown(hidden):
        return ()
    try:
        import setproctitle
    except ModuleNotFoundError:
        missing = MissingExtraError("hiding passwords from `ps`", "watch")
        return (f"{missing}; or put them in variables",)
    title = os.fsencode(" ".join(sys.orig_argv))
    for secret in hidden:
        title = title.replace(secret, b"*" * len(secret))
    # `pgrep` and `killall` look for the program's short name, which a title would replace.
    name = setproctitle.getthreadtitle()
    # A file name need not be text, but a title must be.
    setproctitle.setproctitle(title.decode(errors="replace"))
    setproctitle.setthreadtitle(name)
    # The library needs an environment at the start of the program, and is silent without one.
    if _shown(hidden):
        return ("a password in the arguments can be seen with `ps`; put it in a variable instead",)
    return ()


def _shown(secrets: tuple[bytes, ...]) -> bool:
    """Whether one of the texts stands in the arguments that others see."""
    try:
        arguments = Path("/proc/self/cmdline").read_bytes()
    except OSError:
        return False
    return any(secret in arguments for secret in secrets)
