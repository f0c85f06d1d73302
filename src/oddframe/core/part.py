"""Which part of the frame is looked at."""

from typing import NamedTuple

__all__ = ["WHOLE", "Part"]


class Part(NamedTuple):
    """A part of a fixed view; its size is that of the pixels that come with it.

    Attributes:
        top: Its first row in the whole frame.
        left: Its first column there.
    """

    top: int = 0
    left: int = 0


WHOLE = Part()
