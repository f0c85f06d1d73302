"""The guard of a training: which of the supposedly normal footage is odd, by the model's own scores.

A model that has trained long on odd footage has learned it too, and the guard at its end finds
less. So where odd footage is to be left out, a first pass of a quarter of the steps finds it, and
the training starts anew without it.

Stretches of supposedly normal footage that the model itself finds unlike the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from oddframe._types import Progress
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
"""A stretch starts this many spreads above the middle of the footage, and lasts while scores stay above the second."""
MERGE_S = 2.0
"""Stretches with less than this between them are one."""
FEWEST = 50
"""With fewer scores nothing is called odd."""


class OddStretch(NamedTuple):
    """Scores at places first to last belong together.

    Attributes:
        first: Place of the first.
        last: Place of the last.
        peak: The highest raw score r over the limit t from which a stretch starts, as r / (r + t):
            in (0.5, 1).
    """

    first: int
    last: int
    peak: float


def odd_stretches(
    raw: npt.NDArray[np.float64], piece: npt.NDArray[np.int64], time_s: npt.NDArray[np.float64]
) -> list[OddStretch]:
    """Find robust outliers on the logarithmic scale.

    The spread is that of the upper side alone, from the median to the 90 % quantile, as multiples
    of a normal distribution's: an empty scene scores orders of magnitude lower than a busy one, and
    up to a tenth of the footage may be odd without hiding itself.

    Args:
        raw: Raw scores r > 0 of N clips in the order of the footage.
        piece: Which unbroken piece of footage each comes from.
        time_s: Time of each in its piece, in seconds.
    """
    if len(raw) < FEWEST:
        return []
    levels = np.log(raw)
    middle, high = np.quantile(levels, (0.5, 0.9))
    spread = (high - middle) / 1.2816
    limit = middle + ENTER * spread
    found: list[OddStretch] = []
    for place in np.flatnonzero(levels > middle + LEAVE * spread).tolist():
        peak = float(1.0 / (1.0 + np.exp(limit - levels[place])))
        before = found[-1] if found else None
        if (
            before
            and piece[before.last] == piece[place]
            and time_s[place] - time_s[before.last] < MERGE_S
        ):
            found[-1] = OddStretch(before.first, place, max(before.peak, peak))
        else:
            found.append(OddStretch(place, place, peak))
    return [stretch for stretch in found if stretch.peak > 0.5]


SCORES_PER_S = 2.0
"""How often in a second of footage the guard looks."""
MOST_SCORED = 20_000
"""Most clips that the guard scores, evenly over the footage."""
SHARE = 4
"""The first pass has the training's steps divided by this."""


@dataclass(frozen=True, slots=True)
class OutlierSpan:
    """A stretch of the footage that is unlike the rest.

    Attributes:
        source: The recording.
        start_s: Its first odd frame, in seconds.
        end_s: Its last odd frame, in seconds.
        score: How odd at most, in (0.5, 1): r / (r + t) of the raw score r, t the guard's own
            limit.
        begin: Position in the cache of the first frame of its clips.
        end: Position after the last.
    """

    source: str
    start_s: float
    end_s: float
    score: float
    begin: int
    end: int

    def __str__(self) -> str:
        return f"{self.source}: {self.start_s:.1f} s to {self.end_s:.1f} s is unlike the rest (score {self.score:.2f})"


def find_odd_clips(
    trainer: Trainer, parts: Sequence[ClipDataset], on_progress: Progress
) -> tuple[OutlierSpan, ...]:
    """Score all parts of the footage now and then, and name what stands out of them together.

    Args:
        trainer: The trained network; of several processes each takes its share and gets all that is
            found.
        parts: Clips trained on and clips held out.
        on_progress: Told the clips done, as phase "guard".
    """
    scorer = TorchScorer(trainer.network, trainer.device, SCORING_BATCH)
    cache, span = parts[0].cache, clip_span(parts[0].interval)
    total = sum(map(len, parts))
    every = max(1, round(cache.rate_fps / SCORES_PER_S), -(-total // MOST_SCORED))
    raw: list[npt.NDArray[np.float32]] = []
    begins, pieces = [], []
    for clips in parts:
        numbers = np.arange(0, len(clips), every)
        own = [np.empty(0, np.float32)]
        for batch in clips.in_order(trainer.ranks.share(numbers, SCORING_BATCH), SCORING_BATCH):
            own.append(scorer.score(batch).raw)
            done = sum(map(len, raw)) + trainer.ranks.size * sum(map(len, own))
            on_progress("guard", min(every * done, total), total, {})
        raw.append(trainer.ranks.gather_for_all(np.concatenate(own), len(numbers), SCORING_BATCH))
        begins.append(clips.starts[numbers])
        pieces.append(clips.ends[numbers])
    begin = np.concatenate(begins)
    order = np.argsort(begin)
    begin = begin[order]
    found = odd_stretches(
        np.concatenate(raw)[order].astype(np.float64),
        np.concatenate(pieces)[order],
        begin / cache.rate_fps,
    )
    odd = []
    for first, last, score in found:
        stretch = cache.stretch_of(int(begin[first]))
        # Between two looks nothing is known: what lies next to an odd clip goes with it.
        odd.append(
            OutlierSpan(
                source=stretch.source,
                start_s=round(cache.time_s(int(begin[first]) + span - 1), 3),
                end_s=round(cache.time_s(int(begin[last]) + span - 1), 3),
                score=round(score, 4),
                begin=max(stretch.offset, int(begin[first]) - every + 1),
                end=min(stretch.offset + stretch.count, int(begin[last]) + span + every - 1),
            )
        )
    return tuple(odd)


def first_pass(
    run: RunFolder,
    settings: Settings,
    clips: ClipDataset,
    held_out: ClipDataset | None,
    device: torch.device,
    checkpoint_s: float,
    on_progress: Progress,
    ranks: ProcessGroup = SINGLE_PROCESS,
) -> tuple[OutlierSpan, ...]:
    """Train shortly on all of the footage and find what is odd in it; goes on exactly where it was killed.

    Args:
        run: A folder of its own for log and checkpoint.
        settings: Those of the training.
        clips: All clips to train on.
        held_out: All clips held out.
        device: Where it runs.
        checkpoint_s: Seconds from one checkpoint to the next.
        on_progress: Told the steps done, as phase "first pass", and then the clips scored.
        ranks: The processes that train together.

    Raises:
        OutputError: If the folder cannot be written.
    """
    training = settings.training
    short = replace(
        training,
        pretrain_steps=-(-training.pretrain_steps // SHARE),
        joint_steps=-(-training.joint_steps // SHARE),
    )
    settings = replace(settings, training=short)
    trainer = new_trainer(settings, clips, device, ranks)
    try:
        run.path.mkdir(exist_ok=True)
    except OSError as error:
        raise output_error(run.path, error) from error
    restore(run, trainer)

    def told(phase: str, done: int, total: int, losses: Mapping[str, float]) -> None:
        if phase != "centres":
            on_progress("first pass", done, total, losses)

    TrainingLoop(run, trainer, clips, held_out, settings, checkpoint_s, told).go()
    return find_odd_clips(trainer, [clips, *([] if held_out is None else [held_out])], on_progress)
