"""Scores of the normal clips that a training kept aside, from which its threshold is calibrated.

Events last longer than a clip, and a calibration counts events: so whole blocks of neighbouring
clips are scored, not single ones. Where time does not allow for all of them, the blocks that were
scored lie evenly over the footage.

Clips come from the cache (`KeptClips`) or, where that holds only a part of the footage, from the
footage itself, which is decoded again (`DecodedClips`).
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from oddframe._types import Float32, Progress
from oddframe.bundle.bundle import Bundle
from oddframe.core.calibration import NormalScores
from oddframe.core.clips import clip_span, sampled_gap_s
from oddframe.core.maps import map_peaks
from oddframe.core.records import Frame, FrameTiming
from oddframe.core.smoothing import SmoothingWindow, smooth_scores
from oddframe.datasets.clip_dataset import ClipDataset
from oddframe.datasets.frame_cache import FrameCache, FrameRun, Positions
from oddframe.errors import SourceError, SourceNotFoundError
from oddframe.inference.model import Model
from oddframe.inference.scorer import Scorer
from oddframe.media.convert import prefetch
from oddframe.media.source import FrameFormat, FrameSource
from oddframe.training.distributed import SINGLE_PROCESS, ProcessGroup

BLOCK_CLIPS = 600
"""Clips in a row of a block, at most: a minute at 10 per second."""

_AT_A_TIME = 32
"""Clips of decoded footage that are scored between two looks at the clock."""

_SMOOTHED = ("raw", "appearance", "motion", "cluster")
"""Scores that are averaged over time, as those of a frame are; the peaks of the maps are not."""
_COLUMNS = (*_SMOOTHED, "map_peak")
"""What is known of a clip, in the order of the columns of `ScoredClips.scores`."""


class ScoredClips(NamedTuple):
    """What the network says of single clips, in the order of the footage.

    Attributes:
        positions: Position in the footage of the first frame of each clip, int64 N, increasing.
        scores: Raw score, its parts and the peak of the map, float32 N x 5.
        not_reached: Clips that time did not allow to score.
    """

    positions: Positions
    scores: Float32
    not_reached: int = 0

    def normal(
        self, rate_fps: float, neighbours: SmoothingWindow, *, in_sample: bool
    ) -> NormalScores:
        """Average the scores over neighbouring clips, as those of frames are.

        Args:
            rate_fps: Rate of the frames, in frames per second.
            neighbours: The clips over which the score of a frame is averaged.
            in_sample: Whether the model was trained on the clips.

        Returns:
            The scores, with the unbroken piece of footage and the time in it of each.
        """
        # A clip that does not begin one frame after the clip before belongs to another piece; -2
        # makes the first clip begin one, wherever it is.
        begins = np.flatnonzero(np.diff(self.positions, prepend=-2) != 1)
        arrays = dict(zip(_COLUMNS, self.scores.T.copy(), strict=True))
        # Scores are never averaged across the end of a piece, as they are not in scoring.
        for name in _SMOOTHED:
            pieces = np.split(arrays[name], begins[1:])
            arrays[name] = np.concatenate([smooth_scores(piece, neighbours) for piece in pieces])
        lengths = np.diff(begins, append=len(self.positions))
        return NormalScores(
            recording=np.repeat(np.arange(len(begins), dtype=np.int32), lengths),
            time_s=(np.arange(len(self.positions)) - np.repeat(begins, lengths)) / rate_fps,
            **arrays,
            rate_fps=rate_fps,
            in_sample=in_sample,
        )


class ClipsToScore(Protocol):
    """Clips that can be scored block by block.

    Attributes:
        positions: Position in the footage of the first frame of each clip, increasing.
    """

    positions: Positions

    def score(self, blocks: Iterable[Positions]) -> Iterator[Float32]:
        """Score blocks of clips, given by their numbers.

        Yields:
            The scores of the next few of these clips, float32 N x 5; NaN where a clip has none.
        """
        ...


class KeptClips:
    """Clips that the cache keeps.

    Args:
        clips: The clips.
        scorer: Runs the network.
    """

    def __init__(self, clips: ClipDataset, scorer: Scorer) -> None:
        self._clips, self._scorer = clips, scorer
        self.positions = clips.cache.in_footage(clips.starts)

    def score(self, blocks: Iterable[Positions]) -> Iterator[Float32]:
        """Score blocks of clips; see `ClipsToScore.score`."""
        for block in blocks:
            for batch in self._clips.in_order(block, self._scorer.batch_size):
                scored = self._scorer.score(batch)
                columns = [getattr(scored, name) for name in _SMOOTHED]
                yield np.stack([*columns, map_peaks(scored.maps)], axis=1)


class DecodedClips:
    """Clips of the footage, which is decoded again and takes the way of every recording.

    What the camera's health forbids to score has no score, as in scoring.

    Args:
        cache: Knows where in the footage everything is.
        runs: The runs of footage that the clips lie in.
        sources: All sources of the footage.
        bundle: The trained network, and what is usual for the camera.
        scorer: Runs the network.
    """

    def __init__(
        self,
        cache: FrameCache,
        runs: Sequence[FrameRun],
        sources: Sequence[FrameSource],
        bundle: Bundle,
        scorer: Scorer,
    ) -> None:
        network = bundle.network.config
        self._cache, self._runs = cache, runs
        self._sources = {source.name: source for source in sources}
        self._span = clip_span(network.interval)
        # Single clips, each under its last frame: so its map comes with its scores, and these are
        # averaged later, when neighbouring blocks have been joined.
        config = replace(network, score_clips=1, scored_frame="last")
        single = replace(bundle.network, config=config)
        self._model = Model(replace(bundle, network=single), scorer)
        firsts = [np.arange(run.offset, run.offset + run.count - self._span + 1) for run in runs]
        self.positions: Positions = np.concatenate(firsts)

    def score(self, blocks: Iterable[Positions]) -> Iterator[Float32]:
        """Score blocks of clips; see `ClipsToScore.score`."""
        with closing(prefetch(self._read(blocks), 1)) as read:
            for block, pieces in read:
                rows = np.full((len(block), len(_COLUMNS)), np.nan, np.float32)
                given = 0
                for position, values in chain.from_iterable(map(self._score_piece, pieces)):
                    place = int(np.searchsorted(self.positions[block], position))
                    rows[place] = values
                    if place - given >= _AT_A_TIME:
                        yield rows[given : place + 1]
                        given = place + 1
                yield rows[given:]

    def _read(
        self, blocks: Iterable[Positions]
    ) -> Iterator[tuple[Positions, list["_PieceOfFootage"]]]:
        """Decode the frames of each block, an unbroken piece of a source at a time."""
        wanted = self._model.wanted()
        for block in blocks:
            positions = self.positions[block]
            pieces = []
            for part in np.split(positions, np.flatnonzero(np.diff(positions) != 1) + 1):
                begin, end = int(part[0]), int(part[-1]) + self._span
                source = self._sources[self._run_at(begin).source]
                try:
                    frames = self._cache.read_footage(source, wanted, begin, end)
                except (SourceError, SourceNotFoundError):
                    # It went away since it was trained on: what cannot be read has no score.
                    continue
                pieces.append(_PieceOfFootage(source, self._cache.rate_fps, frames))
            yield block, pieces

    def _run_at(self, position: int) -> FrameRun:
        """Find the run that a position in the footage lies in."""
        return next(run for run in self._runs if run.offset <= position < run.offset + run.count)

    def _score_piece(self, piece: "_PieceOfFootage") -> Iterator[tuple[int, list[float]]]:
        """Score a piece; yields the position of the first frame of each clip, and its scores."""
        for score in self._model.scores(piece, every_frame=True, maps=True):
            if score.raw is None or score.map is None:
                continue
            parts = [getattr(score, name) or 0.0 for name in _SMOOTHED]
            yield score.frame - self._span + 1, [*parts, float(map_peaks(score.map[None])[0])]


class _PieceOfFootage:
    """Frames that were decoded and thinned, as a source.

    Args:
        source: Where they come from.
        rate_fps: The rate that they were thinned to.
        frames: The frames.
    """

    def __init__(self, source: FrameSource, rate_fps: float, frames: Sequence[Frame]) -> None:
        self.name, self.path, self.notices = source.name, Path(source.path), list[str]()
        timing = FrameTiming(source.rate_fps, source.gap_s)
        self.rate_fps, self.gap_s = rate_fps, sampled_gap_s(timing, rate_fps)
        self._source, self._frames = source, frames

    def count_frames(self) -> int:
        """Count the frames that could be decoded."""
        return len(self._frames)

    def fingerprint(self) -> str:
        """Return that of the source."""
        return self._source.fingerprint()

    def frames(self, wanted: FrameFormat) -> Iterator[Frame]:
        """Yield the frames, whose format was chosen when they were decoded."""
        yield from self._frames


def score_clips(
    clips: ClipsToScore,
    *,
    most_s: float,
    on_progress: Progress,
    group: ProcessGroup = SINGLE_PROCESS,
    clock: Callable[[], float] = time.monotonic,
) -> ScoredClips:
    """Score normal clips, for a stated time at most.

    Args:
        clips: Clips of normal footage.
        most_s: Seconds after which no more is scored, once there are scores at all.
        on_progress: Called with the clips done, as phase "calibrate".
        group: The processes that divide the blocks; each of them gets all of the scores.
        clock: The time in seconds.
    """
    blocks = divide(len(clips.positions))
    longest = max(map(len, blocks))
    own = [blocks[number] for number in group.share(spread(len(blocks)), 1)]
    total, done, began = sum(map(len, own)), 0, clock()
    # Infinite is what was not reached, NaN what has no score.
    flat = np.full((total, len(_COLUMNS)), np.inf, np.float32)
    with closing(clips.score(own)) as results:  # type: ignore[type-var]
        for rows in results:
            flat[done : done + len(rows)] = rows
            done += len(rows)
            on_progress("calibrate", done, total, {})
            if clock() - began >= most_s and not np.isnan(flat[:done, 0]).all():
                break
    # Blocks of one length, as processes exchange them.
    scores = np.full((len(own), longest, len(_COLUMNS)), np.nan, np.float32)
    ends = np.cumsum([len(block) for block in own], dtype=np.int64)
    for padded, rows in zip(scores, np.split(flat, ends[:-1]), strict=False):
        padded[: len(rows)] = rows
    gathered = group.gather_for_all(scores, len(blocks), 1)
    joined = np.full((len(clips.positions), len(_COLUMNS)), np.nan, np.float32)
    for number, rows in zip(spread(len(blocks)), gathered, strict=True):
        joined[blocks[number]] = rows[: len(blocks[number])]
    known = np.isfinite(joined[:, 0])
    return ScoredClips(clips.positions[known], joined[known], int(np.isinf(joined[:, 0]).sum()))


def divide(count: int) -> list[Positions]:
    """Divide the numbers below ``count`` into blocks of about one length."""
    return np.array_split(np.arange(count), -(-count // BLOCK_CLIPS))


def spread(count: int) -> Positions:
    """Order the numbers below ``count`` so that the first few of them always lie evenly.

    It is the order of their bits read backwards: the middle follows the beginning, then the
    quarters.
    """
    bits = max(1, (count - 1).bit_length())
    places = [int(f"{number:0{bits}b}"[::-1], 2) for number in range(1 << bits)]
    # Spread over all of the count, which is no power of two; each number where it comes first.
    return np.array(list(dict.fromkeys(place * count >> bits for place in places)), np.int64)
