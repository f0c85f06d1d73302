"""A run on disk: what one training leaves behind.

settings.json   everything that decided the result; settings.next.json of a training whose footage
is still being read log.jsonl       losses and milestones, a JSON object a line
checkpoint/     where the training stands
first_pass/     the same of the pass that looks for odd footage, where there is one
cache/          decoded frames
curves.png      losses
footage.json    which of the footage was used, and what in it is unlike the rest
report.html     all of it as a page
bundle/         the trained model
"""

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from oddframe.errors import OutputError, RunError
from oddframe.files import output_error, write_json
from oddframe.settings import from_mapping
from oddframe.training.settings import Settings


class RunFolder:
    """The files of a run.

    Args:
        path: Its folder; made where it is not there.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.checkpoint = self.path / "checkpoint"
        self.cache = self.path / "cache"
        self.bundle = self.path / "bundle"
        self.curves = self.path / "curves.png"
        self.log = self.path / "log.jsonl"
        self.footage = self.path / "footage.json"
        self.report = self.path / "report.html"
        self.first_pass = self.path / "first_pass"
        self._settings = self.path / "settings.json"
        self._next = self.path / "settings.next.json"

    def start(self, settings: Settings, facts: Mapping[str, Any], *, overwrite: bool) -> None:
        """Announce a training; what is there stays until `settle`.

        Args:
            settings: What it uses.
            facts: What else decides it, as JSON values.
            overwrite: Whether a training that is there gives way.

        Raises:
            RunError: If there is a training in the folder and ``overwrite`` is not set.
            OutputError: If the folder cannot be written.
        """
        if self._settings.exists() and not overwrite:
            raise RunError(
                f"{self.path} must be a new run folder, but holds a training; "
                "go on with --resume, start again with --overwrite, or choose another folder"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(self.path, error) from error
        try:
            write_json(self._next, {**facts, "settings": settings.as_dict()})
        except OutputError:
            with suppress(OSError):  # it goes only where it is new and empty
                self.path.rmdir()
            raise

    def settle(self, settings: Settings, facts: Mapping[str, Any]) -> None:
        """Put an announced training, whose footage has turned out to be usable, in the place of what is there.

        Raises:
            OutputError: If the folder cannot be written.
        """
        if not self._next.exists():
            return
        try:
            # The announcement goes last: while it is there, nothing else is taken for this
            # training.
            for folder in (self.checkpoint, self.first_pass):
                if folder.exists():
                    shutil.rmtree(folder)
            for file in (self.log, self.footage, self.report):
                file.unlink(missing_ok=True)
            write_json(self._settings, {**facts, "settings": settings.as_dict()})
            self._next.unlink()
        except OutputError:
            raise
        except OSError as error:
            raise output_error(self.path, error) from error

    def abandon(self) -> None:
        """Take back `start` where the training cannot be."""
        with suppress(OSError):  # the error that is on its way says more
            self._next.unlink(missing_ok=True)
            shutil.rmtree(self.cache, ignore_errors=True)
            self.path.rmdir()

    def read_settings(self) -> tuple[Settings, dict[str, Any]]:
        """Settings and other facts of the training in the folder.

        Raises:
            RunError: If there is none or it cannot be read.
        """
        try:
            facts = json.loads((self._next if self._next.exists() else self._settings).read_text())
            return from_mapping(facts.pop("settings"), Settings()), facts
        except FileNotFoundError as error:
            raise RunError(
                f"{self.path} must hold a training to resume, but has no {self._settings.name}"
            ) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(
                f"{self._settings} must be the settings of a run, but cannot be read: {error}"
            ) from error

    def append(self, **entry: object) -> None:
        """Add a line to the log."""
        try:
            with self.log.open("a") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise output_error(self.log, error) from error

    def log_bytes(self) -> int:
        """Length of the log."""
        return self.log.stat().st_size if self.log.exists() else 0

    def cut_log(self, length: int) -> None:
        """Drop what was logged after a checkpoint, when the log was ``length`` bytes long."""
        if self.log_bytes() > length:
            try:
                os.truncate(self.log, length)
            except OSError as error:
                raise output_error(self.log, error) from error

    def read_footage(self) -> dict[str, Any] | None:
        """Which of the footage was used and what of it was odd; None where that was not kept, as by earlier versions.

        Returns:
            ``stretches`` that were used, ``odd`` ones that are unlike the rest, and whether those
            were ``dropped``.

        Raises:
            RunError: If it cannot be read.
        """
        try:
            found: dict[str, Any] = json.loads(self.footage.read_text())
            return {name: found[name] for name in ("stretches", "odd", "dropped")}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{self.footage} must say which footage was used, but cannot be read: {error}"
            ) from error

    def entries(self) -> list[dict[str, Any]]:
        """What was logged; a line that a kill cut short is left out."""
        if not self.log.exists():
            return []
        return [
            json.loads(line)
            for line in self.log.read_text().splitlines(keepends=True)
            if line.endswith("\n")
        ]
