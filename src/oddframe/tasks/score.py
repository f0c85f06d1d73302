"""Score recordings into files: the verb `oddframe score`."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oddframe._types import Progress, silent
from oddframe.batch.recordings import (
    MOST_TOGETHER,
    Extras,
    RecordingReport,
    ScoreJob,
    count_clips,
    score_one_by_one,
    score_side_by_side,
    score_together,
    workers_for,
)
from oddframe.core.zones import Zones
from oddframe.errors import MissingExtraError, SourceError
from oddframe.files import output_error
from oddframe.inference.loading import compile_if_long, load_model
from oddframe.inference.model import Model
from oddframe.inference.scorer import AsyncScorer
from oddframe.inference.selection import (
    BackendChoice,
    InferenceOptions,
    PrecisionChoice,
)
from oddframe.media.discovery import find_sources
from oddframe.media.nvdec import Nvdec
from oddframe.media.plots import can_draw
from oddframe.media.recording import Recording


@dataclass(frozen=True, kw_only=True)
class ScoreReport:
    """What a call of `score` did.

    Example:
        >>> report = oddframe.score("monday.mp4", "runs/door", "out")
        >>> len(report.recordings)
        1

    Attributes:
        recordings: What came of each recording.
        skipped: What was not used, and why, a sentence each.
        seconds: Wall-clock time.
        backend: What ran the network, such as "onnx float32".
        notices: What is worth knowing of all of it, a sentence each.
    """

    recordings: tuple[RecordingReport, ...]
    skipped: tuple[str, ...]
    seconds: float
    backend: str
    notices: tuple[str, ...]


def score(
    source: str | Path | Sequence[str | Path],
    model: str | Path | Model,
    out: str | Path,
    *,
    fps: float | None = None,
    device: str = "auto",
    batch_size: int | None = None,
    backend: BackendChoice = "auto",
    precision: PrecisionChoice = "auto",
    extras: Extras | None = None,
    zones: Zones | None = None,
    health: bool = True,
    on_progress: Progress = silent,
    threads: int | None = None,
    compiled: bool | None = None,
    nvdec: bool = False,
) -> ScoreReport:
    """Score recordings; write ``<name>.scores.csv``, ``.events.jsonl``, ``.curve.png`` and extras.

    The curve needs Matplotlib; where that is not installed it is left out, and a notice says so.

    Example:
        >>> report = oddframe.score("monday.mp4", "runs/door", "out")
        >>> Path("out/monday.scores.csv").exists()
        True

    Args:
        source: A recording, a folder or glob of them, folders of numbered images, or several of
            these.
        model: A run folder, a model bundle or a loaded model.
        out: Folder for the files.
        fps: Frames per second of folders of images. When None, the times in their names count, or
            else the bundle's rate.
        device: "auto", "cpu" or a GPU such as "cuda:0".
        batch_size: Clips that run through the network at a time, as in
            `oddframe.inference.loading.load`.
        backend: What runs the network, as in `oddframe.inference.loading.load`.
        precision: What it computes in, likewise.
        extras: What else to write.
        zones: Which parts of the picture count, and the cool-down. Armed hours have no say: a
            recording does not know what time it was.
        health: Whether the camera's health is watched; without, footage of another camera than the
            model's is scored too.
        on_progress: Called with the frames done of each recording; its name is the phase.
        threads: Threads to compute on, as in `oddframe.inference.loading.load`. Several recordings
            are scored side by side, a thread each, where that is faster and gives the same files.
            With a network on a GPU so many recordings are decoded at a time for it.
        compiled: Whether the network is compiled, which needs torch on a GPU; when None, where
            there are enough frames to pay for it. A model that is loaded stays as it is.
        nvdec: Whether an NVIDIA GPU decodes the recordings, where it can; notices name those where
            it cannot.

    Raises:
        SourceError: If no recording can be scored; where some can, the others are named in the
            report.
        BundleError: If the model is unusable.
        OutputError: If a file cannot be written; files that are there are whole.
    """
    began = time.monotonic()
    options = InferenceOptions(device, backend, precision, batch_size, threads, compiled)
    loaded = model if isinstance(model, Model) else load_model(model, options)
    # Numbered images have no times of their own; by default they are as fast as the training was.
    found = find_sources(source, fps, loaded.bundle.rate_fps)
    if nvdec:
        for one in found.sources:
            if isinstance(one, Recording):
                one.nvdec = Nvdec.of_device(device)
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    if not isinstance(model, Model):
        rate_fps = loaded.bundle.rate_fps
        loaded = compile_if_long(loaded, lambda: count_clips(found.sources, rate_fps))
    skipped = [f"{path.path}: {path.reason}" for path in found.skipped]
    draw_curve = can_draw()
    notices = (
        () if draw_curve else (str(MissingExtraError("drawing the curve of scores", "pictures")),)
    )
    job = ScoreJob(
        folder=folder,
        extras=extras or Extras(),
        zones=zones,
        health=health,
        draw_curve=draw_curve,
    )
    # A loaded model is the caller's: another process would not have what was done to it.
    workers = (
        1
        if isinstance(model, Model)
        else workers_for(found.sources, loaded.backend, options.thread_count)
    )
    together = min(len(found.sources), options.thread_count, MOST_TOGETHER)
    if isinstance(loaded.scorer, AsyncScorer) and together > 1:
        results = score_together(found.sources, loaded, loaded.scorer, job, together, on_progress)
    elif workers > 1:
        results = score_side_by_side(found.sources, loaded, options, job, workers, on_progress)
    else:
        results = score_one_by_one(found.sources, loaded, job, on_progress)
    recordings = []
    for result in results:
        if isinstance(result, str):
            skipped.append(result)
        else:
            recordings.append(result)
    if not recordings:
        raise SourceError("; ".join(skipped))
    return ScoreReport(
        recordings=tuple(recordings),
        skipped=tuple(skipped),
        seconds=time.monotonic() - began,
        backend=loaded.backend,
        notices=(*loaded.notices, *notices),
    )
