"""How scores come to callers who own the loop.

`ScoreStream` takes frames one by one and hands out the scores that are known; `score_source` takes
a whole source through it. `iterate_async` and `AsyncFrames` are the two ways between a chain of
generators and asyncio: the chain runs in a thread, the event loop goes on meanwhile.
"""

import asyncio
from collections import deque
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterator,
    Mapping,
    Sequence,
)
from concurrent.futures import CancelledError, Future
from contextlib import closing
from itertools import chain as joined
from threading import Lock
from types import TracebackType
from typing import Any, Protocol, Self, TypedDict, TypeVar, cast

from oddframe.core.alerts import plain_message
from oddframe.core.clips import shape_notice
from oddframe.core.records import Event, Frame, FrameTiming, Score
from oddframe.core.zones import Zones
from oddframe.errors import InputError, SettingsError
from oddframe.inference.stream_scorer import PendingFrame, StreamScorer
from oddframe.media.arrays import ArrayConverter, ArraySource, ColourOrder, check_time
from oddframe.media.convert import prefetch
from oddframe.media.discovery import AnySource, open_source
from oddframe.media.source import FrameFormat, FrameSource
from oddframe.media.stream_set import CameraSource

MOST_AHEAD = 16
"""Frames that are decoded while others are scored."""

MOST_WAITING = 64
"""Frames held at most before their scores are passed on, however few the network must see."""

T = TypeVar("T")

_END = object()
"""Stands for the end of an iterator, since no thread can raise StopIteration into a coroutine."""


class EventOptions(TypedDict, total=False):
    """The arguments of `Model.events` beside the source."""

    fps: float | None
    every_frame: bool
    health: bool
    zones: Zones | None
    colour: ColourOrder
    sinks: Sequence[Callable[[Mapping[str, Any]], object]]


class ScoreOptions(TypedDict, total=False):
    """The arguments of `Model.scores` beside the source."""

    fps: float | None
    every_frame: bool
    health: bool
    zones: Zones | None
    maps: bool
    picture_width: int | None
    colour: ColourOrder


class AskNetwork(Protocol):
    """Asks the network about frames, as `oddframe.inference.model.Model.scored` does."""

    def __call__(self, waiting: Sequence[PendingFrame], *, maps: bool) -> Iterator[Score]:
        """Yield a result for each frame, in order."""
        ...


class ScoreStream:
    """Takes frames one by one and hands out the scores that are known by now.

    `oddframe.Model.stream` makes one. Use it in a `with` block, from one thread at a time; several
    streams of one model may run in several threads.

    A score needs a few frames after its own: as many as the network's clips reach beyond it. So
    the scores of a push are those of earlier frames, and `flush` gives the last ones.

    Example:
        >>> with model.stream(fps=10) as stream:
        ...     for number in range(20):
        ...         frame = numpy.zeros((48, 64, 3), numpy.uint8)
        ...         for score in stream.push(frame):
        ...             pass
        ...     rest = stream.flush()

    Args:
        chain: Makes clips of frames, and final scores of results.
        scored: Asks the network.
        converter: Makes a `Frame` of a caller's array.
        fps: Frames per second of frames that are pushed without a time.
        batch_size: Clips that wait for each other before the network is asked.
        maps: Whether scores carry their anomaly map.
        ahead: Batches that the network may be asked about before the scores of the first of them
            are handed out, where it runs on a device of its own.
    """

    def __init__(
        self,
        chain: StreamScorer,
        scored: AskNetwork,
        converter: ArrayConverter,
        *,
        fps: float | None = None,
        batch_size: int = 1,
        maps: bool = False,
        ahead: int = 0,
    ) -> None:
        self._chain, self._scored, self._converter = chain, scored, converter
        self._fps, self._batch_size, self._maps = fps, batch_size, maps
        self._pending: list[PendingFrame] = []
        self._new = self._pushed = 0
        self._ahead = ahead
        self._asked: deque[Iterator[Score]] = deque()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._closed = True

    def push(self, frame: Any, time_s: float | None = None) -> list[Score]:
        """Take the next frame.

        Args:
            frame: uint8 H x W or H x W x C of any size; an array, or what NumPy makes one of.
            time_s: Its time in seconds, later than that of the frame before. When None, it is the
                number of the frame divided by ``fps``.

        Returns:
            The scores that are known now, in order: none, one or several.

        Raises:
            InputError: If the frame or the time is none, or the block of the stream is left.
            SettingsError: If neither a time nor ``fps`` was given.
        """
        self._check_open()
        if time_s is None:
            if self._fps is None:
                raise SettingsError(
                    "a frame needs its time where the stream has no rate, got neither: "
                    "stream.push(frame, time_s) or model.stream(fps=...)"
                )
            time_s = self._pushed / self._fps
        made = self._converter.frame(frame, self._pushed, check_time(time_s, self._pushed))
        self._pushed += 1
        return self.take(made)

    def flush(self) -> list[Score]:
        """End the stretch: give the scores of all frames that were pushed and have none yet.

        Frames without a full clip around them get an empty score. What is pushed after it begins a
        new stretch, which no clip connects with the one before.
        """
        self._check_open()
        waiting = [*self._pending, *self._chain.finish()]
        self._pending, self._new = [], 0
        self._asked.append(self._scored(waiting, maps=self._maps))
        # All in one call: after the end of a stretch the chain takes no second one.
        results = joined.from_iterable(self._asked)
        self._asked = deque()
        return self._chain.resolve(results)

    def take(self, frame: Frame) -> list[Score]:
        """Take the next frame as a source gives it; returns the scores that are known now."""
        ready = self._chain.push(frame)
        self._pending += ready
        self._new += sum(waiting.is_new for waiting in ready)
        # Frames without a clip of their own need no network and are not held up by a batch.
        if self._new not in (0, self._batch_size) and len(self._pending) < MOST_WAITING:
            return []
        waiting, self._pending, self._new = self._pending, [], 0
        self._asked.append(self._scored(waiting, maps=self._maps))
        if len(self._asked) <= self._ahead:
            return []
        return self._chain.resolve(self._asked.popleft())

    def retime(self, timing: FrameTiming) -> None:
        """Take another timing of the source, as a camera may have after a new connection."""
        self._chain.retime(timing)

    def _check_open(self) -> None:
        if self._closed:
            raise InputError(
                "a stream must be used inside its `with` block, but the block has been left; "
                "make another one with model.stream(fps=...)"
            )


def score_source(
    opened: FrameSource,
    wanted: FrameFormat,
    begin: Callable[[FrameTiming], ScoreStream],
    trained_aspect: float | None,
) -> Iterator[Score]:
    """Take a source through the chain, from its first frame to its last score.

    Args:
        opened: The source.
        wanted: The form of its frames.
        begin: Makes the stream that scores them, of the timing of the source.
        trained_aspect: Width by height of the pictures of the training; None where not known.
    """
    live, frames = isinstance(opened, CameraSource), opened.frames(wanted)
    # What a caller iterates over is asked for on his own thread, and a camera has its own queue.
    if not live and not isinstance(opened, ArraySource):
        frames = prefetch(frames, MOST_AHEAD)
    # Closed at once where the caller stops early: the thread that decodes would go on.
    with closing(frames):  # type: ignore[type-var]
        first = next(frames, None)
        # Some sources know their rate with the first frame only.
        timing = FrameTiming(opened.rate_fps, opened.gap_s)
        stream = begin(timing)
        if first is not None:
            notice = shape_notice(first, trained_aspect)
            if notice is not None and notice not in opened.notices:
                opened.notices.append(notice)
            yield from stream.take(first)
        for frame in frames:
            if live and opened.rate_fps != timing.rate_fps:
                timing = FrameTiming(opened.rate_fps, opened.gap_s)
                stream.retime(timing)
            yield from stream.take(frame)
    yield from stream.flush()


def tell_sinks(
    found: Iterator[Event],
    scores: Iterator[Score],
    sinks: Sequence[Callable[[Mapping[str, Any]], object]],
) -> Iterator[Event]:
    """Pass events on, to the sinks first; the source is closed where the caller leaves early."""
    with closing(scores):  # type: ignore[type-var]
        for event in found:
            for sink in sinks:
                sink(plain_message(event))
            yield event


class AsyncFrames:
    """The frames of an asynchronous iterable, for a chain that runs in another thread.

    Args:
        frames: The iterable; it is asked for frames on the event loop.
        loop: The event loop.
    """

    def __init__(self, frames: AsyncIterable[Any], loop: asyncio.AbstractEventLoop) -> None:
        self._frames, self._loop = aiter(frames), loop
        self._asked: Future[Any] | None = None
        self._stopped = False
        # A frame that is asked for while `stop` looks would be waited for without end.
        self._lock = Lock()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        with self._lock:
            if self._stopped:
                raise StopIteration
            self._asked = asked = asyncio.run_coroutine_threadsafe(self._ask(), self._loop)
        try:
            frame = asked.result()
        except CancelledError:
            raise StopIteration from None
        if frame is _END:
            raise StopIteration
        return frame

    def stop(self) -> None:
        """Give no more frames; a thread that waits for one goes on at once."""
        with self._lock:
            self._stopped, asked = True, self._asked
        if asked is not None:
            asked.cancel()

    async def _ask(self) -> Any:
        return await anext(self._frames, _END)


def open_async(
    source: AnySource | AsyncIterable[Any],
    options: ScoreOptions | EventOptions,
    default_fps: float,
) -> tuple[FrameSource, Callable[[], None]]:
    """Open a source for `iterate_async`.

    Returns:
        The source, and what ends a pass over it that waits for a frame.
    """
    stops: Callable[[], None] = lambda: None  # noqa: E731 - a default, not a function of its own
    if isinstance(source, AsyncIterable):
        source = AsyncFrames(source, asyncio.get_running_loop())
        stops = source.stop
    opened = open_source(source, options.get("fps"), default_fps, options.get("colour", "rgb"))
    return opened, opened.stop if isinstance(opened, CameraSource) else stops


async def iterate_async(
    items: Iterator[T], stop: Callable[[], None] = lambda: None
) -> AsyncIterator[T]:
    """Yield the items of an iterator, each fetched in a thread while the event loop goes on.

    Where the caller leaves early or is cancelled, the iterator is closed before he goes on.

    Args:
        items: Asked by one thread at a time.
        stop: Makes an iterator that waits return.
    """
    try:
        while True:
            step = asyncio.ensure_future(asyncio.to_thread(next, items, _END))
            try:
                item = await asyncio.shield(step)
            except asyncio.CancelledError:
                # A generator that runs cannot be closed: it has to come back first.
                stop()
                await asyncio.wait([step])
                raise
            if item is _END:
                return
            yield cast(T, item)
    finally:
        stop()
        if isinstance(items, Generator):
            await asyncio.to_thread(items.close)
