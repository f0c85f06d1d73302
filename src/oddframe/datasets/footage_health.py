"""The health of training footage: what is usual for its camera, and what of it is left out because it shows nothing."""

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
"""Frames that are read in a row."""


@dataclass(frozen=True, kw_only=True)
class FootageHealth:
    """What was found in the footage of a training.

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
        on_progress: Told the frames seen so far, as phase "health".
    """
    sample = cache.take(
        np.unique(np.linspace(0, len(cache) - 1, SCENE_FRAMES).round().astype(np.int64))
    )
    runs = ((stretch.offset, _frames(cache, stretch, on_progress)) for stretch in cache.stretches)
    reference, bad = learn_health(sample, runs, cache.rate_fps)
    on_progress("health", len(cache), len(cache), {})
    notices = []
    for span in bad:
        source, start_s = cache.stretch_of(span.begin).source, cache.time_s(span.begin)
        seconds = (span.end - span.begin) / cache.rate_fps
        share = (span.end - span.begin) / len(cache)
        notices.append(
            f"{source}: {span.fault} from {start_s:.1f} s to {start_s + seconds:.1f} s, which is left out of training "
            f"({share:.1%} of the footage)"
        )
    return FootageHealth(
        reference=reference,
        stretches=without(cache.stretches, [(span.begin, span.end) for span in bad]),
        notices=tuple(notices),
    )


def without(
    stretches: Iterable[FrameRun], spans: Sequence[tuple[int, int]]
) -> tuple[FrameRun, ...]:
    """Stretches less the frames at positions begin to end - 1 of each span."""
    kept = list(stretches)
    for begin, end in spans:
        kept = [part for stretch in kept for part in _less(stretch, begin, end)]
    return tuple(kept)


def _less(stretch: FrameRun, begin: int, end: int) -> Iterator[FrameRun]:
    last = stretch.offset + stretch.count
    if end <= stretch.offset or begin >= last:
        yield stretch
        return
    if begin > stretch.offset:
        yield FrameRun(stretch.source, stretch.offset, begin - stretch.offset)
    if end < last:
        yield FrameRun(stretch.source, end, last - end)


def _frames(cache: FrameCache, stretch: FrameRun, on_progress: Progress) -> Iterator[Pixels]:
    for begin in range(stretch.offset, stretch.offset + stretch.count, AT_A_TIME):
        end = min(begin + AT_A_TIME, stretch.offset + stretch.count)
        on_progress("health", begin, len(cache), {})
        yield from cache.take(np.arange(begin, end))
        cache.release()
