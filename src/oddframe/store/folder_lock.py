"""One writer to a folder, held by the system for as long as the process lives."""

import fcntl
import os
from pathlib import Path

from oddframe.errors import StoreError
from oddframe.files import output_error

__all__ = ["FolderLock"]


class FolderLock:
    """Holds a folder; a kill lets go of it."""

    def __init__(self, folder: Path) -> None:
        """Take it.

        Raises:
            StoreError: If another process holds it.
            OutputError: If nothing can be written there.
        """
        path = folder / "lock"
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise output_error(path, error) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise StoreError(
                f"{folder} must be used by one watcher at a time, but another process has it; "
                "stop that one or choose another folder"
            ) from error

    def release(self) -> None:
        """Let go of it; once more does nothing."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1
