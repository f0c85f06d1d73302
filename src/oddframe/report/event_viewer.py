"""The pictures of an event: a snapshot at its peak, the frames around it, and heat maps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from oddframe._types import AnomalyMap, Pixels
from oddframe.core.clips import Sampler, clip_span, sampled_gap_s
from oddframe.core.records import Clip, Event, Frame, FrameTiming
from oddframe.errors import SourceError
from oddframe.inference.model import Model
from oddframe.inference.stream_scorer import PendingFrame, StreamScorer
from oddframe.media.overlay import heat_layer
from oddframe.media.recording import read_frames
from oddframe.media.source import FrameFormat, FrameSource
from oddframe.report.page import data_uri, data_uris_within, resize
from oddframe.results.reader import RecordingResults

WIDEST = 640
"""Greatest width of a snapshot in pixels; narrower where the recording is."""

CLIP_WIDTH, HEAT_WIDTH, CLIP_HEAT_WIDTH = 400, 240, 120

BEFORE_S, AFTER_S = 2.2, 1.8
"""How much is shown around a peak; longer before it, so that people see how it came about."""

MOST_FRAMES = 40

SNAPSHOT_LENGTH, HEAT_LENGTH, CLIP_LENGTH, CLIP_HEAT_LENGTH = 80_000, 20_000, 240_000, 44_000
"""Most characters of each of them in a page, so that a page with ten events stays below 5 MB."""


@dataclass(frozen=True, slots=True)
class EventPictures:
    """The pictures of an event, ready for a page.

    Attributes:
        picture: The recording's frame at the peak, uint8 H x W x 3.
        snapshot: The same as a data URI.
        heat: The heat map to lay over it, likewise; None where the anomaly map is not known.
        frames: The frames around the peak as the page's script reads them: ``t`` in seconds, ``s``
            the score, ``src`` the picture and, where it is known, ``heat``.
        map: The anomaly map at the peak, float32 H x W; None where it is not known.
        clip: The clip whose map lies there; None where there is no network.
    """

    picture: Pixels = field(repr=False)
    snapshot: str = field(repr=False)
    heat: str | None = field(repr=False)
    frames: tuple[Mapping[str, Any], ...] = field(repr=False)
    map: AnomalyMap | None = field(repr=False)
    clip: Clip | None = field(repr=False)


_Pending: TypeAlias = tuple[StreamScorer, list[PendingFrame]]
"""A stream and the frames that it has handed out, of which the network was not asked yet."""


class Viewer:
    """Reads a recording again to show its events.

    Args:
        results: The results of the recording.
        source: The recording.
        model: The model that scored it. None if that is gone: then there are heat maps only where
            anomaly maps were stored.
    """

    def __init__(self, results: RecordingResults, source: FrameSource, model: Model | None) -> None:
        assert results.facts is not None, "a recording is found through its facts"
        self._results, self._facts, self._source, self._model = (
            results,
            results.facts,
            source,
            model,
        )
        self._map_level = float(results.facts.calibration["map_level"])
        # The frames that are left of the recording at the model's rate, as when it was scored.
        sampler = Sampler(results.facts.model_fps, FrameTiming(source.rate_fps, source.gap_s))
        self._kept = np.flatnonzero([sampler.keeps_at(time_s) for time_s in results.time_s])
        self._width: int | None = None

    def thumbnail(self, time_s: float, width: int) -> str:
        """Return the frame nearest to a time as a data URI of a small picture."""
        place = int(self._kept[np.argmin(np.abs(self._results.time_s[self._kept] - time_s))])
        (frame,) = self._read(FrameFormat(2, 2, "grey", width), [place])
        return data_uri(_picture(frame), 50)

    def show(self, event: Event) -> EventPictures:
        """Read and encode the pictures of an event.

        Raises:
            SourceError: If the recording cannot be read there.
        """
        chosen, read = self._places(event)
        # Without a model only the pictures matter, so the network's form is as small as can be.
        network = FrameFormat(2, 2, "grey") if self._model is None else self._model.wanted()
        width = self._picture_width(chosen[0])
        wanted = FrameFormat(network.width, network.height, network.colour, width)
        frames = {frame.index: frame for frame in self._read(wanted, read)}
        results = self._results
        shown = [int(results.frame[row]) for row in chosen]
        nearest = int(np.argmin(np.abs(results.time_s[chosen] - event.peak_s)))
        peak = shown[nearest]
        # Stored maps first: scoring again takes seconds.
        maps = self._stored_maps(shown)
        clip: Clip | None = None
        if self._model is not None:
            waiting = self._pending(self._model, frames.values())
            clip = self._clip_on(peak, waiting, self._model)
            if not maps:
                scored = self._maps(self._model, waiting)
                maps = {index: scored[index] for index in shown if index in scored}
        picture = _picture(frames[peak])
        small = [
            resize(_picture(frames[index]), min(CLIP_WIDTH, picture.shape[1])) for index in shown
        ]
        sources = data_uris_within(small, CLIP_LENGTH, 58)
        heats = {}
        if maps:
            layers = [self._heat(map_, picture, CLIP_HEAT_WIDTH) for map_ in maps.values()]
            uris = data_uris_within(layers, CLIP_HEAT_LENGTH, 40)
            heats = dict(zip(maps, uris, strict=True))
        moments = []
        for row, index, address in zip(chosen, shown, sources, strict=True):
            moment = {
                "t": round(float(results.time_s[row]), 3),
                "s": _rounded(results.score[row]),
                "src": address,
            }
            if index in heats:
                moment["heat"] = heats[index]
            moments.append(moment)
        heat = None
        if peak in maps:
            layer = self._heat(maps[peak], picture, HEAT_WIDTH)
            heat = data_uris_within([layer], HEAT_LENGTH, 50)[0]
        return EventPictures(
            picture=picture,
            snapshot=data_uris_within([picture], SNAPSHOT_LENGTH, 72)[0],
            heat=heat,
            frames=tuple(moments),
            map=maps.get(peak),
            clip=clip,
        )

    def _places(self, event: Event) -> tuple[list[int], list[int]]:
        """Return the rows of the results to show, and those to read: all frames of their clips."""
        times, scores = self._results.time_s[self._kept], self._results.score[self._kept]
        begin, end = (
            max(event.start_s - 1, event.peak_s - BEFORE_S),
            min(event.end_s + 1, event.peak_s + AFTER_S),
        )
        inside = np.flatnonzero(
            (times >= begin - 1e-6) & (times <= end + 1e-6) & np.isfinite(scores)
        )
        peak = int(np.argmin(np.abs(times - event.peak_s)))
        # Every n-th frame where there are too many (n rounded up), and the peak among them.
        step = max(1, -(-len(inside) // MOST_FRAMES))
        chosen = inside[inside % step == peak % step] if len(inside) else np.array([peak])
        first = max(0, int(chosen[0]) - clip_span(self._facts.interval) + 1)
        # A frame's map may come of a later clip than its score.
        later = 0 if self._model is None else self._model.bundle.network.config.known_after
        end = int(chosen[-1]) + later + 1
        return self._kept[chosen].tolist(), self._kept[first:end].tolist()

    def _read(self, wanted: FrameFormat, places: Sequence[int]) -> list[Frame]:
        results = self._results
        indices = results.frame[list(places)].tolist()
        found = read_frames(self._source, wanted, indices, results.time_s[list(places)])
        if len(found) != len(indices):
            raise SourceError(
                f"{self._source.path} must still hold the frames that were scored, "
                f"but {len(indices) - len(found)} of the frames to show are missing; score it again"
            )
        return found

    def _picture_width(self, place: int) -> int:
        """Return the width of the recording, at most `WIDEST`."""
        if self._width is None:
            (frame,) = self._read(FrameFormat(2, 2, "grey"), [place])
            self._width = max(2, min(WIDEST, frame.shown_size[0]))
        return self._width

    def _pending(self, model: Model, frames: Iterable[Frame]) -> _Pending:
        """Put frames through the same chain as when they were scored, up to the network."""
        rate_fps = self._facts.model_fps
        timing = FrameTiming(self._source.rate_fps, self._source.gap_s)
        stream = model.stream(
            rate_fps,
            sampled_gap_s(timing, rate_fps),
            every_frame=True,
            watch_health=False,
            zones=self._facts.used_zones(),
        )
        pending = [ready for frame in frames for ready in stream.push(frame)]
        return stream, [*pending, *stream.finish()]

    def _clip_on(self, peak: int, waiting: _Pending, model: Model) -> Clip | None:
        """Find the clip whose map lies on a frame, or else the clip that scores it."""
        place, found = model.bundle.network.config.mapped_index, None
        for pending in waiting[1]:
            if pending.clip is None:
                continue
            if pending.clip.frames[place].index == peak:
                return pending.clip
            if pending.frame.index == peak:
                found = pending.clip
        return found

    def _maps(self, model: Model, waiting: _Pending) -> dict[int, AnomalyMap]:
        """Score frames again and return the anomaly map of each that has one, by frame."""
        stream, pending = waiting
        size = model.scorer.batch_size
        # As many frames as the network takes clips: repeats make a batch smaller, never larger.
        batches = [pending[begin : begin + size] for begin in range(0, len(pending), size)]
        results = [score for batch in batches for score in model.scored(batch, maps=True)]
        return {
            score.frame: score.map for score in stream.resolve(results) if score.map is not None
        }

    def _stored_maps(self, indices: Sequence[int]) -> dict[int, AnomalyMap]:
        """Return the anomaly maps that `score --maps` has stored, by frame."""
        path = self._results.file(".maps.npz")
        if not path.is_file():
            return {}
        try:
            # Stored as logarithms in half precision, which keeps them small.
            with np.load(path, allow_pickle=False) as archive:
                names = set(archive.files)
                return {
                    index: np.exp(archive[str(index)].astype(np.float32))
                    for index in indices
                    if str(index) in names
                }
        except (OSError, ValueError, KeyError) as error:
            raise SourceError(
                f"{path} must be maps that oddframe score wrote, but cannot be read: {error}"
            ) from error

    def _heat(self, anomaly_map: AnomalyMap, picture: Pixels, width: int) -> Pixels:
        height = max(1, round(width * picture.shape[0] / picture.shape[1]))
        return heat_layer(anomaly_map, (width, height), self._map_level)


def _picture(frame: Frame) -> Pixels:
    assert frame.picture is not None, "pictures were asked for"
    return frame.picture


def _rounded(score: float) -> float | None:
    # JSON has no NaN.
    return None if np.isnan(score) else round(float(score), 3)
