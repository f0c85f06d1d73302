"""Pixel-level metrics: how well anomaly maps point at the abnormal pixels.

Method section 9, rule 6. A whole benchmark has hundreds of millions of pixels, so the pixel AUC is
counted in bins while frames go by: fixed memory, any number of frames, and a stated bound on what
the bins can hide.

The thresholds of one global sweep have to be known before the first frame of a single pass. The
first bits of a float32 (sign, exponent, the head of the mantissa) are such thresholds for every
model: each step is the same share of the value, whatever the values are (`level_numbers`).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from oddframe._types import AnomalyMap, BoolMask, Float32, Float64
from oddframe.errors import InputError
from oddframe.metrics.frame import auc_score, equal_error_rate, plain_values

_SIGN = np.uint32(1 << 31)
"""The sign bit of a float32."""
_KEPT_BITS = 21
"""Sign, eight bits of exponent and twelve of the mantissa: two million bins of 8 bytes each."""


def level_numbers(values: Float32, bits: int) -> npt.NDArray[np.int32]:
    """Give the level of each value, 0 to 2^bits - 1; a larger value is never on a lower level.

    Args:
        values: Finite, float32, any shape.
        bits: How many of the first bits count, 9 to 31; 9 + m give 2^m levels per factor of two.
    """
    # Adding 0 turns -0.0, which equals 0.0 but has other bits, into 0.0.
    pattern = np.ascontiguousarray(values + np.float32(0.0)).view(np.uint32)
    # A float's bits grow with it once those of negative numbers are turned around.
    ordered = np.where(pattern & _SIGN, ~pattern, pattern | _SIGN)
    numbers: npt.NDArray[np.int32] = (ordered >> np.uint32(32 - bits)).astype(np.int32)
    return numbers


@dataclass(frozen=True, slots=True)
class PixelResult:
    """The pixel-level figures; one is None where all pixels (or frames) are of one class.

    Attributes:
        frames: Frames counted; frames without a score are not.
        auc: Area under the ROC curve over all pixels of all frames.
        auc_margin: How far `auc` can be from the exact value.
        criterion_share: Part of a frame's abnormal pixels that must be found, as in the two figures
            below.
        criterion_auc: Area under the frame ROC curve under that criterion.
        criterion_equal_error_rate: Equal error rate of the same curve; lower is better.
    """

    frames: int
    auc: float | None
    auc_margin: float | None
    criterion_share: float
    criterion_auc: float | None
    criterion_equal_error_rate: float | None

    def as_dict(self) -> dict[str, Any]:
        """Give the figures as plain values; see `plain_values`."""
        values: dict[str, Any] = plain_values(self)
        return values


class PixelMetrics:
    """Collects anomaly maps and true masks, one frame at a time, and gives the pixel-level figures.

    A bin holds all float32 values that share sign, exponent and the first 12 bits of the mantissa:
    values less than 0.025 % apart may fall together and then count as tied.

    Args:
        share: Part of a frame's abnormal pixels that must be found for the frame to count, in (0,
            1].

    Raises:
        InputError: The share is out of range.
    """

    def __init__(self, share: float = 0.4) -> None:
        if not 0.0 < share <= 1.0:
            raise InputError(
                f"the share of abnormal pixels to find must be above 0 and at most 1, got {share}"
            )
        self._share = share
        self._normal = np.zeros(1 << _KEPT_BITS, dtype=np.int64)
        self._abnormal = np.zeros(1 << _KEPT_BITS, dtype=np.int64)
        self._frame_labels: list[int] = []
        self._frame_scores: list[float] = []

    def add(self, anomaly_map: npt.ArrayLike, mask: npt.ArrayLike) -> None:
        """Count one scored frame.

        Args:
            anomaly_map: H x W, higher = more anomalous; taken as float32.
            mask: H x W, true where abnormal.

        Raises:
            InputError: The shapes differ or are not H x W, or a value is not finite.
        """
        values = np.asarray(anomaly_map, dtype=np.float32)
        truth = np.asarray(mask).astype(np.bool_)
        if values.ndim != 2 or values.size == 0 or values.shape != truth.shape:
            raise InputError(
                "anomaly map and mask must both be H x W, at least one pixel and of one size, "
                f"got {values.shape} and {truth.shape}"
            )
        if not np.isfinite(values).all():
            raise InputError("an anomaly map must be finite, got NaN or infinite values")
        # `np.add.at` counts pixels that share a bin, where `+= 1` would count them once.
        bins = level_numbers(values, _KEPT_BITS)
        np.add.at(self._abnormal, bins[truth], 1)
        np.add.at(self._normal, bins[~truth], 1)
        self._frame_labels.append(int(truth.any()))
        self._frame_scores.append(_found_until(values, truth, self._share))

    def result(self) -> PixelResult:
        """Give the figures over all frames counted so far."""
        return PixelResult(
            frames=len(self._frame_labels),
            auc=self.auc(),
            auc_margin=self.auc_margin(),
            criterion_share=self._share,
            criterion_auc=self.criterion_auc(),
            criterion_equal_error_rate=self.criterion_equal_error_rate(),
        )

    def auc(self) -> float | None:
        """Give the area under the ROC curve over all pixels; None if all are of one class."""
        normal, abnormal = self._used_bins()
        pairs = normal.sum() * abnormal.sum()
        if not pairs:
            return None
        # Normal pixels in lower bins lie below an abnormal one; those of its own bin are ties.
        below = np.cumsum(normal) - normal
        return float(abnormal @ (below + 0.5 * normal) / pairs)

    def auc_margin(self) -> float | None:
        """Say how far `auc` can be from the exact value: values in one bin count as ties."""
        normal, abnormal = self._used_bins()
        pairs = normal.sum() * abnormal.sum()
        return float(0.5 * (abnormal @ normal) / pairs) if pairs else None

    def criterion_auc(self) -> float | None:
        """Give the area under the frame ROC curve by the criterion of Mahadevan et al. (CVPR 2010).

        At a threshold an abnormal frame is found if at least `share` of its abnormal pixels reach
        it, a normal frame is a false alarm if any pixel does. None if all frames are of one class.
        """
        return auc_score(self._frame_labels, self._frame_scores)

    def criterion_equal_error_rate(self) -> float | None:
        """Give the equal error rate of the same curve; lower is better."""
        return equal_error_rate(self._frame_labels, self._frame_scores)

    def _used_bins(self) -> tuple[Float64, Float64]:
        """Give the counts of normal and of abnormal pixels in each bin that holds any, in order."""
        used = np.flatnonzero(self._normal + self._abnormal)
        # float64: products of the counts pass 2^63 on a full benchmark.
        return self._normal[used].astype(np.float64), self._abnormal[used].astype(np.float64)


def _found_until(values: AnomalyMap, truth: BoolMask, share: float) -> float:
    """Give the highest threshold at which the frame still counts as alarmed."""
    if not truth.any():
        return float(values.max())
    abnormal = np.sort(values[truth])
    # Less a rounding error, so that 40 % of 5 pixels are 2 and never 3.
    needed = max(1, math.ceil(share * abnormal.size - 1e-9))
    return float(abnormal[-needed])


def resize_map(values: npt.ArrayLike, size: tuple[int, int]) -> AnomalyMap:
    """Resize a map bilinearly, with the same bits on every machine.

    Maps have the size of the network's input, masks that of the frame. Pixels are squares and
    sampled at their centres (not aligned corners); beyond the outermost centres the edge goes on.
    Nothing is averaged where the map is the larger one. A map of the right size stays as it is.

    Args:
        values: h x w, finite; taken as float32.
        size: (height, width) wanted, in pixels.

    Raises:
        InputError: The map is not h x w with at least one pixel.
    """
    given: AnomalyMap = np.asarray(values, dtype=np.float32)
    if given.ndim != 2 or given.size == 0:
        raise InputError(
            f"an anomaly map must be H x W with at least one pixel, got shape {given.shape}"
        )
    if given.shape == size:
        return given
    above, below, down = _neighbours(given.shape[0], size[0])
    left, right, across = _neighbours(given.shape[1], size[1])
    # h x w -> H x w -> H x W: bilinear is linear along one axis after the other.
    rows: AnomalyMap = given[above] * (1 - down)[:, None] + given[below] * down[:, None]
    resized: AnomalyMap = rows[:, left] * (1 - across) + rows[:, right] * across
    return resized


def _neighbours(
    given: int, wanted: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Float32]:
    """Find the two given places that each wanted one lies between, and the share of the second."""
    places = np.clip((np.arange(wanted) + 0.5) * (given / wanted) - 0.5, 0, given - 1)
    first = np.floor(places).astype(np.intp)
    return first, np.minimum(first + 1, given - 1), (places - first).astype(np.float32)
