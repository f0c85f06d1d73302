"""The picture of a stored event with its heat map.

Anomaly maps are not stored: they are computed again from the event's clip, by the model that the
camera has now, when somebody asks. That takes a few seconds, so the last pictures are kept.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

from oddframe.core.records import Frame, Score
from oddframe.core.zones import Zones
from oddframe.inference.model import Model
from oddframe.media.convert import encode_jpeg
from oddframe.media.overlay import blend_heat
from oddframe.media.recording import Recording
from oddframe.media.source import FrameFormat
from oddframe.web.model_registry import ModelRegistry

WIDTH = 960
"""Width of the picture in pixels."""

_MOST_KEPT = 50
_QUALITY = 85

_BEFORE_S, _AFTER_S = 3.0, 1.0
"""How much of the clip is scored around the peak, in seconds: the clips of five frames that its
neighbours' scores need too."""

_NEAR_S = 0.6
"""A map is taken for that of the peak if it is not further away in time."""


class _Part(Recording):
    """A part of a recording: the frames between two of its moments, in seconds."""

    def __init__(self, path: Path, start_s: float, end_s: float) -> None:
        super().__init__(path)
        self._start_s, self._end_s = start_s, end_s

    def frames(self, wanted: FrameFormat) -> Iterator[Frame]:
        """Yield the frames of the part in a fresh pass."""
        for frame in super().frames(wanted):
            if frame.time_s > self._end_s:
                return
            if frame.time_s >= self._start_s:
                yield frame


class HeatPictures:
    """Computes pictures with heat, one after the other; any thread may ask.

    Args:
        registry: Where the models are.
    """

    def __init__(self, registry: ModelRegistry) -> None:
        self._registry = registry
        self._lock = threading.Lock()
        # Pictures by clip and moment, the one that was asked for last at the end.
        self._kept: OrderedDict[tuple[Path, int, float, str], bytes | None] = OrderedDict()
        # The network of the cameras is busy with their frames, and not every backend takes calls
        # from two threads: so there is a second one, of the model that was asked for last.
        self._model: tuple[str, Model] | None = None

    def picture(
        self, model: str, clip: Path, peak_s: float, zones: Zones | None, map_level: float
    ) -> bytes | None:
        """Return the frame of a clip at a moment, with unusual places coloured.

        Args:
            model: The model, as the plan of the cameras names it.
            clip: The clip's file.
            peak_s: The moment, in seconds of the clip.
            zones: Which parts of the picture count.
            map_level: Value of the map that normal pictures hardly reach.

        Returns:
            A JPEG file; None where the clip has no frame with a map near the moment.

        Raises:
            OddframeError: If the clip or the model cannot be read.
        """
        with self._lock:
            key = (clip, clip.stat().st_mtime_ns, peak_s, model)
            if key not in self._kept:
                self._kept[key] = self._compute(model, clip, peak_s, zones, map_level)
                while len(self._kept) > _MOST_KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]

    def _compute(
        self, name: str, clip: Path, peak_s: float, zones: Zones | None, map_level: float
    ) -> bytes | None:
        if self._model is None or self._model[0] != name:
            self._model = None
            self._model = (name, self._registry.load_another(name))
        part = _Part(clip, peak_s - _BEFORE_S, peak_s + _AFTER_S)
        best: Score | None = None
        scores = self._model[1].scores(
            part, health=False, zones=zones, maps=True, picture_width=WIDTH
        )
        for score in scores:
            distance_s = abs(score.time_s - peak_s)
            if score.map is None or score.picture is None or distance_s > _NEAR_S:
                continue
            if best is None or distance_s < abs(best.time_s - peak_s):
                best = score
        if best is None or best.map is None or best.picture is None:
            return None
        return encode_jpeg(blend_heat(best.picture, best.map, map_level), _QUALITY)
