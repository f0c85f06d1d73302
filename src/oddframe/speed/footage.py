"""The recording that is scored: drawn, H.264, 360 x 240."""

from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import cycle, islice
from pathlib import Path
from typing import cast

from oddframe.core.records import Frame
from oddframe.data.scene import SceneSettings, draw
from oddframe.media.recording import Recording
from oddframe.media.sources import FrameFormat
from oddframe.media.writer import VideoWriter

__all__ = ["FRAMES", "Beginning", "draw_recording"]

DRAWN, FRAMES = 200, 1_000
"""So many pictures are drawn, and shown forwards and backwards until there are so many frames."""
SCENE = SceneSettings(width=360, height=240, rate_fps=25.0)


def draw_recording(path: Path, drawn: int = DRAWN, frames: int = FRAMES) -> None:
    """Draw a recording of people on a plaza, with a camera's noise.

    Args:
        path: The file.
        drawn: How many pictures are drawn.
        frames: How many frames it gets: the pictures forwards, backwards and so on.

    Raises:
        OutputError: If it cannot be written.
    """
    with VideoWriter(path, SCENE.rate_fps, (SCENE.width, SCENE.height)) as video:
        pictures = [frame.pixels for frame in draw(1, drawn, SCENE)]
        for picture in islice(cycle([*pictures, *reversed(pictures)]), frames):
            video.write(picture)


class Beginning(Recording):
    """The first frames of a recording, so that a slow row ends.

    Args:
        path: The recording.
        most: How many frames of it.
    """

    def __init__(self, path: Path, most: int) -> None:
        super().__init__(path)
        self._most = most

    def frames(self, wanted: FrameFormat) -> Iterator[Frame]:
        """A fresh pass over them."""
        with closing(cast(Generator[Frame], super().frames(wanted))) as every:
            yield from islice(every, self._most)
