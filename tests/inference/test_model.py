import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import oddframe
from oddframe.core.events import events
from oddframe.core.maps import frame_score
from oddframe.core.records import Frame
from oddframe.core.zones import Polygon, Zones
from oddframe.errors import BundleError, SettingsError, SourceNotFoundError
from oddframe.inference.loading import load
from oddframe.inference.model import Model
from oddframe.inference.score_stream import MOST_AHEAD, MOST_WAITING
from oddframe.inference.torch_backend import TorchScorer
from oddframe.media.discovery import open_source
from oddframe.model.network import Network
from tests.support.clips import clips
from tests.support.scorers import FakeGpu, FakeScorer, flat_maps
from tests.support.tiny import tiny_settings, walk


@pytest.fixture(scope="module")
def model(tiny_run):
    return load(tiny_run, device="cpu")


class Source:
    """Frames of our own, each filled with its index."""

    name, path, notices = "drawn", Path("drawn"), []

    def __init__(self, count, rate_fps=10.0, times_s=None):
        self.rate_fps, self.gap_s = rate_fps, 3.5 / rate_fps
        self.times_s = [n / rate_fps for n in range(count)] if times_s is None else times_s
        self.asked = 0

    def frames(self, wanted):
        for index, time_s in enumerate(self.times_s):
            self.asked = index
            pixels = np.full((wanted.height, wanted.width, 1), index % 256, np.uint8)
            yield Frame(
                index,
                time_s,
                pixels,
                (64, 48),
                None if wanted.picture_width is None else np.zeros((2, 4, 3)),
            )


def known(model, batch_size=4):
    """Flat frames are no fault to this one: it knows no camera."""
    return Model(replace(model.bundle, health=None), FakeScorer(batch_size=batch_size))


def raws(scores):
    return [(one.frame, one.raw) for one in scores]


def test_every_frame_gets_a_score_and_the_first_four_an_empty_one(model, video):
    scores = list(model.scores(video(frames=17, draw=walk)))
    assert [one.frame for one in scores] == list(range(17))
    assert [one.time_s for one in scores] == pytest.approx(np.arange(17) / 10)
    parts = ("score", "raw", "appearance", "motion", "cluster")
    for one in scores[:4]:
        assert {getattr(one, part) for part in parts} == {None}
    for one in scores[4:]:
        assert 0 < one.score < 1
        assert min(getattr(one, part) for part in parts) > 0
        threshold = model.bundle.calibration.threshold
        assert one.score == one.raw / (one.raw + threshold)
    assert {one.map for one in scores} == {one.picture for one in scores} == {None}


def test_a_score_is_that_of_the_clip_that_ends_on_its_frame(model):
    ours = known(model)
    assert raws(ours.scores(Source(11))) == [(n, None if n < 4 else n + 1.0) for n in range(11)]
    first = ours.scorer.batches[0][0, :, 0, 0, 0]
    assert first.tolist() == [0, 1, 2, 3, 4]


def middle(model, interval=1, batch_size=4):
    """As `known`, of a network that scores the middle frame of its clips."""
    config = replace(model.bundle.network.config, scored_frame="middle", interval=interval)
    network = replace(model.bundle.network, config=config)
    scorer = FakeScorer(batch_size=batch_size)
    return Model(replace(model.bundle, health=None, network=network), scorer)


@pytest.mark.parametrize(("interval", "batch_size"), [(1, 1), (1, 4), (2, 3), (3, 16)])
def test_a_middle_frame_has_the_score_of_the_clip_around_it(interval, batch_size, model):
    reach, frames = 2 * interval, 40
    found = raws(middle(model, interval, batch_size).scores(Source(frames)))
    expected = [
        (n, n + reach + 1.0 if reach <= n < frames - reach else None) for n in range(frames)
    ]
    assert found == expected


def test_with_the_middle_frame_scored_a_break_leaves_the_frames_around_it_without_a_score(model):
    times_s = [*np.arange(6) / 10, *(3 + np.arange(7) / 10)]
    found = list(middle(model).scores(Source(0, times_s=times_s)))
    assert [one.time_s for one in found] == pytest.approx(times_s)
    assert raws(found) == [(n, n + 3.0 if n in (2, 3, 8, 9, 10) else None) for n in range(13)]


def test_with_the_middle_frame_scored_thinned_frames_stay_in_order(model):
    found = list(middle(model).scores(Source(60, rate_fps=20.0)))
    assert [one.frame for one in found] == list(range(60))
    scored = [one.frame for one in found if one.raw is not None]
    assert scored == list(range(scored[0], scored[-1] + 1, 2))
    assert {one.raw - one.frame for one in found if one.raw is not None} == {5.0}


def lit_frames(ends):
    """Make a function that draws maps of 2 x 90, lit at the places of so many frames of the clip.

    Each place stands for the frame of its number, so a frame's own place is where its thing is.
    """

    def draw(clips, raw):
        maps = np.zeros((len(clips), 2, 90), np.float32)
        for end in ends:
            maps[np.arange(len(clips)), :, clips[:, end, 0, 0, 0]] = 1.0
        return maps

    return draw


def placed(model, interval, *, twice, score_clips=5):
    """A model of middle frames whose maps lie on the last frame of a clip, or on both ends."""
    trained = model.bundle.network.config
    config = replace(
        trained, scored_frame="middle", interval=interval, score_clips=score_clips,
        appearance_weight=1.0 if twice else None,
    )  # fmt: skip
    bundle = replace(
        model.bundle, health=None, network=replace(model.bundle.network, config=config)
    )
    maps = lit_frames((0, 4) if twice else (4,))
    return Model(bundle, FakeScorer(maps=maps, batch_size=3))


def lit(scores):
    """For each scored frame the places at which its map is lit."""
    return {one.frame: np.flatnonzero(one.map[0]).tolist() for one in scores if one.map is not None}


@pytest.mark.parametrize("score_clips", [1, 5])
@pytest.mark.parametrize("interval", [1, 2, 3])
def test_the_heat_of_a_middle_frame_lies_on_that_frame(interval, score_clips, model):
    ours = placed(model, interval, twice=False, score_clips=score_clips)
    found, reach = lit(ours.scores(Source(40), maps=True)), 2 * interval
    assert list(found) == list(range(reach, 40 - reach))
    # No clip ends on the first frames of a run that have a score: they have the first clip's map.
    assert found == {frame: [max(frame, 2 * reach)] for frame in found}


@pytest.mark.parametrize("interval", [1, 2])
def test_heat_that_lies_on_both_ends_of_a_clip_is_left_where_the_thing_is(interval, model):
    found = lit(placed(model, interval, twice=True).scores(Source(40), maps=True))
    reach = 2 * interval
    inside = range(2 * reach, 40 - 2 * reach)
    assert {frame: found[frame] for frame in inside} == {frame: [frame] for frame in inside}
    # At both ends of a run there is one clip, on whose two ends its map lies.
    for frame in set(found) - set(inside):
        assert frame in found[frame]
        assert len(found[frame]) == 2


@pytest.mark.parametrize("twice", [False, True])
def test_no_heat_is_taken_from_beyond_a_break(twice, model):
    # Two breaks of which the second is so short that means over neighbours reach across it.
    times_s = [*np.arange(20) / 10, *(3 + np.arange(20) / 10), *(5.36 + np.arange(15) / 10)]
    found = lit(placed(model, 1, twice=twice).scores(Source(0, times_s=times_s), maps=True))
    runs = [range(20), range(20, 40), range(40, 55)]
    assert list(found) == [frame for run in runs for frame in run[2:-2]]
    for run in runs:
        assert all(set(found[frame]) <= set(run) for frame in run[2:-2])
        assert all(found[frame] == [frame] for frame in run[4:-4])


@pytest.mark.parametrize("twice", [False, True])
def test_heat_in_runs_too_short_for_it_is_that_of_the_nearest_clip(twice, model):
    found = lit(placed(model, 1, twice=twice).scores(Source(6), maps=True))
    assert found == ({2: [0, 4], 3: [0, 4]} if twice else {2: [4], 3: [4]})


@pytest.mark.parametrize("twice", [False, True])
def test_frames_come_in_order_and_scores_stay_the_same_with_heat(twice, model):
    ours = placed(model, 2, twice=twice)
    plain = list(ours.scores(Source(90, rate_fps=20.0)))
    heated = list(ours.scores(Source(90, rate_fps=20.0), maps=True))
    assert [replace(one, map=None) for one in heated] == plain
    assert [one.frame for one in heated if one.map is not None] == [
        one.frame for one in plain if one.raw is not None
    ]


@pytest.mark.parametrize(("twice", "known_after"), [(False, 6), (True, 8)])
def test_a_score_comes_with_its_heat_when_the_settings_say(twice, known_after, model):
    ours = placed(model, 2, twice=twice)
    assert ours.bundle.network.config.known_after == known_after
    stream, late = ours.stream(10.0, 0.35), {}
    for frame in Source(40).frames(ours.wanted()):
        for final in stream.resolve(ours.scored(stream.push(frame), maps=True)):
            late[final.frame] = frame.index - final.frame
    assert {late[frame] for frame in range(10, 30)} == {known_after}


def test_a_stream_holds_a_frame_no_longer_than_its_clip_needs(model):
    stream = middle(model).stream(10.0, 0.35)
    ready = [
        [one.frame.index for one in stream.push(frame)]
        for frame in Source(8).frames(model.wanted())
    ]
    assert ready == [[0], [1], [], [], [2], [3], [4], [5]]
    assert [one.frame.index for one in stream.finish()] == [6, 7]
    assert stream.finish() == []


def test_the_parts_are_not_mixed_up(model):
    one = list(known(model).scores(Source(5), maps=True))[-1]
    assert (one.raw, one.appearance, one.motion, one.cluster) == (5, 10, 15, 20)
    assert one.map.tolist() == [[5, 5, 5], [5, 5, 5]]


@pytest.mark.parametrize("length", [1, 4, 5, 12, 13, 20])
def test_scores_of_a_beginning_are_the_beginning_of_the_scores(length, model, video):
    """To the bit: neither later frames nor the size of a batch have a part in a score."""
    whole = list(model.scores(_alike(video, 21)))
    part = list(model.scores(_alike(video, length)))
    assert part == whole[:length]


def _alike(video, frames):
    """A recording whose frames are coded each by itself: a shorter one begins with the same."""
    return video(f"{frames}.avi", frames=frames, draw=walk, codec="mjpeg", pixel_format="yuvj420p")


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_scores_do_not_depend_on_the_size_of_batches(batch_size, model, tiny_run, video):
    path = video(frames=21, draw=walk)
    ours = [one.raw for one in load(tiny_run, device="cpu", batch_size=batch_size).scores(path)]
    theirs = [one.raw for one in model.scores(path)]
    assert ours[4:] == pytest.approx(theirs[4:], rel=1e-5)


@pytest.mark.parametrize("channels", [2, 4])
def test_a_clip_scores_the_same_alone_and_in_every_slot_of_a_batch(channels):
    """To the bit: parts, map and all, whatever its neighbours are."""
    torch.manual_seed(0)
    network = Network(replace(tiny_settings().network, channels=channels))
    scorer = TorchScorer(network, torch.device("cpu"), 8)
    clips = np.random.default_rng(0).integers(0, 256, (8, 5, 32, 32, 1), dtype=np.uint8)
    alone = scorer.score(np.repeat(clips[:1], 8, axis=0))
    for slot in range(8):
        among = scorer.score(np.roll(clips, slot, axis=0))
        for name in ("raw", "appearance", "motion", "cluster", "maps"):
            np.testing.assert_array_equal(getattr(among, name)[slot], getattr(alone, name)[0])


def test_streams_share_a_batch_and_keep_their_own(model):
    """What several sources give together is what each gives by itself."""
    ours = known(model)
    streams = [ours.stream(10.0, 0.35), ours.stream(10.0, 0.35)]
    frames = [list(Source(7).frames(ours.wanted())), list(Source(9).frames(ours.wanted()))[2:]]
    waiting = [
        one
        for pair in zip(*frames, strict=True)
        for stream, frame in zip(streams, pair, strict=True)
        for one in stream.push(frame)
    ]
    scores = [
        one
        for begin in range(0, 14, 4)
        for one in ours.scored(waiting[begin : begin + 4], maps=False)
    ]
    assert raws(scores[::2]) == raws(ours.scores(Source(7)))
    assert [one.raw for one in scores[1::2]] == [None] * 4 + [7.0, 8.0, 9.0]


def test_zones_take_the_statistic_of_what_is_watched(model, video):
    path = video(frames=9, draw=walk)
    left = Zones(watch=(Polygon(((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))),))
    whole, half = (
        list(model.scores(path, maps=True)),
        list(model.scores(path, maps=True, zones=left)),
    )
    network = model.bundle.network.config
    for one, other in zip(whole[4:], half[4:], strict=True):
        np.testing.assert_array_equal(other.map[:, :16], one.map[:, :16])
        assert not other.map[:, 16:].any()
        assert (
            other.raw
            == frame_score(other.map, network.score_windows, network.score_share)
            <= one.raw * 1.00001
        )
        assert (other.appearance, other.motion) == (one.appearance, one.motion)


def test_scores_come_as_the_frames_do(model):
    source = Source(10_000)
    scores = known(model).scores(source)
    for number, one in enumerate(scores):
        assert one.frame == number
        assert source.asked - one.frame <= 4 + 4 + MOST_AHEAD + 1
        if number == 300:
            break


def test_a_gap_starts_anew(model):
    times_s = [*np.arange(6) / 10, *(3 + np.arange(7) / 10)]
    empty = [
        one.frame for one in known(model).scores(Source(0, times_s=times_s)) if one.raw is None
    ]
    assert empty == [0, 1, 2, 3, 6, 7, 8, 9]


def test_a_faster_source_is_thinned_to_the_rate_of_the_model(model):
    ours = known(model)
    scores = list(ours.scores(Source(100, rate_fps=25.0)))
    assert len(scores) == 100
    scored = [one.frame for one in scores if one.raw is not None]
    assert len(scored) == 40 - 4
    assert scored[:4] == [10, 12, 15, 17]
    assert ours.scorer.batches[0][0, :, 0, 0, 0].tolist() == [0, 2, 5, 7, 10]


def test_every_frame_is_used_where_that_is_asked_for(model):
    scores = list(known(model).scores(Source(100, rate_fps=25.0), every_frame=True))
    assert sum(one.raw is not None for one in scores) == 96


def test_a_slower_source_is_used_whole(model):
    assert sum(one.raw is not None for one in known(model).scores(Source(20, rate_fps=4.0))) == 16


def test_frames_are_not_hoarded_where_few_of_them_end_a_clip(model):
    source = Source(5_000, rate_fps=1_000.0)
    for one in known(model, batch_size=64).scores(source):
        assert source.asked - one.frame < MOST_WAITING + MOST_AHEAD + 2


def test_folders_of_images_have_the_rate_of_the_model_unless_said(model, images):
    folder = images("frames", range(8))
    assert [one.time_s for one in known(model).scores(folder)][-1] == pytest.approx(0.7)
    assert [one.time_s for one in known(model).scores(folder, fps=5.0)][-1] == pytest.approx(1.4)
    with pytest.raises(SettingsError, match="fps"):
        list(known(model).scores(folder, fps=0.0))


def test_maps_and_pictures_come_where_they_are_asked_for(model, video):
    scores = list(model.scores(video(frames=6, draw=walk), maps=True, picture_width=32))
    assert [one.map is None for one in scores] == [True] * 4 + [False] * 2
    assert (scores[5].map.shape, scores[5].map.dtype) == ((32, 32), np.float32)
    assert {one.picture.shape for one in scores} == {(24, 32, 3)}


def test_an_interval_of_two_reaches_over_nine_frames(model):
    config = replace(model.bundle.network.config, interval=2)
    bundle = replace(
        model.bundle, network=replace(model.bundle.network, config=config), health=None
    )
    ours = Model(bundle, FakeScorer())
    assert [one.frame for one in ours.scores(Source(11)) if one.raw is not None] == [8, 9, 10]
    assert ours.scorer.batches[0][0, :, 0, 0, 0].tolist() == [0, 2, 4, 6, 8]


def test_a_model_is_loaded_from_a_run_or_a_bundle(tiny_run, model):
    for place in (tiny_run, tiny_run / "bundle", str(tiny_run)):
        assert oddframe.load(place, device="cpu").bundle.calibration == model.bundle.calibration


def test_what_cannot_be_loaded_is_refused(tiny_run, tmp_path):
    with pytest.raises(SourceNotFoundError):
        load(tmp_path)
    with pytest.raises(SettingsError, match="batch_size must be at least 1, got 0"):
        load(tiny_run, batch_size=0)
    with pytest.raises(SettingsError, match="device must be auto, cpu or a GPU"):
        load(tiny_run, device="warp")
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(BundleError):
        load(tmp_path)


_SCORE = """
import sys
from oddframe.inference.loading import load
for score in load(sys.argv[1], device="cpu").scores(sys.argv[2], maps=True, picture_width=64):
    pass
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) / 1024)
"""


@pytest.mark.slow
def test_a_recording_ten_times_as_long_takes_no_more_memory(tiny_run, video):
    def peak_mb(frames):
        path = video(f"{frames}.mp4", frames=frames, draw=walk)
        command = [sys.executable, "-c", _SCORE, str(tiny_run), str(path)]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert peak_mb(5_000) - peak_mb(500) < 50


def test_frames_that_show_nothing_get_no_score_and_a_state(model, video):
    def draw(number, width, height):
        return (
            walk(number, width, height)
            if not 30 <= number < 90
            else np.zeros((height, width, 3), np.uint8)
        )

    path = video(frames=150, draw=draw)
    scores = list(model.scores(path))
    assert all(one.score is not None for one in scores[4:30])
    assert all(one.score is None for one in scores[30:94])
    assert all(one.score is not None for one in scores[-20:])
    changes = [change for one in scores for change in one.changes]
    assert [change.state for change in changes] == ["covered", "ok"]
    assert {one.health for one in scores[62:90]} == {"covered"}
    (start, end) = [
        one for one in events(scores, "a", model.bundle.calibration) if one.kind == "health"
    ]
    assert (start.phase, end.phase, start.id) == ("start", "end", end.id)
    assert (start.start_s, start.reason) == (pytest.approx(3.0, abs=0.2), changes[0].reason)
    assert end.end_s == pytest.approx(changes[1].time_s)
    unwatched = list(model.scores(path, health=False))
    assert all(one.score is not None for one in unwatched[4:])


def hashed(clips):
    """A raw score from the hash of each clip: no two clips have the same."""
    return np.array([hash_of(clip) for clip in clips], np.float32)


def hash_of(clip):
    return int.from_bytes(hashlib.sha256(clip.tobytes()).digest()[:2], "big") + 1


class ReadyFrames(Source):
    """Frames that are there already."""

    def __init__(self, frames):
        super().__init__(0)
        self.ready = frames

    def frames(self, wanted):
        for frame in self.ready:
            self.asked = frame.index
            yield frame


SHOWN = st.lists(
    st.tuples(st.integers(0, 1), st.integers(1, 9), st.sampled_from([0.1] * 5 + [3.0])), max_size=8
)
"""Stretches of a camera: what it shows, for how many frames, and the time before the first."""


def shown_frames(stretches):
    frames, time_s = [], 0.0
    for level, count, gap_s in stretches:
        for number in range(count):
            time_s += gap_s if number == 0 else 0.1
            frames.append(
                Frame(len(frames), time_s, np.full((32, 32, 1), level, np.uint8), (64, 48))
            )
    return frames


def scored_one_by_one(frames, interval):
    """Frames and raw scores without any short cut, and how many clips repeat the one before."""
    raw_of, repeats, before = dict.fromkeys(range(len(frames))), 0, (-2, None)
    for clip in clips(frames, interval, 0.35):
        raw = float(hash_of(np.stack([frame.pixels for frame in clip.frames])))
        repeats += before == (clip.last.index - 1, raw)
        before = (clip.last.index, raw)
        raw_of[clip.last.index] = raw
    return list(raw_of.items()), repeats


def exact(model, batch_size, interval):
    config = replace(model.bundle.network.config, interval=interval)
    bundle = replace(
        model.bundle, network=replace(model.bundle.network, config=config), health=None
    )
    return Model(bundle, FakeScorer(hashed, batch_size=batch_size))


def assert_scores(scores, expected):
    assert raws(scores) == expected
    for one in scores:
        if one.raw is not None:
            assert (one.appearance, one.motion, one.cluster) == (
                2 * one.raw,
                3 * one.raw,
                4 * one.raw,
            )
            assert (one.map == one.raw).all()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stretches=SHOWN, batch_size=st.sampled_from([1, 3, 8]), interval=st.integers(1, 2))
def test_repeats_are_told_without_the_network_and_score_the_same(
    stretches, batch_size, interval, model
):
    frames = shown_frames(stretches)
    expected, repeats = scored_one_by_one(frames, interval)
    ours = exact(model, batch_size, interval)
    assert_scores(list(ours.scores(ReadyFrames(frames), maps=True)), expected)
    scored = sum(raw is not None for _, raw in expected)
    assert sum(map(len, ours.scorer.batches)) == scored - repeats


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stretches=SHOWN, batch_size=st.sampled_from([1, 3, 8]), interval=st.integers(1, 2))
def test_a_gpu_that_is_asked_ahead_gives_the_same_scores(stretches, batch_size, interval, model):
    frames = shown_frames(stretches)
    one = exact(model, batch_size, interval)
    gpu = FakeGpu(hashed, maps=flat_maps(2, 3), batch_size=batch_size)
    other = Model(one.bundle, gpu)
    assert list(map(plain, other.scores(ReadyFrames(frames), maps=True))) == list(
        map(plain, one.scores(ReadyFrames(frames), maps=True))
    )
    assert [len(batch) for batch in gpu.batches] == [len(batch) for batch in one.scorer.batches]


def plain(score):
    return replace(score, map=None if score.map is None else score.map.tolist())


def test_a_gpu_has_the_next_batch_before_it_is_asked_for_the_scores_of_the_last(model):
    gpu = FakeGpu(batch_size=4)
    ours = Model(replace(model.bundle, health=None), gpu)
    expected = raws(known(model).scores(Source(17)))
    assert raws(ours.scores(Source(17))) == expected
    # 13 clips: three full batches and one more.
    assert gpu.log == ["begin", "begin", "finish", "begin", "finish", "begin", "finish", "finish"]


def test_maps_come_back_from_a_gpu_only_where_somebody_wants_them(model):
    def log(**options):
        gpu = FakeGpu(maps=flat_maps(32, 32), batch_size=4)
        scores = list(Model(replace(model.bundle, health=None), gpu).scores(Source(8), **options))
        return gpu.log, [score.map is not None for score in scores]

    left = Zones(watch=(Polygon(((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))),))
    assert log() == (["begin", "finish"], [False] * 8)
    assert log(maps=True) == (["begin maps", "finish"], [False] * 4 + [True] * 4)
    # The score of a frame with zones is taken from its map, which the caller need not see.
    assert log(zones=left) == (["begin maps", "finish"], [False] * 8)


def test_repeats_take_no_place_in_a_batch(model):
    ours = exact(model, 3, 1)
    list(ours.scores(ReadyFrames(shown_frames([(level % 2, 10, 0.1) for level in range(3)]))))
    assert [len(batch) for batch in ours.scorer.batches] == [3, 3, 3, 2]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cameras=st.lists(SHOWN, min_size=2, max_size=4),
    batch_size=st.sampled_from([1, 3, 8]),
    data=st.data(),
)
def test_cameras_share_batches_and_have_repeats_of_their_own(cameras, batch_size, data, model):
    ours = exact(model, batch_size, 1)
    streams = [ours.stream(10.0, 0.35) for _ in cameras]
    left = [shown_frames(stretches) for stretches in cameras]
    expected = [scored_one_by_one(frames, 1) for frames in left]
    found = [[] for _ in cameras]
    while any(left):
        order, waiting = [], []
        while any(left) and sum(one.is_new for one in waiting) < batch_size and len(waiting) < 20:
            camera = data.draw(
                st.sampled_from([number for number, frames in enumerate(left) if frames])
            )
            order.append(camera)
            waiting += streams[camera].push(left[camera].pop(0))
        for camera, score in zip(order, ours.scored(waiting, maps=True), strict=True):
            found[camera].append(score)
    for scores, (raw_by_frame, _) in zip(found, expected, strict=True):
        assert_scores(scores, raw_by_frame)
    scored = sum(raw is not None for raw_by_frame, _ in expected for _, raw in raw_by_frame)
    assert sum(map(len, ours.scorer.batches)) == scored - sum(repeats for _, repeats in expected)


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_a_still_recording_scores_the_same_to_the_bit(batch_size, model, tiny_run):
    """With the real network; the last clip of all is new again."""
    stretches = [
        (walk(n, 32, 32)[..., :1], count) for n, count in ((0, 12), (5, 1), (9, 14), (3, 2))
    ]
    pictures = [picture for picture, count in stretches for _ in range(count)]
    frames = [Frame(n, n / 10, picture, (64, 48)) for n, picture in enumerate(pictures)]
    ours = Model(
        replace(model.bundle, health=None),
        load(tiny_run, device="cpu", batch_size=batch_size).scorer,
    )
    scores = list(ours.scores(ReadyFrames(frames), maps=True))[4:]
    assert len({one.raw for one in scores}) < len(scores) - 10
    for one, clip in zip(scores, clips(frames, 1, 0.35), strict=True):
        alone = ours.scorer.score(np.stack([frame.pixels for frame in clip.frames])[None])
        for name in ("raw", "appearance", "motion", "cluster"):
            assert getattr(one, name) == getattr(alone, name)[0]
        np.testing.assert_array_equal(one.map, alone.maps[0])


def test_a_map_that_repeats_share_cannot_be_written_to_and_holds_no_batch(model):
    source = ReadyFrames(shown_frames([(0, 4, 0.1), (1, 3, 0.1), (0, 30, 0.1)]))
    scores = list(exact(model, 8, 1).scores(source, maps=True))
    assert scores[-1].map is scores[-2].map
    assert scores[-1].map.base is None
    for one in scores[4:]:
        with pytest.raises(ValueError, match="read-only"):
            one.map[0, 0] = 1.0


def test_zones_hold_for_repeats_too(model):
    left = Zones(watch=(Polygon(((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))),))
    source = ReadyFrames(shown_frames([(7, 12, 0.1)]))
    ours = Model(replace(model.bundle, health=None), model.scorer)
    scores = list(ours.scores(source, zones=left, maps=True))[4:]
    assert not scores[0].map[:, 16:].any()
    assert {one.raw for one in scores} == {scores[0].raw}
    assert scores[0].raw < list(ours.scores(source))[-1].raw


def test_a_still_scene_is_told_at_once(model):
    source = ReadyFrames(shown_frames([(0, 200, 0.1)]))
    for one in exact(model, 8, 1).scores(source):
        # The first clip waits for others, for as long as it may; from then on nothing waits.
        assert source.asked - one.frame <= MOST_WAITING + MOST_AHEAD + 2
        if one.frame > MOST_WAITING + 10:
            assert source.asked - one.frame <= MOST_AHEAD + 2


def test_events_come_in_memory_and_to_every_function(model, video):
    path = video("door.mp4", frames=30, draw=walk)
    low = model.with_threshold(raw=1e-9)
    first, second = [], []
    found = list(low.events(path, sinks=[first.append, second.append]))
    scores = list(low.scores(path, maps=True))
    assert found == list(events(scores, "door", low.bundle.calibration))
    assert {event.source for event in found} == {"door"}
    assert found[-1].phase == "end"
    assert found[-1].box is not None
    assert first == second
    for message, event in zip(first, found, strict=True):
        assert {name: message[name] for name in event.as_dict()} == event.as_dict()
        assert message["start"] is message["clip"] is None
    assert len({message["key"] for message in first}) == len(found)


def test_an_error_of_a_function_for_events_reaches_the_caller(model, video):
    def refuse(message):
        raise RuntimeError("not today")

    with pytest.raises(RuntimeError, match="not today"):
        list(model.with_threshold(raw=1e-9).events(video(frames=30, draw=walk), sinks=[refuse]))


def test_a_score_knows_above_which_level_its_map_is_hot(model, video):
    scores = list(model.scores(video(frames=6, draw=walk), maps=True))
    assert [score.map_level for score in scores] == [None] * 4 + [model.map_level] * 2
    assert model.map_level == model.bundle.calibration.map_level


@pytest.mark.parametrize(("trained", "named"), [(64 / 48, False), (16 / 9, True), (None, False)])
def test_a_source_of_another_shape_than_the_training_is_named_once(trained, named, model, video):
    source = open_source(video(frames=8, draw=walk))
    shaped = known(model)
    shaped.bundle = replace(shaped.bundle, picture_aspect=trained)
    for _ in range(2):
        assert len(list(shaped.scores(source))) == 8
    assert [("1.33 times as wide as high" in notice) for notice in source.notices] == [True] * named
