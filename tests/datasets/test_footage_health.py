import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.datasets.footage_health import examine_health, find_spans, leave_out, remove_spans
from oddframe.datasets.frame_cache import FrameRun, build_cache
from oddframe.media.discovery import find_sources
from oddframe.media.source import FrameFormat
from tests.support.tiny import walk


def covered_for_a_while(number, width, height):
    picture = walk(number, width, height)
    return np.full_like(picture, 12) if 60 <= number < 100 else picture


@pytest.fixture
def examined(video, tmp_path):
    """Examines recordings drawn by functions."""

    def examine(*drawers, frames=160):
        for number, draw in enumerate(drawers):
            video(f"normal/{number}.mp4", frames=frames, draw=draw)
        found = find_sources(tmp_path / "normal")
        cache = build_cache(
            tmp_path / "cache", found.sources, FrameFormat(32, 32, "grey"), 10.0, 10**8
        )
        reports = []
        health = examine_health(
            cache, lambda phase, done, total, values: reports.append((phase, done, total))
        )
        assert reports[-1] == ("health", len(cache), len(cache))
        return cache, health

    return examine


def test_normal_footage_is_kept_whole(examined):
    cache, health = examined(walk, walk)
    assert (health.stretches, health.notices) == (cache.stretches, ())


def test_covered_footage_is_left_out_and_named(examined):
    cache, health = examined(walk, covered_for_a_while, walk)
    (notice,) = health.notices
    assert notice.startswith("1: covered from ")
    assert "left out of training" in notice
    first, before, after, last = health.stretches
    assert (first, last) == (cache.stretches[0], cache.stretches[2])
    assert (before.source, after.source) == ("1", "1")
    assert before.offset == 160
    assert 20 <= before.count <= 60
    assert 160 + 100 <= after.offset <= 160 + 140
    assert after.offset + after.count == 320
    assert f"to {(after.offset - 160) / 10:.1f} s" in notice


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 120), st.integers(1, 40)), max_size=5),
)
def test_what_is_taken_out_is_out_and_the_rest_is_there(counts, spans):
    offsets = np.cumsum([0, *counts]).tolist()
    stretches = [
        FrameRun(f"r{n}", o, c) for n, (o, c) in enumerate(zip(offsets, counts, strict=False))
    ]
    spans = [(begin, begin + length) for begin, length in spans]
    kept = remove_spans(stretches, spans)
    out = {position for begin, end in spans for position in range(begin, end)}
    there = [position for part in kept for position in range(part.offset, part.offset + part.count)]
    assert there == [position for position in range(offsets[-1]) if position not in out]
    for part in kept:
        whole = stretches[int(part.source[1:])]
        assert whole.offset <= part.offset < part.offset + part.count <= whole.offset + whole.count


def test_a_span_is_found_by_name_and_time_wherever_its_frames_are():
    runs = [FrameRun("a", 0, 50, 0.0), FrameRun("b", 50, 50, 2.0), FrameRun("b", 100, 50, 10.0)]
    assert find_spans(runs, [("a", 0.3, 0.5)], 10.0) == [(3, 6)]
    assert find_spans(runs, [("b.mp4", 6.5, 10.2)], 10.0) == [(95, 100), (100, 103)]
    assert find_spans(runs, [("b", 7.5, 9.5), ("c", 0.0, 99.0)], 10.0) == []


def test_what_somebody_does_not_want_is_left_out_and_named(examined):
    cache, health = examined(walk, walk)
    less = leave_out(health, cache, [("1", 4.0, 5.95), ("gone", 1.0, 2.0)])
    assert [(run.offset, run.count) for run in less.stretches] == [(0, 160), (160, 40), (220, 100)]
    asked, gone = less.notices
    assert asked == "1: 4.0 s to 6.0 s is left out of training, as was asked for"
    assert "gone: 1.0 s to 2.0 s" in gone
    assert "not in the footage" in gone
