"""Compares two scorers on the same clips: maps, raw scores, alarms and events.

`compare` says how near an exported network comes to the trained one. `drawn_frames` and
`with_intruder` draw clips to try a network on where there is no footage.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from oddframe._types import Float32, Float64, Pixels
from oddframe.bundle.bundle import Bundle
from oddframe.core.calibration import Calibration
from oddframe.core.clips import clip_span
from oddframe.core.events import THRESHOLD, events
from oddframe.core.records import FRAMES_PER_CLIP, Score
from oddframe.core.smoothing import NO_SMOOTHING, SmoothingWindow, smooth_scores
from oddframe.errors import InputError
from oddframe.inference import Precision
from oddframe.inference.scorer import ClipScores, Scorer
from oddframe.model.state import NetworkState

NOISE = 3.0
"""Standard deviation of the drawn camera noise, in grey levels."""
RAW_LIMIT: Mapping[Precision, float] = {"float32": 1e-3, "bfloat16": 2e-2, "float16": 2e-2}
"""Greatest error of a raw score, relative to the trained network's."""
MOST_AUC_LOST = 0.003
"""Most that an export may cost of the AUC of a labelled set."""
LEAST_RANKS, MOST_ALARMS_OFF = 0.98, 0.05
"""Limits for whole numbers where nothing is labelled.

They must keep the order of the raw scores, which is all that an AUC looks at, by this rank
correlation, and may differ in this share of the alarms.
"""


def clips_of(frames: Pixels, interval: int) -> Pixels:
    """Cut unbroken frames into every clip that they hold.

    Args:
        frames: The frames, uint8 F x H x W x C.
        interval: Frames from one frame of a clip to the next.

    Returns:
        The clips in order, uint8 N x 5 x H x W x C; N may be 0.
    """
    count = len(frames) - (FRAMES_PER_CLIP - 1) * interval
    starts = np.arange(max(0, count))[:, None]
    clips: Pixels = frames[starts + interval * np.arange(FRAMES_PER_CLIP)]
    return clips


def drawn_frames(trained: NetworkState, count: int, seed: int = 0) -> Pixels:
    """Draw a scene with passers-by, uint8 count x H x W x C.

    The frames are the same for the same network and seed.
    """
    config = trained.config
    random = np.random.default_rng([seed, config.height, config.width])
    scene = _empty_scene(trained)
    frames = np.repeat(scene[None], count, axis=0)
    for walker in range(4):
        height, width = max(4, config.height // 8), max(3, config.width // 24)
        top = int(random.integers(0, config.height - height))
        # They cross the picture in 150 frames, every second one from right to left.
        start, pace = random.integers(0, config.width), config.width / 150 * (-1) ** walker
        grey = random.uniform(-90, 90)
        for number, frame in enumerate(frames):
            left = int(start + pace * number) % (config.width - width)
            frame[top : top + height, left : left + width] += grey
    # Every camera has noise, and a network has learned none of its pictures without it.
    frames += random.normal(0, NOISE, frames.shape)
    drawn: Pixels = np.clip(frames, 0, 255).astype(np.uint8)
    return drawn


def with_intruder(frames: Pixels, seed: int = 0) -> Pixels:
    """Draw something large, patterned and fast into a copy of frames, in their middle third.

    Args:
        frames: The frames, uint8 N x H x W x C.
        seed: Decides the pattern and the height at which it crosses the picture.
    """
    count, height, width, _ = frames.shape
    random = np.random.default_rng([seed, 1])
    side = max(4, height // 5)
    # A chequered square of 4 x 4 black or white fields.
    field = np.ones((side // 4 + 1, side // 4 + 1))
    pattern = 255 * np.kron(random.integers(0, 2, (4, 4)), field)[:side, :side]
    changed = frames.copy()
    top = int(random.integers(0, height - side))
    first, last = count // 3, 2 * count // 3
    for number in range(first, last):
        left = int((width - side) * (number - first) / max(1, last - first))
        changed[number, top : top + side, left : left + side] = pattern[..., None]
    return changed


def _empty_scene(trained: NetworkState) -> Float32:
    """The empty scene that the network has learned, H x W x C in 0..255.

    A network without one gets a slope of grey.
    """
    config = trained.config
    learned = trained.weights.get("appearance.empty")
    if learned is not None:
        # C x H x W in 0..1, as torch has it.
        return np.clip(learned.astype(np.float32) * 255, 0, 255).transpose(1, 2, 0)
    slope = np.linspace(60, 190, config.width, dtype=np.float32)[None, :, None]
    return np.tile(slope, (config.height, 1, config.colours))


@dataclass(frozen=True, kw_only=True)
class Parity:
    """How near a network comes to the trained one on the same clips.

    Attributes:
        precision: What the compared network computes in.
        clips: Clips compared.
        raw_error: Greatest relative error of a raw score.
        raw_error_median: Median relative error of a raw score.
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
        """What is beyond the limits, a phrase each; none where the network passes."""
        found = []
        limit = RAW_LIMIT.get(self.precision)
        if limit is None:
            if self.rank_correlation < LEAST_RANKS:
                found.append(
                    f"rank correlation of raw scores {self.rank_correlation:.4f}, "
                    f"at least {LEAST_RANKS}"
                )
            if self.alarms_off > MOST_ALARMS_OFF * self.clips:
                found.append(
                    f"{self.alarms_off} of {self.clips} alarms differ, "
                    f"at most {MOST_ALARMS_OFF:.0%}"
                )
            return tuple(found)
        # Written so that an error which is not a number is a complaint.
        if not self.raw_error <= limit:
            found.append(f"relative error of raw scores {self.raw_error:.2g}, at most {limit:g}")
        if self.precision == "float32" and not self.events_same:
            found.append("other events")
        return tuple(found)

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain values, for JSON."""
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
    """Score the same stretches of frames with two scorers, and compare the results.

    Args:
        trained: The scorer that is right.
        other: The scorer that is compared with it.
        stretches: Unbroken frames, each uint8 N x H x W x C.
        precision: What the other one computes in.
        interval: Frames from one frame of a clip to the next.
        rate_fps: Rate of the frames.
        calibration: Decides which scores are alarms.
        neighbours: The neighbours that a frame's raw score is averaged with.

    Raises:
        InputError: If no stretch is long enough for a clip.
    """
    stretches = [stretch for stretch in stretches if len(stretch) >= clip_span(interval)]
    if not stretches:
        raise InputError(
            f"comparing results needs {clip_span(interval)} unbroken frames, "
            "but the footage has fewer"
        )
    raws: list[Float64] = []
    spans: tuple[list[_EventSpan], list[_EventSpan]] = ([], [])
    map_error = 0.0
    for number, frames in enumerate(stretches):
        raw, error = _score_both(trained, other, clips_of(frames, interval))
        map_error = max(map_error, error)
        # Averaged within a stretch, as a stream does between two gaps.
        smoothed = np.stack([smooth_scores(row, neighbours) for row in raw]).astype(np.float64)
        raws.append(smoothed)
        for row, known in zip(smoothed, spans, strict=True):
            known += _event_spans(row, number, rate_fps, calibration)
    right_raw, other_raw = np.concatenate(raws, axis=1)
    raw_error = np.abs(other_raw - right_raw) / right_raw
    right_alarms, other_alarms = (
        np.array([calibration.score(value) > THRESHOLD for value in row])
        for row in (right_raw, other_raw)
    )
    return Parity(
        precision=precision,
        clips=len(right_raw),
        raw_error=float(raw_error.max()),
        raw_error_median=float(np.median(raw_error)),
        map_error=map_error,
        rank_correlation=_rank_correlation(right_raw, other_raw),
        alarms=int(right_alarms.sum()),
        alarms_off=int((right_alarms != other_alarms).sum()),
        events=len(spans[0]),
        events_same=spans[0] == spans[1],
    )


def compare_for(
    bundle: Bundle,
    trained: Scorer,
    other: Scorer,
    stretches: Sequence[Pixels],
    precision: Precision,
) -> Parity:
    """Compare two scorers of a bundle's network, as `compare` does."""
    network = bundle.network.config
    return compare(
        trained,
        other,
        stretches,
        precision=precision,
        interval=network.interval,
        rate_fps=bundle.rate_fps,
        calibration=bundle.calibration,
        neighbours=network.neighbours,
    )


def _score_both(trained: Scorer, other: Scorer, clips: Pixels) -> tuple[Float32, float]:
    """The raw scores of clips by both scorers, float32 2 x N, and the greatest error of a map."""
    size = min(trained.batch_size, other.batch_size)
    parts, map_error = [], 0.0
    for begin in range(0, len(clips), size):
        batch = clips[begin : begin + size]
        right, found = trained.score(batch), other.score(batch)
        map_error = max(map_error, _map_error(right, found))
        parts.append(np.stack([right.raw, found.raw]))
    return np.concatenate(parts, axis=1), map_error


def _map_error(right: ClipScores, found: ClipScores) -> float:
    """The greatest difference of a map, relative to the highest value of the right one."""
    # A map of zeros has no highest value to divide by.
    highest = right.maps.max(axis=(1, 2)).clip(1e-12)
    return float((np.abs(right.maps - found.maps).max(axis=(1, 2)) / highest).max())


class _EventSpan(NamedTuple):
    """The time of an event, and the stretch that it is in."""

    stretch: str
    start_s: float
    end_s: float


def _event_spans(
    raw: Float64, number: int, rate_fps: float, calibration: Calibration
) -> list[_EventSpan]:
    """The spans of the events that raw scores of a stretch make."""
    scores = [
        Score(index, round(index / rate_fps, 6), score=calibration.score(value), raw=value)
        for index, value in enumerate(map(float, raw))
    ]
    phases = events(scores, str(number), calibration)
    return [
        _EventSpan(event.source, event.start_s, event.end_s)
        for event in phases
        if event.phase == "end"
    ]


def _rank_correlation(first: Float64, second: Float64) -> float:
    """Spearman's rank correlation; 1.0 where there is nothing to order."""
    if len(first) < 2:
        return 1.0
    # Ties need no mean rank here: raw scores hardly ever tie.
    ranks = np.stack([np.argsort(np.argsort(values)) for values in (first, second)])
    return float(np.corrcoef(*ranks.astype(np.float64))[0, 1])
