"""What is shown of an event: a snapshot at its peak, frames around it, and the heat of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from oddframe._types import AnomalyMap, Pixels
from oddframe.core.clips import clip_span, sampled_gap_s, thins
from oddframe.core.records import Clip, Event, Frame, FrameTiming
from oddframe.core.zones import Zones
from oddframe.errors import SourceError
from oddframe.inference.model import Model
from oddframe.inference.stream_scorer import PendingFrame
from oddframe.media.overlay import heat_layer
from oddframe.media.recording import read_frames
from oddframe.media.source import FrameFormat, Source
from oddframe.report.page import data_uri, resized, within
from oddframe.results.reader import RecordingResults

WIDEST = 640
"""Width of a snapshot in pixels, where the recording has as many."""
CLIP_WIDTH, HEAT_WIDTH, CLIP_HEAT_WIDTH = 400, 240, 120
BEFORE_S, AFTER_S = 2.2, 1.8
"""The frames around a peak; as long before it as people need to see what comes."""
MOST_FRAMES = 40
SNAPSHOT_LENGTH, HEAT_LENGTH, CLIP_LENGTH, CLIP_HEAT_LENGTH = 80_000, 20_000, 240_000, 44_000
"""Most characters of each of them in the page, so that one of ten events stays below 5 MB."""


@dataclass(frozen=True, slots=True)
class EventPictures:
    """What is shown of an event.

    Attributes:
        picture: The recording's frame at the peak, uint8 H x W x 3.
        snapshot: The same as an address of itself.
        heat: What lies over it, likewise; None where the anomaly map is not known.
        frames: The clip, a mapping for each frame: ``t`` in seconds, ``s`` the score, ``src`` and,
            where there is one, ``heat``.
        map: The anomaly map at the peak, float32 H x W; None where it is not known.
        clip: The clip that the network saw there; None where there is no network.
    """

    picture: Pixels = field(repr=False)
    snapshot: str = field(repr=False)
    heat: str | None = field(repr=False)
    frames: tuple[Mapping[str, Any], ...] = field(repr=False)
    map: AnomalyMap | None = field(repr=False)
    clip: Clip | None = field(repr=False)


class Viewer:
    """Shows events of a recording.

    Args:
        results: What was found in it.
        source: The recording.
        model: What it was scored with; None where that is gone: then there is heat only where maps
            were kept.
    """

    def __init__(self, results: RecordingResults, source: Source, model: Model | None) -> None:
        assert results.facts is not None, "a recording is found through its facts"
        self._results, self._facts, self._source, self._model = (
            results,
            results.facts,
            source,
            model,
        )
        self._map_level = float(results.facts.calibration["map_level"])
        # Where frames were dropped to arrive at the model's rate, those with a score are those that
        # were kept.
        thinned = thins(source.rate_fps, results.facts.model_fps)
        self._kept = np.flatnonzero(
            np.isfinite(results.score) if thinned else np.ones(len(results.score), np.bool_)
        )
        self._width: int | None = None

    def thumbnail(self, time_s: float, width: int) -> str:
        """The frame at a time, small."""
        place = int(self._kept[np.argmin(np.abs(self._results.time_s[self._kept] - time_s))])
        (frame,) = self._read(FrameFormat(2, 2, "grey", width), [place])
        return data_uri(_picture(frame), 50)

    def show(self, event: Event) -> EventPictures:
        """What is shown of an event.

        Raises:
            SourceError: If the recording cannot be read there.
        """
        chosen, read = self._places(event)
        wanted = FrameFormat(2, 2, "grey") if self._model is None else self._model.wanted()
        frames = {
            frame.index: frame
            for frame in self._read(
                FrameFormat(
                    wanted.width, wanted.height, wanted.colour, self._picture_width(chosen[0])
                ),
                read,
            )
        }
        results = self._results
        shown = [int(results.frame[place]) for place in chosen]
        peak = int(
            results.frame[chosen[int(np.argmin(np.abs(results.time_s[chosen] - event.peak_s)))]]
        )
        clips = dict(self._clips(frames.values())) if self._model is not None else {}
        maps = self._kept_maps(shown)
        if not maps and self._model is not None:
            maps = dict(self._maps({index: clips[index] for index in shown if index in clips}))
        picture = _picture(frames[peak])
        small = [
            resized(_picture(frames[index]), min(CLIP_WIDTH, picture.shape[1])) for index in shown
        ]
        sources = within(small, CLIP_LENGTH, 58)
        heats = dict(zip(maps, within([self._heat(one, picture, CLIP_HEAT_WIDTH) for one in maps.values()],
                                      CLIP_HEAT_LENGTH, 40), strict=True)) if maps else {}  # fmt: skip
        moments = []
        for place, index, address in zip(chosen, shown, sources, strict=True):
            moment = {
                "t": round(float(results.time_s[place]), 3),
                "s": _rounded(results.score[place]),
                "src": address,
            }
            moments.append({**moment, "heat": heats[index]} if index in heats else moment)
        heat = (
            within([self._heat(maps[peak], picture, HEAT_WIDTH)], HEAT_LENGTH, 50)[0]
            if peak in maps
            else None
        )
        return EventPictures(
            picture=picture,
            snapshot=within([picture], SNAPSHOT_LENGTH, 72)[0],
            heat=heat,
            frames=tuple(moments),
            map=maps.get(peak),
            clip=clips.get(peak),
        )

    def _places(self, event: Event) -> tuple[list[int], list[int]]:
        """Rows of the table of the frames to show, and of those to read: all of their clips."""
        times, scores = self._results.time_s[self._kept], self._results.score[self._kept]
        begin, end = (
            max(event.start_s - 1, event.peak_s - BEFORE_S),
            min(event.end_s + 1, event.peak_s + AFTER_S),
        )
        inside = np.flatnonzero(
            (times >= begin - 1e-6) & (times <= end + 1e-6) & np.isfinite(scores)
        )
        peak = int(np.argmin(np.abs(times - event.peak_s)))
        step = max(1, -(-len(inside) // MOST_FRAMES))
        chosen = inside[inside % step == peak % step] if len(inside) else np.array([peak])
        first = max(0, int(chosen[0]) - clip_span(self._facts.interval) + 1)
        lookahead = 0 if self._model is None else self._model.bundle.network.config.lookahead
        return self._kept[chosen].tolist(), self._kept[
            first : int(chosen[-1]) + lookahead + 1
        ].tolist()

    def _read(self, wanted: FrameFormat, places: Sequence[int]) -> list[Frame]:
        results = self._results
        indices = results.frame[list(places)].tolist()
        found = read_frames(self._source, wanted, indices, results.time_s[list(places)])
        if len(found) != len(indices):
            raise SourceError(
                f"{self._source.path} must still hold the frames that were scored, but {len(indices) - len(found)} "
                "of the frames to show are missing; score it again"
            )
        return found

    def _picture_width(self, place: int) -> int:
        """That of the recording, up to the widest."""
        if self._width is None:
            (frame,) = self._read(FrameFormat(2, 2, "grey"), [place])
            self._width = max(2, min(WIDEST, frame.source_size[0]))
        return self._width

    def _clips(self, frames: "Sequence[Frame] | Any") -> Iterator[tuple[int, Clip]]:
        """The clip that scores each frame where one does, by the frame's index."""
        assert self._model is not None
        rate_fps = self._facts.model_fps
        timing = FrameTiming(self._source.rate_fps, self._source.gap_s)
        gap_s = sampled_gap_s(timing, rate_fps)
        stream = self._model.stream(
            rate_fps, gap_s, every_frame=True, watch_health=False, zones=self._zones()
        )
        for frame in frames:
            for waiting in stream.push(frame):
                if waiting.clip is not None:
                    yield waiting.frame.index, waiting.clip

    def _maps(self, clips: Mapping[int, Clip]) -> Iterator[tuple[int, AnomalyMap]]:
        """Anomaly maps of the clips of frames, scored again."""
        assert self._model is not None
        network, zones = self._facts.frame_size, self._zones()
        watched = None if zones is None else zones.mask(network[1], network[0])
        size = self._model.scorer.batch_size
        indices = list(clips)
        for begin in range(0, len(indices), size):
            batch = indices[begin : begin + size]
            waiting = [
                PendingFrame(clips[index].last, clips[index], watched=watched) for index in batch
            ]
            for index, score in zip(batch, self._model.scored(waiting, maps=True), strict=True):
                if score.map is not None:
                    yield index, score.map

    def _kept_maps(self, indices: Sequence[int]) -> dict[int, AnomalyMap]:
        """Anomaly maps that `score --maps` kept."""
        path = self._results.file(".maps.npz")
        if not path.is_file():
            return {}
        try:
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

    def _zones(self) -> Zones | None:
        return self._facts.used_zones()


def _picture(frame: Frame) -> Pixels:
    assert frame.picture is not None, "pictures were asked for"
    return frame.picture


def _rounded(score: float) -> float | None:
    return None if np.isnan(score) else round(float(score), 3)
