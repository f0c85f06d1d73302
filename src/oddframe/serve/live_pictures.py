"""The last picture of each camera as JPEG, made when somebody asks and once for all who do."""

import io
import threading

from PIL import Image

from oddframe.media.overlay import blend_heat
from oddframe.watching.views import Glimpse
from oddframe.watching.watcher import Watcher

__all__ = ["LivePictures"]

_QUALITY = 80


class LivePictures:
    """Makes pictures for people; may be asked by any thread.

    Args:
        watcher: Where they come from.
    """

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._lock = threading.Lock()
        self._made: dict[tuple[str, bool], tuple[Glimpse, bytes]] = {}

    def picture(self, camera: str, *, heat: bool) -> bytes | None:
        """What a camera shows, as JPEG.

        Args:
            camera: Its name.
            heat: Whether its unusual places glow.

        Returns:
            The file; None where there is no picture.
        """
        glimpse = self._watcher.glimpse(camera)
        if glimpse is None:
            self._made.pop((camera, heat), None)
            return None
        with self._lock:
            before = self._made.get((camera, heat))
            if before is None or before[0].time_s != glimpse.time_s or before[0].picture is not glimpse.picture:
                before = (glimpse, _jpeg(glimpse, heat))
                self._made[camera, heat] = before
        return before[1]


def _jpeg(glimpse: Glimpse, heat: bool) -> bytes:
    pixels = glimpse.picture
    if heat and glimpse.map is not None:
        pixels = blend_heat(pixels, glimpse.map, glimpse.map_level)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
