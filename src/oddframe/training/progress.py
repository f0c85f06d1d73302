"""Says in the run folder how far a training is, for other processes that follow it.

``progress.json`` is replaced as a whole, at the start of each stage and about once a second. It is
not pushed to the disk each time, since that waits for everything else that is being written there:
after a power cut it may be empty, and is then as good as none.
"""

import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeAlias

from oddframe._types import Progress
from oddframe.core.pace import StagePace

WRITE_EVERY_S = 1.0
"""Least seconds from one version of the file to the next within a stage."""

TrainingState: TypeAlias = Literal["running", "finished", "failed", "stopped"]
"""How a training is; "stopped" is one that was interrupted by Ctrl-C or SIGTERM."""


@dataclass(frozen=True, kw_only=True)
class TrainingProgress:
    """How far a training is, as ``progress.json`` has it.

    Attributes:
        state: How it is; a process that was killed leaves "running".
        stage: Name of the stage, one of those that ``on_progress`` of `oddframe.train` is called
            with.
        done: Units of the stage that are done; in the stages "pretrain" and "joint" steps of both.
        total: Units that it has.
        share: The share of it that is done, from 0 to 1.
        seconds: What the training took so far, with what it took before it was interrupted.
        seconds_left: How long the rest of the stage is expected to take; None where that cannot be
            said yet.
        error: What ended a training that failed; None of all others.
        pid: Number of the process that writes this.
        host: Name of the machine that the process runs on.
        updated: When this was written, in UTC, as ISO 8601 has it.
    """

    state: TrainingState
    stage: str
    done: int
    total: int
    share: float
    seconds: float
    seconds_left: float | None
    error: str | None
    pid: int
    host: str
    updated: str


def ignore_record(record: TrainingProgress) -> None:
    """Ignore a record: the default where a caller does not ask for them."""


def read_progress(path: Path) -> TrainingProgress | None:
    """Read a ``progress.json``.

    Returns:
        What it says; None where there is none, as in a run of 0.1.0, or it is not whole.
    """
    try:
        found = json.loads(path.read_text())
        # Later versions may say more.
        return TrainingProgress(
            **{item.name: found[item.name] for item in fields(TrainingProgress)}
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


class ProgressFile:
    """Writes ``progress.json`` while a training runs, and how the training ended.

    It is called as `oddframe._types.Progress`, and is a context around the training. Nothing is
    written before the first report, so that a training that is refused leaves the folder alone.

    Args:
        path: The file.
        resume: Whether the training goes on, so that the time in the file counts too.
        on_progress: Called with each report, after it is written.
        on_record: Called with each record after it is written, and with the last one in any case.
        clock: The time in seconds, on a clock that never goes back.
    """

    def __init__(
        self,
        path: Path,
        *,
        resume: bool,
        on_progress: Progress,
        on_record: Callable[[TrainingProgress], None] = ignore_record,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path, self._on_progress, self._on_record = path, on_progress, on_record
        self._clock, self._began_s = clock, clock()
        before = read_progress(path) if resume else None
        self._earlier_s = 0.0 if before is None else before.seconds
        self._pace = StagePace()
        self._written_s = 0.0
        self._written: TrainingProgress | None = None

    def seconds(self) -> float:
        """Return what the training took so far, with what it took before it was interrupted."""
        return self._earlier_s + self._clock() - self._began_s

    def __call__(self, phase: str, done: int, total: int, values: Mapping[str, float]) -> None:
        """Take how far a stage is, write it where that is due, and pass it on."""
        now_s = self._clock()
        begins = self._pace.report(phase, done, total, now_s)
        if begins or now_s - self._written_s >= WRITE_EVERY_S:
            record = self._record("running")
            self._write(record)
            self._on_record(record)
            self._written_s = now_s
        self._on_progress(phase, done, total, values)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if not self._pace.stage:
            return
        if error is None:
            record = self._record("finished")
        elif isinstance(error, KeyboardInterrupt):
            record = self._record("stopped")
        else:
            record = self._record("failed", str(error) or type(error).__name__)
        # Where the footage of a new training turned out to be unusable, the run folder has taken
        # the file back: it is again that of the training before, or none.
        if read_progress(self._path) == self._written:
            self._write(record)
        self._on_record(record)

    def _record(self, state: TrainingState, error: str | None = None) -> TrainingProgress:
        pace = self._pace
        left = pace.seconds_left(self._clock()) if state == "running" else None
        return TrainingProgress(
            state=state,
            stage=pace.stage,
            done=pace.done,
            total=pace.total,
            share=round(pace.share, 4),
            seconds=round(self.seconds(), 3),
            seconds_left=None if left is None else round(left, 1),
            error=error,
            pid=os.getpid(),
            host=socket.gethostname(),
            updated=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _write(self, record: TrainingProgress) -> None:
        # One name for all that is half written: what a kill leaves, the next record replaces.
        half = self._path.with_name(f".{self._path.name}.new")
        try:
            half.write_text(json.dumps(asdict(record), ensure_ascii=False) + "\n")
            half.replace(self._path)
            self._written = record
        except OSError:
            # A training matters more than what is said of it: on a full disk it goes on until
            # something must be written that it needs.
            with suppress(OSError):
                half.unlink(missing_ok=True)
