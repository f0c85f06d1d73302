"""Recordings that people send to the data folder, in parts, so that a lost connection costs little.

| in the data folder | |
|---|---|
| uploads/CAMERA/NAME | a recording that is complete |
| uploads/CAMERA/.parts/SIZE-NAME | one that is not yet: as many of its SIZE bytes as have come |

The file system is the only record, so what was begun before a restart goes on after it.
"""

import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from oddframe.core.alerts import safe_name
from oddframe.errors import InputError, OutputError, SettingsError, SourceError
from oddframe.files import fsync_path, move_folder, output_error
from oddframe.media.recording import Recording

KEPT_FREE_BYTES = 10**9
"""An upload must leave so much of the disk to the database and the pictures of events."""

SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg"),
    *(".wmv", ".flv", ".3gp", ".nut", ".asf", ".dav"),
)
"""What a recording may be called; whether it is one is seen when all of it is there."""

_PARTS = ".parts"
_NAME = re.compile(r"[^/\\\x00-\x1f\x7f.][^/\\\x00-\x1f\x7f]*")
_PART = re.compile(r"(\d+)-(.+)", re.DOTALL)
# File systems allow 255 bytes for a name; the size stands before it.
_MOST_NAME_BYTES = 200


@dataclass(frozen=True, slots=True)
class Upload:
    """A recording that was sent, or a part of it.

    Attributes:
        name: What its file is called.
        size_bytes: How large all of it is.
        received_bytes: How much of it is there, from its beginning.
    """

    name: str
    size_bytes: int
    received_bytes: int


class UploadConflictError(InputError):
    """An upload stands otherwise than whoever sends it believes."""


class Uploads:
    """The recordings that were sent for cameras; any thread may call the methods.

    Args:
        data: The data folder.
        most_gb: Most gigabytes that all of them may have together.
    """

    def __init__(self, data: Path, most_gb: float) -> None:
        self._data, self.most_bytes = data, round(most_gb * 1e9)
        self._lock = threading.Lock()
        self._open: set[Path] = set()

    def folder(self, camera: str) -> Path:
        """Return where the recordings that were sent for a camera lie.

        Raises:
            SettingsError: If a link would lead out of the data folder.
        """
        folder = self._data / "uploads" / safe_name(camera)
        if not (folder / _PARTS).resolve().is_relative_to(self._data.resolve()):
            raise SettingsError(
                "uploads must stay in the data folder, but a link there leads out of it; remove it"
            )
        return folder

    def list(self, camera: str) -> list[Upload]:
        """List what was sent for a camera, by name; complete ones and others."""
        return sorted(_uploads_in(self.folder(camera)), key=lambda upload: upload.name)

    def begin(self, camera: str, name: str, size_bytes: int) -> Upload:
        """Begin to receive a recording, or find out how much of it is there.

        Raises:
            InputError: If it cannot be a recording by its name, or the uploads are too large.
            UploadConflictError: If there is another recording of this name.
            OutputError: If the disk has no room for it.
        """
        folder, part = self.folder(camera), self._part(camera, name, size_bytes)
        with self._lock:
            there = self._complete(folder / name, size_bytes)
            if there is not None:
                return there
            received = part.stat().st_size if part.exists() else 0
            self._check_room(folder, size_bytes - received, 0 if part.exists() else size_bytes)
            try:
                part.parent.mkdir(parents=True, exist_ok=True)
                part.touch()
            except OSError as error:
                raise output_error(part, error) from error
        return Upload(name, size_bytes, received)

    @contextmanager
    def receive(
        self, camera: str, name: str, size_bytes: int, offset: int
    ) -> Iterator["UploadWriter"]:
        """Take the next bytes of an upload that was begun; what has come stays, whatever follows.

        Args:
            camera: The camera that it is for.
            name: The recording's name.
            size_bytes: How large all of it is.
            offset: How much of it was sent before.

        Raises:
            UploadConflictError: If it was not begun, somebody else is sending it, or another part
                is next.
            OutputError: If it cannot be written.
        """
        part = self._part(camera, name, size_bytes)
        with self._lock:
            if part in self._open:
                raise UploadConflictError(
                    f"{name} must be sent once at a time, but is being sent already"
                )
            received = part.stat().st_size if part.exists() else None
            if received is None:
                raise UploadConflictError(f"the upload of {name} must be begun first, but was not")
            if received != offset:
                raise UploadConflictError(
                    f"{name} must go on at byte {received:,}, but was sent from {offset:,}"
                )
            # Two senders that append to one file would mix what they send.
            self._open.add(part)
        try:
            writer = UploadWriter(part, size_bytes)
            try:
                yield writer
            finally:
                writer.close()
        finally:
            with self._lock:
                self._open.discard(part)

    def settle(self, camera: str, name: str, size_bytes: int) -> Upload:
        """Give an upload its name if all of it is there; returns how much is.

        Raises:
            InputError: If it is no recording; it is removed then.
            UploadConflictError: If there is another recording of this name.
            OutputError: If it cannot be written.
        """
        folder, part = self.folder(camera), self._part(camera, name, size_bytes)
        try:
            received = part.stat().st_size
        except FileNotFoundError:
            # Another request has given it its name already.
            return self.begin(camera, name, size_bytes)
        if received < size_bytes:
            # Nothing is a recording before all of it is there: most have their index at the end.
            return Upload(name, size_bytes, received)
        try:
            Recording(part)
        except SourceError as error:
            part.unlink(missing_ok=True)
            raise InputError(str(error).replace(str(part), name)) from error
        with self._lock:
            # Two browsers may have sent recordings of one name and different sizes.
            self._complete(folder / name, size_bytes)
            try:
                # The content first, then the name: a power cut must not leave half of it as whole.
                fsync_path(part)
                part.replace(folder / name)
                fsync_path(folder)
            except OSError as error:
                raise output_error(folder / name, error) from error
        return Upload(name, size_bytes, size_bytes)

    def remove(self, camera: str, name: str | None = None) -> None:
        """Remove a recording that was sent for a camera, or all of them, complete or not.

        Raises:
            OutputError: If one cannot be removed.
        """
        folder = self.folder(camera)
        for path in (*_files(folder), *_files(folder / _PARTS)):
            match = _PART.fullmatch(path.name) if path.parent.name == _PARTS else None
            if name not in (None, path.name if match is None else match[2]):
                continue
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise output_error(path, error) from error
        for place in (folder / _PARTS, folder):
            # This removes empty folders only.
            with suppress(OSError):
                place.rmdir()

    def rename(self, camera: str, new_name: str) -> None:
        """Let what was sent for a camera follow it to another name.

        Raises:
            OutputError: If it cannot be moved.
        """
        move_folder(self.folder(camera), self.folder(new_name))

    def _part(self, camera: str, name: str, size_bytes: int) -> Path:
        """Return where a recording is while it is not complete, if it may have this name."""
        if not _NAME.fullmatch(name) or len(name.encode()) > _MOST_NAME_BYTES:
            raise InputError(
                "the recording must have a plain name without slashes and without a dot in front, "
                f"of at most {_MOST_NAME_BYTES} bytes; rename it"
            )
        suffix = Path(name).suffix.lower()
        if suffix not in SUFFIXES:
            raise InputError(
                f"the recording must be a video, such as .mp4 or .mkv, but is {suffix or 'without'}"
                f"{'' if suffix else ' a suffix'}; convert it, or copy it into the data folder"
            )
        return self.folder(camera) / _PARTS / f"{size_bytes}-{name}"

    def _complete(self, path: Path, size_bytes: int) -> Upload | None:
        """Return a recording that is there already; one of another size is an error."""
        try:
            found = path.stat().st_size
        except FileNotFoundError:
            return None
        if found != size_bytes:
            raise UploadConflictError(
                f"{path.name} must be a new name, but there is another recording of this name, of "
                f"{found:,} bytes; rename it, or delete the other one"
            )
        return Upload(path.name, size_bytes, size_bytes)

    def _check_room(self, folder: Path, more_bytes: int, announced_bytes: int) -> None:
        """Refuse what does not fit into the quota or onto the disk."""
        places = [place for place in folder.parent.glob("*") if place.is_dir()]
        # What others have announced counts: all of it may come.
        held = sum(upload.size_bytes for place in places for upload in _uploads_in(place))
        if held + announced_bytes > self.most_bytes:
            raise InputError(
                f"all uploads together must have at most {self.most_bytes / 1e9:g} GB, but would "
                f"have {(held + announced_bytes) / 1e9:.1f} GB; delete some, or raise --upload-gb"
            )
        free = shutil.disk_usage(self._data).free
        if free - more_bytes < KEPT_FREE_BYTES:
            raise OutputError(
                f"the disk must have {(more_bytes + KEPT_FREE_BYTES) / 1e9:.1f} GB of free space "
                f"for this upload, but has {free / 1e9:.1f} GB; free some space"
            )


class UploadWriter:
    """Appends to an upload.

    Args:
        path: Where it is while it is not complete.
        size_bytes: How large it may become.

    Raises:
        OutputError: If it cannot be opened.
    """

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path, self._size_bytes = path, size_bytes
        try:
            # The last part of the path is never followed if it is a link.
            flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW
            # Not buffered: what was answered as received must be in the file.
            self._file = os.fdopen(os.open(path, flags), "ab", buffering=0)
        except OSError as error:
            raise output_error(path, error) from error

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            UploadConflictError: If there are more of them than were announced.
            OutputError: If the disk is full.
        """
        if self._file.tell() + len(data) > self._size_bytes:
            raise UploadConflictError(
                f"the recording must have {self._size_bytes:,} bytes, as was announced, but more "
                "came"
            )
        left = memoryview(data)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise output_error(self._path, error) from error

    def close(self) -> None:
        """Close the file; what was written stays."""
        self._file.close()


def _files(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_file() and path.name[0] != "."]
    except OSError:
        # Nothing was sent yet.
        return []


def _uploads_in(folder: Path) -> Iterator[Upload]:
    """Yield what is in the folder of a camera."""
    for path in _files(folder):
        size = path.stat().st_size
        yield Upload(path.name, size, size)
    for path in _files(folder / _PARTS):
        if match := _PART.fullmatch(path.name):
            yield Upload(match[2], int(match[1]), path.stat().st_size)
