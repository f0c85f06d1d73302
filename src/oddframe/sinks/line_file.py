"""Lines at the end of a file that others may move away, and that a kill or a full disk may have left half written."""

import errno
import os
from pathlib import Path

__all__ = ["append_line"]


def append_line(path: Path, line: str) -> None:
    """Add a line and push it to the disk, unless it is the last one already.

    That may be so where a kill or an error came between the writing and its receipt.

    Args:
        path: The file; it is made where there is none, with its folder.
        line: With its line break.

    Raises:
        OSError: If the disk takes none; then nothing of the line is left.
    """
    data = line.encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    # Opened each time, so that a file that was moved away by a log rotation is not written to any more.
    with path.open("a+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        end = os.pread(file.fileno(), len(data) + 1, max(0, size - len(data) - 1))
        if end in (data, b"\n" + data):
            os.fsync(file.fileno())
            return
        if end and not end.endswith(b"\n"):
            data = b"\n" + data
        if file.write(data) < len(data):
            file.truncate(size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file.fileno())
