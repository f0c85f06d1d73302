"""Find what in the supposedly normal footage is unlike the rest, by the model's own scores.

A model that has trained long on abnormal footage has learned it too, and a search at the end of a
training finds less. So where such footage is to be left out, a first pass of a quarter of the steps
finds it, and the training starts anew without it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from oddframe._types import Float32, Float64, Progress
from oddframe.core.clips import clip_span
from oddframe.datasets.clip_dataset import ClipDataset
from oddframe.files import output_error
from oddframe.inference.torch_backend import TorchScorer
from oddframe.training.distributed import SINGLE_PROCESS, ProcessGroup
from oddframe.training.loop import SCORING_BATCH, TrainingLoop, new_trainer, restore
from oddframe.training.run_folder import RunFolder
from oddframe.training.settings import Settings
from oddframe.training.trainer import Trainer

ENTER, LEAVE = 3.0, 2.0
"""An outlier starts this many spreads above the median, and lasts above the second number."""
MERGE_S = 2.0
"""Outliers less than this many seconds apart are one."""
FEWEST = 50
"""With fewer scores nothing is called an outlier: their spread says too little."""
TAIL_SPREADS = 1.2816
"""Standard deviations from the median to the 90 % quantile of a normal distribution."""

SCORES_PER_S = 2.0
"""Scores taken from a second of footage."""
MOST_SCORED = 20_000
"""Most clips that are scored, evenly over the footage."""
FIRST_PASS_SHARE = 4
"""The first pass has the steps of the training divided by this."""


@dataclass(frozen=True, slots=True)
class OutlierSpan:
    """A span of the footage that is unlike the rest.

    Attributes:
        source: Name of the recording.
        start_s: Time of its first unusual frame, in seconds.
        end_s: Time of its last unusual frame, in seconds.
        score: The highest score in it, in (0.5, 1): r / (r + t) of the raw score r, where t is the
            level from which an outlier starts.
        begin: Position in the cache of the first frame of its clips.
        end: Position in the cache after the last one.
    """

    source: str
    start_s: float
    end_s: float
    score: float
    begin: int
    end: int

    def __str__(self) -> str:
        return (
            f"{self.source}: {self.start_s:.1f} s to {self.end_s:.1f} s is unlike the rest "
            f"(score {self.score:.2f})"
        )


def first_pass(
    run: RunFolder,
    settings: Settings,
    clips: ClipDataset,
    held_out: ClipDataset | None,
    device: torch.device,
    checkpoint_s: float,
    on_progress: Progress,
    group: ProcessGroup = SINGLE_PROCESS,
) -> tuple[OutlierSpan, ...]:
    """Train shortly on all of the footage and find the outliers in it.

    A pass that was killed goes on exactly from its last checkpoint.

    Args:
        run: A folder of its own for log and checkpoint.
        settings: Settings of the training that the pass belongs to.
        clips: All clips to train on.
        held_out: All clips held out.
        device: Where it runs.
        checkpoint_s: Seconds from one checkpoint to the next.
        on_progress: Called with the steps done, as phase "first pass", and then the clips scored.
        group: The processes that train together.

    Raises:
        OutputError: If the folder cannot be written.
    """
    training = settings.training
    # Rounded up, so that no phase of few steps is lost.
    short = replace(
        training,
        pretrain_steps=-(-training.pretrain_steps // FIRST_PASS_SHARE),
        joint_steps=-(-training.joint_steps // FIRST_PASS_SHARE),
    )
    settings = replace(settings, training=short)
    trainer = new_trainer(settings, clips, device, group)
    try:
        run.path.mkdir(exist_ok=True)
    except OSError as error:
        raise output_error(run.path, error) from error
    restore(run, trainer)

    def report(phase: str, done: int, total: int, losses: Mapping[str, float]) -> None:
        # Pre-training and joint training are one phase to whoever waits for this pass.
        if phase != "centres":
            on_progress("first pass", done, total, losses)

    TrainingLoop(run, trainer, clips, held_out, settings, checkpoint_s, report).run()
    return find_outliers(trainer, [clips, *([] if held_out is None else [held_out])], on_progress)


def find_outliers(
    trainer: Trainer, parts: Sequence[ClipDataset], on_progress: Progress
) -> tuple[OutlierSpan, ...]:
    """Score a sample of the footage, and find the spans that stand out of all of it.

    Args:
        trainer: Holds the trained network; of several processes each takes its share and gets all
            that is found.
        parts: Clips trained on and clips held out, of one cache.
        on_progress: Called with the clips done, as phase "guard".
    """
    scorer = TorchScorer(trainer.network, trainer.device, SCORING_BATCH)
    cache, span = parts[0].cache, clip_span(parts[0].interval)
    total = sum(map(len, parts))
    every = max(1, round(cache.rate_fps / SCORES_PER_S), -(-total // MOST_SCORED))
    raw: list[Float32] = []
    begins, pieces = [], []
    for clips in parts:
        numbers = np.arange(0, len(clips), every)
        own = [np.empty(0, np.float32)]
        for batch in clips.in_order(trainer.group.share(numbers, SCORING_BATCH), SCORING_BATCH):
            own.append(scorer.score(batch).raw)
            # Of several processes none knows how far the others are: about as far as this one.
            done = sum(map(len, raw)) + trainer.group.size * sum(map(len, own))
            on_progress("guard", min(every * done, total), total, {})
        raw.append(trainer.group.gather_for_all(np.concatenate(own), len(numbers), SCORING_BATCH))
        begins.append(clips.starts[numbers])
        pieces.append(clips.ends[numbers])
    # Held-out clips lie between those trained on: back to the order of the footage.
    begin = np.concatenate(begins)
    order = np.argsort(begin)
    begin = begin[order]
    found = robust_outliers(
        np.concatenate(raw)[order].astype(np.float64),
        np.concatenate(pieces)[order],
        begin / cache.rate_fps,
    )
    spans = []
    for first, last, score in found:
        stretch = cache.stretch_of(int(begin[first]))
        # Between two scored clips nothing is known: what lies next to an outlier goes with it.
        spans.append(
            OutlierSpan(
                source=stretch.source,
                start_s=round(cache.time_s(int(begin[first]) + span - 1), 3),
                end_s=round(cache.time_s(int(begin[last]) + span - 1), 3),
                score=round(score, 4),
                begin=max(stretch.offset, int(begin[first]) - every + 1),
                end=min(stretch.offset + stretch.count, int(begin[last]) + span + every - 1),
            )
        )
    return tuple(spans)


class Outlier(NamedTuple):
    """A run of scores that stand out, from one index to another in an array of scores.

    Attributes:
        first: Index of the first score.
        last: Index of the last score.
        peak: The highest raw score r in it, as r / (r + t) in (0.5, 1), where t is the level from
            which an outlier starts.
    """

    first: int
    last: int
    peak: float


def robust_outliers(raw: Float64, piece: npt.NDArray[np.int64], time_s: Float64) -> list[Outlier]:
    """Find robust outliers on the logarithmic scale.

    The spread is that of the upper side alone, from the median to the 90 % quantile, as multiples
    of a normal distribution's: an empty scene scores orders of magnitude lower than a busy one, and
    up to a tenth of the footage may be abnormal without hiding itself.

    Args:
        raw: Raw scores r > 0 of N clips in the order of the footage.
        piece: The number of the unbroken piece of footage that each comes from.
        time_s: Time of each in the footage, in seconds.
    """
    if len(raw) < FEWEST:
        return []
    levels = np.log(raw)
    middle, high = np.quantile(levels, (0.5, 0.9))
    spread = (high - middle) / TAIL_SPREADS
    limit = middle + ENTER * spread
    found: list[Outlier] = []
    for index in np.flatnonzero(levels > middle + LEAVE * spread).tolist():
        # r / (r + t) of r = exp(level) and t = exp(limit), without leaving the logarithms.
        peak = float(1.0 / (1.0 + np.exp(limit - levels[index])))
        before = found[-1] if found else None
        near = (
            before is not None
            and piece[before.last] == piece[index]
            and time_s[index] - time_s[before.last] < MERGE_S
        )
        if before is not None and near:
            found[-1] = Outlier(before.first, index, max(before.peak, peak))
        else:
            found.append(Outlier(index, index, peak))
    # A run that never reaches the upper limit is no outlier.
    return [outlier for outlier in found if outlier.peak > 0.5]
