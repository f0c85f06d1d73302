import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from literal_regions import MASKS, SCORED, TRACKED, assert_criteria, box_places, iou, literal_criteria, places

from oddframe.errors import InputError
from oddframe.metrics.region import Detection, Region, RegionMetrics, TrueRegion, overlap
from oddframe.metrics.tracks import regions_of_mask


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


@given(MASKS.filter(np.any), MASKS.filter(np.any))
def test_overlap_equals_sets_of_pixels(first, second):
    for one in regions_of_mask(first):
        for other in regions_of_mask(second):
            assert overlap(one, other) == pytest.approx(iou(places(one), places(other)))
            assert overlap(one, other) == overlap(other, one)


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
    metrics.add([Detection(1.0, Region.box(0, 0, 1, 1)), Detection(0.6, Region.box(3, 0, 4, 1))], [])
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


@pytest.mark.parametrize("thresholds", [[], [np.nan], [1.0, np.inf]])
def test_thresholds_are_checked(thresholds):
    with pytest.raises(InputError, match="thresholds must be finite"):
        RegionMetrics(thresholds)


def test_a_box_without_a_pixel_is_refused():
    with pytest.raises(InputError, match="a box must hold a pixel"):
        Region.box(3, 0, 3, 4)
