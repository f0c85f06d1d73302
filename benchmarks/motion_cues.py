"""What motion costs a frame: a difference of frames, as the method has it, or an optical flow.

    python benchmarks/motion_cues.py [--times 7]

The flow is Lucas and Kanade's, dense, in three levels of a pyramid with three rounds each, in NumPy
and SciPy; it is checked on a shift that is known before it is timed. Medians of milliseconds for
one pair of frames of 256 x 256.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import ndimage

SIDE = 256
SHIFT = (3.0, -2.0)
"""Rows and columns that the checked picture moves by."""
LEVELS, ROUNDS, WINDOW = 3, 3, 3.0

Floats = npt.NDArray[np.float32]


def main() -> None:
    """Check the flow, time both, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=7)
    args = parser.parse_args()
    random = np.random.default_rng(0)
    first = ndimage.gaussian_filter(
        random.normal(0, 1, (SIDE, SIDE, 3)), (3, 3, 0), mode="wrap"
    ).astype(np.float32)
    second = ndimage.shift(first, (*SHIFT, 0), order=3, mode="grid-wrap").astype(np.float32)
    error = np.abs(np.median(flow(grey(first), grey(second)), axis=(1, 2)) - np.array(SHIFT)).max()
    if error > 0.1:
        raise SystemExit(
            f"the flow must find a shift of {SHIFT} to a tenth of a pixel, but is {error:.2f} off"
        )
    difference_ms = timed(lambda: second - first, args.times)
    flow_ms = timed(lambda: flow(grey(first), grey(second)), args.times)
    print(
        f"RGB difference {difference_ms:.3g} ms, dense Lucas-Kanade flow {flow_ms:.3g} ms "
        f"a pair of frames of {SIDE} x {SIDE}: {flow_ms / difference_ms:.0f} times as long; "
        f"a known shift found to {error:.2g} pixels"
    )


def grey(picture: Floats) -> Floats:
    """The mean of the colours, H x W."""
    found: Floats = picture.mean(axis=2)
    return found


def flow(first: Floats, second: Floats) -> Floats:
    """Rows and columns, 2 x H x W, by which each place of ``first`` moves to get to ``second``."""
    pyramid = [(first, second)]
    for _ in range(LEVELS - 1):
        pyramid.append(tuple(ndimage.gaussian_filter(one, 1.0)[::2, ::2] for one in pyramid[-1]))
    moved = np.zeros((2, *pyramid[-1][0].shape), np.float32)
    for level, (before, after) in enumerate(reversed(pyramid)):
        if level:
            larger = [ndimage.zoom(part, 2, order=1) for part in moved]
            moved = (2 * np.stack(larger)).astype(np.float32)
        moved = refined(before, after, moved.astype(np.float32))
    return moved


def refined(first: Floats, second: Floats, moved: Floats) -> Floats:
    """A flow of one level, refined by a few rounds of least squares in a window at each place."""
    along = np.stack([ndimage.sobel(first, axis) / 8 for axis in (0, 1)])
    yy, xx, yx = (window(along[a] * along[b]) for a, b in ((0, 0), (1, 1), (0, 1)))
    # A little of the mean keeps flat places where they are.
    ridge = 1e-3 * float((yy + xx).mean())
    yy, xx = yy + ridge, xx + ridge
    places = np.indices(first.shape, np.float32)
    for _ in range(ROUNDS):
        there = ndimage.map_coordinates(second, places + moved, order=1, mode="nearest")
        change = there - first
        y, x = (window(one * change) for one in along)
        step = np.stack([xx * y - yx * x, yy * x - yx * y]) / (yy * xx - yx * yx)
        moved = moved - step.astype(np.float32)
    return moved


def window(values: Floats) -> Floats:
    """The weighted mean around each place."""
    found: Floats = ndimage.gaussian_filter(values, WINDOW)
    return found


def timed(work: Callable[[], object], times: int) -> float:
    """Median milliseconds of some times, after one that nobody counts."""
    took = []
    for _ in range(times + 1):
        began = time.perf_counter()
        work()
        took.append(1e3 * (time.perf_counter() - began))
    return statistics.median(took[1:])


if __name__ == "__main__":
    main()
