"""Scores of the normal clips that a training kept aside, from which its threshold is calibrated.

Events last longer than a clip, and a calibration counts events: so of much footage whole blocks of
neighbouring clips are scored, not single ones.
"""

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
"""Clips in a row of a block, where footage has more clips than are scored: a minute at 10 per s."""

_SMOOTHED = ("raw", "appearance", "motion", "cluster")
"""Scores that are averaged over time, as those of a frame are; the peaks of the maps are not."""


def score_clips(
    scorer: Scorer,
    clips: ClipDataset,
    *,
    rate_fps: float,
    in_sample: bool,
    neighbours: SmoothingWindow,
    on_progress: Progress,
    most: int = MOST_CALIBRATED,
    group: ProcessGroup = SINGLE_PROCESS,
) -> NormalScores:
    """Score normal clips in the order of the footage.

    Args:
        scorer: Runs the network.
        clips: Clips of normal footage.
        rate_fps: Rate of their frames, in frames per second.
        in_sample: Whether the model was trained on them.
        neighbours: The clips over which the score of a frame is averaged.
        on_progress: Called with the clips done, as phase "calibrate".
        most: If there are more clips than this, blocks of them are scored.
        group: The processes that divide the work; each of them gets all of the scores.

    Returns:
        The scores, with the unbroken piece of footage and the time in it of each.
    """
    numbers = choose_blocks(len(clips), most)
    # A process may have no clip at all: its parts are then empty, but of the right type.
    parts = {name: [np.empty(0, np.float32)] for name in (*_SMOOTHED, "map_peak")}
    done = 0
    own = group.share(numbers, scorer.batch_size)
    for batch in clips.in_order(own, scorer.batch_size):
        scored = scorer.score(batch)
        for name in _SMOOTHED:
            parts[name].append(getattr(scored, name))
        parts["map_peak"].append(map_peaks(scored.maps))
        done += len(batch)
        on_progress("calibrate", done, len(own), {})
    arrays = {
        name: group.gather_for_all(np.concatenate(values), len(numbers), scorer.batch_size)
        for name, values in parts.items()
    }
    begins = _piece_begins(clips.starts[numbers])
    # Scores are never averaged across the end of a piece, as they are not in scoring.
    for name in _SMOOTHED:
        pieces = np.split(arrays[name], begins[1:])
        arrays[name] = np.concatenate([smooth_scores(piece, neighbours) for piece in pieces])
    lengths = np.diff(begins, append=len(numbers))
    return NormalScores(
        recording=np.repeat(np.arange(len(begins), dtype=np.int32), lengths),
        time_s=(np.arange(len(numbers)) - np.repeat(begins, lengths)) / rate_fps,
        **arrays,
        rate_fps=rate_fps,
        in_sample=in_sample,
    )


def choose_blocks(count: int, most: int) -> npt.NDArray[np.int64]:
    """Choose at most ``most`` of the numbers below ``count``, in blocks spread evenly over them."""
    if count <= most:
        return np.arange(count)
    size = min(BLOCK_CLIPS, most)
    begins = np.linspace(0, count - size, most // size).round().astype(np.int64)
    # Blocks may overlap where there is hardly more than fits: a clip is then scored once.
    numbers: npt.NDArray[np.int64] = np.unique(begins[:, None] + np.arange(size))
    return numbers


def _piece_begins(starts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Find where unbroken pieces of footage begin, as indices into clips in order.

    A clip that does not begin one frame after the clip before belongs to another piece.

    Args:
        starts: Position in the cache of the first frame of each clip.
    """
    # -2 makes the first clip begin a piece, wherever in the cache it starts.
    return np.flatnonzero(np.diff(starts, prepend=-2) != 1)
