import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.errors import InputError
from oddframe.metrics.region import (
    MapRegionMetrics,
    MaskTracks,
    Region,
    TrueRegion,
    regions_of_mask,
)
from tests.support.literal_regions import (
    INSIDE,
    MAPS,
    MASKS,
    SCORED,
    TRACKED,
    Detection,
    RegionMetrics,
    assert_criteria,
    box_places,
    flood,
    literal_criteria,
    literal_tracks,
    places,
)


@given(st.lists(st.tuples(MAPS, INSIDE), min_size=1, max_size=6), st.integers(0, 2))
def test_criteria_of_maps_equal_a_literal_sweep(frames, spare):
    metrics, literal = MapRegionMetrics(len(frames) + spare), []
    for values, tracked in frames:
        metrics.add(values, [TrueRegion(track, Region.box(*box)) for track, box in tracked])
        literal.append(
            (
                lambda t, values=values: flood(values >= t),
                [(track, box_places(box)) for track, box in tracked],
            )
        )
    assert_criteria(metrics.result(), literal_criteria(literal, [3.0, 2.0, 1.0, 0.0]))


@pytest.mark.parametrize(("higher", "told_apart"), [(1.06, False), (1.07, True)])
def test_values_within_a_sixteenth_are_one_threshold(higher, told_apart):
    """The first pixel is true and higher; the last one is not."""
    metrics = MapRegionMetrics(1)
    metrics.add([[higher, *[0.0] * 20, 1.0]], [TrueRegion("a", Region.box(0, 0, 1, 1))])
    result = metrics.result()
    points = list(zip(result.false_positives_per_frame, result.regions_found, strict=True))
    assert ((0.0, 1.0) in points) == told_apart


def test_many_frames_are_counted_as_exactly_as_few(run_seed):
    """The sweep ends early where there are false positives enough, and that changes nothing."""
    rng = np.random.default_rng(run_seed)
    maps = rng.choice(
        [0.5, 1.0, 2.0, 4.0, 8.0], p=[0.5, 0.2, 0.15, 0.1, 0.05], size=(40, 12, 14)
    ).astype(np.float32)
    truth = [[TrueRegion(f"{n // 10}", Region.box(2, 2, 6, 6))] if n % 3 else [] for n in range(40)]
    literal = [
        (
            lambda t, values=values: flood(values >= t),
            [(one.track, box_places((2, 2, 6, 6))) for one in true],
        )
        for values, true in zip(maps, truth, strict=True)
    ]
    metrics = MapRegionMetrics(40)
    for values, true in zip(maps, truth, strict=True):
        metrics.add(values, true)
    assert_criteria(metrics.result(), literal_criteria(literal, [8.0, 4.0, 2.0, 1.0, 0.5]))
    assert max(metrics.result().false_positives_per_frame) > 1


def test_tracks_that_turn_out_to_be_one_are_counted_as_one():
    metrics = MapRegionMetrics(3)
    box = Region.box(0, 0, 2, 2)
    found, missed = np.zeros((4, 4)), np.zeros((4, 4))
    found[:2, :2] = 1.0
    metrics.add(found, [TrueRegion("a", box)])
    metrics.add(missed, [TrueRegion("b", box)])
    metrics.join("a", "b")
    metrics.join("a", "never seen in a scored frame")
    result = metrics.result()
    assert (result.regions, result.tracks) == (2, 1)
    assert max(result.tracks_found) == 1.0


@pytest.mark.parametrize("abnormal", [True, False])
def test_one_frame_of_one_pixel(abnormal):
    metrics = MapRegionMetrics(1)
    metrics.add([[2.0]], [TrueRegion("a", Region.box(0, 0, 1, 1))] if abnormal else [])
    result = metrics.result()
    assert (result.rbdc, result.tbdc) == ((1.0, 1.0) if abnormal else (None, None))


def test_ties_everywhere_are_one_region():
    metrics = MapRegionMetrics(1)
    metrics.add(np.full((10, 10), 0.3), [TrueRegion("a", Region.box(0, 0, 4, 4))])
    assert metrics.result().rbdc == 1.0  # IoU 16 / 100
    metrics = MapRegionMetrics(1)
    metrics.add(np.full((10, 10), 0.3), [TrueRegion("a", Region.box(0, 0, 3, 3))])
    assert metrics.result().rbdc == 0.0  # IoU 9 / 100


def test_nothing_counted_is_undefined():
    assert MapRegionMetrics(5).result().rbdc is None


@pytest.mark.parametrize(
    ("values", "truth", "words"),
    [
        ([1.0], [], "must be H x W and finite"),
        ([[np.nan]], [], "must be H x W and finite"),
        (
            [[1.0]],
            [TrueRegion("a", Region.box(0, 0, 2, 1))],
            "track a: a true region must lie within the 1 x 1 frame",
        ),
    ],
)
def test_unusable_frames_are_refused(values, truth, words):
    with pytest.raises(InputError, match=words):
        MapRegionMetrics(9).add(values, truth)


def test_more_frames_than_said_are_refused():
    metrics = MapRegionMetrics(1)
    metrics.add([[1.0]], [])
    with pytest.raises(InputError, match="at most 1 frames were said to come"):
        metrics.add([[1.0]], [])


@given(st.lists(st.tuples(SCORED, TRACKED), min_size=1, max_size=5))
def test_criteria_of_scored_boxes_equal_a_literal_sweep(frames):
    metrics, literal = RegionMetrics([1.0, 2.0, 3.0]), []
    for scored, tracked in frames:
        metrics.add(
            [Detection(score, Region.box(*box)) for score, box in scored],
            [TrueRegion(track, Region.box(*box)) for track, box in tracked],
        )
        literal.append(
            (
                lambda t, scored=scored: [box_places(box) for score, box in scored if score >= t],
                [(track, box_places(box)) for track, box in tracked],
            )
        )
    assert_criteria(metrics.result(), literal_criteria(literal, [3.0, 2.0, 1.0]))


def test_one_region_of_ten_is_enough_for_a_track_and_one_of_eleven_is_not():
    for length, expected in ((10, 1.0), (11, 0.0)):
        metrics = RegionMetrics([0.5])
        true = TrueRegion("a", Region.box(0, 0, 2, 2))
        for number in range(length):
            metrics.add([Detection(1.0, true.region)] if number == 0 else [], [true])
        result = metrics.result()
        assert (result.tracks_found, result.regions, result.tracks) == ((expected,), length, 1)


def test_perfect_and_useless_detectors():
    true, elsewhere = Region.box(0, 0, 2, 2), Region.box(3, 3, 5, 5)
    perfect, useless = RegionMetrics([0.5]), RegionMetrics([0.5])
    perfect.add([Detection(1.0, true)], [TrueRegion("a", true)])
    useless.add([Detection(1.0, elsewhere)], [TrueRegion("a", true)])
    assert (perfect.result().rbdc, perfect.result().tbdc) == (1.0, 1.0)
    assert (useless.result().rbdc, useless.result().tbdc) == (0.0, 0.0)
    assert useless.result().false_positives_per_frame == (1.0,)


def test_nothing_to_find_is_undefined_but_false_positives_are_counted():
    metrics = RegionMetrics([0.5])
    assert metrics.result().rbdc is None
    assert metrics.result().frames == 0
    metrics.add(
        [Detection(1.0, Region.box(0, 0, 1, 1)), Detection(0.6, Region.box(3, 0, 4, 1))], []
    )
    result = metrics.result()
    assert (result.rbdc, result.tbdc, result.frames) == (None, None, 1)
    assert result.false_positives_per_frame == (2.0,)


def test_the_json_is_plain():
    metrics = RegionMetrics([0.5, 1.0])
    metrics.add([Detection(1.0, Region.box(0, 0, 1, 1))], [TrueRegion("a", Region.box(0, 0, 1, 1))])
    assert json.loads(json.dumps(metrics.result().as_dict())) == {
        "rbdc": 1.0,
        "tbdc": 1.0,
        "frames": 1,
        "regions": 1,
        "tracks": 1,
        "false_positives_per_frame": [0.0],
        "regions_found": [1.0],
        "tracks_found": [1.0],
    }


def test_a_box_without_a_pixel_is_refused():
    with pytest.raises(InputError, match="a box must hold a pixel"):
        Region.box(3, 0, 3, 4)


@given(MASKS)
def test_regions_of_a_mask_equal_a_flood_fill(mask):
    found = [frozenset(places(region)) for region in regions_of_mask(mask)]
    assert set(found) == {frozenset(part) for part in flood(mask)}
    assert len(found) == len(set(found))


def final_names(masks):
    """Track of each (frame, pixels) once all frames are known."""
    tracks = MaskTracks("01")
    named, kept = {}, {}
    for frame, mask in enumerate(masks):
        regions, joined = tracks.add(mask)
        kept.update({gone: one for one, gone in joined})
        for true in regions:
            named[frame, frozenset(places(true.region))] = true.track
    for node, name in named.items():
        while name in kept:
            name = kept[name]
        named[node] = name
    return named


@given(st.lists(MASKS, min_size=1, max_size=5).map(np.array))
def test_tracks_follow_overlap_over_time(masks):
    group = literal_tracks(masks)
    named = final_names(masks)
    assert set(named) == set(group)
    assert (
        len({(group[node], named[node]) for node in group})
        == len(set(group.values()))
        == len(set(named.values()))
    )
    assert all(track.startswith("01/") for track in named.values())


def test_two_that_meet_become_one_and_one_that_is_covered_becomes_two():
    apart, together, nothing = [[1, 0, 1]], [[1, 1, 1]], [[0, 0, 0]]
    assert len(set(final_names(np.array([apart, together])).values())) == 1
    assert len(set(final_names(np.array([apart, apart])).values())) == 2
    assert len(set(final_names(np.array([together, nothing, together])).values())) == 2


def test_an_empty_mask_has_no_regions():
    assert MaskTracks("01").add(np.zeros((2, 3))) == ([], [])


def test_wrong_shapes_are_refused():
    with pytest.raises(InputError, match="H x W"):
        regions_of_mask(np.zeros(3))
    tracks = MaskTracks("01")
    tracks.add(np.zeros((2, 3)))
    with pytest.raises(
        InputError, match=r"video 01: all masks must be of one size, got \(3, 2\) after \(2, 3\)"
    ):
        tracks.add(np.zeros((3, 2)))
