"""One source's way from frames to clips, and from what the network says of them to final scores."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from oddframe.core.clips import ClipSlider
from oddframe.core.health import HealthWatch
from oddframe.core.records import Clip, Frame, FrameTiming, HealthChange, Score
from oddframe.core.sampling import Sampler, sampled_gap_s
from oddframe.core.score_mean import ScoreMean
from oddframe.core.waiting import Answer, Waiting
from oddframe.model.network_config import NetworkConfig

__all__ = ["Stream"]


class Stream:
    """One source's way from frames to clips: thinned by time, watched for the camera's health, never across a gap.

    A clip that repeats the one before shares its answer. Frames wait in it until it is known which clip scores them.
    `oddframe.scoring.Model.stream` makes it.
    """

    def __init__(
        self,
        model_fps: float | None,
        network: NetworkConfig,
        score: Callable[[float], float],
        watch: HealthWatch | None,
        watched: npt.NDArray[np.bool_] | None,
    ) -> None:
        self._model_fps, self._network = model_fps, network
        self._watch, self._watched = watch, watched
        self._sampler: Sampler
        self._slider: ClipSlider
        self._mean = ScoreMean(network.neighbours, score)
        self._answer = Answer()
        self._held: list[Waiting] = []

    def retime(self, source: FrameTiming) -> None:
        """Take the timing of the source; a camera may have another after a new connection."""
        target_fps = self._model_fps or source.rate_fps
        self._sampler = Sampler(target_fps, source)
        self._mean.gap_s = sampled_gap_s(source, target_fps)
        self._slider = ClipSlider(self._network.interval, self._mean.gap_s, self._network.lookahead)

    def push(self, frame: Frame) -> list[Waiting]:
        """Take the next frame; no clip reaches across one that shows nothing of the scene.

        Returns:
            Frames in order, of which it is known now whether a clip scores them; at most one of them has one.
        """
        kept = self._sampler.keeps(frame)
        changes = self._watch.push(frame) if kept and self._watch is not None else ()
        health = "ok" if self._watch is None else self._watch.suspected
        self._held.append(Waiting(frame, None, health, changes))
        if kept and (self._watch is None or self._watch.usable):
            self._place(self._slider.push(frame))
        elif kept:
            self._slider.clear()
        return self._ready(self._slider.awaited)

    def flush(self) -> list[Waiting]:
        """What waits and gets no score, since its clip will not be complete."""
        self._slider.clear()
        return self._ready(None)

    def settled(self, score: Score) -> list[Score]:
        """Take what `Model.scored` says of the next frame; returns, in order, the scores that are final now."""
        return self._mean.push(score)

    def rest(self) -> list[Score]:
        """The scores that wait for those of frames after them, which will not come."""
        return self._mean.flush()

    def _place(self, clip: Clip | None) -> None:
        """Give a clip to the frame that it scores."""
        if clip is None:
            return
        if clip.repeats:
            self._answer.keep()
        else:
            self._answer = Answer()
        place = next(place for place, one in enumerate(self._held) if one.frame is self._slider.scored)
        self._held[place] = replace(self._held[place], clip=clip, watched=self._watched, answer=self._answer)

    def _ready(self, awaited: Frame | None) -> list[Waiting]:
        """Hand out what comes before the first frame that may still get a clip."""
        count = next((place for place, one in enumerate(self._held) if one.frame is awaited), len(self._held))
        ready, self._held = self._held[:count], self._held[count:]
        return ready

    def tick(self, time_s: float) -> tuple[HealthChange, ...]:
        """Say that it is now `time_s` in the source and no frame has come since the last; for live cameras."""
        return () if self._watch is None else self._watch.tick(time_s)
