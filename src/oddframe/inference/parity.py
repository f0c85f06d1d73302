"""Does an exported network say the same as the trained one? Maps, raw scores, alarms and events of the same clips.

Clips to try a network on where there is no footage: its empty scene with passers-by, and something
that is odd.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from oddframe._types import Pixels
from oddframe.core.calibration import Calibration
from oddframe.core.clips import clip_span
from oddframe.core.events import THRESHOLD, events
from oddframe.core.records import FRAMES_PER_CLIP, Score
from oddframe.core.smoothing import NO_SMOOTHING, SmoothingWindow, smooth_scores
from oddframe.errors import InputError
from oddframe.inference.scorer import ClipScores, Precision, Scorer
from oddframe.model.state import NetworkState

NOISE = 3.0
"""Spread of a camera's noise, in grey levels."""


def clips_of(frames: Pixels, interval: int) -> Pixels:
    """Every clip of unbroken frames, uint8 N x 5 x H x W x C, in order; N may be 0."""
    count = len(frames) - (FRAMES_PER_CLIP - 1) * interval
    starts = np.arange(max(0, count))[:, None]
    clips: Pixels = frames[starts + interval * np.arange(FRAMES_PER_CLIP)]
    return clips


def drawn_frames(trained: NetworkState, count: int, seed: int = 0) -> Pixels:
    """Frames of a drawn scene, uint8 count x H x W x C: the same for the same network and seed."""
    config = trained.config
    random = np.random.default_rng([seed, config.height, config.width])
    scene = _empty_scene(trained)
    frames = np.repeat(scene[None], count, axis=0)
    for walker in range(4):
        height, width = max(4, config.height // 8), max(3, config.width // 24)
        top = int(random.integers(0, config.height - height))
        start, pace = random.integers(0, config.width), config.width / 150 * (-1) ** walker
        grey = random.uniform(-90, 90)
        for number, frame in enumerate(frames):
            left = int(start + pace * number) % (config.width - width)
            frame[top : top + height, left : left + width] += grey
    frames += random.normal(0, NOISE, frames.shape)
    drawn: Pixels = np.clip(frames, 0, 255).astype(np.uint8)
    return drawn


def with_intruder(frames: Pixels, seed: int = 0) -> Pixels:
    """The same frames, with something large, patterned and fast in their middle third."""
    count, height, width, _ = frames.shape
    random = np.random.default_rng([seed, 1])
    side = max(4, height // 5)
    pattern = (
        np.kron(random.integers(0, 2, (4, 4)), np.ones((side // 4 + 1, side // 4 + 1)))[
            :side, :side
        ]
        * 255
    )
    changed = frames.copy()
    top = int(random.integers(0, height - side))
    first, last = count // 3, 2 * count // 3
    for number in range(first, last):
        left = int((width - side) * (number - first) / max(1, last - first))
        changed[number, top : top + side, left : left + side] = pattern[..., None]
    return changed


def _empty_scene(trained: NetworkState) -> npt.NDArray[np.float32]:
    """What the network has learned of the scene, H x W x C in 0..255; a slope of grey where that is nothing."""
    config = trained.config
    learned = trained.weights.get("appearance.empty")
    if learned is not None:
        return np.clip(learned.astype(np.float32) * 255, 0, 255).transpose(1, 2, 0)
    slope = np.linspace(60, 190, config.width, dtype=np.float32)[None, :, None]
    return np.tile(slope, (config.height, 1, config.colours))


RAW_LIMIT: Mapping[Precision, float] = {"float32": 1e-3, "bfloat16": 2e-2, "float16": 2e-2}
"""Most that a raw score may be off, relative to the trained network's."""
MOST_AUC_LOST = 0.003
"""Most that an export may cost of the AUC of a labelled set."""
LEAST_RANKS, MOST_ALARMS_OFF = 0.98, 0.05
"""Where nothing is labelled whole numbers must keep the order of the raw scores, which is all that an AUC looks at, by
this rank correlation, and may differ in this share of the alarms."""


@dataclass(frozen=True, kw_only=True)
class Parity:
    """How near a network comes to the trained one on the same clips.

    Attributes:
        precision: What it computes in.
        clips: Clips compared.
        raw_error: Greatest relative error of a raw score.
        raw_error_median: The median one.
        map_error: Greatest difference in an anomaly map, relative to the highest value of the
            trained one.
        rank_correlation: Spearman's, of the raw scores.
        alarms: Clips above the threshold, of the trained network.
        alarms_off: Clips that are above it for one of the two alone.
        events: Events of the trained network.
        events_same: Whether the other one's start and end at the same frames.
    """

    precision: Precision
    clips: int
    raw_error: float
    raw_error_median: float
    map_error: float
    rank_correlation: float
    alarms: int
    alarms_off: int
    events: int
    events_same: bool

    @property
    def complaints(self) -> tuple[str, ...]:
        """What is beyond the limits, a phrase each; none where it passes."""
        found = []
        limit = RAW_LIMIT.get(self.precision)
        if limit is None:
            if self.rank_correlation < LEAST_RANKS:
                found.append(
                    f"rank correlation of raw scores {self.rank_correlation:.4f}, at least {LEAST_RANKS}"
                )
            if self.alarms_off > MOST_ALARMS_OFF * self.clips:
                found.append(
                    f"{self.alarms_off} of {self.clips} alarms differ, at most {MOST_ALARMS_OFF:.0%}"
                )
            return tuple(found)
        if not self.raw_error <= limit:
            found.append(f"relative error of raw scores {self.raw_error:.2g}, at most {limit:g}")
        if self.precision == "float32" and not self.events_same:
            found.append("other events")
        return tuple(found)

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def compare(
    trained: Scorer,
    other: Scorer,
    stretches: Sequence[Pixels],
    *,
    precision: Precision,
    interval: int,
    rate_fps: float,
    calibration: Calibration,
    neighbours: SmoothingWindow = NO_SMOOTHING,
) -> Parity:
    """Score the same stretches of frames with both.

    Args:
        trained: What is right.
        other: What is compared.
        stretches: Unbroken frames, each uint8 N x H x W x C.
        precision: What the other one computes in.
        interval: Frames from one frame of a clip to the next.
        rate_fps: Rate of the frames.
        calibration: Which scores are alarms.
        neighbours: Of whose scores a frame's raw score is the mean.

    Raises:
        InputError: If no stretch is long enough for a clip.
    """
    stretches = [stretch for stretch in stretches if len(stretch) >= clip_span(interval)]
    if not stretches:
        raise InputError(
            f"comparing results needs {clip_span(interval)} unbroken frames, but the footage has fewer"
        )
    size = min(trained.batch_size, other.batch_size)
    raws: list[npt.NDArray[np.float64]] = []
    spans: tuple[list[_ValueRange], list[_ValueRange]] = ([], [])
    map_error = 0.0
    for number, frames in enumerate(stretches):
        clips = clips_of(frames, interval)
        parts = []
        for begin in range(0, len(clips), size):
            right, found = (
                scorer.score(clips[begin : begin + size]) for scorer in (trained, other)
            )
            map_error = max(map_error, _map_error(right, found))
            parts.append(np.stack([right.raw, found.raw]))
        raws.append(
            np.stack(
                [smooth_scores(raw, neighbours) for raw in np.concatenate(parts, axis=1)]
            ).astype(np.float64)
        )
        for raw, known in zip(raws[-1], spans, strict=True):
            known += _spans(raw, number, rate_fps, calibration)
    right_raw, found_raw = np.concatenate(raws, axis=1)
    error = np.abs(found_raw - right_raw) / right_raw
    alarms = [
        np.array([calibration.score(raw) > THRESHOLD for raw in part])
        for part in (right_raw, found_raw)
    ]
    return Parity(
        precision=precision,
        clips=len(right_raw),
        raw_error=float(error.max()),
        raw_error_median=float(np.median(error)),
        map_error=map_error,
        rank_correlation=_rank_correlation(right_raw, found_raw),
        alarms=int(alarms[0].sum()),
        alarms_off=int((alarms[0] != alarms[1]).sum()),
        events=len(spans[0]),
        events_same=spans[0] == spans[1],
    )


def _map_error(right: ClipScores, found: ClipScores) -> float:
    highest = right.maps.max(axis=(1, 2)).clip(1e-12)
    return float((np.abs(right.maps - found.maps).max(axis=(1, 2)) / highest).max())


class _ValueRange(NamedTuple):
    """When something was unusual, and in which stretch."""

    stretch: str
    start_s: float
    end_s: float


def _spans(
    raw: npt.NDArray[np.float64], number: int, rate_fps: float, calibration: Calibration
) -> list[_ValueRange]:
    """Events of a stretch."""
    scores = [
        Score(index, round(index / rate_fps, 6), score=calibration.score(value), raw=value)
        for index, value in enumerate(map(float, raw))
    ]
    told = events(scores, str(number), calibration)
    return [_ValueRange(one.source, one.start_s, one.end_s) for one in told if one.phase == "end"]


def _rank_correlation(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Spearman's, 1.0 where there is nothing to order; raw scores hardly ever tie."""
    if len(one) < 2:
        return 1.0
    ranks = np.stack([np.argsort(np.argsort(values)) for values in (one, other)]).astype(np.float64)
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
