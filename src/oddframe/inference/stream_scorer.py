"""One source's way from frames to clips, and from what the network says of them to final scores.

Decoded frames that wait for the network, and what it answers; clips that repeat each other share an
answer.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from oddframe.core.clips import ClipWindow, Sampler, sampled_gap_s
from oddframe.core.health.monitor import HealthMonitor
from oddframe.core.records import Clip, Frame, FrameTiming, HealthChange, HealthState, Score
from oddframe.core.smoothing import ScoreSmoother
from oddframe.model.config import NetworkConfig


class ClipResult:
    """What the network says of a clip, once it was asked; clips in a row with the same pixels share one.

    Attributes:
        score: It, with the map; None before.
    """

    score: Score | None = None

    def keep(self) -> None:
        """It is needed for longer than the others of its batch: hold its own map, not all of theirs."""
        if (
            self.score is not None
            and self.score.map is not None
            and self.score.map.base is not None
        ):
            own = self.score.map.copy()
            own.flags.writeable = False
            self.score = replace(self.score, map=own)


@dataclass(frozen=True, slots=True)
class PendingFrame:
    """A decoded frame and what is known of it before the network has seen it.

    Attributes:
        frame: The frame.
        clip: The clip that scores it, if any.
        health: The camera's state, or the fault that is seen in the frame before it is certain.
        changes: Changes of that state that came with it.
        watched: What counts in the picture, bool H x W; None where all of it does.
        answer: Where the network's answer on the clip will be, or is.
    """

    frame: Frame
    clip: Clip | None
    health: HealthState = "ok"
    changes: tuple[HealthChange, ...] = ()
    watched: npt.NDArray[np.bool_] | None = None
    answer: ClipResult = field(default_factory=ClipResult)

    @property
    def is_new(self) -> bool:
        """Whether it takes a place in a batch: its clip is none that repeats the one before."""
        return self.clip is not None and not self.clip.repeats


class StreamScorer:
    """One source's way from frames to clips: thinned by time, watched for the camera's health, never across a gap.

    A clip that repeats the one before shares its answer. Frames wait in it until it is known which
    clip scores them. `oddframe.inference.model.Model.stream` makes it.
    """

    def __init__(
        self,
        model_fps: float | None,
        network: NetworkConfig,
        score: Callable[[float], float],
        watch: HealthMonitor | None,
        watched: npt.NDArray[np.bool_] | None,
    ) -> None:
        self._model_fps, self._network = model_fps, network
        self._watch, self._watched = watch, watched
        self._sampler: Sampler
        self._slider: ClipWindow
        self._mean = ScoreSmoother(network.neighbours, score)
        self._answer = ClipResult()
        self._held: list[PendingFrame] = []

    def retime(self, source: FrameTiming) -> None:
        """Take the timing of the source; a camera may have another after a new connection."""
        target_fps = self._model_fps or source.rate_fps
        self._sampler = Sampler(target_fps, source)
        self._mean.gap_s = sampled_gap_s(source, target_fps)
        self._slider = ClipWindow(self._network.interval, self._mean.gap_s, self._network.lookahead)

    def push(self, frame: Frame) -> list[PendingFrame]:
        """Take the next frame; no clip reaches across one that shows nothing of the scene.

        Returns:
            Frames in order, of which it is known now whether a clip scores them; at most one of
            them has one.
        """
        kept = self._sampler.keeps(frame)
        changes = self._watch.push(frame) if kept and self._watch is not None else ()
        health = "ok" if self._watch is None else self._watch.suspected
        self._held.append(PendingFrame(frame, None, health, changes))
        if kept and (self._watch is None or self._watch.usable):
            self._place(self._slider.push(frame))
        elif kept:
            self._slider.clear()
        return self._ready(self._slider.awaited)

    def flush(self) -> list[PendingFrame]:
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
            self._answer = ClipResult()
        place = next(
            place for place, one in enumerate(self._held) if one.frame is self._slider.scored
        )
        self._held[place] = replace(
            self._held[place], clip=clip, watched=self._watched, answer=self._answer
        )

    def _ready(self, awaited: Frame | None) -> list[PendingFrame]:
        """Hand out what comes before the first frame that may still get a clip."""
        count = next(
            (place for place, one in enumerate(self._held) if one.frame is awaited), len(self._held)
        )
        ready, self._held = self._held[:count], self._held[count:]
        return ready

    def tick(self, time_s: float) -> tuple[HealthChange, ...]:
        """Say that it is now `time_s` in the source and no frame has come since the last; for live cameras."""
        return () if self._watch is None else self._watch.tick(time_s)
