"""Pseudo-anomalies: normal clips made abnormal on purpose, with marks where they were changed.

Not in the paper. An autoencoder generalises: it rebuilds what it never saw. So some training clips
get something that does not belong, while the targets stay those of normality (it is not there), and
the places that were changed are marked, so that their codes can be kept away from the centres.
Related: "learning not to reconstruct anomalies" and temporal pseudo-anomalies (Astrid et al.,
2021). In settings files they are called `counter_examples`.
"""

from copy import copy
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import Field

from oddframe._types import BoolMask, Float32, Float64, Pixels
from oddframe.settings import ListOf, settings_dataclass

Kind: TypeAlias = Literal["foreign", "misplaced", "speed", "reverse", "carried"]
"""How a clip is made abnormal; `PseudoAnomalyConfig.kinds` says what each is."""

CHANGED = 10.0
"""Grey levels by which a pixel must have been changed to count as abnormal."""

FOREGROUND = 24.0
"""Grey levels that lie between the empty scene and something in it."""
QUIET = 0.01
"""Share of the time that something may be at a place which counts as one where nothing ever is."""


@settings_dataclass("data.counter_examples")
class PseudoAnomalyConfig:
    """How many training clips are made abnormal, and how.

    Attributes:
        share: Share of the clips, 0 to below 1; 0 is the published training.
        kinds: "foreign" (an object of another look, standing or drifting), "misplaced" (a person
            where nobody ever is), "speed" (a person two to four times as fast), "reverse" (a person
            going backwards; only for footage in which directions are part of what is normal) and
            "carried" (a foreign thing on a person, which goes with them at their own pace: nothing
            moves wrong).
        most: Most of them in one clip, at least 1.
        company: Share of all clips, 0 to 1, in which passers-by of another clip walk along at their
            own place and pace. They stay normal: the control that keeps the seams of a cut-out from
            being the sign.
        fast_forward: Share of all clips, 0 to below 1, played two to five times as fast as a whole:
            whatever moves fast in them is abnormal, and should have stayed where it was. No
            cut-out, and many places at once.
    """

    share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    kinds: Annotated[ListOf[Kind], Field(min_length=1)] = ("foreign", "misplaced", "speed")
    most: Annotated[int, Field(ge=1)] = 1
    company: Annotated[float, Field(ge=0, le=1)] = 0.0
    fast_forward: Annotated[float, Field(ge=0, lt=1)] = 0.0


class PseudoAnomalyGenerator:
    """Makes pseudo-anomalies for one fixed view.

    Args:
        frames: Frames of the normal footage, evenly over it, uint8 N x H x W x C; they tell the
            empty scene (their median) and where things ever are.

    Attributes:
        empty: The empty scene, H x W x C in 0..255.
        quiet: Where hardly anything ever is, H x W.
    """

    def __init__(self, frames: Pixels) -> None:
        self.empty: Float32 = np.median(frames, axis=0).astype(np.float32)
        busy = np.mean([self._foreground(frame) for frame in frames], axis=0)
        self.quiet: BoolMask = busy < QUIET

    def window(self, rows: slice, columns: slice) -> "PseudoAnomalyGenerator":
        """Give the generator of a part of the view."""
        part = copy(self)
        part.empty, part.quiet = self.empty[rows, columns], self.quiet[rows, columns]
        return part

    def busy_place(self, random: np.random.Generator) -> tuple[int, int]:
        """Choose row and column of a random place where somebody passes now and then."""
        places = np.argwhere(~self.quiet)
        # Where nobody ever passes, the middle will do.
        y, x = (
            places[random.integers(len(places))] if len(places) else np.array(self.quiet.shape) // 2
        )
        return int(y), int(x)

    def foreign(
        self, clip: Pixels, other: Pixels, random: np.random.Generator
    ) -> tuple[Pixels, BoolMask]:
        """Put an object made of a piece of ``other`` into ``clip``, standing or drifting.

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
        alpha = np.broadcast_to(soft_shape(piece_h, piece_w, random), (len(clip), piece_h, piece_w))
        content = foreign_look(other, piece_h, piece_w, random)
        # Half of the objects stand: one left behind moves nothing; only the spatial stream sees it.
        step = random.normal(0.0, side / 40, 2) if random.random() < 0.5 else np.zeros(2)
        start = random.uniform((0, 0), (height - piece_h, width - piece_w))
        return paste(clip, content, alpha, start, step)

    def paste_person(
        self, clip: Pixels, other: Pixels, random: np.random.Generator, *, misplaced: bool
    ) -> tuple[Pixels, BoolMask] | None:
        """Cut out what moves somewhere in ``other`` and put it into ``clip``.

        Args:
            clip: uint8 T x H x W x C.
            other: Another clip of the same shape, played as it should appear.
            random: Where chance comes from.
            misplaced: Whether it goes to a place where nothing ever is, else to its own place.

        Returns:
            The changed clip, and bool H x W: where it was changed; None where nothing moves in
            ``other``.
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
        # The matte leaves out the scene behind the person, the soft shape the window's edges.
        soft = soft_shape(content.shape[1], content.shape[2], random)
        alpha = (
            np.stack([self._matte(other[number])[window[1:]] for number in range(frames)]) * soft
        )
        start = np.array([top, left], dtype=np.float64)
        if misplaced:
            # Where every place is busy, any will do.
            quiet = np.argwhere(self.quiet if self.quiet.any() else np.ones_like(self.quiet))
            middle = quiet[random.integers(len(quiet))]
            start = middle - np.array(content.shape[1:3]) / 2
            if random.random() < 0.5:
                content, alpha = content[:, :, ::-1], alpha[:, :, ::-1]
        start = np.clip(start, 0, np.array([height, width]) - content.shape[1:3])
        return paste(clip, content, alpha, start, np.zeros(2))

    def carried(self, clip: Pixels, random: np.random.Generator) -> tuple[Pixels, BoolMask] | None:
        """Put a foreign thing on a person who passes, moving as they do.

        The thing is drawn anew in every frame where the body has got to between two pixels: it must
        not jump from one to the next, or that would be the sign.

        Args:
            clip: uint8 T x H x W x C.
            random: Where chance comes from.

        Returns:
            The changed clip, and bool H x W: where it was changed; None where nobody passes.
        """
        frames, height, width, colours = clip.shape
        places = np.argwhere(self.moving(clip[[0, -1]]))
        if not len(places):
            return None
        side = min(height, width)
        reach = int(random.integers(max(2, side // 14), max(4, side // 6)))
        body = places[random.integers(len(places))]
        step = self._displacement(clip[0], clip[-1], body) / (frames - 1)
        thing = _CarriedObject.random(reach, random)
        tone = np.asarray(random.uniform(0.0, 255.0, colours), dtype=np.float32)
        # Hardly anything is carried above the head.
        start = body + random.uniform((-0.3, -0.5), (0.7, 0.5)) * reach
        # Pieces as large as the frame, so that the pasting itself adds no movement.
        alpha = np.stack(
            [thing.draw(height, width, start + step * number) for number in range(frames)]
        )
        content = np.broadcast_to(tone, (frames, height, width, colours))
        return paste(clip, content, alpha, np.zeros(2), np.zeros(2))

    def _displacement(self, first: Pixels, last: Pixels, place: npt.NDArray[np.int64]) -> Float64:
        """Measure the rows and columns by which what is around a place has moved on.

        Args:
            first: A frame, uint8 H x W x C.
            last: A later frame.
            place: Row and column of the place in ``first``.
        """
        height, width = first.shape[:2]
        reach = max(2, min(height, width) // 8)
        top, left = np.maximum(place - reach, 0)
        window = (slice(top, place[0] + reach + 1), slice(left, place[1] + reach + 1))
        # Against the empty scene, which would otherwise match best where it is.
        before, after = (
            (frame - self.empty) * self._foreground(frame)[..., None] for frame in (first, last)
        )
        seen = np.zeros_like(before)
        seen[window] = 1.0
        spectra = np.fft.rfft2(
            np.stack([before * seen, np.square(after), after, seen]), axes=(1, 2)
        )
        # Squared differences under the piece, for every shift at once: sum (after - before)^2 is
        # energy - 2 overlap plus a constant, and both are correlations, which are products of
        # spectra.
        overlap, energy = np.fft.irfft2(
            np.conj(spectra[[0, 3]]) * spectra[[2, 1]], s=(height, width), axes=(1, 2)
        ).sum(axis=3)
        shifts = np.stack(
            np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in (height, width)), indexing="ij")
        )
        # Nobody crosses a sixth of the picture within a clip.
        far = np.abs(shifts).max(axis=0) > min(height, width) / 6
        found = np.argmin(np.where(far, np.inf, energy - 2.0 * overlap))
        moved: Float64 = shifts.reshape(2, -1)[:, found]
        return moved

    def moving(self, clip: Pixels) -> BoolMask:
        """Find where a person or a thing passes in a clip T x H x W x C: bool H x W."""
        frames = clip.astype(np.float32)
        steps = np.abs(np.diff(frames, axis=0)).max(axis=(0, 3)) > FOREGROUND
        # A changed pixel that looks like the empty scene throughout is noise or light.
        there = np.abs(frames - self.empty).max(axis=(0, 3)) > FOREGROUND
        moves: BoolMask = steps & there
        return moves

    def _foreground(self, frame: Pixels) -> BoolMask:
        """Find what differs from the empty scene, bool H x W."""
        far: BoolMask = np.abs(frame - self.empty).max(axis=2) > FOREGROUND
        return far

    def _matte(self, frame: Pixels) -> Float32:
        """Compute the opacity, H x W in 0..1, of what is not the empty scene."""
        distance = np.abs(frame - self.empty).max(axis=2)
        opacity: Float32 = np.clip(distance / FOREGROUND - 0.5, 0.0, 1.0).astype(np.float32)
        return opacity


@dataclass(frozen=True)
class _CarriedObject:
    """One to three rings, bars and discs, as tubes around ellipses and lines.

    Attributes:
        parts: (row, column, half height, half width, half thickness) of each in pixels around its
            middle; one as thick as it is high is filled.
    """

    parts: tuple[tuple[float, ...], ...]

    @classmethod
    def random(cls, reach: int, random: np.random.Generator) -> "_CarriedObject":
        """Choose a thing of about ``reach`` pixels to each side."""
        size = reach * random.uniform(0.25, 0.8)
        parts = []
        for _ in range(int(random.integers(1, 4))):
            # Round, oval, or nearly a line.
            flatness = random.choice([1.0, 0.6, 0.15])
            sides = (
                np.array([flatness, 1.0])[:: random.choice([-1, 1])]
                * size
                * random.uniform(0.5, 1.0)
            )
            # A thin outline, a thick one, or filled.
            thickness = random.choice([1.0, max(1.0, size / 5), 2.0 * size])
            parts.append((*(random.uniform(-0.8, 0.8, 2) * size), *sides, thickness))
        return cls(tuple(parts))

    def draw(self, height: int, width: int, middle: Float64) -> Float32:
        """Draw the thing's opacity, height x width in 0..1.

        Its middle is at a row and a column that may lie between pixels.
        """
        alpha = np.zeros((height, width), dtype=np.float32)
        for row, column, half_h, half_w, thick in self.parts:
            y = (np.arange(height, dtype=np.float32)[:, None] - (middle[0] + row)) / max(
                half_h, 1.0
            )
            x = (np.arange(width, dtype=np.float32)[None, :] - (middle[1] + column)) / max(
                half_w, 1.0
            )
            # Pixels from the outline, negative inside.
            radius = (np.sqrt(y * y + x * x) - 1.0) * max(min(half_h, half_w), 1.0)
            edge = np.minimum(-radius, radius + thick)
            np.maximum(alpha, np.clip(edge + 0.5, 0.0, 1.0), out=alpha)
        return alpha


def paste(
    clip: Pixels, content: Float32, alpha: Float32, start: Float64, step: Float64
) -> tuple[Pixels, BoolMask]:
    """Blend a piece of a picture into each frame of a clip.

    Args:
        clip: uint8 T x H x W x C.
        content: What each piece shows, T x h x w x C in 0..255.
        alpha: How opaque it is, T x h x w in 0..1.
        start: Row and column of its corner in the first frame.
        step: Rows and columns by which it drifts from one frame to the next.

    Returns:
        The changed clip, and bool H x W: where it was clearly changed in any frame.
    """
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


def soft_shape(height: int, width: int, random: np.random.Generator) -> Float32:
    """Make the opacity, H x W in 0..1, of an ellipse or a rounded box.

    Its edge is about a pixel wide: a hard one would be a sign by itself.
    """
    y = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None]
    x = np.linspace(-1.0, 1.0, width, dtype=np.float32)[None, :]
    # A superellipse: 2 is an ellipse, 12 is nearly a box.
    power = random.choice([2.0, 4.0, 12.0])
    radius = (np.abs(y) ** power + np.abs(x) ** power) ** (1.0 / power)
    soft = np.clip((1.0 - radius) * min(height, width) / 2.0 + 0.5, 0.0, 1.0)
    alpha: Float32 = soft.astype(np.float32)
    return alpha


def foreign_look(other: Pixels, height: int, width: int, random: np.random.Generator) -> Float32:
    """Choose what a foreign object shows: a tone with grain, or an altered piece of a clip.

    Args:
        other: The clip, uint8 T x H x W x C.
        height: Height of the object in pixels.
        width: Width of the object in pixels.
        random: Where chance comes from.

    Returns:
        T x height x width x C in 0..255.
    """
    _, full_h, full_w, colours = other.shape
    top, left = random.integers(0, full_h - height + 1), random.integers(0, full_w - width + 1)
    piece: Float32 = other[:, top : top + height, left : left + width].astype(np.float32)
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
    changed = np.clip((piece - piece.mean()) * gain + piece.mean() + offset, 0.0, 255.0)
    result: Float32 = changed.astype(np.float32)
    return result
