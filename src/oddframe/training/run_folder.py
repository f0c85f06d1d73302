"""The run folder: what one training leaves on disk.

| file or folder | content |
|---|---|
| settings.json | everything that decided the result |
| settings.next.json | the same of a training whose footage is still being read |
| log.jsonl | losses and milestones, a JSON object a line |
| progress.json | how far the training is, and what it took so far |
| checkpoint/ | where the training stands |
| first_pass/ | log and checkpoint of the pass that looks for outliers, if there is one |
| cache/ | decoded frames |
| curves.png | a picture of the losses |
| footage.json | which of the footage was used, and what in it is unlike the rest |
| report.html | all of it as a page |
| bundle/ | the trained model |

A new training is announced in settings.next.json and takes the place of an old one only when its
footage has turned out to be usable. While that file is there, it says which training is resumed.
"""

import json
import os
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oddframe.errors import OutputError, RunError
from oddframe.files import output_error, write_bytes, write_json
from oddframe.settings import from_mapping
from oddframe.training.settings import Settings


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What decides a training beside its settings; it stands beside them in settings.json.

    Attributes:
        oddframe: Version of Oddframe that started the training.
        normal: Paths of the footage.
        rate_fps: Frames per second that it trains at.
        cache_bytes: Most bytes of decoded frames.
        epochs: Passes over the footage that were asked for; None where steps were.
        drop_odd: Whether footage that is unlike the rest is left out.
        footage: A hash of the footage and of how it is decoded; empty until that is known.
        workers: How many processes of this machine train together, 1 where torchrun started them;
            None while that is not decided.
        cache_version: How the cache keeps frames, and whether clips are held out of all of the
            footage or of what it kept; see `oddframe.datasets.frame_cache.CACHE_VERSION`. Runs of
            0.1.0 do not say it: theirs is 1.
    """

    oddframe: str
    normal: list[str]
    rate_fps: float
    cache_bytes: int
    epochs: float | None
    drop_odd: bool
    footage: str = ""
    workers: int | None = 1
    cache_version: int = 1


class RunFolder:
    """The files of a run.

    Args:
        path: The folder; `start` makes it where it is not there.

    Attributes:
        path: The folder.
        checkpoint: Folder of the checkpoints.
        cache: Folder of the decoded frames.
        bundle: Folder of the trained model.
        curves: Picture of the losses.
        log: The log, a JSON object a line.
        progress: Says how far the training is.
        footage: Says which footage was used.
        report: The page about the training.
        first_pass: Run folder of the pass that looks for outliers.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.checkpoint = self.path / "checkpoint"
        self.cache = self.path / "cache"
        self.bundle = self.path / "bundle"
        self.curves = self.path / "curves.png"
        self.log = self.path / "log.jsonl"
        self.progress = self.path / "progress.json"
        self.footage = self.path / "footage.json"
        self.report = self.path / "report.html"
        self.first_pass = self.path / "first_pass"
        self._settings = self.path / "settings.json"
        self._next = self.path / "settings.next.json"
        self._progress_before: bytes | None = None

    @property
    def holds_training(self) -> bool:
        """Whether a training is in the folder, or announced."""
        return self._settings.exists() or self._next.exists()

    def check_free(self, *, overwrite: bool) -> None:
        """Find out whether a new training may be started in the folder.

        Raises:
            RunError: If there is a training in it and ``overwrite`` is not set.
        """
        if self._settings.exists() and not overwrite:
            raise RunError(
                f"{self.path} must be a new run folder, but holds a training; "
                "go on with --resume, start again with --overwrite, or choose another folder"
            )

    def start(self, settings: Settings, record: RunRecord, *, overwrite: bool) -> None:
        """Announce a training; a training that is there stays until `settle`.

        Args:
            settings: Settings of the new training.
            record: What else decides it.
            overwrite: Whether a training that is there gives way.

        Raises:
            RunError: If there is a training in the folder and ``overwrite`` is not set.
            OutputError: If the folder cannot be written.
        """
        self.check_free(overwrite=overwrite)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(self.path, error) from error
        try:
            write_json(self._next, _content(settings, record))
        except OutputError:
            # This removes the folder only where it is new and empty.
            with suppress(OSError):
                self.path.rmdir()
            raise
        # From here on this file is that of the new training; `abandon` puts the old one back.
        with suppress(OSError):
            self._progress_before = self.progress.read_bytes()
            self.progress.unlink()

    def settle(self, settings: Settings, record: RunRecord) -> None:
        """Put an announced training in the place of what is there, once its footage is usable.

        Nothing happens where no training is announced, as on most resumes.

        Raises:
            OutputError: If the folder cannot be written.
        """
        if not self._next.exists():
            return
        try:
            # The announcement goes last: whenever this is killed, the new training is the one
            # that is resumed, and it never finds a checkpoint of the old one.
            for folder in (self.checkpoint, self.first_pass):
                if folder.exists():
                    shutil.rmtree(folder)
            for file in (self.log, self.footage, self.report):
                file.unlink(missing_ok=True)
            write_json(self._settings, _content(settings, record))
            self._next.unlink()
        except OutputError:
            raise
        except OSError as error:
            raise output_error(self.path, error) from error

    def abandon(self) -> None:
        """Take back `start`, because the training cannot be; a training before it stays."""
        # The error that is on its way to the user says more than one from here would.
        with suppress(OSError):
            self._next.unlink(missing_ok=True)
            self.progress.unlink(missing_ok=True)
            if self._progress_before is not None:
                write_bytes(self.progress, self._progress_before)
            shutil.rmtree(self.cache, ignore_errors=True)
            self.path.rmdir()

    def read_settings(self) -> tuple[Settings, RunRecord]:
        """Read what decides the training in the folder, or the one that is announced.

        Raises:
            RunError: If there is none or it cannot be read.
        """
        try:
            path = self._next if self._next.exists() else self._settings
            content = json.loads(path.read_text())
            settings = from_mapping(content.pop("settings"), Settings())
            return settings, RunRecord(**content)
        except FileNotFoundError as error:
            raise RunError(
                f"{self.path} must hold a training to resume, but has no {self._settings.name}"
            ) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(
                f"{self._settings} must be the settings of a run, but cannot be read: {error}"
            ) from error

    def append(self, **entry: object) -> None:
        """Add a line to the log.

        Raises:
            OutputError: If it cannot be written.
        """
        try:
            with self.log.open("a") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise output_error(self.log, error) from error

    def log_bytes(self) -> int:
        """Measure the log; 0 where there is none."""
        return self.log.stat().st_size if self.log.exists() else 0

    def cut_log(self, length: int) -> None:
        """Drop what was logged after a checkpoint, when the log was ``length`` bytes long.

        Raises:
            OutputError: If it cannot be cut.
        """
        # A log that is shorter than it was then is not made longer with zeros.
        if self.log_bytes() > length:
            try:
                os.truncate(self.log, length)
            except OSError as error:
                raise output_error(self.log, error) from error

    def read_footage(self) -> dict[str, Any] | None:
        """Read which of the footage was used, and what in it is unlike the rest.

        Returns:
            ``stretches`` that were used, ``odd`` ones that are unlike the rest, and whether those
            were ``dropped``; None of a training that is not finished.

        Raises:
            RunError: If it cannot be read.
        """
        try:
            # Only what is asked for: later versions may say more in this file.
            found: dict[str, Any] = json.loads(self.footage.read_text())
            return {name: found[name] for name in ("stretches", "odd", "dropped")}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{self.footage} must say which footage was used, but cannot be read: {error}"
            ) from error

    def entries(self) -> list[dict[str, Any]]:
        """Read the log; a line that a kill cut short is left out."""
        if not self.log.exists():
            return []
        return [
            json.loads(line)
            for line in self.log.read_text().splitlines(keepends=True)
            if line.endswith("\n")
        ]


def _content(settings: Settings, record: RunRecord) -> dict[str, Any]:
    """Lay out settings.json; the order of its keys is part of what a version writes."""
    return {**asdict(record), "settings": settings.as_dict()}
