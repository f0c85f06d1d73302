"""The records that travel along the chain: frame, clip, score, event.

All are frozen and check themselves when they are made, so that a mistake shows where it is made
and not three rooms further on.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple, Self, TypeAlias

import numpy as np

from oddframe._types import AnomalyMap, BoolMask, Pixels
from oddframe.errors import InputError, SettingsError

HealthState: TypeAlias = Literal["ok", "no signal", "frozen", "covered", "out of focus", "moved"]
"""The state of a camera's picture; "covered" stands for a black picture too."""

_LEAST_GAP_S, _GAP_PERIODS = 0.5, 3.5
"""A longer time, in seconds and in periods of a video's frame rate, is a gap.

Two lost frames are three periods; half a period more is for uneven timestamps.
"""

FRAMES_PER_CLIP = 5
"""Frames in a clip, x0..x4 (method section 1)."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded frame, already at the size that the network wants.

    Example:
        >>> pixels = numpy.zeros((32, 32, 1), numpy.uint8)
        >>> oddframe.Frame(0, 0.0, pixels, source_size=(640, 480))
        Frame(index=0, time_s=0.000, pixels=32x32x1)

    Attributes:
        index: Position in its source as decoded, from 0; for folders of numbered images the file's
            own number minus that of the first.
        time_s: Presentation time in seconds, from the source's timestamps.
        pixels: uint8, H x W x C, C = 1 or 3.
        source_size: (width, height) in pixels before resizing; a change of it breaks clips.
        picture: The same frame for people to look at, uint8 h x w x 3, when a caller asked for it.
        pixel_aspect: Width of a pixel of the source by its height, as players show it.
    """

    index: int
    time_s: float
    pixels: Pixels
    source_size: tuple[int, int]
    picture: Pixels | None = None
    pixel_aspect: float = 1.0

    def __post_init__(self) -> None:
        if (
            self.pixels.dtype != np.uint8
            or self.pixels.ndim != 3
            or self.pixels.shape[2] not in (1, 3)
        ):
            raise InputError(
                "frame pixels must be uint8 of shape H x W x 1 or H x W x 3, "
                f"got {self.pixels.dtype} of shape {self.pixels.shape}"
            )

    @property
    def shown_size(self) -> tuple[int, int]:
        """(width, height) as players show the source: a side grows where pixels are not square."""
        width, height = self.source_size
        if self.pixel_aspect >= 1:
            return round(width * self.pixel_aspect), height
        return width, round(height / self.pixel_aspect)

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.pixels.shape))
        return f"Frame(index={self.index}, time_s={self.time_s:.3f}, pixels={shape})"


@dataclass(frozen=True, slots=True)
class FrameTiming:
    """The rhythm of a source's frames.

    Attributes:
        rate_fps: Frames per second on average, above 0.
        gap_s: The longest time between two consecutive frames that is not a gap, in seconds.
    """

    rate_fps: float
    gap_s: float

    def __post_init__(self) -> None:
        if not (self.rate_fps > 0 and self.gap_s >= 0):
            raise SettingsError(
                "the rate of a source must be above 0 and its gap not below 0, "
                f"got {self.rate_fps} frames per second and {self.gap_s} s"
            )

    @classmethod
    def of_video(cls, rate_fps: float) -> Self:
        """Give the timing of a recording or a camera.

        Neither half a second nor two frames lost in a row make a gap.
        """
        return cls(rate_fps, max(_LEAST_GAP_S, _GAP_PERIODS / rate_fps))

    def at(self, rate_fps: float) -> Self:
        """Give the timing of the same source while its frames come at another rate."""
        # A folder of images has a narrower gap than a video, at every rate.
        periods = min(_GAP_PERIODS, self.gap_s * self.rate_fps)
        return type(self)(rate_fps, max(min(_LEAST_GAP_S, self.gap_s), periods / rate_fps))


@dataclass(frozen=True, slots=True)
class Clip:
    """Five frames x0..x4, evenly spaced.

    The network scores one of them, the middle or the last; see `NetworkConfig.scored_frame`.

    Example:
        >>> pixels = numpy.zeros((32, 32, 1), numpy.uint8)
        >>> frames = [oddframe.Frame(n, n / 10, pixels, (640, 480)) for n in range(5)]
        >>> oddframe.Clip(tuple(frames))
        Clip(0..4, ends at 0.400 s)

    Attributes:
        frames: The five frames, oldest first.
        repeats: Whether their pixels are, byte for byte, those of the clip that ended on the frame
            before, so that its score is the same too.
    """

    frames: tuple[Frame, ...]
    repeats: bool = False

    def __post_init__(self) -> None:
        if len(self.frames) != FRAMES_PER_CLIP:
            raise InputError(f"a clip must have {FRAMES_PER_CLIP} frames, got {len(self.frames)}")

    @property
    def last(self) -> Frame:
        """The frame that the clip ends on (x4)."""
        return self.frames[-1]

    def __repr__(self) -> str:
        return f"Clip({self.frames[0].index}..{self.last.index}, ends at {self.last.time_s:.3f} s)"


@dataclass(frozen=True, slots=True)
class HealthChange:
    """A change of a camera's state.

    Attributes:
        time_s: When it became certain, in seconds of the stream.
        state: The state that holds from then on.
        before: The state that held until then.
        since_s: When the new state began, as far as is known, in seconds of the stream.
        reason: A sentence about the new state, empty for "ok".
    """

    time_s: float
    state: HealthState
    before: HealthState
    since_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Score:
    """How anomalous one frame is; higher is more anomalous, everywhere.

    Attributes:
        frame: The frame's index in its source.
        time_s: Its time in seconds.
        score: r / (r + t), in (0, 1); 0.5 is the threshold. None where no clip scores the frame.
        raw: The frame score r > 0 (method section 6). None as above.
        appearance: The same statistic of the reconstruction error (x̂0 - x0)^2.
        motion: The same statistic of the motion error (Δ̂ - Δ)^2.
        cluster: The same statistic of the cluster distance w.
        map: The anomaly map, float32 H x W at the network's size, when a caller asked for it; read
            only, since frames that repeat each other share it. Its scale is that of squared errors
            of the network, from 0 upwards without a bound: only its ratio to ``map_level`` means
            something.
        picture: The frame for people to look at, uint8 h x w x 3, when a caller asked for it.
        health: The camera's state, or the fault that is seen before it is certain; unless "ok"
            there is no score.
        changes: Changes of that state that came with the frame.
        map_level: The level of the map above which a place is hot: 999 of 1,000 normal frames have
            no place that reaches it. None where there is no score.

    Example:
        >>> best = max(model.scores("monday.mp4", maps=True), key=lambda one: one.score or 0)
        >>> hot = best.map > best.map_level
        >>> hot.shape == best.map.shape
        True
    """

    frame: int
    time_s: float
    score: float | None = None
    raw: float | None = None
    appearance: float | None = None
    motion: float | None = None
    cluster: float | None = None
    # Arrays stay out of the repr and out of what the command line prints as JSON.
    map: AnomalyMap | None = field(default=None, repr=False)
    picture: Pixels | None = field(default=None, repr=False)
    health: HealthState = "ok"
    changes: tuple[HealthChange, ...] = ()
    map_level: float | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Event:
    """A stretch of time in which something abnormal was seen, or the camera was at fault.

    Example:
        >>> event = next(model.with_threshold(raw=1e-9).events("monday.mp4"))
        >>> event.phase, event.source
        ('start', 'monday')

    Attributes:
        id: Hash of the source's name and the start (and of the state, for health): the same for the
            same footage.
        kind: "anomaly" or "health".
        phase: "start" as soon as it is known, "update" while it lasts, "end" when it is over.
        source: Name of the source.
        start_s: Time of its first frame above the threshold, in seconds of the stream.
        end_s: Time of the last frame that so far belongs to it, in seconds.
        peak_s: Time of its highest score so far, in seconds.
        score: That highest score, in (0.5, 1); for health 1.
        box: (x_min, y_min, x_max, y_max) of the region at the peak, 0 to 1 of width and height;
            None where none is known.
        reason: "looks wrong", "moves wrong" or "unlike any known pattern"; for health a sentence
            about the state.
        parts: How far "appearance", "motion" and "cluster" lie in their own normal tail at the
            peak: -log10 of the share of normal frames that reach as far, so 3 is one in a thousand.
            Empty for health.
        mask: The region at the peak, bool H x W at the size of the anomaly map. It stays in memory:
            the box is what is written.
    """

    id: str
    kind: Literal["anomaly", "health"]
    phase: Literal["start", "update", "end"]
    source: str
    start_s: float
    end_s: float
    peak_s: float
    score: float
    box: tuple[float, float, float, float] | None
    reason: str
    parts: Mapping[str, float]
    # Arrays cannot be compared for equality as a whole, so two events are compared without it.
    mask: BoolMask | None = field(default=None, repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """Give what is written of an event: plain values in the order above, without the mask."""
        values = {
            item.name: getattr(self, item.name) for item in fields(self) if item.name != "mask"
        }
        return {
            **values,
            "box": None if self.box is None else list(self.box),
            "parts": dict(self.parts),
        }


def event_id(identity: str, start_s: float, state: str = "") -> str:
    """Give an event's id: the same in every process and for every output.

    Args:
        identity: The source's identity: a recording's name, or a live camera's name and the moment
            at which watching began, since its seconds start from 0 then.
        start_s: When it starts, in seconds of the stream.
        state: The state that a health event is about; two of them may start together.
    """
    # Ids are stored and sent to others: this text must never change its form. Microseconds are
    # what all outputs keep of a time.
    text = f"{identity}\n{start_s:.6f}" + (f"\n{state}" if state else "")
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class CropOffset(NamedTuple):
    """Where in a fixed view the pixels lie that come with it.

    Attributes:
        top: The crop's first row in the whole frame.
        left: The crop's first column in the whole frame.
    """

    top: int = 0
    left: int = 0


NO_CROP = CropOffset()
"""The offset of a whole frame."""
