"""A recording played as a stream, at its own speed or as fast as its frames are taken."""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

from oddframe.core.alerts import Phase, StreamStatus
from oddframe.core.records import Frame
from oddframe.errors import OddframeError
from oddframe.media.live_stream import FrameQueue, RecentRate
from oddframe.media.packet_buffer import PacketBuffer
from oddframe.media.source import FrameFormat, FrameSource

_STOP_WAIT_S = 0.5
"""How long `stop` waits for the thread that plays, in seconds."""

_ROUNDS_KEPT = 100
"""Rounds of a loop whose start is remembered; events lie in the latest ones."""


class PlaybackStream:
    """A recording or a folder of images as a `FrameStream`; unless it loops, it ends.

    Every frame comes and none is dropped: a caller who takes them slowly slows the playback down.
    The frames are those of `FrameSource.frames`, so what is found in the stream is what `score`
    finds in the recording.

    Args:
        source: What to play.
        wanted: The form of the frames.
        fast: Whether to play as fast as frames are taken, instead of at its own speed.
        loop: Whether to play it again and again. Times go on, with a gap between two rounds that no
            clip spans.
        queue: How many frames may wait.
        name: What results are filed under; the source's name when None.
        now_s: Seconds on a clock that never jumps.

    Attributes:
        source: What is played.
    """

    def __init__(
        self,
        source: FrameSource,
        wanted: FrameFormat,
        *,
        fast: bool = False,
        loop: bool = False,
        queue: int = 4,
        name: str | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name or source.name
        self.rate_fps: float | None = source.rate_fps
        self.gap_s = source.gap_s
        self.ring: PacketBuffer | None = None
        self.notify: Callable[[], None] = lambda: None
        self.source = source
        self._wanted, self._fast, self._loop, self._now_s = wanted, fast, loop, now_s
        self._rounds: deque[float] = deque([0.0], maxlen=_ROUNDS_KEPT)
        # `notify` is looked up at each frame, since a `StreamSet` replaces it later.
        self._queue = FrameQueue(queue, waits=True, arrived=lambda: self.notify())
        self._stopping = threading.Event()
        self._player = threading.Thread(target=self._play, name=f"play {self.name}", daemon=True)
        self._phase = Phase.CONNECTING
        self._rate = RecentRate()
        self._frames = 0
        self._last_frame_s: float | None = None
        self._size: tuple[int, int] | None = None
        self._error: str | None = None

    def __repr__(self) -> str:
        return f"PlaybackStream({self.name!r}, {self._phase})"

    def start(self) -> None:
        """Begin to play, in a thread; returns at once."""
        self._player.start()

    def take(self) -> Frame | None:
        """Take out the oldest frame that waits; None where none does."""
        return self._queue.take()

    @property
    def newest(self) -> Frame | None:
        """The last frame that came, also once it was taken; None before the first."""
        return self._queue.newest

    def round_start_s(self, time_s: float) -> float:
        """Return when the round began that a time of the stream lies in, in seconds."""
        return next(
            (start_s for start_s in reversed(tuple(self._rounds)) if start_s <= time_s), 0.0
        )

    @property
    def is_over(self) -> bool:
        """Whether playing has ended and every frame was taken."""
        return self._phase in (Phase.ENDED, Phase.FAILED) and not len(self._queue)

    def state(self) -> StreamStatus:
        """Report the playback's phase, its counts and its error."""
        now_s, last_s = self._now_s(), self._last_frame_s
        return StreamStatus(
            name=self.name,
            phase=self._phase,
            frames=self._frames,
            rate_fps=self._rate.per_second(now_s),
            silent_s=None if last_s is None else now_s - last_s,
            size=self._size,
            error=self._error,
        )

    def stop(self) -> None:
        """Give no more frames; returns within a second."""
        self._stopping.set()
        self._queue.close()
        if self._player.ident is not None:
            self._player.join(_STOP_WAIT_S)
        # A failure stays visible after the stop.
        if self._phase is not Phase.FAILED:
            self._phase = Phase.ENDED
        self.notify()

    def _play(self) -> None:
        phase = Phase.ENDED
        try:
            self._play_rounds()
        except OddframeError as error:
            self._error, phase = str(error), Phase.FAILED
        except Exception as error:  # noqa: BLE001 - it must not end the program
            self._error = f"{self.name} crashed: {type(error).__name__}: {error}"
            phase = Phase.FAILED
        finally:
            self._phase = phase
            self.notify()

    def _play_rounds(self) -> None:
        """Play the source once, or again and again, until it is stopped."""
        began_s: float | None = None
        start_s, first = 0.0, 0
        while True:
            before = self._frames
            with closing(self.source.frames(self._wanted)) as frames:  # type: ignore[type-var]
                for frame in frames:
                    if start_s or first:
                        frame = replace(
                            frame, time_s=start_s + frame.time_s, index=first + frame.index
                        )
                    # The first frame decides when the others are due.
                    began_s = self._now_s() - frame.time_s if began_s is None else began_s
                    if not self._fast:
                        self._stopping.wait(max(0.0, began_s + frame.time_s - self._now_s()))
                    if self._stopping.is_set():
                        return
                    self._put(frame)
            # A source that gave no frame would be read over and over without a pause.
            if not self._loop or self._frames == before:
                return
            # Twice the gap, so that no clip spans the joint.
            start_s, first = frame.time_s + 2 * self.gap_s, frame.index + 1
            self._rounds.append(start_s)

    def _put(self, frame: Frame) -> None:
        self._phase = Phase.LIVE
        self._last_frame_s, self._size = self._now_s(), frame.shown_size
        self._rate.add(self._last_frame_s)
        self._frames += 1
        self._queue.put(frame)
