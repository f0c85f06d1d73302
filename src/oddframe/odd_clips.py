"""The guard of a training: which of the supposedly normal footage is odd, by the model's own scores.

A model that has trained long on odd footage has learned it too, and the guard at its end finds less. So where odd
footage is to be left out, a first pass of a quarter of the steps finds it, and the training starts anew without it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from oddframe.config import Settings
from oddframe.core.clips import clip_span
from oddframe.core.odd_stretches import odd_stretches
from oddframe.data.training_clips import TrainingClips
from oddframe.files import output_error
from oddframe.model.ranks import ALONE, Ranks
from oddframe.model.trainer import Trainer
from oddframe.progress import Progress
from oddframe.run_folder import RunFolder
from oddframe.runtime.torch_scorer import TorchScorer
from oddframe.training_loop import SCORING_BATCH, TrainingLoop, go_on, new_trainer

__all__ = ["OddClips", "find_odd_clips", "first_pass"]

SCORES_PER_S = 2.0
"""How often in a second of footage the guard looks."""
MOST_SCORED = 20_000
"""Most clips that the guard scores, evenly over the footage."""
SHARE = 4
"""The first pass has the training's steps divided by this."""


@dataclass(frozen=True, slots=True)
class OddClips:
    """A stretch of the footage that is unlike the rest.

    Attributes:
        source: The recording.
        start_s: Its first odd frame, in seconds.
        end_s: Its last odd frame, in seconds.
        score: How odd at most, in (0.5, 1): r / (r + t) of the raw score r, t the guard's own limit.
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


def find_odd_clips(trainer: Trainer, parts: Sequence[TrainingClips], on_progress: Progress) -> tuple[OddClips, ...]:
    """Score all parts of the footage now and then, and name what stands out of them together.

    Args:
        trainer: The trained network; of several processes each takes its share and gets all that is found.
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
        np.concatenate(raw)[order].astype(np.float64), np.concatenate(pieces)[order], begin / cache.rate_fps
    )
    odd = []
    for first, last, score in found:
        stretch = cache.stretch_of(int(begin[first]))
        # Between two looks nothing is known: what lies next to an odd clip goes with it.
        odd.append(
            OddClips(
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
    clips: TrainingClips,
    held_out: TrainingClips | None,
    device: torch.device,
    checkpoint_s: float,
    on_progress: Progress,
    ranks: Ranks = ALONE,
) -> tuple[OddClips, ...]:
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
    go_on(run, trainer)

    def told(phase: str, done: int, total: int, losses: Mapping[str, float]) -> None:
        if phase != "centres":
            on_progress("first pass", done, total, losses)

    TrainingLoop(run, trainer, clips, held_out, settings, checkpoint_s, told).go()
    return find_odd_clips(trainer, [clips, *([] if held_out is None else [held_out])], on_progress)
