"""The health of training footage: what is usual for its camera, and what of it shows nothing.

What is black, covered, frozen or out of focus teaches nothing about normality and is left out; so
is what somebody has looked at and wants to be left out.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from oddframe._types import Pixels, Progress, silent
from oddframe.core.health.learning import learn_health
from oddframe.core.health.monitor import HealthReference
from oddframe.datasets.frame_cache import FrameCache, FrameRun

SCENE_FRAMES = 128
"""Frames, evenly over the footage, of whose median the empty scene is made."""
AT_A_TIME = 256
"""Frames that are read in a row, after which their memory goes back to the system."""

SourceSpan: TypeAlias = tuple[str, float, float]
"""A span of a recording: its name, with or without its suffix, and two times in seconds."""

_SLACK = 1e-6
"""Frames are compared to this share of one, so that frame 3 of 10 per second lies at 0.3 s."""


@dataclass(frozen=True, kw_only=True)
class FootageHealth:
    """The result of going over the footage of a training.

    Attributes:
        reference: What is usual for the camera.
        stretches: The footage without what is black, covered, frozen or out of focus, and without
            what was asked to be left out.
        notices: What was left out, a sentence for each place.
        left_out: What was asked to be left out.
    """

    reference: HealthReference
    stretches: tuple[FrameRun, ...]
    notices: tuple[str, ...]
    left_out: tuple[SourceSpan, ...] = ()


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


def leave_out(
    health: FootageHealth, cache: FrameCache, spans: Sequence[SourceSpan]
) -> FootageHealth:
    """Take spans out of the footage that somebody does not want to be learnt from."""
    notices = []
    for name, start_s, end_s in spans:
        place = f"{name}: {start_s:.1f} s to {end_s:.1f} s"
        if find_spans(cache.footage, [(name, start_s, end_s)], cache.rate_fps):
            notices.append(f"{place} is left out of training, as was asked for")
        else:
            # The oldest of a ring of footage may be gone since somebody looked at it.
            notices.append(f"{place} was to be left out of training, but is not in the footage")
    found = find_spans(cache.stretches, spans, cache.rate_fps)
    return replace(
        health,
        stretches=remove_spans(health.stretches, found),
        notices=(*health.notices, *notices),
        left_out=tuple(spans),
    )


def find_spans(
    runs: Iterable[FrameRun], spans: Sequence[SourceSpan], rate_fps: float
) -> list[tuple[int, int]]:
    """Find where the frames of some spans are, both ends of a span included.

    Args:
        runs: Runs of footage that know when they begin.
        spans: The spans.
        rate_fps: Frames per second of the runs.

    Returns:
        For each part of a span in a run, the position of its first frame and that after its last.
    """
    found = []
    for run in runs:
        for name, start_s, end_s in spans:
            if run.source not in (name, Path(name).stem):
                continue
            begin = math.ceil((start_s - run.start_s) * rate_fps - _SLACK)
            end = math.floor((end_s - run.start_s) * rate_fps + _SLACK) + 1
            begin, end = max(0, begin), min(run.count, end)
            if begin < end:
                found.append((run.offset + begin, run.offset + end))
    return found


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
