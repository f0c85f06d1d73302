"""What every source offers, the form in which its frames are wanted, and rates that can be true."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from oddframe.core.records import Frame
from oddframe.errors import SettingsError

PLAUSIBLE_FPS = (0.01, 240.0)
"""Frames per second between which a stated rate is believed.

Beyond them it is a mistake in a header, such as the 90,000 ticks of a transport stream.
"""


@dataclass(frozen=True, slots=True)
class FrameFormat:
    """What a decoded frame is converted to.

    The resize is bilinear and does not keep the aspect ratio.

    Attributes:
        width: Width in pixels.
        height: Height in pixels.
        colour: "grey" gives H x W x 1, "rgb" H x W x 3.
        picture_width: Also keep an RGB picture of this width with the aspect ratio kept (both sides
            even), for people to look at. None keeps none.
    """

    width: int
    height: int
    colour: Literal["grey", "rgb"]
    picture_width: int | None = None

    # Checked here, since the numbers come from users' settings and FFmpeg's own error names none.
    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise SettingsError(
                f"a frame format needs a size of at least 1 x 1, got {self.width} x {self.height}"
            )
        if self.colour not in ("grey", "rgb"):
            raise SettingsError(f'colour must be "grey" or "rgb", got {self.colour!r}')
        if self.picture_width is not None and self.picture_width < 2:
            raise SettingsError(
                f"picture_width must be at least 2 pixels, got {self.picture_width}"
            )


class FrameSource(Protocol):
    """A recording or a folder of images: frames with a time, in as many passes as wanted.

    Attributes:
        name: The name under which its results are filed; unique among sources found together.
        path: The file or folder.
        rate_fps: Its own average rate in frames per second.
        gap_s: The longest time between two consecutive frames that is not a gap, in seconds.
        notices: What went wrong without making the source unusable, one sentence each; grows while
            reading.
    """

    name: str
    path: Path
    rate_fps: float
    gap_s: float
    notices: list[str]

    def count_frames(self) -> int:
        """Return how many frames a pass is expected to give, found without decoding."""
        ...

    def fingerprint(self) -> str:
        """Return a text that changes when the input's names, sizes or times of change do."""
        ...

    def frames(self, wanted: FrameFormat) -> Iterator[Frame]:
        """Yield all frames in a fresh pass.

        Everything is closed when the pass ends, and when the iterator is closed early.

        Raises:
            SourceError: If not a single frame can be read.
        """
        ...
