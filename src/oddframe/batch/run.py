"""Batch scoring of an archive: `oddframe score ARCHIVE --engine local|ray`.

`score_archive` decides what is left to do, has a worker pool do it and counts what came of it.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from oddframe._types import Progress, silent
from oddframe._version import __version__
from oddframe.batch.pool import ATTEMPTS, LocalPool, WorkerDied, WorkerPool, run_all
from oddframe.batch.results import LAYOUT, BatchResults
from oddframe.batch.tasks import Shard, Task, list_tasks
from oddframe.batch.worker import Job, Worker
from oddframe.bundle.bundle import find_bundle, read_bundle
from oddframe.bundle.storage import read_hashes
from oddframe.core.zones import Zones
from oddframe.errors import RunError, SettingsError, did_you_mean
from oddframe.extras import require_extra
from oddframe.inference.selection import (
    BackendChoice,
    InferenceOptions,
    PrecisionChoice,
    select_backend,
)

Engine = Literal["local", "ray"]
"""What runs the workers: processes of this machine, or a Ray cluster."""

PHASE = "recordings"
"""The phase under which progress is reported."""

# Scores do not depend on these files of a bundle: a change in them must not score all anew.
_FILES_WITHOUT_EFFECT = frozenset({"README.md", "normal.safetensors", "parity.json"})


@dataclass(frozen=True, kw_only=True)
class FailedRecording:
    """A recording that could not be scored.

    Attributes:
        name: Its path in the archive.
        error: Why, as a sentence.
    """

    name: str
    error: str


@dataclass(frozen=True, kw_only=True)
class ArchiveReport:
    """What a run over an archive did.

    Example:
        >>> report = oddframe.score_archive("normal", "runs/door", "scored", workers=1)
        >>> report.scored == report.recordings
        True

    Attributes:
        out: Folder of the results.
        recordings: Recordings of the archive, or of the part of it that was asked for.
        scored: How many of them were scored now.
        finished: How many were before, as they are and with this model and these settings.
        failed: Which could not be scored.
        frames: Frames scored now.
        events: Events found now.
        lost_workers: How many workers died; their recordings were given to others.
        workers: How many there were at a time.
        seconds: Wall-clock time.
    """

    out: Path
    recordings: int
    scored: int
    finished: int
    failed: tuple[FailedRecording, ...]
    frames: int
    events: int
    lost_workers: int
    workers: int
    seconds: float


def score_archive(
    archive: str | Path,
    model: str | Path,
    out: str | Path,
    *,
    engine: Engine = "local",
    workers: int | None = None,
    part: Shard | None = None,
    fps: float | None = None,
    device: str = "auto",
    batch_size: int | None = None,
    backend: BackendChoice = "auto",
    precision: PrecisionChoice = "auto",
    zones: Zones | None = None,
    health: bool = True,
    on_progress: Progress = silent,
    threads: int | None = None,
    compiled: bool | None = None,
    nvdec: bool = False,
) -> ArchiveReport:
    """Score all recordings of a folder that have not been scored yet.

    `oddframe.batch.results` says what is written. A recording that cannot be scored is reported and
    stops nothing, and is tried again the next time. What a worker was at when it died is given to
    another one.

    Example:
        >>> report = oddframe.score_archive("normal", "runs/door", "archive", workers=1)
        >>> report.failed
        ()

    Args:
        archive: The folder.
        model: A run folder, a model bundle or the name of a shipped model.
        out: Folder for the results; with those of earlier runs in it only what is missing or has
            changed is scored.
        engine: "local" runs processes on this machine, "ray" actors on a Ray cluster, whose
            machines must see archive, model and results under the same paths.
        workers: How many recordings are scored at a time; None is one for two cores, or for each
            GPU with Ray.
        part: Which part of the recordings, for several runs that divide an archive; all when None.
        fps: Frames per second of folders of images. When None, the times in their names count, or
            else the bundle's rate.
        device: "auto", "cpu" or a GPU; with Ray and a GPU each worker gets one from the cluster.
        batch_size: Clips that run through the network at a time, as in
            `oddframe.inference.loading.load`.
        backend: What runs the network, as in `oddframe.inference.loading.load`; what "auto" comes
            to is found out here, once.
        precision: What it computes in, likewise.
        zones: Which parts of the picture count, and the cool-down.
        health: Whether the camera's health is watched.
        on_progress: Told the recordings done, as phase "recordings".
        threads: Threads that all workers of this machine compute on together; every core that this
            process may use when None. Ray divides its machines itself.
        compiled: Whether each worker compiles the network, as in `oddframe.inference.loading.load`.
        nvdec: Whether an NVIDIA GPU decodes the recordings, where it can.

    Raises:
        InputError: If there is no recording or a setting is wrong.
        BundleError: If the model is unusable.
        OutputError: If the folder for the results cannot be written.
        RunError: If a worker cannot load the model or write a result (those that are there are
            whole), if workers only die, or if Ray cannot be reached.
        MissingExtraError: If pyarrow or Ray is not installed.
    """
    if engine not in get_args(Engine):
        known = get_args(Engine)
        raise SettingsError(
            f"engine must be one of {', '.join(known)}, got {engine!r}{did_you_mean(engine, known)}"
        )
    if workers is not None and workers < 1:
        raise SettingsError(f"workers must be at least 1, got {workers}")
    if engine == "ray" and threads is not None:
        raise SettingsError(
            "threads must be left out with Ray, which gives every worker its processors; "
            "choose the number of workers"
        )
    job = Job(
        key="",
        model=str(find_bundle(model).absolute()),
        out=str(Path(out).absolute()),
        fps=fps,
        options=InferenceOptions(device, backend, precision, batch_size, threads, compiled),
        zones=zones,
        health=health,
        nvdec=nvdec,
    )
    # By each recording's own key, so that runs that divide an archive need not know of each other.
    tasks = [task for task in list_tasks(archive) if part is None or part.has(task)]
    report = run_batch(tasks, job, partial(make_pool, engine, workers), on_progress)
    return replace(report, out=Path(out))


def run_batch(
    tasks: Sequence[Task],
    job: Job,
    start_pool: Callable[[Job, int], WorkerPool],
    on_progress: Progress = silent,
) -> ArchiveReport:
    """Score those of some recordings that have not been scored yet.

    Args:
        tasks: The recordings.
        job: What the workers need to know; its key is found here.
        start_pool: Makes the worker pool for a job and so many recordings; it is called only where
            there is something to score.
        on_progress: Told the recordings done, as phase "recordings".

    Raises:
        OddframeError: As `score_archive`.
    """
    began = time.monotonic()
    with require_extra("scoring an archive"):
        import pyarrow  # noqa: F401 - every worker will need it
    job = _with_key(job)
    results = BatchResults(job.out)
    results.start(
        job.key, {"oddframe": __version__, "model": job.model, "settings": _settings(job)}
    )
    waiting = [task for task in tasks if not results.finished(task, job.key)]
    # A run that was killed may have left unfinished files, which nobody works on now.
    results.clear(waiting)
    progress = _BatchProgress(len(tasks), len(tasks) - len(waiting))
    if waiting:
        pool = start_pool(_decide_backend(job), len(waiting))
        try:
            progress.workers = pool.size
            _run(pool, waiting, results, job, progress, on_progress)
        finally:
            pool.close()
    on_progress(PHASE, len(tasks), max(1, len(tasks)), {})
    return ArchiveReport(
        out=Path(job.out),
        recordings=progress.recordings,
        scored=progress.scored,
        finished=progress.finished,
        failed=tuple(progress.failed),
        frames=progress.frames,
        events=progress.events,
        lost_workers=progress.lost,
        workers=progress.workers,
        seconds=time.monotonic() - began,
    )


class _BatchProgress:
    """Counts what has been done so far."""

    def __init__(self, recordings: int, finished: int) -> None:
        self.recordings, self.finished = recordings, finished
        self.scored = self.frames = self.events = self.lost = self.workers = 0
        self.failed: list[FailedRecording] = []


def _run(
    pool: WorkerPool,
    tasks: Sequence[Task],
    results: BatchResults,
    job: Job,
    progress: _BatchProgress,
    on_progress: Progress,
) -> None:
    """Have every recording scored, or written down as one that cannot be.

    Raises:
        RunError: If an error is not a recording's own, or if workers only die.
    """
    for result in run_all(pool, tasks):
        if isinstance(result, WorkerDied):
            progress.lost += 1
            continue
        if result.fatal:
            raise RunError(result.error)
        if result.error is None:
            progress.scored += 1
            progress.frames += result.frames
            progress.events += result.events
        else:
            progress.failed.append(FailedRecording(name=result.task.name, error=result.error))
            if not result.seconds:  # every worker died over it, so none could write that down
                results.note(
                    result.task, job.key, state="failed", error=result.error, attempts=ATTEMPTS
                )
        if progress.lost:
            # A worker that died may have left unfinished files of this recording.
            results.clear([result.task])
        done = progress.finished + progress.scored + len(progress.failed)
        on_progress(PHASE, done, progress.recordings, {})


def make_pool(engine: Engine, workers: int | None, job: Job, waiting: int) -> WorkerPool:
    """Make the worker pool of an engine.

    Args:
        engine: What runs the workers.
        workers: How many, at most; None leaves it to the engine.
        job: What they need to know.
        waiting: How many recordings there are to score: no more workers are started.
    """
    size = None if workers is None else min(workers, waiting)
    if engine == "ray":
        from oddframe.batch.ray_pool import RayPool

        return RayPool(job, size, on_gpu=job.options.device.startswith("cuda"))
    threads = job.options.thread_count
    size = size or min(waiting, max(1, threads // 2))
    each = max(1, threads // size)
    own = replace(job, options=replace(job.options, threads=each))
    return LocalPool(partial(Worker, own), size, each)


def _decide_backend(job: Job) -> Job:
    """The job with what "auto" comes to on this machine.

    So all workers compute alike, and none has to compare backends.
    """
    options = job.options
    if options.device.startswith("cuda") or "auto" not in (options.backend, options.precision):
        return job
    backend = select_backend(read_bundle(Path(job.model)), options).backend
    decided = replace(options, backend=backend.name, precision=backend.precision)
    return replace(job, options=decided)


def _with_key(job: Job) -> Job:
    """The job with its key, a hash of everything that decides the results."""
    hashes = read_hashes(Path(job.model))
    files = {name: hashes[name] for name in hashes if name not in _FILES_WITHOUT_EFFECT}
    # Sorted, so that the same settings always have the same key.
    text = json.dumps([LAYOUT, files, _settings(job)], sort_keys=True)
    return replace(job, key=hashlib.sha256(text.encode()).hexdigest()[:24])


def _settings(job: Job) -> dict[str, object]:
    """The settings that decide the results, as they were asked for."""
    zones = None if job.zones is None else asdict(job.zones)
    values = {
        "fps": job.fps,
        "backend": job.options.backend,
        "precision": job.options.precision,
        "health": job.health,
    }
    # As JSON gives them back: tuples as lists, and times of day as texts.
    return {**values, "zones": json.loads(json.dumps(zones, default=str))}
