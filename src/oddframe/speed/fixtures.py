"""What `oddframe bench` measures on: a drawn recording, and its beginning."""

from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import cycle, islice
from pathlib import Path
from typing import cast

from oddframe.core.records import Frame
from oddframe.media.recording import Recording
from oddframe.media.source import FrameFormat
from oddframe.media.video_writer import VideoWriter
from oddframe.synthetic.scene import SceneSettings, draw

DRAWN, FRAMES = 200, 1_000
"""Pictures that are drawn, and frames that they give, shown forwards and backwards in turn."""
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
        # Backwards after forwards, so that no jump costs the encoder more than a film would.
        for picture in islice(cycle([*pictures, *reversed(pictures)]), frames):
            video.write(picture)


class Beginning(Recording):
    """The first frames of a recording, so that a slow row ends in time.

    Args:
        path: The recording.
        most: Frames that it has at most.
    """

    def __init__(self, path: Path, most: int) -> None:
        super().__init__(path)
        self._most = most

    def frames(self, wanted: FrameFormat) -> Iterator[Frame]:
        """Decode the first frames, from the beginning at each call."""
        # Closed at once, since the decoder has threads of its own.
        with closing(cast(Generator[Frame], super().frames(wanted))) as every:
            yield from islice(every, self._most)
