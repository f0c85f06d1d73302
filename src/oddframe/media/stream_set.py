"""What every stream offers, and many of them taken from at once."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from oddframe.core.alerts import StreamStatus
from oddframe.core.records import Frame
from oddframe.media.packet_buffer import PacketBuffer


class FrameStream(Protocol):
    """Frames that come when they come; they wait in a short queue. `take` and `state` never wait.

    Attributes:
        name: What results of the stream are filed under.
        rate_fps: Frames per second that it gives; None before it is known, and known when the first
            frame comes.
        gap_s: The longest time between two consecutive frames that is not a gap, in seconds.
        ring: Its encoded video for clips; None where none is kept.
        notify: Called after every frame and when the stream is over, from a thread of the stream's.
    """

    name: str
    rate_fps: float | None
    gap_s: float
    ring: PacketBuffer | None
    notify: Callable[[], None]

    def start(self) -> None:
        """Begin."""
        ...

    def take(self) -> Frame | None:
        """The oldest frame that waits; None where none does."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether no frame waits and none will come."""
        ...

    def state(self) -> StreamStatus:
        """How it is doing."""
        ...

    def stop(self) -> None:
        """Give no more frames; returns within a second, whatever the network does."""
        ...


@dataclass(frozen=True, slots=True)
class ReceivedFrame:
    """A frame, and whose it is.

    Attributes:
        stream: Position of its stream among those watched.
        frame: The frame.
    """

    stream: int
    frame: Frame


class StreamSet(AbstractContextManager["StreamSet"]):
    """Takes frames of several streams in turns, so that a busy one crowds out no other. Use it in a `with` block.

    Args:
        streams: The streams, not started; their `notify` becomes this object's.
    """

    def __init__(self, streams: Sequence[FrameStream]) -> None:
        self._streams = tuple(streams)
        self._arrived = threading.Event()
        self._turn = 0
        for stream in self._streams:
            stream.notify = self._arrived.set

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin with all of them."""
        for stream in self._streams:
            stream.start()

    def poll(self, most: int, timeout_s: float) -> list[ReceivedFrame]:
        """Frames that wait, one of each stream a turn, at least one unless the time runs out or all are over.

        Args:
            most: Most frames to take, at least 1.
            timeout_s: Longest wait for the first, in seconds.
        """
        self._arrived.clear()
        taken = self._take(most)
        if not taken and not self.are_over:
            self._arrived.wait(timeout_s)
            taken = self._take(most)
        return taken

    def replace(self, streams: Sequence[FrameStream]) -> None:
        """Go on with other streams: those that were there go on as they are, new ones start, the others are stopped.

        To be called by the thread that polls; it does not wait for those that stop.
        """
        kept = {id(stream) for stream in self._streams}
        left = {id(stream) for stream in streams}
        gone = [stream for stream in self._streams if id(stream) not in left]
        self._streams, self._turn = tuple(streams), 0
        for stream in self._streams:
            if id(stream) not in kept:
                stream.notify = self._arrived.set
                stream.start()
        for stream in gone:
            threading.Thread(target=stream.stop, daemon=True).start()

    def wake(self) -> None:
        """Make a `poll` that waits return; fit for signal handlers' threads and for other threads."""
        self._arrived.set()

    @property
    def are_over(self) -> bool:
        """Whether no frame waits in any stream and none will come."""
        return all(stream.is_over for stream in self._streams)

    def states(self) -> list[StreamStatus]:
        """How each is doing."""
        return [stream.state() for stream in self._streams]

    def stop(self) -> None:
        """Stop all at once; returns within about a second."""
        stopping = [threading.Thread(target=stream.stop, daemon=True) for stream in self._streams]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join(2)

    def _take(self, most: int) -> list[ReceivedFrame]:
        taken: list[ReceivedFrame] = []
        empty = 0
        while len(taken) < most and empty < len(self._streams):
            position = self._turn
            self._turn = (self._turn + 1) % len(self._streams)
            frame = self._streams[position].take()
            empty = 0 if frame is not None else empty + 1
            if frame is not None:
                taken.append(ReceivedFrame(position, frame))
        return taken

    def __iter__(self) -> Iterator[FrameStream]:
        return iter(self._streams)

    def __len__(self) -> int:
        return len(self._streams)
