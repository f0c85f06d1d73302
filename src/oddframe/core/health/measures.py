"""What a camera's health is told from: its picture set against the scene that it usually shows.

Two means make the measures blind to what is no fault. They look at a running mean of a few seconds,
in which passers-by and noise fade; and they project its slopes on those of the scene, so that light
and contrast are factors that cancel.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from oddframe._types import Float32, Pixels

AVERAGE_S = 2.0
"""Time constant of the running mean, in seconds."""
MOST_PIXELS = 256 * 256
"""Larger pictures are shrunk first, which bounds time and storage."""
STRUCTURE = 2.0
"""Root mean square slope, in grey levels a coarse pixel, from which a tile of the scene has structure to go by."""
FEWEST_TILES = 4
"""With fewer tiles of structure a scene says nothing of cover, focus and view."""
ALIKE = 0.5
"""Correlation of slopes from which a tile is clear enough to judge its sharpness."""
UNLIKE = 0.3
"""Correlation of slopes below which a tile does not show what the scene shows there."""
PEAK = 0.1
"""Coherence from which a block's shift is believed; chance gives about a third of it."""
SHIFT_SLACK_PX = 1.5
"""Blocks agree on a shift when they lie within this many pixels of each other."""
BRIDGED = 2
"""So many changed frames in a row (a key frame of an encoder, and the return from it) do not end a run of repeats."""
BRIDGING = 10
"""Repeats between two such interruptions."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What a check found; NaN where it cannot be told.

    Attributes:
        brightness: Mean of the picture, 0 to 255.
        contrast: Standard deviation over the picture, in grey levels.
        lost: Share, 0 to 1, of the scene's structured tiles that do not show what they should.
        detail: Contrast of those tiles as part of that of the scene; near 0 they show nothing at
            all.
        sharpness: Fine slopes against coarse ones, as parts of those of the scene: 1 as sharp, 0
            blurred.
        shift_px: How far the view is shifted, in pixels, where most blocks agree on it.
    """

    brightness: float
    contrast: float
    lost: float
    detail: float
    sharpness: float
    shift_px: float


def grey(pixels: Pixels) -> Pixels:
    """A frame H x W x C as grey h x w, shrunk by a whole factor where it is large."""
    flat: Pixels = pixels[..., 0] if pixels.shape[2] == 1 else pixels.mean(axis=2).astype(np.uint8)
    factor = math.ceil(math.sqrt(flat.size / MOST_PIXELS))
    return flat if factor <= 1 else _pooled(flat.astype(np.float32), factor).astype(np.uint8)


def change(before: Pixels, after: Pixels) -> float:
    """Mean absolute difference of two grey pictures, in grey levels."""
    return (
        float((np.maximum(before, after) - np.minimum(before, after)).sum(dtype=np.uint64))
        / before.size
    )


class Average:
    """A running mean of grey pictures, which starts anew when the picture changes as a whole.

    Attributes:
        picture: The mean, float32 H x W; None before the first picture.
        jumped: Whether the last picture started it anew.
    """

    def __init__(self, jump: float) -> None:
        self.picture: Float32 | None = None
        self.jumped = False
        self._jump = jump
        self._age_s = 0.0

    def add(self, picture: Pixels, step_s: float) -> float:
        """Take the next picture, `step_s` after the last; returns its mean distance from the mean of those before."""
        if self.picture is None:
            self.picture, self.jumped, self._age_s = picture.astype(np.float32), True, 0.0
            return 0.0
        away = picture - self.picture
        distance = float(np.abs(away).mean())
        self.jumped = distance > self._jump
        if self.jumped:
            self.picture, self._age_s = picture.astype(np.float32), 0.0
            return distance
        # A plain mean at first, so that the first frame counts no more than the others.
        self._age_s += step_s
        away *= np.float32(
            max(step_s / (self._age_s + step_s), 1.0 - math.exp(-step_s / AVERAGE_S))
        )
        self.picture += away
        return distance


class StillRun:
    """How long every frame has repeated the one before it; see `BRIDGED`.

    Args:
        still_change: Most `change` of a repeat, in grey levels.
    """

    def __init__(self, still_change: float) -> None:
        self._still_change = still_change
        self._since_s = math.nan
        self._repeats = self._changes = 0

    def push(self, time_s: float, changed: float) -> float:
        """Take the change at a time; returns the length of the run in seconds, 0 where there is none."""
        if changed <= self._still_change:
            self._repeats += 1
            if self._repeats >= BRIDGING:
                self._changes = 0
            if math.isnan(self._since_s):
                self._since_s, self._changes = time_s, BRIDGED
        else:
            self._repeats, self._changes = 0, self._changes + 1
            if self._changes > BRIDGED:
                self._since_s = math.nan
        return 0.0 if math.isnan(self._since_s) else time_s - self._since_s


class SceneModel:
    """What the camera usually shows, prepared for comparison.

    Args:
        picture: The empty scene, uint8 H x W.
    """

    def __init__(self, picture: Pixels) -> None:
        height, width = picture.shape
        self._tile = 16 if min(height, width) >= 96 else 8
        self._pool = self._tile // 4
        self._block = 1 << int(math.log2(max(1, min(64, height // 2, width // 2))))
        self._window = np.outer(np.hanning(self._block), np.hanning(self._block)).astype(np.float32)
        as_floats = picture.astype(np.float32)
        self._fine, self._coarse = self._slopes_of(as_floats)
        self._fine_energy = np.maximum(
            self._tiles(_product(self._fine, self._fine), self._tile), 1e-6
        )
        self._coarse_energy = np.maximum(self._tiles(_product(self._coarse, self._coarse), 4), 1e-6)
        self.structured: npt.NDArray[np.bool_] = self._coarse_energy >= STRUCTURE**2 * 16
        self._blocks = self._structured_blocks(height, width)

    @property
    def has_structure(self) -> bool:
        """Whether there is enough to go by for cover, focus and view."""
        return int(self.structured.sum()) >= FEWEST_TILES

    def measure(self, picture: Float32) -> Measures:
        """Set an averaged picture, float32 H x W, against the scene."""
        brightness, contrast = float(picture.mean()), float(picture.std())
        if not self.has_structure:
            return Measures(brightness, contrast, *(math.nan,) * 4)
        fine, coarse = self._slopes_of(picture)
        cross = self._tiles(_product(coarse, self._coarse), 4)[self.structured]
        energy = self._tiles(_product(coarse, coarse), 4)[self.structured]
        usual = self._coarse_energy[self.structured]
        match = cross / np.sqrt(np.maximum(energy, 1e-6) * usual)
        lost = match < UNLIKE
        # Medians: the rim of what covers a part of the picture is itself rich in contrast.
        detail = (
            math.sqrt(float(np.median(energy[lost]) / np.median(usual[lost])))
            if lost.any()
            else 1.0
        )
        clear = match >= ALIKE
        sharpness = math.nan
        if clear.sum() >= max(FEWEST_TILES, 0.2 * len(clear)):
            projected = self._tiles(_product(fine, self._fine), self._tile) / self._fine_energy
            sharpness = float(np.median(projected[self.structured][clear] / (cross / usual)[clear]))
        return Measures(
            brightness, contrast, float(lost.mean()), detail, sharpness, self._shift_px(fine)
        )

    def _slopes_of(
        self, picture: Float32
    ) -> tuple[npt.NDArray[np.complex64], npt.NDArray[np.complex64]]:
        return _slopes(picture), _slopes(_pooled(picture, self._pool))

    @staticmethod
    def _tiles(values: Float32, side: int) -> Float32:
        """Sums over tiles of ``side`` pixels; what is left over at the edges is left out."""
        rows, columns = values.shape[0] // side, values.shape[1] // side
        cut = values[: rows * side, : columns * side]
        sums: Float32 = (
            cut.reshape(rows, side, columns * side)
            .sum(axis=1)
            .reshape(rows, columns, side)
            .sum(axis=2)
        )
        return sums

    def _structured_blocks(
        self, height: int, width: int
    ) -> list[tuple[slice, slice, npt.NDArray[np.complexfloating]]]:
        """Places of the blocks with structure, and the conjugate spectra of their slopes."""
        side = self._block
        if side < 16:
            return []
        found: list[tuple[slice, slice, npt.NDArray[np.complexfloating]]] = []
        for top in range(0, height - side + 1, side):
            for left in range(0, width - side + 1, side):
                place = slice(top, top + side), slice(left, left + side)
                tiles = tuple(
                    slice(part.start // self._tile, part.stop // self._tile) for part in place
                )
                if self.structured[tiles].mean() >= 0.25:
                    spectrum = np.fft.fft2(self._fine[place] * self._window).conj()
                    found.append((*place, spectrum / np.sqrt(np.maximum(np.abs(spectrum), 1e-6))))
        return found

    def _shift_px(self, fine: npt.NDArray[np.complex64]) -> float:
        """The shift that most blocks agree on, by phase correlation of their slopes, half whitened."""
        side = self._block
        shifts = []
        for rows, columns, spectrum in self._blocks:
            seen = np.fft.fft2(fine[rows, columns] * self._window)
            seen /= np.sqrt(np.maximum(np.abs(seen), 1e-6))
            seen *= spectrum
            surface = np.fft.ifft2(seen).real
            place = int(surface.argmax())
            if surface.flat[place] * side * side >= PEAK * float(np.abs(seen).sum()):
                down, across = divmod(place, side)
                shifts.append(
                    ((down + side // 2) % side - side // 2, (across + side // 2) % side - side // 2)
                )
        if len(shifts) < max(2, len(self._blocks) / 2):
            return math.nan
        found = np.array(shifts, dtype=np.float64)
        middle = np.median(found, axis=0)
        agreeing = np.abs(found - middle).max(axis=1) <= SHIFT_SLACK_PX
        if agreeing.sum() < max(2, len(self._blocks) / 2):
            return math.nan
        return float(np.hypot(*middle))


def _slopes(picture: Float32) -> npt.NDArray[np.complex64]:
    """Differences to the next pixel, across as the real part and down as the imaginary one, 0 at the far edges."""
    slopes = np.zeros(picture.shape, dtype=np.complex64)
    slopes.real[:, :-1] = picture[:, 1:] - picture[:, :-1]
    slopes.imag[:-1] = picture[1:] - picture[:-1]
    return slopes


def _product(one: npt.NDArray[np.complex64], other: npt.NDArray[np.complex64]) -> Float32:
    """The scalar product of slopes at each pixel."""
    product: Float32 = one.real * other.real + one.imag * other.imag
    return product


def _pooled(picture: Float32, factor: int) -> Float32:
    """Means of squares of ``factor`` pixels."""
    rows, columns = picture.shape[0] // factor, picture.shape[1] // factor
    cut = picture[: rows * factor, : columns * factor]
    sums = (
        cut.reshape(rows, factor, columns * factor)
        .sum(axis=1)
        .reshape(rows, columns, factor)
        .sum(axis=2)
    )
    means: Float32 = sums / np.float32(factor * factor)
    return means
