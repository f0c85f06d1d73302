"""The health of training footage: what is usual for its camera, and what of it shows nothing.

What is black, covered, frozen or out of focus teaches nothing about normality and is left out.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from oddframe._types import Pixels, Progress, silent
from oddframe.core.health.learning import learn_health
from oddframe.core.health.monitor import HealthReference
from oddframe.datasets.frame_cache import FrameCache, FrameRun

SCENE_FRAMES = 128
"""Frames, evenly over the footage, of whose median the empty scene is made."""
AT_A_TIME = 256
"""Frames that are read in a row, after which their memory goes back to the system."""


@dataclass(frozen=True, kw_only=True)
class FootageHealth:
    """The result of going over the footage of a training.

    Attributes:
        reference: What is usual for the camera.
        stretches: The footage without what is black, covered, frozen or out of focus.
        notices: What was left out, a sentence for each place.
    """

    reference: HealthReference
    stretches: tuple[FrameRun, ...]
    notices: tuple[str, ...]


def examine_health(cache: FrameCache, on_progress: Progress = silent) -> FootageHealth:
    """Go over all frames of a training once.

    Args:
        cache: The frames.
        on_progress: Called with the frames seen so far, as phase "health".
    """
    # The empty scene comes first: what covers or moves the camera is seen against it.
    sample = cache.take(
        np.unique(np.linspace(0, len(cache) - 1, SCENE_FRAMES).round().astype(np.int64))
    )
    runs = ((stretch.offset, _frames(cache, stretch, on_progress)) for stretch in cache.stretches)
    # A generator: frames are read as they are looked at, and never all at once.
    reference, bad = learn_health(sample, runs, cache.rate_fps)
    on_progress("health", len(cache), len(cache), {})
    notices = []
    # Spans are positions in the cache; people know sources and times.
    for span in bad:
        source, start_s = cache.stretch_of(span.begin).source, cache.time_s(span.begin)
        seconds = (span.end - span.begin) / cache.rate_fps
        share = (span.end - span.begin) / len(cache)
        notices.append(
            f"{source}: {span.fault} from {start_s:.1f} s to {start_s + seconds:.1f} s, "
            f"which is left out of training ({share:.1%} of the footage)"
        )
    return FootageHealth(
        reference=reference,
        stretches=remove_spans(cache.stretches, [(span.begin, span.end) for span in bad]),
        notices=tuple(notices),
    )


def remove_spans(
    stretches: Iterable[FrameRun], spans: Sequence[tuple[int, int]]
) -> tuple[FrameRun, ...]:
    """Take the frames at positions begin to end - 1 of each span out of some stretches."""
    kept = list(stretches)
    for begin, end in spans:
        kept = [part for stretch in kept for part in _remove_span(stretch, begin, end)]
    return tuple(kept)


def _remove_span(stretch: FrameRun, begin: int, end: int) -> Iterator[FrameRun]:
    """Give what is left of a stretch: all of it, one end, both ends, or nothing."""
    last = stretch.offset + stretch.count
    if end <= stretch.offset or begin >= last:
        yield stretch
        return
    if begin > stretch.offset:
        yield FrameRun(stretch.source, stretch.offset, begin - stretch.offset)
    if end < last:
        yield FrameRun(stretch.source, end, last - end)


def _frames(cache: FrameCache, stretch: FrameRun, on_progress: Progress) -> Iterator[Pixels]:
    """Read the frames of a stretch one by one, a few hundred at a time."""
    for begin in range(stretch.offset, stretch.offset + stretch.count, AT_A_TIME):
        end = min(begin + AT_A_TIME, stretch.offset + stretch.count)
        on_progress("health", begin, len(cache), {})
        yield from cache.take(np.arange(begin, end))
        cache.release()
