"""What every stream of frames offers, and how the frames of streams are taken.

`StreamSet` takes those of several in turns, `CameraSource` gives those of one camera as a source.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from oddframe.core.alerts import StreamStatus
from oddframe.core.records import Frame, FrameTiming
from oddframe.errors import SourceError
from oddframe.media.live_config import LiveSettings, StreamAddress
from oddframe.media.live_stream import LiveStream
from oddframe.media.packet_buffer import PacketBuffer
from oddframe.media.source import FrameFormat

_LOOK_EVERY_S = 0.25
"""How often a camera that sends nothing is asked how it is, in seconds."""


class FrameStream(Protocol):
    """A camera or a played recording: frames come at their own time and wait in a short queue.

    `take` and `state` never wait.

    Attributes:
        name: The name under which results of the stream are filed.
        rate_fps: Its frames per second; None before the first frame, known from then on.
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
        """Begin to produce frames, in a thread; returns at once."""
        ...

    def take(self) -> Frame | None:
        """Take out the oldest frame that waits; None where none does."""
        ...

    @property
    def newest(self) -> Frame | None:
        """The last frame that came, also once it was taken; None before the first."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether no frame waits and none will come."""
        ...

    def state(self) -> StreamStatus:
        """Report the stream's phase, its counts and its last error."""
        ...

    def stop(self) -> None:
        """Give no more frames; returns within a second, whatever the network does."""
        ...


@dataclass(frozen=True, slots=True)
class ReceivedFrame:
    """A frame, and the stream that it came from.

    Attributes:
        stream: Position of the stream in its `StreamSet`.
        frame: The frame.
    """

    stream: int
    frame: Frame


class StreamSet(AbstractContextManager["StreamSet"]):
    """Takes frames of several streams in turns, so that a busy one does not delay the others.

    Use it in a `with` block, or call `start` and `stop`.

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
        """Start all streams, each in a thread of its own."""
        for stream in self._streams:
            stream.start()

    def poll(self, most: int, timeout_s: float) -> list[ReceivedFrame]:
        """Take frames that wait, in every turn one of each stream.

        Args:
            most: How many frames to take at most, at least 1.
            timeout_s: The longest wait for the first frame, in seconds.

        Returns:
            At least one frame, unless the time ran out, `wake` was called or all streams are over.
        """
        # Cleared before taking: a frame that arrives from now on ends the wait.
        self._arrived.clear()
        taken = self._take(most)
        if not taken and not self.are_over:
            self._arrived.wait(timeout_s)
            taken = self._take(most)
        return taken

    def replace(self, streams: Sequence[FrameStream]) -> None:
        """Go on with other streams: new ones start, and those that are not among them are stopped.

        Streams that stay go on undisturbed. Only the thread that polls may call this; it does not
        wait for the streams that stop.
        """
        # By identity: two streams may be equal in all that they show, such as their names.
        kept = {id(stream) for stream in self._streams}
        wanted = {id(stream) for stream in streams}
        gone = [stream for stream in self._streams if id(stream) not in wanted]
        self._streams, self._turn = tuple(streams), 0
        for stream in self._streams:
            if id(stream) not in kept:
                stream.notify = self._arrived.set
                stream.start()
        # A stream may take a second to stop, and the others' frames must not wait for that.
        for stream in gone:
            threading.Thread(target=stream.stop, daemon=True).start()

    def wake(self) -> None:
        """Make a `poll` that waits return; any thread may call this."""
        self._arrived.set()

    @property
    def are_over(self) -> bool:
        """Whether no frame waits in any stream and none will come."""
        return all(stream.is_over for stream in self._streams)

    def states(self) -> list[StreamStatus]:
        """Report the state of each stream, in their order."""
        return [stream.state() for stream in self._streams]

    def stop(self) -> None:
        """Stop all streams at the same time; returns within about two seconds."""
        # Side by side, so that many cameras stop as fast as one.
        stopping = [threading.Thread(target=stream.stop, daemon=True) for stream in self._streams]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join(2)

    def _take(self, most: int) -> list[ReceivedFrame]:
        """Take what waits; the next call goes on with the stream whose turn it is then."""
        taken: list[ReceivedFrame] = []
        # Streams asked in a row that had no frame: when all of them had none, nothing waits.
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


class CameraSource:
    """A camera as a `FrameSource`: its frames as they come, until somebody stops it.

    A camera that cannot be reached at the start is an error. One that has sent a frame is connected
    to again and again, and its frames are late rather than missing.

    Args:
        address: The camera's address; not a file.
        default_fps: Frames per second that are claimed until the camera tells its own.
        settings: How it is connected to; the defaults when None.
    """

    def __init__(
        self, address: StreamAddress, default_fps: float, settings: LiveSettings | None = None
    ) -> None:
        self.name, self.path = address.name, Path(address.shown)
        self.notices: list[str] = []
        self._address, self._settings = address, settings
        timing = FrameTiming.of_video(default_fps)
        self.rate_fps, self.gap_s = timing.rate_fps, timing.gap_s
        self._stopping = threading.Event()

    def __repr__(self) -> str:
        return f"CameraSource({str(self._address)!r})"

    def count_frames(self) -> int:
        """Return 0: nobody knows how many frames will come."""
        return 0

    def fingerprint(self) -> str:
        """Return the address without its secrets, since what a camera shows always changes."""
        return str(self._address)

    def stop(self) -> None:
        """Let the passes end within a moment; any thread may call this."""
        self._stopping.set()

    def frames(self, wanted: FrameFormat) -> Iterator[Frame]:
        """Connect, and yield the frames that come from now on; see `FrameSource.frames`.

        The rate is that of the camera from the first frame on, and may change with later ones.

        Raises:
            SourceError: If the first attempt to connect fails.
        """
        stream = LiveStream(self._address, wanted, self._settings)
        with StreamSet([stream]) as camera:
            while not self._stopping.is_set():
                # One at a time: what the caller is slow for is dropped by the queue, as in a watch.
                for received in camera.poll(1, _LOOK_EVERY_S):
                    self.rate_fps = stream.rate_fps or self.rate_fps
                    self.gap_s = stream.gap_s
                    yield received.frame
                status = stream.state()
                if not status.frames and status.error is not None:
                    raise SourceError(status.error)
