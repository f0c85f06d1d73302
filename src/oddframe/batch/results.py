"""The results of an archive on disk, which DuckDB, Spark and pandas read as they are.

    OUT/archive.json                         what scored it, and with which settings
    OUT/scores/shard=3f/KEY.parquet          a row for each frame of a recording
    OUT/events/shard=3f/KEY.parquet          a row for each event, as it was at its end
    OUT/lines/shard=3f/KEY.jsonl             the same events as JSON lines, phase by phase
    OUT/recordings/shard=3f/KEY.json         its record: what came of it, and that all is there
    OUT/.unfinished/                         what is being written

KEY is a hash of the recording's name, and the shard its first two letters. So a recording that is
scored again replaces its own rows and no others, and nothing of it can be there twice.
"""

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from oddframe.batch.tasks import Task
from oddframe.errors import OutputError
from oddframe.files import fsync_path, legible, output_error, write_json

LAYOUT = 1
"""Version of the folders and columns."""

_KINDS = {"scores": ".parquet", "events": ".parquet", "lines": ".jsonl"}


class BatchResults:
    """The folder of an archive's results.

    Args:
        folder: Where it is; made where it is not there.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def start(self, job: str, facts: Mapping[str, Any]) -> None:
        """Say what is going to score, and with which settings.

        Raises:
            OutputError: If it cannot be written.
        """
        try:
            self._unfinished.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(self.folder, error) from error
        write_json(self.folder / "archive.json", {"layout": LAYOUT, "job": job, **facts})

    def finished(self, task: Task, job: str) -> bool:
        """Whether a recording, as it is now, was scored by this job and all of it is there."""
        record = self.read(task)
        return (
            record is not None
            and (record.get("state"), record.get("job")) == ("done", job)
            and record.get("fingerprint") == task.fingerprint
            # Somebody may have removed a table since; its recording is scored again.
            and all(path.exists() for path in self._files(task).values())
        )

    def read(self, task: Task) -> dict[str, Any] | None:
        """What came of a recording; None where it has no record that can be read."""
        try:
            record = json.loads(self.record(task).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return record if isinstance(record, dict) else None

    @contextmanager
    def writing(self, task: Task) -> Iterator[dict[str, Path]]:
        """Places for a recording's new files by kind: "scores", "events" and "lines".

        When the block ends well they take the place of what was there, without a record until
        `note` writes it.

        Raises:
            OutputError: If they cannot be written.
        """
        with self._temporary(task) as place:
            yield {kind: place / f"{kind}{suffix}" for kind, suffix in _KINDS.items()}
            self._replace_files(task, place)

    def note(self, task: Task, job: str, **facts: Any) -> None:
        """Write down what came of a recording; its ``state`` is "done" or "failed".

        Of one that failed nothing stays that may be there from before it changed.

        Raises:
            OutputError: If it cannot be written.
        """
        if facts["state"] == "failed":
            self._remove(task)
        record = {"recording": legible(task.name), "fingerprint": task.fingerprint, "job": job}
        path = self.record(task)
        with self._temporary(task) as place:
            write_json(place / "record.json", {**record, **facts})
            try:
                _move(place / "record.json", path)
            except OSError as error:
                raise output_error(path, error) from error

    def clear(self, tasks: Iterable[Task]) -> None:
        """Remove what killed workers left unfinished of these recordings, which nobody works on."""
        keys = {task.key for task in tasks}
        with suppress(OSError):
            for path in self._unfinished.iterdir():
                if path.name.partition(".")[0] in keys:
                    shutil.rmtree(path, ignore_errors=True)

    def record(self, task: Task) -> Path:
        """The file of the record of what came of a recording."""
        return self.folder / "recordings" / f"shard={task.shard}" / f"{task.key}.json"

    @property
    def _unfinished(self) -> Path:
        # Outside of the tables: readers of whole folders take whatever lies in them.
        return self.folder / ".unfinished"

    @contextmanager
    def _temporary(self, task: Task) -> Iterator[Path]:
        """A folder for new files of a recording, removed when the block ends."""
        try:
            place = Path(tempfile.mkdtemp(prefix=f"{task.key}.", dir=self._unfinished))
        except OSError as error:
            raise output_error(self.folder, error) from error
        try:
            yield place
        except OutputError as error:
            # Its user does not know the temporary folder that the message names.
            raise OutputError(str(error).replace(str(place), str(self.folder))) from error
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _files(self, task: Task) -> dict[str, Path]:
        return {
            kind: self.folder / kind / f"shard={task.shard}" / f"{task.key}{suffix}"
            for kind, suffix in _KINDS.items()
        }

    def _remove(self, task: Task) -> None:
        """Remove a recording's record and then its other files."""
        # The record first: it must never speak of files that are gone.
        for path in (self.record(task), *self._files(task).values()):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise output_error(path, error) from error

    def _replace_files(self, task: Task, place: Path) -> None:
        """Put new files in place of old ones, while no record says that they are whole."""
        # A process that is killed in between leaves files without a record: they are written again.
        try:
            self.record(task).unlink(missing_ok=True)
            for kind, target in self._files(task).items():
                _move(place / f"{kind}{_KINDS[kind]}", target)
        except OSError as error:
            raise output_error(self.folder, error) from error


def _move(file: Path, target: Path) -> None:
    """Put a finished file in its place, whose folder is made where it is not there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    file.replace(target)
    fsync_path(target.parent)
