"""Lets code die, or the disk fill up, at any one of its file operations.

Python announces all of them to audit hooks.
"""

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CHANGES = {
    *("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate"),
    *("shutil.rmtree", "tempfile.mkstemp", "tempfile.mkdtemp"),
}
_GROWTH = {"open", "os.mkdir"}


class KilledError(BaseException):
    """Stands for a SIGKILL: nothing catches it, and no clean-up succeeds after it."""


class _Watch:
    """Counts the operations under a folder that change something, and strikes at one of them."""

    def __init__(
        self, folder: Path, number: int | None, strike: Callable[[], None], events: set[str]
    ) -> None:
        self.folder, self.number, self.strike, self.events = str(folder), number, strike, events
        self.count = 0
        self.on = True

    def see(self, event: str, args: tuple[object, ...]) -> None:
        if not self.on or event not in self.events or not self._concerns(event, args):
            return
        self.count += 1
        if self.number is not None and self.count > self.number:
            self.strike()

    def _concerns(self, event: str, args: tuple[object, ...]) -> bool:
        if event == "open" and not (isinstance(args[2], int) and args[2] & _WRITING):
            return False
        paths = [os.fsdecode(arg) for arg in args if isinstance(arg, str | bytes | os.PathLike)]
        # Inside a folder that is being removed, files have their bare names.
        bare = event in ("os.remove", "os.rmdir") and not any(os.sep in path for path in paths)
        return bare or any(path.startswith(self.folder) for path in paths)


_watches: list[_Watch] = []


def _hook(event: str, args: tuple[object, ...]) -> None:
    for watch in _watches:
        watch.see(event, args)


_hooked = False


@contextmanager
def _watched(watch: _Watch) -> Iterator[_Watch]:
    global _hooked
    if not _hooked:
        # An audit hook cannot be removed, so there is one for all blocks.
        sys.addaudithook(_hook)
        _hooked = True
    _watches.append(watch)
    try:
        yield watch
    finally:
        watch.on = False
        _watches.remove(watch)


@contextmanager
def dying_at(number: int | None, folder: Path) -> Iterator[_Watch]:
    """Raise `KilledError` at every change under a folder, from the operation of this number on.

    Operations count from 0. With None nothing happens but counting. The block must not go on after
    it is killed: the error is caught here.
    """

    def strike() -> None:
        raise KilledError

    with _watched(_Watch(folder, number, strike, _CHANGES)) as watch:
        try:
            yield watch
        except KilledError:
            return


@contextmanager
def full_at(number: int | None, folder: Path) -> Iterator[_Watch]:
    """Let the disk be full under a folder, from the operation of this number on (from 0).

    Files can still be removed, but nothing new can be written.
    """

    with _watched(_Watch(folder, number, _refuse, _GROWTH)) as watch:
        yield watch


def _refuse() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def kill_for_good(number: int, folder: Path) -> None:
    """Kill this very process at the operation of this number under a folder."""
    sys.addaudithook(_hook)
    _watches.append(_Watch(folder, number, lambda: os.kill(os.getpid(), signal.SIGKILL), _CHANGES))


def fill_for_good(number: int, folder: Path) -> None:
    """Let the disk be full as `full_at` does, to the end of the process."""
    sys.addaudithook(_hook)
    _watches.append(_Watch(folder, number, _refuse, _GROWTH))


def announce(event: str, path: str | Path) -> None:
    """Announce that code outside of Python is about to change a file."""
    sys.audit("open", str(path), event, os.O_WRONLY)
