"""The records that travel along the chain: frame, clip, score, event."""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from oddframe.errors import InputError

__all__ = ["FRAMES_PER_CLIP", "Clip", "Event", "Frame", "Pixels", "Score"]

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""Pictures: uint8, 0 to 255, H x W x C with C = 1 (grey) or 3 (RGB)."""

FRAMES_PER_CLIP = 5
"""Frames in a clip, x0..x4 (method section 1)."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded frame, already at the size that the network wants.

    Attributes:
        index: Position in its source as decoded, from 0; for folders of numbered images the file's own number
            minus that of the first.
        time_s: Presentation time in seconds, from the source's timestamps.
        pixels: uint8, H x W x C, C = 1 or 3.
        source_size: (width, height) in pixels before resizing; a change of it breaks clips.
        picture: The same frame for people to look at, uint8 h x w x 3, when a caller asked for it.
    """

    index: int
    time_s: float
    pixels: Pixels
    source_size: tuple[int, int]
    picture: Pixels | None = None

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 3 or self.pixels.shape[2] not in (1, 3):
            raise InputError(
                "frame pixels must be uint8 of shape H x W x 1 or H x W x 3, "
                f"got {self.pixels.dtype} of shape {self.pixels.shape}"
            )

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.pixels.shape))
        return f"Frame(index={self.index}, time_s={self.time_s:.3f}, pixels={shape})"


@dataclass(frozen=True, slots=True)
class Clip:
    """Five consecutive frames x0..x4; what is said of a clip is said of its last frame.

    Attributes:
        frames: The five frames, oldest first.
    """

    frames: tuple[Frame, ...]

    def __post_init__(self) -> None:
        if len(self.frames) != FRAMES_PER_CLIP:
            raise InputError(f"a clip must have {FRAMES_PER_CLIP} frames, got {len(self.frames)}")

    @property
    def last(self) -> Frame:
        """The frame that the clip scores (x4)."""
        return self.frames[-1]

    def __repr__(self) -> str:
        return f"Clip({self.frames[0].index}..{self.last.index}, ends at {self.last.time_s:.3f} s)"


@dataclass(frozen=True, slots=True)
class Score:
    """How unusual one frame is; higher is more anomalous, everywhere.

    Attributes:
        frame: The frame's index in its source.
        time_s: Its time in seconds.
        score: r / (r + t), in (0, 1); 0.5 is the threshold. None where no clip ends on the frame.
        raw: The frame score r > 0 (method section 6). None as above.
        appearance: The same statistic of the reconstruction error (x̂0 - x0)^2.
        motion: The same statistic of the motion error (Δ̂ - Δ)^2.
        cluster: The same statistic of the cluster distance w.
        map: The anomaly map, float32 H x W at the network's size, when a caller asked for it.
        picture: The frame for people to look at, uint8 h x w x 3, when a caller asked for it.
    """

    frame: int
    time_s: float
    score: float | None = None
    raw: float | None = None
    appearance: float | None = None
    motion: float | None = None
    cluster: float | None = None
    map: npt.NDArray[np.float32] | None = field(default=None, repr=False)
    picture: Pixels | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Event:
    """A stretch of a source in which something unusual was seen.

    Attributes:
        id: Hash of the source's name and the start; the same for the same footage.
        source: Name of the source.
        start_s: Time of its first frame above the threshold, in seconds.
        end_s: Time of its last frame above the threshold, in seconds.
        peak_s: Time of its highest score, in seconds.
        score: That highest score, in (0.5, 1).
    """

    id: str
    source: str
    start_s: float
    end_s: float
    peak_s: float
    score: float
