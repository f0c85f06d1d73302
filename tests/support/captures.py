"""A stand-in for `cv2.VideoCapture`, which the tests must not need: it gives frames of our own."""

from collections.abc import Sequence

import numpy as np

from oddframe._types import Pixels

POSITION_MS, RATE = 0, 5
"""OpenCV's numbers of `CAP_PROP_POS_MSEC` and `CAP_PROP_FPS`."""


class FakeCapture:
    """Gives frames with blue first, and what OpenCV tells about them.

    Args:
        frames: The frames, uint8 H x W x 3 with red first.
        rate_fps: What it calls the rate; 0 where it knows none.
        tells_times: Whether it knows the time of the frame that was read last.
        opened: Whether it is opened.
    """

    def __init__(
        self,
        frames: Sequence[Pixels],
        rate_fps: float,
        *,
        tells_times: bool = True,
        opened: bool = True,
    ) -> None:
        self._frames, self._rate_fps = frames, rate_fps
        self._tells_times, self._opened = tells_times, opened
        self._number = -1

    def isOpened(self) -> bool:  # noqa: N802
        """Tell whether it is opened."""
        return self._opened

    def read(self) -> tuple[bool, Pixels | None]:
        """Read the next frame."""
        self._number += 1
        if self._number >= len(self._frames):
            return False, None
        return True, np.ascontiguousarray(self._frames[self._number][..., ::-1])

    def get(self, prop: int) -> float:
        """Give the time of the last frame in milliseconds, or the rate."""
        if prop == POSITION_MS:
            return 1000 * self._number / self._rate_fps if self._tells_times else 0.0
        assert prop == RATE
        return self._rate_fps
