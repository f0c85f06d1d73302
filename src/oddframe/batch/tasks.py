"""The recordings of an archive as tasks, and shards of them for several runs."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from oddframe.errors import SettingsError, SourceError, SourceNotFoundError
from oddframe.media.discovery import list_candidates


@dataclass(frozen=True, slots=True)
class Task:
    """A recording that is to be scored.

    Attributes:
        name: Its path in the archive, with slashes: it stays the same when the archive grows.
        path: Where it is.
        fingerprint: Changes when the recording changes: its size and time of change, those of all
            files of a folder.
    """

    name: str
    path: str
    fingerprint: str

    @property
    def key(self) -> str:
        """What its results are filed under, a hash of its name in 24 hexadecimal digits."""
        # Not the name: not every file system takes every name, nor names of every length.
        return hashlib.sha256(os.fsencode(self.name)).hexdigest()[:24]

    @property
    def shard(self) -> str:
        """The partition that its results lie in, one of 256."""
        return self.key[:2]


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of the recordings, for several runs that divide an archive.

    Attributes:
        number: Which part, from 1.
        count: How many parts there are.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise SettingsError(
                f"part must be from 1/{self.count} to {self.count}/{self.count}, got {self.number}"
            )

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read a part as people write it, such as 3/64.

        Raises:
            SettingsError: If it is not written so, or there is no such part.
        """
        number, slash, count = text.partition("/")
        if not (slash and number.isdecimal() and count.isdecimal() and int(count)):
            raise SettingsError(
                f"part must be a number and how many there are, such as 3/64, got {text!r}"
            )
        return cls(int(number), int(count))

    def has(self, task: Task) -> bool:
        """Whether a recording is in this part, whatever else is in the archive."""
        # Hashes are spread evenly, so the parts of a large archive are of much the same size.
        return int(task.key[:12], 16) % self.count == self.number - 1


def list_tasks(archive: str | Path) -> list[Task]:
    """List all recordings and folders of numbered images in a folder, in natural order.

    None of them is opened.

    Raises:
        SourceNotFoundError: If there is no such folder.
        SourceError: If it cannot be read or holds nothing that may be a recording.
    """
    folder = Path(archive)
    if not folder.exists():
        raise SourceNotFoundError(f"{folder} must be a folder of recordings, but nothing is there")
    if not folder.is_dir():
        raise SourceError(
            f"an archive must be a folder of recordings, got {folder}; "
            "leave --engine out for a file"
        )
    tasks = [
        Task(path.relative_to(folder).as_posix(), str(path.absolute()), _fingerprint(path))
        for path in list_candidates(folder)
    ]
    if not tasks:
        raise SourceError(f"{folder} must hold recordings or numbered images, but holds neither")
    return tasks


def _fingerprint(path: Path) -> str:
    """A hash of size and time of change of a file, or of all files in a folder."""
    # Nothing of the machine is in it, so that all machines that see the files agree.
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        states = [(file.name, file.stat()) for file in files]
    except OSError as error:
        return f"unreadable: {error.strerror}"
    facts = "\n".join(f"{name}\n{state.st_size}\n{state.st_mtime_ns}" for name, state in states)
    return hashlib.sha256(facts.encode("utf-8", "surrogateescape")).hexdigest()
