"""Scores of the normal clips that a training kept aside, for its calibration."""

import numpy as np
import numpy.typing as npt

from oddframe._types import Progress
from oddframe.core.calibration import NormalScores
from oddframe.core.maps import map_peaks
from oddframe.core.smoothing import SmoothingWindow, smooth_scores
from oddframe.datasets.clip_dataset import ClipDataset
from oddframe.inference.scorer import Scorer
from oddframe.training.distributed import SINGLE_PROCESS, ProcessGroup

MOST_CALIBRATED = 50_000
"""Most clips that a calibration looks at: more than an hour at 10 per second."""
BLOCK_CLIPS = 600
"""Of more, blocks of so many clips in a row, evenly over the footage: events last longer than a clip."""


def score_clips(
    scorer: Scorer,
    clips: ClipDataset,
    *,
    rate_fps: float,
    in_sample: bool,
    neighbours: SmoothingWindow,
    on_progress: Progress,
    most: int = MOST_CALIBRATED,
    ranks: ProcessGroup = SINGLE_PROCESS,
) -> NormalScores:
    """Score normal clips in the order of the footage.

    Args:
        scorer: What runs the network.
        clips: The clips.
        rate_fps: Rate of their frames.
        in_sample: Whether the model was trained on them.
        neighbours: Of whose scores a frame's is the mean.
        on_progress: Told the clips done, as phase "calibrate".
        most: Of more clips than this, blocks are taken.
        ranks: The processes that divide the work; each of them gets all of the scores.
    """
    numbers = in_blocks(len(clips), most)
    names = ("raw", "appearance", "motion", "cluster")
    parts = {name: [np.empty(0, np.float32)] for name in (*names, "map_peak")}
    done = 0
    own = ranks.share(numbers, scorer.batch_size)
    for batch in clips.in_order(own, scorer.batch_size):
        scored = scorer.score(batch)
        for name in names:
            parts[name].append(getattr(scored, name))
        parts["map_peak"].append(map_peaks(scored.maps))
        done += len(batch)
        on_progress("calibrate", done, len(own), {})
    # A clip that does not begin one frame after the one before belongs to another piece of footage.
    begins = np.diff(clips.starts[numbers], prepend=-2) != 1
    recording = (np.cumsum(begins) - 1).astype(np.int32)
    pieces = np.flatnonzero(begins)
    arrays = {
        name: ranks.gather_for_all(np.concatenate(values), len(numbers), scorer.batch_size)
        for name, values in parts.items()
    }
    for name in names:
        arrays[name] = np.concatenate(
            [smooth_scores(piece, neighbours) for piece in np.split(arrays[name], pieces[1:])]
        )
    return NormalScores(
        recording=recording,
        time_s=(np.arange(len(numbers)) - pieces[recording]) / rate_fps,
        **arrays,
        rate_fps=rate_fps,
        in_sample=in_sample,
    )


def in_blocks(count: int, most: int) -> npt.NDArray[np.int64]:
    """At most ``most`` of the numbers below ``count``, in blocks, evenly."""
    if count <= most:
        return np.arange(count)
    size = min(BLOCK_CLIPS, most)
    begins = np.linspace(0, count - size, most // size).round().astype(np.int64)
    numbers: npt.NDArray[np.int64] = np.unique(begins[:, None] + np.arange(size))
    return numbers
