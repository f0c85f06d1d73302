"""Write files in one step: after a crash or on a full disk the old file is there, or the new one.

A new file is written beside the old one, pushed to the disk and then moved into its place, which
the file system does as a whole or not at all.

Texts that people wrote are read with `decode_text`, which takes what their editors save. Names that
files have been given elsewhere become names for files of ours with `name_for_files`.
"""

import codecs
import errno
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from oddframe.errors import InputError, OddframeError, OutputError

# The marks that editors and spreadsheets put first. UTF-32's little-endian mark begins with that of
# UTF-16, so it comes before it.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_SURROGATES = re.compile("[\ud800-\udfff]")

# Errors of one name, with which others have nothing to do.
_OF_A_NAME = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL)

# What a user can do about an error of the system, by its number.
_WHAT_TO_DO = {
    errno.ENOSPC: "the disk is full; make room and try again",
    errno.EDQUOT: "the disk quota is used up; make room and try again",
    errno.EACCES: "writing there is not permitted; choose another place or change its permissions",
    errno.EPERM: "writing there is not permitted; choose another place or change its permissions",
    errno.EROFS: "the file system is read-only; choose another place",
    errno.ENOENT: "its folder does not exist; create it first",
    errno.ENOTDIR: "a file stands where its folder should be; choose another place",
    errno.EEXIST: "a file of that name is in its place; choose another name or remove the file",
    errno.EISDIR: "a folder stands in its place; choose another name",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


def cache_folder() -> Path:
    """Return the user's folder for what can be made again at any time; it may not be there yet.

    Raises:
        RuntimeError: If the user has no home.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "oddframe"


def output_error(path: Path, error: OSError) -> OutputError:
    """Make the error to raise when `path` could not be written, with what to do about it."""
    what = _WHAT_TO_DO.get(error.errno or 0, error.strerror or str(error))
    return OutputError(f"{path} could not be written: {what}")


def decode_text(data: bytes, errors: str = "strict") -> str:
    """Decode a text as people save it: UTF-8 or UTF-16, with or without a byte order mark.

    Args:
        data: The bytes of the file.
        errors: "strict", or "replace" for a look at the beginning of a file, which may be cut
            within a letter.

    Returns:
        The text without the mark; every line ends with a single line feed.

    Raises:
        InputError: If it is none of these; the sentence begins with the line, and the name of the
            file belongs before it.
    """
    mark, coding = next((known for known in _MARKS if data.startswith(known[0])), (b"", ""))
    # Without a mark the zeros tell: the letters of UTF-16 have one at every second place.
    coding = coding or {b"\0": "utf-16-be"}.get(data[:1], "")
    coding = coding or {b"\0": "utf-16-le"}.get(data[1:2], "utf-8")
    body = data.removeprefix(mark)
    try:
        text = body.decode(coding, errors)
        wrong = text.find("\0")
        found = "a zero byte"
    except UnicodeDecodeError as error:
        text = body[: error.start].decode(coding, "replace")
        wrong, found = len(text), f"the byte 0x{body[error.start]:02X}"
    if wrong >= 0 and errors == "strict":
        line = text.count("\n", 0, wrong) + 1
        raise InputError(
            f"line {line} must be text in UTF-8 or UTF-16, found {found}; "
            'save the file again as "UTF-8", or a table as "CSV UTF-8"'
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def is_of_its_name(error: OutputError) -> bool:
    """Whether a file could not be written because the file system does not take its name."""
    cause: BaseException | None = error
    while isinstance(cause, OutputError):
        cause = cause.__cause__
    return isinstance(cause, OSError) and cause.errno in _OF_A_NAME


@contextmanager
def replace_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on success it replaces `path` in one step.

    The temporary file keeps the suffix, so that writers which look at it choose the same format.
    When the block fails the temporary file is removed and what was at `path` stays as it was.

    Raises:
        OutputError: If the system refused to write; other errors pass through as they are.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(
            prefix=f".{path.stem[:40]}.", suffix=path.suffix, dir=path.parent
        )
        os.close(descriptor)
        temporary = Path(name)
        yield temporary
        # First the content, then the name, then the folder that holds the name: in any other order
        # a power cut can leave an empty file in place of the old one.
        _finish(temporary)
        temporary.replace(path)
        fsync_path(path.parent)
    except OddframeError:  # Some of ours are OSErrors too, and have said what is wrong.
        raise
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


@contextmanager
def temporary_folder(folder: Path, name: str) -> Iterator[Path]:
    """Yield a hidden folder in ``folder`` that is removed with all that is in it.

    Args:
        folder: Where it is made.
        name: What it belongs to; it is named after it.

    Raises:
        OutputError: If the system refused to make it.
    """
    try:
        made = tempfile.TemporaryDirectory(prefix=f".{name[:40]}.", dir=folder)
    except OSError as error:
        raise output_error(folder, error) from error
    with made as place:
        yield Path(place)


@contextmanager
def write_together(folder: Path, name: str, within: Path | None = None) -> Iterator[Path]:
    """Yield a place for new files, which move into ``folder`` if the block ends without an error.

    If it raises, they are removed: a disk that fills up leaves all old files of a recording.

    Args:
        folder: Where the files go.
        name: What they belong to; the temporary folder is named after it.
        within: Where the temporary folder is made, on the disk of ``folder``; there when None.

    Raises:
        OutputError: If the system refused to write.
    """
    with temporary_folder(within or folder, name) as place:
        try:
            yield place
        except OutputError as error:
            # Name the folder that the user knows, not the temporary one.
            raise OutputError(str(error).replace(str(place), str(folder))) from error
        try:
            for path in sorted(place.iterdir()):
                path.replace(folder / path.name)
        except OSError as error:
            raise output_error(folder / name, error) from error


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write `data` to `path` in one step."""
    with replace_file(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path` as UTF-8 in one step."""
    write_bytes(path, text.encode())


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` to `path` as indented JSON in one step.

    NaN and infinity are refused with a ValueError, since JSON does not have them.
    """
    write_text(path, json_text(value, indent=2) + "\n")


def json_text(value: Any, indent: int | None = None) -> str:
    """Write plain values as JSON that can be encoded as UTF-8.

    A path whose bytes are no UTF-8 keeps them: for each of them Python has half of a surrogate
    pair, which can only be an escape in JSON.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    if text.isascii() or not _SURROGATES.search(text):
        return text
    return json.dumps(value, indent=indent, allow_nan=False)


def legible(path: str) -> str:
    """A path as text that can be printed; bytes that are no UTF-8 become U+FFFD."""
    return os.fsencode(path).decode("utf-8", "replace")


def name_for_files(name: str, most_bytes: int = 230) -> str:
    """Give the name that the files about something have which is called so.

    Bytes that are no UTF-8 and line breaks are replaced, and a name that is too long is cut, with a
    part of its hash in place of the rest.

    Args:
        name: The name.
        most_bytes: How long it may be. Endings are added to it, and most file systems take 255
            bytes in all.
    """
    shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in legible(name))
    data = shown.encode()
    if len(data) <= most_bytes:
        return shown
    mark = f"-{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}"
    return data[: most_bytes - len(mark)].decode(errors="ignore") + mark


def _finish(temporary: Path) -> None:
    """Give a temporary file the permissions of an ordinary new file, and push it to the disk."""
    # mkstemp makes files that only their owner may read. The umask can only be read by setting it.
    umask = os.umask(0)
    os.umask(umask)
    temporary.chmod(0o666 & ~umask)
    fsync_path(temporary)


def move_folder(before: Path, after: Path) -> None:
    """Move a folder, if it is there, to where nothing is.

    Raises:
        OutputError: If it cannot be moved.
    """
    if before.is_dir():
        try:
            before.rename(after)
        except OSError as error:
            raise output_error(after, error) from error


def fsync_path(path: Path) -> None:
    """Push a file, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
