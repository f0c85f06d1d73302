"""The overlay as a video: pictures with heat map and score curve."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from oddframe.core.records import Score
from oddframe.media.overlay import Overlay
from oddframe.media.writer import VideoWriter
from oddframe.sinks.tables import ScoreSink

__all__ = ["overlay_video"]


class _OverlayVideo:
    """Opens the video with the first picture, whose size nobody knows before."""

    def __init__(self, path: Path, rate_fps: float, map_scale: float, closing: ExitStack) -> None:
        self._path, self._rate_fps, self._map_scale, self._closing = path, rate_fps, map_scale, closing
        self._overlay: Overlay | None = None
        self._video: VideoWriter | None = None
        self._size = (0, 0)
        self._start_s = 0.0

    def write(self, score: Score) -> None:
        """Add the frame of a score that carries its picture."""
        if score.picture is None:
            return
        size = (score.picture.shape[1], score.picture.shape[0])
        if self._overlay is None or self._video is None:
            self._overlay, self._size, self._start_s = Overlay(size, self._map_scale), size, score.time_s
            self._video = self._closing.enter_context(VideoWriter(self._path, self._rate_fps, self._overlay.size))
        if size != self._size:
            return
        drawn = self._overlay.draw(score.picture, score.map, score.score, score.time_s)
        self._video.write(drawn, score.time_s - self._start_s)


@contextmanager
def overlay_video(path: Path, rate_fps: float, map_scale: float) -> Iterator[ScoreSink]:
    """A video that appears whole when the block ends; scores must carry pictures and maps.

    Where a source changes its size midway, pictures of another size than the first are left out.

    Args:
        path: The file, ``.mp4``.
        rate_fps: Frames per second of the source.
        map_scale: Level of the anomaly map at the threshold.

    Raises:
        OutputError: If it cannot be written.
    """
    with ExitStack() as closing:
        yield _OverlayVideo(path, rate_fps, map_scale, closing)
