import dataclasses
import itertools
import math
import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from oddframe.errors import OutputError, SettingsError
from oddframe.synthetic.crowd import Crowd
from oddframe.synthetic.places import LAYOUTS, SceneCamera, distance_inside
from oddframe.synthetic.scene import (
    TEST_RECORDINGS,
    TEST_SEEDS_FROM,
    TRAIN_RECORDINGS,
    Box,
    DrawnFrame,
    SceneSettings,
    draw,
    write_truth,
)
from oddframe.synthetic.script import KINDS

SMALL = SceneSettings(width=120, height=72)
LAYOUT_NAMES = sorted(LAYOUTS)
ONE_BY_DEFAULT = ["plaza", pytest.param("station", marks=pytest.mark.slow)]
"""For what takes seconds to draw; other tests draw both layouts."""


def on_a_lawn(camera, x_m, z_m):
    """Whether a place on the ground, in metres, lies on one of the lawns of the camera's place."""
    x_px, y_px, _, _ = camera.project(x_m, z_m)
    place = (np.array([x_px / camera.width]), np.array([y_px / camera.height]))
    return any(distance_inside(lawn, *place, 1.0)[0] > 0.0 for lawn in camera.layout.lawns)


def test_a_seed_gives_the_same_frames_on_every_run():
    first = list(draw(7, 12, SMALL, ["cyclist"]))
    second = list(draw(7, 12, SMALL, ["cyclist"]))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.pixels, b.pixels)
        np.testing.assert_array_equal(a.mask, b.mask)
        assert a.boxes == b.boxes


def test_recordings_drawn_side_by_side_do_not_disturb_each_other():
    alone = [frame.pixels for frame in draw(7, 4, SMALL)]
    mixed = [a.pixels for a, _ in zip(draw(7, 4, SMALL), draw(8, 4, SMALL), strict=True)]
    np.testing.assert_array_equal(alone, mixed)


def test_another_seed_or_layout_gives_other_frames():
    def first(seed: int, layout: str = "plaza") -> np.ndarray:
        return next(draw(seed, 1, dataclasses.replace(SMALL, layout=layout, noise=0.0))).pixels

    assert not np.array_equal(first(1), first(2))
    assert not np.array_equal(first(1), first(1, "station"))


def test_a_shorter_recording_is_the_beginning_of_a_longer_one():
    short, long = draw(3, 5, SMALL), draw(3, 50, SMALL)
    for a, b in zip(short, itertools.islice(long, 5), strict=True):
        np.testing.assert_array_equal(a.pixels, b.pixels)


@pytest.mark.parametrize("layout", LAYOUT_NAMES)
@pytest.mark.parametrize("size", [(48, 32), (97, 61), (320, 192), (80, 160)])
def test_any_size_is_drawn(layout, size):
    width, height = size
    frame = next(draw(1, 1, SceneSettings(layout=layout, width=width, height=height)))
    assert frame.pixels.shape == (height, width, 3)
    assert frame.pixels.dtype == np.uint8
    assert frame.mask.shape == (height, width)
    assert frame.mask.dtype == bool
    assert frame.pixels.std() > 10


@pytest.mark.parametrize("layout", LAYOUT_NAMES)
def test_normal_footage_shows_no_anomaly(layout):
    for frame in draw(2, 60, dataclasses.replace(SMALL, layout=layout)):
        assert frame.label == 0
        assert frame.boxes == ()
        assert not frame.mask.any()


@pytest.mark.parametrize("layout", ONE_BY_DEFAULT)
def test_anomalies_change_nothing_but_what_they_cover(layout):
    """Crowd, light and noise of a seed stay: other pixels differ only by shadows and porters."""
    settings = dataclasses.replace(SMALL, layout=layout)
    pairs = list(
        zip(draw(5, 150, settings), draw(5, 150, settings, ["cyclist", "runner"]), strict=True)
    )
    assert any(frame.label for _, frame in pairs)
    assert not all(frame.label for _, frame in pairs)
    for normal, abnormal in pairs:
        if not abnormal.label:
            # An anomaly at the border may show a few pixels before it counts.
            assert np.mean(normal.pixels != abnormal.pixels) < 0.02
        else:
            assert np.any(normal.pixels[abnormal.mask] != abnormal.pixels[abnormal.mask])


@pytest.mark.parametrize("layout", ONE_BY_DEFAULT)
def test_masks_boxes_and_labels_agree(layout):
    kinds_seen, tracks = set(), {}
    for frame in draw(11, 300, dataclasses.replace(SMALL, layout=layout), KINDS):
        assert frame.label == int(frame.mask.any()) == int(bool(frame.boxes))
        inside = np.zeros_like(frame.mask)
        for box in frame.boxes:
            assert 0 <= box.x_min < box.x_max <= SMALL.width
            assert 0 <= box.y_min < box.y_max <= SMALL.height
            part = frame.mask[box.y_min : box.y_max, box.x_min : box.x_max]
            for edge in (part[0], part[-1], part[:, 0], part[:, -1]):
                assert edge.any()  # the box is tight
            inside[box.y_min : box.y_max, box.x_min : box.x_max] = True
            assert tracks.setdefault(box.track_id, box.kind) == box.kind
            kinds_seen.add(box.kind)
        assert not frame.mask[~inside].any()
        assert len({box.track_id for box in frame.boxes}) == len(frame.boxes)
    assert kinds_seen == set(KINDS)


def test_the_mask_is_where_the_anomaly_is_seen():
    """Without noise, light or crowd only the anomaly and its shadow differ from the empty place."""
    settings = SceneSettings(width=160, height=96, noise=0.0, light=0.0, density=0.0)
    empty = next(draw(4, 1, settings)).pixels.astype(int)
    frames = [frame for frame in draw(4, 300, settings, ["cart"]) if frame.label]
    assert frames
    for frame in frames[::10]:
        change = np.abs(frame.pixels - empty).max(axis=2)
        assert np.mean(change[frame.mask] > 0) > 0.97
        rows = slice(0, frame.boxes[0].y_max - (frame.boxes[0].y_max - frame.boxes[0].y_min) // 2)
        above = np.zeros_like(frame.mask)
        above[rows] = True  # shadows lie at the lower half
        assert np.mean(change[above & ~frame.mask] > 40) < 0.005


@pytest.mark.slow
def test_a_walker_in_front_hides_the_anomaly_behind():
    """The visible part of the standing suitcase shrinks while people pass in front of it."""
    crowded = SceneSettings(width=160, height=96, density=2.5)
    sizes = [int(frame.mask.sum()) for frame in draw(9, 300, crowded, ["abandoned"]) if frame.label]
    assert min(sizes) < 0.9 * max(sizes)


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUT_NAMES)
def test_the_crowd_keeps_to_the_paving_and_to_its_direction(layout):
    camera = SceneCamera(LAYOUTS[layout], 192, 320)
    crowd = Crowd(camera, np.random.default_rng(0), 1.0)
    entry, leave = (
        np.mean([camera.ground(end) for end in line], axis=0)
        for line in (camera.layout.entry, camera.layout.exit)
    )
    flow = (leave - entry) / np.hypot(*(leave - entry))
    actors = [actor for k in range(6000) for actor in crowd.arrivals(0.1 * k, 0.1)]
    assert len(actors) > 50
    for actor in actors:
        assert np.dot(actor.ahead, flow) > math.cos(math.radians(40))
        while actor.step(0.5):
            x, y, _, _ = camera.project(*actor.place)
            if 0 <= x < 320 and 0 <= y < 192:
                assert not on_a_lawn(camera, *actor.place)


@pytest.mark.parametrize("layout", ONE_BY_DEFAULT)
def test_whoever_walks_on_the_grass_is_on_a_lawn(layout):
    settings = SceneSettings(layout=layout, width=200, height=120, density=0.0)
    camera = SceneCamera(LAYOUTS[layout], settings.height, settings.width)
    feet = 0
    for frame in draw(21, 300, settings, ["on_grass"]):
        for box in frame.boxes:
            if (
                box.x_min > 10
                and box.x_max < settings.width - 10
                and box.y_max < settings.height - 3
            ):
                soles = camera.unproject(0.5 * (box.x_min + box.x_max), box.y_max - 2)
                assert on_a_lawn(camera, *soles)
                feet += 1
    assert feet > 10


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUT_NAMES)
def test_the_wrong_way_group_walks_against_the_flow(layout):
    settings = SceneSettings(layout=layout)
    flow = np.sign(LAYOUTS[layout].exit[0][0] - LAYOUTS[layout].entry[0][0])
    centres: dict[int, list[float]] = {}
    for frame in draw(31, 300, settings, ["wrong_way"]):
        for box in frame.boxes:
            centres.setdefault(box.track_id, []).append(0.5 * (box.x_min + box.x_max))
    long = [track for track in centres.values() if len(track) > 40]
    assert len(long) >= 3
    for track in long:
        assert np.sign(track[-1] - track[0]) == -flow


def test_an_abandoned_suitcase_stands_still():
    tracks: dict[int, list[Box]] = {}
    settings = SceneSettings(width=160, height=96, density=0.0)
    for frame in draw(41, 300, settings, ["abandoned"]):
        for box in frame.boxes:
            tracks.setdefault(box.track_id, []).append(box)
    assert tracks
    for boxes in tracks.values():
        assert len(boxes) > 40
        bottoms = [box.y_max for box in boxes]
        assert np.percentile(bottoms, 90) - np.percentile(bottoms, 10) <= 1
        assert (boxes[20].x_max - boxes[20].x_min) * (boxes[20].y_max - boxes[20].y_min) > 20


@pytest.fixture(scope="module", params=LAYOUT_NAMES)
def test_set(request):
    """The whole test set at half its size."""
    settings = SceneSettings(layout=request.param, width=160, height=96)
    return [(recording, list(recording.draw(settings))) for recording in TEST_RECORDINGS]


@pytest.mark.slow
def test_the_standard_recordings_show_what_they_say(test_set):
    for recording, frames in test_set:
        assert len(frames) == recording.frames
        assert {box.kind for frame in frames for box in frame.boxes} == set(recording.anomalies)
        assert 0.3 <= np.mean([frame.label for frame in frames]) <= 0.55
        assert frames[0].label == 0


def test_the_standard_set_is_complete_and_its_seeds_apart():
    for kind in KINDS:
        assert sum(kind in recording.anomalies for recording in TEST_RECORDINGS) >= 2
    assert all(
        recording.seed < TEST_SEEDS_FROM and not recording.anomalies
        for recording in TRAIN_RECORDINGS
    )
    assert all(recording.seed >= TEST_SEEDS_FROM for recording in TEST_RECORDINGS)
    everything = TRAIN_RECORDINGS + TEST_RECORDINGS
    assert len({recording.seed for recording in everything}) == len(everything)
    assert len({recording.name for recording in everything}) == len(everything)


@pytest.mark.slow
def test_motion_energy_is_a_poor_detector(test_set):
    """Raw AUC of both baselines; benchmarks/scene_difficulty.py has the numbers at full size."""
    labels, means, tops = [], [], []
    for _, frames in test_set:
        grey = np.stack(
            [frame.pixels @ np.array([0.299, 0.587, 0.114]) / 255.0 for frame in frames]
        )
        change = np.sort(np.abs(grey[4:] - grey[:-4]).reshape(len(frames) - 4, -1))
        labels += [frame.label for frame in frames[4:]]
        means += list(change.mean(axis=1))
        tops += list(change[:, -change.shape[1] // 100 :].mean(axis=1))
    assert max(roc_auc_score(labels, means), roc_auc_score(labels, tops)) <= 0.85


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length():
    def peak(frames: int) -> int:
        tracemalloc.start()
        for _ in draw(1, frames, SceneSettings(width=48, height=32, rate_fps=2.0), KINDS):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(5)
    # Had it kept its frames, 90 more of them would be 400,000 bytes more.
    assert peak(150) < peak(60) + 200_000


def test_long_footage_repeats_its_anomalies_between_normal_stretches():
    settings = SceneSettings(width=48, height=32, rate_fps=2.0)
    labels = [frame.label for frame in draw(1, 700, settings, ["cyclist", "abandoned"])]
    starts = np.flatnonzero(np.diff(labels) == 1)
    assert len(starts) > 11
    assert 0.25 < np.mean(labels) < 0.55


def test_the_crowd_comes_and_goes():
    crowd = Crowd(SceneCamera(LAYOUTS["plaza"], 192, 320), np.random.default_rng(0), 1.0)
    wanted = [crowd.wanted(float(second)) for second in range(300)]
    assert min(wanted) < 1.5
    assert max(wanted) > 4 * min(wanted)
    assert max(wanted) > 4.5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"layout": "beach"}, "layout must be one of plaza, station, got 'beach'"),
        ({"width": 10}, "width must be from 48 to 1920, got 10"),
        ({"height": 5000}, "height must be from 32 to 1200, got 5000"),
        ({"width": 320.5}, "width must be a whole number"),
        ({"rate_fps": 0.0}, "rate_fps must be from 1 to 60, got 0"),
        ({"rate_fps": "ten"}, "rate_fps must be a number"),
        ({"noise": float("nan")}, "noise must be from 0 to 64, got nan"),
        ({"density": -1.0}, "density must be from 0 to 4"),
        ({"light": 9.0}, "light must be from 0 to 2"),
    ],
)
def test_settings_out_of_range_are_refused(values, message):
    with pytest.raises(SettingsError, match=message):
        SceneSettings(**values)


@pytest.mark.parametrize(
    ("seed", "frames", "anomalies", "message"),
    [
        (-1, 10, (), "seed must be 0 or more"),
        (1, 0, (), "frames must be 1 or more"),
        (1, 10, ("dragon",), "anomalies must be among .* got 'dragon'"),
    ],
)
def test_recordings_that_cannot_be_drawn_are_refused_at_once(seed, frames, anomalies, message):
    with pytest.raises(SettingsError, match=message):
        draw(seed, frames, SMALL, anomalies)


def test_frames_print_without_their_pixels():
    frame = DrawnFrame(
        np.zeros((2, 3, 3), np.uint8), np.ones((2, 3), bool), (Box(1, "cart", 0, 0, 3, 2),), 1
    )
    assert repr(frame) == "DrawnFrame(3x2, label=1, kinds=['cart'])"


def test_truth_is_written_as_it_was_drawn(tmp_path):
    frames = list(draw(11, 120, SMALL, ["cart"]))
    assert any(frame.label for frame in frames)
    write_truth(tmp_path, "one", frames)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "one.masks.npz",
        "one.npy",
        "one.tracks.txt",
    ]
    labels = np.load(tmp_path / "one.npy")
    np.testing.assert_array_equal(labels, [frame.label for frame in frames])
    with np.load(tmp_path / "one.masks.npz") as archive:
        np.testing.assert_array_equal(archive["masks"], [frame.mask for frame in frames])
    rows = [
        [int(value) for value in line.split(",")]
        for line in (tmp_path / "one.tracks.txt").read_text().splitlines()
    ]
    expected = [
        [box.track_id, number, box.x_min, box.y_min, box.x_max, box.y_max]
        for number, frame in enumerate(frames)
        for box in frame.boxes
    ]
    assert rows == expected


def test_truth_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="could not be written"):
        write_truth(tmp_path / "file", "one", draw(1, 1, SMALL))
    assert (tmp_path / "file").read_text() == "in the way"
