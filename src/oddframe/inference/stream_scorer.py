"""One source's way from decoded frames to clips, and from the network's results to final scores.

`StreamScorer.push` turns frames into pending frames, `oddframe.inference.model.Model.scored` asks
the network about them, in batches that several streams may share, and `StreamScorer.resolve` turns
its results into final scores.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from oddframe._types import AnomalyMap, BoolMask, Pixels
from oddframe.core.clips import ClipWindow, RateFollower, Sampler
from oddframe.core.health.monitor import HealthMonitor
from oddframe.core.records import (
    FRAMES_PER_CLIP,
    Clip,
    Frame,
    FrameTiming,
    HealthChange,
    HealthState,
    Score,
)
from oddframe.core.smoothing import ScoreSmoother
from oddframe.model.config import NetworkConfig


class ClipResult:
    """What the network says of a clip; clips in a row that have the same pixels share one.

    Attributes:
        score: The result with its anomaly map; None until the network has answered.
        is_asked: Whether the network was asked, or is about to be.
    """

    score: Score | None = None
    is_asked: bool = False

    def keep(self) -> None:
        """Copy the map out of its batch, since this result is needed for longer than the others."""
        # A map is a view into the maps of a whole batch; holding it would hold all of them.
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
        answer: Holds the network's result on the clip, now or once the network was asked.
    """

    frame: Frame
    clip: Clip | None
    health: HealthState = "ok"
    changes: tuple[HealthChange, ...] = ()
    watched: BoolMask | None = None
    answer: ClipResult = field(default_factory=ClipResult)

    @property
    def is_new(self) -> bool:
        """Whether it takes a place in a batch: it has a clip that does not repeat the last one."""
        return self.clip is not None and not self.clip.repeats


class StreamScorer:
    """Takes the frames of one source to their final scores, in order.

    Frames are thinned by time to the model's rate and watched for the camera's health; no clip
    reaches across a gap or across a frame that shows nothing of the scene. Frames wait inside until
    it is known which clip scores them, and scores until those of their neighbours are known.

    The calls are `push` for every frame and `resolve` for the results of the frames that it
    returned, then at the end `finish` and `resolve` for what is left. After that a new stretch of
    the same source may begin with `push`. `Model.stream` makes an instance.

    Args:
        model_fps: Frames per second that the model was trained at; None uses every frame.
        network: The settings of the network, which say how a clip is made of frames.
        score: From a raw score to one in (0, 1).
        monitor: Watches the camera's health; None where nobody does.
        watched: What counts in the picture, bool H x W; None where all of it does.
        timing: The timing of the source.
    """

    def __init__(
        self,
        model_fps: float | None,
        network: NetworkConfig,
        score: Callable[[float], float],
        monitor: HealthMonitor | None,
        watched: BoolMask | None,
        timing: FrameTiming,
    ) -> None:
        self._model_fps, self._network = model_fps, network
        self._monitor, self._watched = monitor, watched
        self._smoother = ScoreSmoother(network.neighbours, score)
        self._placer = _MapPlacer(network.map_offsets)
        self._result = ClipResult()
        self._held: list[PendingFrame] = []
        # The unbroken run of each frame that was handed out and has no result yet.
        self._runs: deque[int] = deque()
        self._finished = False
        self._sampler = Sampler(model_fps or math.inf, timing)
        self._window = ClipWindow(network.interval, self._sampler.gap_s, network.lookahead)
        self._set_gap()

    def retime(self, timing: FrameTiming) -> None:
        """Take another timing of the source, as a camera may have after a new connection."""
        thinned = self._sampler.thins
        self._sampler = Sampler(self._model_fps or math.inf, timing)
        self._follow(thinned)

    @property
    def rates(self) -> RateFollower:
        """What is known of the source's rate; of a thinned source, after thinning."""
        return self._sampler.rates

    def _follow(self, thinned: bool) -> None:
        """Follow a change of the source's rate; ``thinned`` tells whether it was thinned before."""
        self._set_gap()
        if self._sampler.thins != thinned:
            # No clip has frames of before and after: they lie differently far apart.
            self._window.clear()

    def _set_gap(self) -> None:
        """Let clips, means over neighbours and "no signal" follow the source's own rhythm."""
        self._window.gap_s = self._smoother.gap_s = self._sampler.gap_s
        if self._monitor is not None:
            self._monitor.gap_s = self._sampler.gap_s

    def push(self, frame: Frame) -> list[PendingFrame]:
        """Take the next frame.

        Returns:
            Frames in order, of which it is known now whether a clip scores them; at most one of
            them has one.
        """
        timing, thinned = self._sampler.rates.timing, self._sampler.thins
        kept = self._sampler.keeps(frame)
        if self._sampler.rates.timing is not timing:
            self._follow(thinned)
        # Health is watched at the rate of the model, as it was when its usual values were learned.
        changes = self._monitor.push(frame) if kept and self._monitor is not None else ()
        health = "ok" if self._monitor is None else self._monitor.suspected
        self._held.append(PendingFrame(frame, None, health, changes))
        if kept and (self._monitor is None or self._monitor.usable):
            self._place(self._window.push(frame))
        elif kept:
            # No clip may reach across a frame that shows nothing of the scene.
            self._window.clear()
        return self._release(self._window.awaited)

    def resolve(self, results: Iterable[Score]) -> list[Score]:
        """Take what the network says of the next frames.

        Args:
            results: What `Model.scored` gives for frames that `push` or `finish` returned, in their
                order. They may come in as many calls as the caller likes; after `finish` all that
                are left come in one.

        Returns:
            The scores that are final now, in order. After `finish` these are all that are left.
        """
        final = []
        for result in results:
            self._placer.note(result, self._runs.popleft())
            final += self._placer.place(self._smoother.push(result))
        if self._finished:
            self._finished = False
            # The neighbours that these scores wait for will not come.
            final += self._placer.place(self._smoother.flush(), ended=True)
        return final

    def finish(self) -> list[PendingFrame]:
        """End the stream, or the stretch of it before a silence.

        Returns:
            The frames that still wait for a clip. They get no score, since it stays incomplete.
        """
        self._finished = True
        self._window.clear()
        return self._release(None)

    def tick(self, time_s: float) -> tuple[HealthChange, ...]:
        """Let time pass without a frame, as it does for a live camera that has fallen silent.

        Args:
            time_s: The time that it is now, in seconds of the source.

        Returns:
            The changes of the camera's health that this brings.
        """
        return () if self._monitor is None else self._monitor.tick(time_s)

    def _place(self, clip: Clip | None) -> None:
        """Give a clip to the held frame that it scores."""
        if clip is None:
            return
        if clip.repeats:
            self._result.keep()
        else:
            self._result = ClipResult()
        # By identity: the window hands back the very frame that it was given.
        place = next(
            place
            for place, pending in enumerate(self._held)
            if pending.frame is self._window.scored
        )
        self._held[place] = replace(
            self._held[place], clip=clip, watched=self._watched, answer=self._result
        )

    def _release(self, awaited: Frame | None) -> list[PendingFrame]:
        """Hand out what comes before the first frame that may still get a clip."""
        count = next(
            (place for place, pending in enumerate(self._held) if pending.frame is awaited),
            len(self._held),
        )
        ready, self._held = self._held[:count], self._held[count:]
        # A frame with a clip is handed out with it, so its run is the present one. The last frames
        # of a run, which get none, are handed out once it is over, and tell of that.
        self._runs.extend([self._window.run] * count)
        return ready


def stack_clips(clips: Sequence[Clip]) -> Pixels:
    """Stack the pixels of clips to one batch, uint8 B x 5 x H x W x C."""
    stacked = np.empty((len(clips), FRAMES_PER_CLIP, *clips[0].last.pixels.shape), np.uint8)
    # np.stack into the place in the batch copies each frame once; a stack of stacks copies twice.
    for place, clip in zip(stacked, clips, strict=True):
        np.stack([frame.pixels for frame in clip.frames], out=place)
    return stacked


class _MapPlacer:
    """Gives each scored frame the anomaly map that lies on it, not that of the clip that scores it.

    A clip's map lies on other frames than the one that has its score: see
    `NetworkConfig.map_offsets`. A map that lies on two frames is hot where a thing is in either, so
    the lower value counts, at each place, of the clip that ends on a frame and the one that begins
    on it: both are hot only where the thing is in that frame. At the ends of an unbroken run, where
    one of the two is not there, the other serves; the first frames, on which no map lies, have that
    of the run's first clip.

    Args:
        offsets: Scored frames from the one that has a clip's score to each that its map lies on.
    """

    def __init__(self, offsets: Sequence[int]) -> None:
        self._offsets, self._reach = offsets, max(map(abs, offsets))
        # The unbroken run and the map of scored frames, as they came; scored frames are numbered,
        # and `_first` is the number of the oldest one here.
        self._own: deque[tuple[int, AnomalyMap | None]] = deque()
        self._first = 0
        self._run = 0
        # Scores that wait for the map of a later clip; `_next` is the number of the next scored
        # frame to be passed on.
        self._waiting: deque[Score] = deque()
        self._next = 0

    def note(self, result: Score, run: int) -> None:
        """Take a frame's result, which has the map of its own clip, and the run that it is in."""
        self._run = run
        if result.raw is not None:
            self._own.append((run, result.map))

    def place(self, scores: Iterable[Score], *, ended: bool = False) -> list[Score]:
        """Take the next scores, in order, and pass on those whose map is known, with that map.

        Args:
            scores: Scores whose results were noted.
            ended: Whether no more results come.
        """
        self._waiting.extend(scores)
        placed = []
        while self._waiting and (ended or not self._must_wait()):
            score = self._waiting.popleft()
            if score.raw is not None:
                if score.map is not None:
                    score = replace(score, map=self._lying_map())
                self._next += 1
            placed.append(score)
        while self._own and self._first < self._next - self._reach:
            self._own.popleft()
            self._first += 1
        return placed

    def _must_wait(self) -> bool:
        """Say whether the next score needs the map of a clip that may still come."""
        if self._waiting[0].map is None:
            return False
        last = self._next - min(self._offsets)
        run, _ = self._own[self._next - self._first]
        return last >= self._first + len(self._own) and run == self._run

    def _lying_map(self) -> AnomalyMap:
        """Give the map that lies on the next scored frame."""
        run, _ = self._own[self._next - self._first]
        maps = [self._map_of(self._next - offset, run) for offset in self._offsets]
        known = [found for found in maps if found is not None]
        if not known:
            # The oldest clip of the run: of all its maps, this one's lies nearest.
            known = [found for kept, found in self._own if kept == run and found is not None][:1]
        if len(known) == 1 or known[0] is known[1]:
            return known[0]
        lower = np.minimum(*known)
        # Frames that repeat each other share a map, as those of single clips are shared.
        lower.flags.writeable = False
        return lower

    def _map_of(self, number: int, run: int) -> AnomalyMap | None:
        """Give the map of the clip that scores a frame; None where it is not of the run."""
        place = number - self._first
        if not 0 <= place < len(self._own):
            return None
        found, own = self._own[place]
        return own if found == run else None
