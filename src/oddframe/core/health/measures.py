"""Measures of a camera's health: its picture compared with the scene that it usually shows.

Two steps make the measures blind to what is not a fault. They look at a running mean of a few
seconds, in which passers-by and noise fade; and they project its slopes (differences between
neighbouring pixels) on those of the scene, so that light and contrast are factors that cancel.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from oddframe._types import BoolMask, Float32, Pixels

Slopes = npt.NDArray[np.complex64]
"""Slopes of a picture, H x W: across as the real part, down as the imaginary part."""
Spectrum = npt.NDArray[np.complexfloating]
"""The Fourier transform of a block's slopes."""

AVERAGE_S = 2.0
"""Time constant of the running mean, in seconds."""
MOST_PIXELS = 256 * 256
"""Larger pictures are shrunk first, which bounds time and storage."""
STRUCTURE = 2.0
"""Root mean square slope from which a tile of the scene has structure to compare with.

It is in grey levels per coarse pixel.
"""
FEWEST_TILES = 4
"""With fewer tiles of structure nothing can be said about cover, focus and view."""
ALIKE = 0.5
"""Correlation of slopes from which a tile is clear enough to judge its sharpness."""
UNLIKE = 0.3
"""Correlation of slopes below which a tile does not show what the scene shows there."""
PEAK = 0.1
"""Coherence from which a block's shift is believed; chance gives about a third of it."""
SHIFT_SLACK_PX = 1.5
"""Blocks agree on a shift when they lie within this many pixels of each other."""
_LEAST_ENERGY = 1e-6
"""Stands in for no slope at all, where the measures divide by it."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What a check of the picture found; NaN where a measure is not possible.

    Attributes:
        brightness: Mean of the picture, 0 to 255.
        contrast: Standard deviation over the picture, in grey levels.
        lost: Share, 0 to 1, of the scene's structured tiles that do not show what they should.
        detail: Contrast of those tiles, relative to that of the scene; near 0 they show nothing at
            all.
        sharpness: Fine slopes relative to coarse ones, both relative to the scene's: 1 is as sharp,
            0 is blurred.
        shift_px: How far the view is shifted, in pixels, where most blocks agree on it.
    """

    brightness: float
    contrast: float
    lost: float
    detail: float
    sharpness: float
    shift_px: float


def grey(pixels: Pixels) -> Pixels:
    """Turn a frame, H x W x C, into a grey picture, h x w, shrunk by a whole factor if large."""
    flat: Pixels = pixels[..., 0] if pixels.shape[2] == 1 else pixels.mean(axis=2).astype(np.uint8)
    factor = math.ceil(math.sqrt(flat.size / MOST_PIXELS))
    return flat if factor <= 1 else _shrink(flat.astype(np.float32), factor).astype(np.uint8)


class Average:
    """A running mean of grey pictures, which starts anew when the picture changes as a whole.

    Args:
        jump: Mean change, in grey levels, above which the picture has changed as a whole.

    Attributes:
        picture: The mean, float32 H x W; None before the first picture.
        jumped: Whether the last picture started it anew.
        switched: Whether nearly all of that picture has changed, as where a light is switched;
            somebody close to the camera, or a crowd with its traces in the mean, changes a part.
    """

    def __init__(self, jump: float) -> None:
        self.picture: Float32 | None = None
        self.jumped = self.switched = False
        self._jump = jump
        self._age_s = 0.0

    def add(self, picture: Pixels, step_s: float) -> float:
        """Take the next picture.

        Args:
            picture: Grey, uint8 H x W.
            step_s: Seconds since the last one.

        Returns:
            Its mean absolute distance from the mean of those before, in grey levels.
        """
        if self.picture is None:
            self.picture, self.jumped, self._age_s = picture.astype(np.float32), True, 0.0
            return 0.0
        away = picture - self.picture
        change = np.abs(away)
        distance = float(change.mean())
        self.jumped = distance > self._jump
        if self.jumped:
            # In places that are dark anyway a light changes little.
            little, usual = np.quantile(change, (0.25, 0.5))
            self.switched = bool(little > self._jump / 4 and usual > self._jump / 2)
        else:
            self.switched = False
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


class SceneModel:
    """The scene that a camera usually shows, prepared for comparison.

    Tiles of it are compared for cover and focus, larger blocks for a shift of the view. "Coarse"
    slopes are those of the picture shrunk to four pixels a tile side: they survive blur, the fine
    ones do not.

    Args:
        picture: The empty scene, uint8 H x W.

    Attributes:
        structured: Which tiles have structure to compare with, bool rows x columns.
    """

    def __init__(self, picture: Pixels) -> None:
        height, width = picture.shape
        self._tile = 16 if min(height, width) >= 96 else 8
        self._pool = self._tile // 4
        # A power of two, at most 64: spectra of such sides are fast, and the blocks are many.
        self._block = 1 << int(math.log2(max(1, min(64, height // 2, width // 2))))
        # Fades the edges of a block out, which the spectrum would see as slopes.
        self._window = np.outer(np.hanning(self._block), np.hanning(self._block)).astype(np.float32)
        as_floats = picture.astype(np.float32)
        self._fine, self._coarse = self._slopes_of(as_floats)
        fine_energy = _tile_sums(_product(self._fine, self._fine), self._tile)
        self._fine_energy = np.maximum(fine_energy, _LEAST_ENERGY)
        coarse_energy = _tile_sums(_product(self._coarse, self._coarse), 4)
        self._coarse_energy = np.maximum(coarse_energy, _LEAST_ENERGY)
        # A tile holds 4 x 4 coarse pixels, whose squares have been added.
        self.structured: BoolMask = self._coarse_energy >= STRUCTURE**2 * 16
        self._blocks = self._structured_blocks(height, width)

    @property
    def has_structure(self) -> bool:
        """Whether there are tiles enough to judge cover, focus and view by."""
        return int(self.structured.sum()) >= FEWEST_TILES

    def measure(self, picture: Float32) -> Measures:
        """Compare an averaged picture, float32 H x W, with the scene."""
        brightness, contrast = float(picture.mean()), float(picture.std())
        if not self.has_structure:
            return Measures(brightness, contrast, *(math.nan,) * 4)
        fine, coarse = self._slopes_of(picture)
        cross = _tile_sums(_product(coarse, self._coarse), 4)[self.structured]
        energy = _tile_sums(_product(coarse, coarse), 4)[self.structured]
        usual = self._coarse_energy[self.structured]
        # The correlation of a tile's slopes with the scene's.
        match = cross / np.sqrt(np.maximum(energy, _LEAST_ENERGY) * usual)
        lost = match < UNLIKE
        detail = 1.0
        if lost.any():
            # Medians: the rim of what covers a part of the picture is itself rich in contrast.
            detail = math.sqrt(float(np.median(energy[lost]) / np.median(usual[lost])))
        clear = match >= ALIKE
        sharpness = math.nan
        if clear.sum() >= max(FEWEST_TILES, 0.2 * len(clear)):
            projected = _tile_sums(_product(fine, self._fine), self._tile) / self._fine_energy
            sharpness = float(np.median(projected[self.structured][clear] / (cross / usual)[clear]))
        return Measures(
            brightness, contrast, float(lost.mean()), detail, sharpness, self._shift_px(fine)
        )

    def _slopes_of(self, picture: Float32) -> tuple[Slopes, Slopes]:
        """Give the fine and the coarse slopes of a picture."""
        return _slopes(picture), _slopes(_shrink(picture, self._pool))

    def _structured_blocks(self, height: int, width: int) -> list[tuple[slice, slice, Spectrum]]:
        """Find the blocks with structure: their rows, columns and the conjugate spectrum of each.

        The spectra are half whitened: divided by the root of their absolute values. Fully whitened
        ones would weigh noise as much as structure, plain ones nothing but the strongest edges.
        """
        side = self._block
        # In smaller blocks chance alone makes a peak.
        if side < 16:
            return []
        found: list[tuple[slice, slice, Spectrum]] = []
        for top in range(0, height - side + 1, side):
            for left in range(0, width - side + 1, side):
                place = slice(top, top + side), slice(left, left + side)
                tiles = tuple(
                    slice(part.start // self._tile, part.stop // self._tile) for part in place
                )
                if self.structured[tiles].mean() >= 0.25:
                    spectrum = np.fft.fft2(self._fine[place] * self._window).conj()
                    whitening = np.sqrt(np.maximum(np.abs(spectrum), _LEAST_ENERGY))
                    found.append((*place, spectrum / whitening))
        return found

    def _shift_px(self, fine: Slopes) -> float:
        """Find the shift that most blocks agree on, by phase correlation of their slopes.

        Returns:
            Its length in pixels; NaN where too few blocks agree.
        """
        side = self._block
        shifts = []
        for rows, columns, spectrum in self._blocks:
            seen = np.fft.fft2(fine[rows, columns] * self._window)
            seen /= np.sqrt(np.maximum(np.abs(seen), _LEAST_ENERGY))
            seen *= spectrum
            surface = np.fft.ifft2(seen).real
            place = int(surface.argmax())
            # The highest that a peak can be is the sum of the spectrum's absolute values, divided
            # by side² in the transform; coherence is the share of that which is reached.
            if surface.flat[place] * side * side >= PEAK * float(np.abs(seen).sum()):
                down, across = divmod(place, side)
                # Places past the middle are shifts the other way: the transform is periodic.
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


def _slopes(picture: Float32) -> Slopes:
    """Give the differences to the next pixel; they are 0 at the far edges."""
    slopes = np.zeros(picture.shape, dtype=np.complex64)
    slopes.real[:, :-1] = picture[:, 1:] - picture[:, :-1]
    slopes.imag[:-1] = picture[1:] - picture[:-1]
    return slopes


def _product(first: Slopes, second: Slopes) -> Float32:
    """Give the scalar product of two slopes at each pixel."""
    product: Float32 = first.real * second.real + first.imag * second.imag
    return product


def _shrink(picture: Float32, factor: int) -> Float32:
    """Average squares of ``factor`` x ``factor`` pixels."""
    means: Float32 = _tile_sums(picture, factor) / np.float32(factor * factor)
    return means


def _tile_sums(values: Float32, side: int) -> Float32:
    """Sum over tiles of ``side`` x ``side`` pixels; what is left over at the edges is left out."""
    rows, columns = values.shape[0] // side, values.shape[1] // side
    cut = values[: rows * side, : columns * side]
    # H x W -> rows x W -> rows x columns: two sums over memory in its order are several times
    # faster than one over two axes of a four-dimensional view.
    down = cut.reshape(rows, side, columns * side).sum(axis=1)
    sums: Float32 = down.reshape(rows, columns, side).sum(axis=2)
    return sums
