"""Normal clips made abnormal on purpose, with what a model of normality should say of them.

Not in the paper. An autoencoder generalises: it rebuilds what it never saw. So some training clips get something that
does not belong, while the targets stay those of normality (it is not there), and the places that were changed are
marked, so that their codes can be kept away from the centres. Related: "learning not to reconstruct anomalies" and
temporal pseudo-anomalies (Astrid et al., 2021).
"""

from copy import copy
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from oddframe.core.records import Pixels
from oddframe.errors import SettingsError

__all__ = ["CounterExamples", "Forger", "Kind"]

Kind = Literal["foreign", "misplaced", "speed", "reverse"]
Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

FOREGROUND = 24.0
"""Grey levels that lie between the empty scene and something in it."""
CHANGED = 10.0
"""Grey levels by which a pixel must have been changed to count as abnormal."""
QUIET = 0.01
"""Share of the time that something may be at a place which counts as one where nothing ever is."""


@dataclass(frozen=True, kw_only=True)
class CounterExamples:
    """How many training clips are made abnormal, and how.

    Attributes:
        share: Share of the clips, 0 to below 1; 0 is the published training.
        kinds: "foreign" (an object of another look, standing or drifting), "misplaced" (somebody where nobody ever
            is), "speed" (somebody two to four times as fast) and "reverse" (somebody going backwards; only for
            footage in which directions are part of what is normal).
        most: Most of them in one clip, at least 1.
        company: Share of all clips, 0 to 1, in which passers-by of another clip walk along at their own place and pace.
            They stay normal: the control that keeps the seams of a cut-out from being the sign.
        fast_forward: Share of all clips, 0 to below 1, played two to five times as fast as a whole: whatever moves fast
            in them is abnormal, and should have stayed where it was. No cut-out, and many places at once.
    """

    share: float = 0.0
    kinds: tuple[Kind, ...] = ("foreign", "misplaced", "speed")
    most: int = 1
    company: float = 0.0
    fast_forward: float = 0.0

    def __post_init__(self) -> None:
        for name in ("share", "fast_forward"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise SettingsError(
                    f"data.counter_examples.{name} must be from 0 to below 1, got {getattr(self, name)}"
                )
        if not 0.0 <= self.company <= 1.0:
            raise SettingsError(f"data.counter_examples.company must be from 0 to 1, got {self.company}")
        if self.most < 1:
            raise SettingsError(f"data.counter_examples.most must be at least 1, got {self.most}")
        unknown = set(self.kinds) - set(get_args(Kind))
        if unknown or not self.kinds:
            raise SettingsError(
                f"data.counter_examples.kinds must be some of {list(get_args(Kind))}, got {list(self.kinds)}"
            )


class Forger:
    """Makes counter-examples for one fixed view.

    Args:
        frames: Frames of the normal footage, evenly over it, uint8 N x H x W x C; they tell the empty scene (their
            median) and where things ever are.

    Attributes:
        empty: The empty scene, H x W x C in 0..255.
        quiet: Where hardly anything ever is, H x W.
    """

    def __init__(self, frames: Pixels) -> None:
        self.empty: Floats = np.median(frames, axis=0).astype(np.float32)
        busy = np.mean([self._foreground(frame) for frame in frames], axis=0)
        self.quiet: Mask = busy < QUIET

    def window(self, rows: slice, columns: slice) -> "Forger":
        """The forger of a part of the view."""
        part = copy(self)
        part.empty, part.quiet = self.empty[rows, columns], self.quiet[rows, columns]
        return part

    def busy_place(self, random: np.random.Generator) -> tuple[int, int]:
        """Row and column of a random place where somebody passes now and then."""
        places = np.argwhere(~self.quiet)
        y, x = places[random.integers(len(places))] if len(places) else np.array(self.quiet.shape) // 2
        return int(y), int(x)

    def foreign(self, clip: Pixels, other: Pixels, random: np.random.Generator) -> tuple[Pixels, Mask]:
        """``clip`` with an object made of a piece of ``other``, changed in look, standing or drifting.

        Args:
            clip: uint8 T x H x W x C.
            other: Another clip of the same shape.
            random: Where chance comes from.

        Returns:
            The changed clip, and bool H x W: where it was changed.
        """
        _, height, width, _ = clip.shape
        side = min(height, width)
        piece_h = int(random.integers(max(3, side // 12), max(5, side // 3)))
        piece_w = int(np.clip(piece_h * random.uniform(0.4, 1.8), 3, width // 2))
        alpha = np.broadcast_to(_soft_shape(piece_h, piece_w, random), (len(clip), piece_h, piece_w))
        content = _look(other, piece_h, piece_w, random)
        # Half of the objects stand: one left behind moves nothing, and only the spatial stream can see it.
        step = random.normal(0.0, side / 40, 2) if random.random() < 0.5 else np.zeros(2)
        start = random.uniform((0, 0), (height - piece_h, width - piece_w))
        return _paste(clip, content, alpha, start, step)

    def somebody(
        self, clip: Pixels, other: Pixels, random: np.random.Generator, *, misplaced: bool
    ) -> tuple[Pixels, Mask] | None:
        """``clip`` with what moves somewhere in ``other`` cut out and put in; None where nothing moves there.

        Args:
            clip: uint8 T x H x W x C.
            other: Another clip of the same shape, played as it should appear.
            random: Where chance comes from.
            misplaced: Whether it goes to a place where nothing ever is, else to its own place.
        """
        frames, height, width, _ = clip.shape
        moved = np.abs(other[-1].astype(np.float32) - other[0]).max(axis=2) > FOREGROUND
        places = np.argwhere(moved)
        if not len(places):
            return None
        side = min(height, width)
        half_h = int(random.integers(max(2, side // 14), max(4, side // 4)))
        half_w = max(2, int(half_h * random.uniform(0.5, 1.2)))
        y, x = places[random.integers(len(places))]
        top, left = max(0, y - half_h), max(0, x - half_w)
        window = (slice(None), slice(top, y + half_h + 1), slice(left, x + half_w + 1))
        content = other[window].astype(np.float32)
        soft = _soft_shape(content.shape[1], content.shape[2], random)
        alpha = np.stack([self._matte(other[number])[window[1:]] for number in range(frames)]) * soft
        start = np.array([top, left], dtype=np.float64)
        if misplaced:
            quiet = np.argwhere(self.quiet if self.quiet.any() else np.ones_like(self.quiet))
            middle = quiet[random.integers(len(quiet))]
            start = middle - np.array(content.shape[1:3]) / 2
            if random.random() < 0.5:
                content, alpha = content[:, :, ::-1], alpha[:, :, ::-1]
        start = np.clip(start, 0, np.array([height, width]) - content.shape[1:3])
        return _paste(clip, content, alpha, start, np.zeros(2))

    def moving(self, clip: Pixels) -> Mask:
        """Where somebody or something passes in a clip T x H x W x C: bool H x W."""
        frames = clip.astype(np.float32)
        steps = np.abs(np.diff(frames, axis=0)).max(axis=(0, 3)) > FOREGROUND
        there = np.abs(frames - self.empty).max(axis=(0, 3)) > FOREGROUND
        moves: Mask = steps & there
        return moves

    def _foreground(self, frame: Pixels) -> Mask:
        far: Mask = np.abs(frame - self.empty).max(axis=2) > FOREGROUND
        return far

    def _matte(self, frame: Pixels) -> Floats:
        """Opacity, H x W in 0..1, of what is not the empty scene."""
        distance = np.abs(frame - self.empty).max(axis=2)
        opacity: Floats = np.clip(distance / FOREGROUND - 0.5, 0.0, 1.0).astype(np.float32)
        return opacity


def _paste(
    clip: Pixels, content: Floats, alpha: Floats, start: npt.NDArray[np.float64], step: npt.NDArray[np.float64]
) -> tuple[Pixels, Mask]:
    """Blend T pieces, h x w x C with opacity h x w, into the frames of a clip, drifting by ``step`` a frame."""
    _, height, width, _ = clip.shape
    piece_h, piece_w = alpha.shape[1:]
    result = clip.copy()
    changed = np.zeros((height, width), dtype=np.bool_)
    for number in range(len(clip)):
        corner = start + step * number
        top = int(np.clip(corner[0], 0, height - piece_h))
        left = int(np.clip(corner[1], 0, width - piece_w))
        window = (slice(top, top + piece_h), slice(left, left + piece_w))
        before = result[number][window].astype(np.float32)
        opacity = alpha[number][..., None]
        after = opacity * content[number] + (1.0 - opacity) * before
        result[number][window] = after.round().astype(np.uint8)
        changed[window] |= np.abs(after - before).max(axis=2) > CHANGED
    return result, changed


def _soft_shape(height: int, width: int, random: np.random.Generator) -> Floats:
    """Opacity, H x W in 0..1, of an ellipse or a rounded box with an edge about a pixel wide."""
    y = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None]
    x = np.linspace(-1.0, 1.0, width, dtype=np.float32)[None, :]
    power = random.choice([2.0, 4.0, 12.0])
    radius = (np.abs(y) ** power + np.abs(x) ** power) ** (1.0 / power)
    alpha: Floats = np.clip((1.0 - radius) * min(height, width) / 2.0 + 0.5, 0.0, 1.0).astype(np.float32)
    return alpha


def _look(other: Pixels, height: int, width: int, random: np.random.Generator) -> Floats:
    """What a foreign object shows, T x height x width x C in 0..255: a tone with grain, or an altered piece."""
    _, full_h, full_w, colours = other.shape
    top, left = random.integers(0, full_h - height + 1), random.integers(0, full_w - width + 1)
    piece: Floats = other[:, top : top + height, left : left + width].astype(np.float32)
    look = random.integers(0, 4)
    if look <= 1:
        tone = random.uniform(0.0, 255.0, colours)
        grain = random.normal(0.0, random.uniform(0.0, 30.0), (height, width, 1))
        if look == 1:
            # Two tones: a body and a part of another colour.
            grain[: int(height * random.uniform(0.2, 0.8))] += random.uniform(-120.0, 120.0)
        return np.broadcast_to(np.clip(tone + grain, 0.0, 255.0), piece.shape).astype(np.float32)
    gain, offset = random.uniform(0.4, 1.6), random.uniform(-80.0, 80.0)
    if look == 2:
        piece = piece[:, ::-1]
    changed: Floats = np.clip((piece - piece.mean()) * gain + piece.mean() + offset, 0.0, 255.0).astype(np.float32)
    return changed
