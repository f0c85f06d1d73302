"""A recording played as a stream: the same frames, at its own speed or as fast as they are taken."""

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
from oddframe.media.source import FrameFormat, Source

_GOODBYE_S = 0.5

_ROUNDS_KEPT = 100
"""Rounds of which it is known when they began."""


class PlaybackStream:
    """A recording or a folder of images; see `Stream` for what it offers. It ends with its last frame, if ever.

    Every frame comes, none is dropped: who takes too slowly slows it down. What it gives is what
    `Source.frames` gives, so what is found in it is what `score` finds.

    Args:
        source: What to play.
        wanted: The form of the frames.
        fast: Whether to play as fast as frames are taken, instead of at its own speed.
        loop: Whether to play it again and again. Times go on, with a gap between two rounds that no
            clip spans.
        queue: Frames that may wait.
        name: What results are filed under; the source's name when None.
        now_s: Seconds on a clock that never jumps.
    """

    def __init__(
        self,
        source: Source,
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
        """Begin to play."""
        self._player.start()

    def take(self) -> Frame | None:
        """The oldest frame that waits; None where none does."""
        return self._queue.take()

    def round_start_s(self, time_s: float) -> float:
        """When the round began that a time lies in, in seconds of the stream."""
        return next(
            (start_s for start_s in reversed(tuple(self._rounds)) if start_s <= time_s), 0.0
        )

    @property
    def is_over(self) -> bool:
        """Whether it has ended, and everything was taken."""
        return self._phase in (Phase.ENDED, Phase.FAILED) and not len(self._queue)

    def state(self) -> StreamStatus:
        """How it is doing."""
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
            self._player.join(_GOODBYE_S)
        if self._phase is not Phase.FAILED:
            self._phase = Phase.ENDED
        self.notify()

    def _play(self) -> None:
        phase = Phase.ENDED
        try:
            self._give_all()
        except OddframeError as error:
            self._error, phase = str(error), Phase.FAILED
        except Exception as error:  # noqa: BLE001 - one source's crash must not be the program's; its state tells
            self._error, phase = (
                f"{self.name} crashed: {type(error).__name__}: {error}",
                Phase.FAILED,
            )
        finally:
            self._phase = phase
            self.notify()

    def _give_all(self) -> None:
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
                    began_s = self._now_s() - frame.time_s if began_s is None else began_s
                    if not self._fast:
                        self._stopping.wait(max(0.0, began_s + frame.time_s - self._now_s()))
                    if self._stopping.is_set():
                        return
                    self._give(frame)
            if not self._loop or self._frames == before:
                return
            start_s, first = frame.time_s + 2 * self.gap_s, frame.index + 1
            self._rounds.append(start_s)

    def _give(self, frame: Frame) -> None:
        self._phase = Phase.LIVE
        self._last_frame_s, self._size = self._now_s(), frame.source_size
        self._rate.add(self._last_frame_s)
        self._frames += 1
        self._queue.put(frame)
