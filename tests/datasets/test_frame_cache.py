import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from oddframe.core.records import Frame
from oddframe.datasets.frame_cache import BLOCK_FRAMES, build_cache, footage_key, reopen_cache
from oddframe.errors import OutputError, SettingsError, SourceError, SourceNotFoundError
from oddframe.media.discovery import find_sources
from oddframe.media.source import FrameFormat
from tests.support.dying import dying_at, full_at
from tests.support.tiny import walk

GREY = FrameFormat(16, 12, "grey")
FRAME_BYTES = 16 * 12
PLENTY = 10**9


class Drawn:
    """A source of numbered frames: each is filled with its number."""

    def __init__(self, name, count, rate_fps=10.0, times_s=None, fails_at=None, sizes=None):
        self.name, self.path, self.rate_fps, self.gap_s = name, Path(name), rate_fps, 3.5 / rate_fps
        self.count, self.fails_at, self.sizes = count, fails_at, sizes or {}
        self.times_s = times_s or [number / rate_fps for number in range(count)]
        self.notices = []
        self.passes = 0

    def count_frames(self):
        return self.count

    def fingerprint(self):
        return f"{self.name} {self.count}"

    def frames(self, wanted):
        for number in range(self.count):
            # A look at the first frame alone is no pass.
            self.passes += number == 1
            if number == self.fails_at:
                raise SourceError(f"{self.name} broke")
            pixels = np.full((wanted.height, wanted.width, 1), number % 256, np.uint8)
            yield Frame(number, self.times_s[number], pixels, self.sizes.get(number, (64, 48)))


def build(folder, sources, wanted=GREY, rate_fps=10.0, limit=PLENTY, **more):
    return build_cache(folder, sources, wanted, rate_fps, limit, **more)


def values(cache, stretch):
    """The numbers of the frames in a stretch."""
    return cache.take(np.arange(stretch.offset, stretch.offset + stretch.count))[
        :, 0, 0, 0
    ].tolist()


def test_frames_come_back_as_they_were_decoded(video, tmp_path):
    (source,) = find_sources(video(frames=12, draw=walk)).sources
    rgb = FrameFormat(32, 24, "rgb")
    cache = build(tmp_path / "cache", [source], rgb)
    decoded = np.stack([frame.pixels for frame in source.frames(rgb)])
    np.testing.assert_array_equal(cache.take(np.arange(12)), decoded)
    np.testing.assert_array_equal(
        cache.take(np.array([[3, 3], [11, 0]])), decoded[[[3, 3], [11, 0]]]
    )
    assert (len(cache), cache.share, cache.rate_fps, cache.notices) == (12, 1.0, 10.0, ())


def test_taken_frames_are_copies_that_outlive_a_release(tmp_path):
    cache = build(tmp_path, [Drawn("a", 5)])
    taken = cache.take(np.array([4]))
    cache.release()
    taken += 1
    assert cache.take(np.array([4])).max() == 4


def test_an_unchanged_cache_is_used_again(video, tmp_path):
    (source,) = find_sources(video(frames=6)).sources
    build(tmp_path, [source])
    before = (tmp_path / "frames.u8").stat().st_mtime_ns
    again = build(tmp_path, [source])
    assert (tmp_path / "frames.u8").stat().st_mtime_ns == before
    assert len(again) == 6


@pytest.mark.parametrize(
    "change",
    [
        {"wanted": FrameFormat(16, 24, "grey")},
        {"wanted": FrameFormat(16, 12, "rgb")},
        {"rate_fps": 5.0},
        {"limit": 64 * FRAME_BYTES},
    ],
)
def test_another_format_builds_it_anew(change, tmp_path):
    source = Drawn("a", 6)
    build(tmp_path, [source])
    assert source.passes == 1
    if "wanted" in change and change["wanted"].colour == "rgb":
        source.frames = lambda wanted: iter(
            [Frame(0, 0.0, np.zeros((12, 16, 3), np.uint8), (64, 48))]
        )
        assert len(build(tmp_path, [source], **change)) == 1
        return
    build(tmp_path, [source], **change)
    assert source.passes == 2


def test_changed_footage_builds_it_anew(video, tmp_path):
    path = video(frames=6)
    build(tmp_path / "cache", find_sources(path).sources)
    video(frames=7)
    assert len(build(tmp_path / "cache", find_sources(path).sources)) == 7
    os.utime(path, (1, 1))
    key = footage_key(find_sources(path).sources, GREY, 10.0, PLENTY)
    assert key != json.loads((tmp_path / "cache" / "index.json").read_text())["key"]


def test_order_and_names_belong_to_the_key():
    a, b = Drawn("a", 5), Drawn("b", 5)
    keys = {footage_key(sources, GREY, 10.0, PLENTY) for sources in ([a, b], [b, a], [a])}
    assert len(keys) == 3


@pytest.mark.parametrize("damage", ["cut", "gone", "no index", "half an index", "another index"])
def test_a_damaged_cache_is_built_anew(damage, tmp_path):
    source = Drawn("a", 6)
    build(tmp_path, [source])
    frames, index = tmp_path / "frames.u8", tmp_path / "index.json"
    if damage == "cut":
        frames.write_bytes(frames.read_bytes()[:-1])
    elif damage == "gone":
        frames.unlink()
    elif damage == "no index":
        index.unlink()
    else:
        index.write_text(index.read_text()[:-9] if damage == "half an index" else "[1, 2]")
    cache = build(tmp_path, [source])
    assert source.passes == 2
    assert values(cache, cache.stretches[0]) == list(range(6))


def test_a_half_written_cache_is_never_taken_for_a_whole_one(tmp_path):
    old, new = Drawn("a", 6), Drawn("a", 7)
    with dying_at(None, tmp_path / "dry") as watch:
        build(tmp_path / "dry", [old])
        build(tmp_path / "dry", [new])
    for number in range(watch.count):
        folder = tmp_path / f"{number:02d}"
        with dying_at(number, folder):
            build(folder, [old])
            build(folder, [new])
        cache = build(folder, [new])
        assert values(cache, cache.stretches[0]) == list(range(7))
        assert sorted(path.name for path in folder.iterdir()) == ["frames.u8", "index.json"]


def test_a_full_disk_leaves_no_temporary_file(tmp_path):
    for number in range(4):
        with (
            full_at(number, tmp_path / "cache"),
            pytest.raises(OutputError, match="the disk is full"),
        ):
            build(tmp_path / "cache", [Drawn("a", 6)])
        assert list((tmp_path / "cache").glob(".*")) == []
        assert not (tmp_path / "cache" / "index.json").exists()


def test_a_stretch_ends_with_its_recording_and_at_gaps(tmp_path):
    with_gap = Drawn("b", 8, times_s=[0.0, 0.1, 0.2, 0.9, 1.0, 1.1, 1.05, 1.15])
    cache = build(
        tmp_path, [Drawn("a", 5), with_gap, Drawn("c", 4, sizes={2: (32, 32), 3: (32, 32)})]
    )
    found = [(stretch.source, values(cache, stretch)) for stretch in cache.stretches]
    assert found == [
        ("a", [0, 1, 2, 3, 4]),
        ("b", [0, 1, 2]),
        ("b", [3, 4, 5]),
        ("b", [6, 7]),
        ("c", [0, 1]),
        ("c", [2, 3]),
    ]


def test_faster_footage_is_thinned_and_stays_unbroken(tmp_path):
    cache = build(tmp_path, [Drawn("a", 50, rate_fps=25.0)], rate_fps=10.0)
    (stretch,) = cache.stretches
    assert stretch.count == 20
    assert values(cache, stretch)[:5] == [0, 2, 5, 7, 10]


def test_slower_footage_is_used_whole_and_named(tmp_path):
    cache = build(tmp_path, [Drawn("a", 10, rate_fps=5.0)], rate_fps=10.0)
    assert len(cache) == 10
    assert "a: has 5 frames per second where 10 are wanted" in cache.notices[0]


@pytest.mark.parametrize("counts", [[2000], [1000, 1000], [40] * 50, [64] * 31, [1900, 100]])
def test_beyond_the_limit_blocks_lie_evenly_over_time(counts, tmp_path):
    sources = [Drawn(f"{number:02d}", count) for number, count in enumerate(counts)]
    frames = 640
    cache = build(tmp_path, sources, limit=frames * FRAME_BYTES)
    assert 0.9 * frames <= len(cache) <= frames
    assert (tmp_path / "frames.u8").stat().st_size <= frames * FRAME_BYTES
    assert cache.share == pytest.approx(len(cache) / sum(counts))
    starts = dict(zip((source.name for source in sources), np.cumsum([0, *counts]), strict=False))
    kept = Counter()
    seen = Counter()
    for stretch in cache.stretches:
        # A frame's value is its number modulo 256, and numbers of a recording only rise.
        for value in values(cache, stretch):
            number = value + 256 * -(-(seen[stretch.source] - value) // 256)
            seen[stretch.source] = number + 1
            kept[(starts[stretch.source] + number) // 200] += 1
    per_tenth = [kept[tenth] for tenth in range(sum(counts) // 200)]
    assert min(per_tenth) > 0
    assert max(per_tenth) - min(per_tenth) <= BLOCK_FRAMES


def test_blocks_are_long_enough_for_clips(tmp_path):
    cache = build(tmp_path, [Drawn("a", 2000)], limit=640 * FRAME_BYTES)
    assert {stretch.count for stretch in cache.stretches} <= {
        BLOCK_FRAMES,
        2000 % BLOCK_FRAMES,
        len(cache) % BLOCK_FRAMES,
    }
    assert (
        Counter(stretch.count for stretch in cache.stretches).most_common(1)[0][0] == BLOCK_FRAMES
    )


@pytest.mark.parametrize("limit", [0, 1, FRAME_BYTES * (BLOCK_FRAMES - 1)])
def test_a_limit_without_room_for_clips_is_refused(limit, tmp_path):
    with pytest.raises(SettingsError, match=f"at least {BLOCK_FRAMES} frames"):
        build(tmp_path, [Drawn("a", 1000)], limit=limit)


def test_a_recording_that_breaks_off_is_named_and_the_rest_used(tmp_path):
    cache = build(tmp_path, [Drawn("a", 5), Drawn("b", 5, fails_at=0), Drawn("c", 5, fails_at=3)])
    assert [(stretch.source, stretch.count) for stretch in cache.stretches] == [("a", 5), ("c", 3)]
    assert [notice for notice in cache.notices if "broke" in notice] == [
        "b: left out: b broke",
        "c: left out: c broke",
    ]


def test_a_recording_that_vanished_is_named_and_the_rest_used(tmp_path):
    gone = Drawn("b", 5)

    def refuse(*_):
        raise SourceNotFoundError("b is gone")

    gone.count_frames = gone.frames = refuse
    cache = build(tmp_path, [Drawn("a", 5), gone])
    assert len(cache) == 5
    assert cache.notices == ("b: left out: b is gone",)


def test_notices_of_a_source_are_also_those_of_a_cache_that_is_used_again(images, tmp_path):
    folder = images("frames", [0, 1, 2, 5, 6])
    (folder / "006.jpg").write_bytes(b"")
    for _ in range(2):
        cache = build(tmp_path / "cache", find_sources(folder).sources)
        assert any("frame numbers are missing: 3 to 4" in notice for notice in cache.notices)
        assert any("006.jpg was skipped" in notice for notice in cache.notices)


def test_without_a_single_frame_there_is_no_cache(tmp_path):
    with pytest.raises(SourceError, match="no frame could be read: a: left out: a broke"):
        build(tmp_path, [Drawn("a", 5, fails_at=0)])
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_all_sources_together(tmp_path):
    reports = []
    sources = [Drawn("a", 60), Drawn("b", 60)]
    build(tmp_path, sources, on_progress=lambda *report: reports.append(report))
    assert reports == [("read", done, 120, {}) for done in (0, 50, 60, 110, 120)]


# A pass over the footage, in a process of its own whose peak of memory is this pass's.
PASS = """
import sys
from pathlib import Path
import numpy as np
from oddframe.core.records import Frame
from oddframe.datasets.frame_cache import build_cache
from oddframe.datasets.clip_dataset import ClipDataset
from oddframe.datasets.pseudo_anomalies import PseudoAnomalyConfig
from oddframe.media.source import FrameFormat

class Long:
    name, path, rate_fps, gap_s, notices = "long", Path("long"), 10.0, 0.35, []
    def count_frames(self): return int(sys.argv[2])
    def fingerprint(self): return sys.argv[2]
    def frames(self, wanted):
        for number in range(int(sys.argv[2])):
            pixels = np.full((128, 192, 1), number % 251, np.uint8)
            yield Frame(number, number / 10, pixels, (192, 128))

def resident():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024

cache = build_cache(Path(sys.argv[1]), [Long()], FrameFormat(192, 128, "grey"), 10.0, 4 * 10**9)
clips = ClipDataset(cache, list(cache.stretches), 1, 0)
clips.generator
for step in range(len(clips) // 8):
    clips.batch(step, 8, 0, PseudoAnomalyConfig(share=0.3))
print(resident())
"""


@pytest.mark.slow
def test_ten_times_the_footage_takes_no_more_memory(tmp_path):
    def peak_mb(frames):
        command = [sys.executable, "-c", PASS, str(tmp_path / str(frames)), str(frames)]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    # 24 MB of frames and 240 MB of them.
    assert peak_mb(10_000) - peak_mb(1_000) < 50


def test_frames_know_their_source_and_time(tmp_path):
    times_s = [*(2.5 + np.arange(10) / 10), *(60 + np.arange(10) / 10)]
    cache = build(tmp_path, [Drawn("a", 5), Drawn("b", 20, times_s=times_s)])
    assert [cache.stretch_of(position).source for position in (0, 4, 5, 24)] == ["a", "a", "b", "b"]
    assert [cache.time_s(position) for position in (0, 4, 5, 14, 15, 24)] == pytest.approx(
        [0, 0.4, 2.5, 3.4, 60, 60.9]
    )


def test_a_cache_that_knows_no_times_is_built_anew(tmp_path):
    build(tmp_path, [source := Drawn("a", 5)])
    index = json.loads((tmp_path / "index.json").read_text())
    for stretch in index["stretches"]:
        del stretch["start_s"]
    (tmp_path / "index.json").write_text(json.dumps(index))
    build(tmp_path, [source])
    assert source.passes == 2


def test_a_small_camera_is_kept_as_it_was_filmed(video, tmp_path):
    """Twelve times as much footage fits, and what is taken has the network's size."""
    (source,) = find_sources(video(frames=12, draw=walk, size=(64, 48))).sources
    wanted = FrameFormat(192, 96, "grey")
    cache = build(tmp_path / "cache", [source], wanted)
    assert (
        (tmp_path / "cache" / "frames.u8").stat().st_size == 12 * 64 * 48 == 12 * cache.frame_bytes
    )
    seen = np.stack([frame.pixels for frame in source.frames(wanted)])
    taken = cache.take(np.arange(12))
    assert taken.shape == seen.shape
    assert np.abs(taken.astype(int) - seen).max() <= 1
    part = (slice(32, 64), slice(64, 160))
    np.testing.assert_array_equal(cache.take(np.arange(12), part), taken[:, *part])
    again = reopen_cache(tmp_path / "cache", wanted)
    np.testing.assert_array_equal(again.take(np.arange(12)), taken)


@pytest.mark.parametrize(
    ("wanted", "sizes"),
    [
        (FrameFormat(192, 96, "rgb"), [(64, 48)]),
        (FrameFormat(32, 96, "grey"), [(64, 48)]),
        (FrameFormat(192, 96, "grey"), [(64, 48), (96, 48)]),
    ],
    ids=["in colour", "a wide camera", "two cameras"],
)
def test_other_frames_are_kept_at_the_size_of_the_network(wanted, sizes, video, tmp_path):
    paths = [video(f"{number}.mp4", frames=6, size=size) for number, size in enumerate(sizes)]
    cache = build(tmp_path / "cache", find_sources(paths).sources, wanted)
    assert cache.frame_bytes == wanted.width * wanted.height * (3 if wanted.colour == "rgb" else 1)


def test_a_cache_of_version_1_is_written_and_read_as_0_1_0_did(video, tmp_path):
    (source,) = find_sources(video(frames=12, size=(16, 12))).sources
    wanted = FrameFormat(32, 24, "grey")
    cache = build(tmp_path / "cache", [source], wanted, version=1)
    index = json.loads((tmp_path / "cache" / "index.json").read_text())
    assert set(index) == {
        *("frames", "height", "width", "colours", "rate_fps", "share"),
        *("notices", "stretches", "key"),
    }
    assert cache.frame_bytes == 32 * 24
    assert cache.footage == cache.stretches


def test_the_footage_is_known_beyond_what_was_kept(video, tmp_path):
    path = video(frames=400, rate_fps=20, draw=walk)
    (source,) = find_sources(path).sources
    cache = build(tmp_path / "cache", [source], limit=128 * FRAME_BYTES)
    assert (len(cache), cache.has_more) == (128, True)
    (run,) = cache.footage
    assert (run.offset, run.count) == (0, 200)
    everything = build(tmp_path / "all", [source])
    assert not everything.has_more
    positions = cache.in_footage(np.arange(128))
    np.testing.assert_array_equal(cache.take(np.arange(128)), everything.take(positions))
    read = cache.read_footage(source, GREY, 90, 110)
    assert [frame.index for frame in read] == list(range(90, 110))
    np.testing.assert_array_equal(
        np.stack([frame.pixels for frame in read]), everything.take(np.arange(90, 110))
    )
    parts = cache.kept(replace(run, offset=10, count=180))
    kept = np.concatenate([np.arange(part.offset, part.offset + part.count) for part in parts])
    within = (positions >= 10) & (positions < 190)
    assert kept.tolist() == np.flatnonzero(within).tolist()


def test_a_cache_that_lost_the_times_of_its_footage_is_built_anew(tmp_path):
    source = Drawn("a", 200)
    build(tmp_path, [source], limit=64 * FRAME_BYTES)
    (tmp_path / "footage.f8").unlink()
    build(tmp_path, [source], limit=64 * FRAME_BYTES)
    assert source.passes == 2
