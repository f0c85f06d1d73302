import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.errors import InputError
from oddframe.metrics.region import (
    Detection,
    Region,
    RegionMetrics,
    TrueRegion,
    overlap,
    regions_of_mask,
    true_regions_of_masks,
)

H, W = 4, 5
MASKS = st.lists(st.booleans(), min_size=H * W, max_size=H * W).map(lambda v: np.array(v).reshape(H, W))
MAPS = st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0]), min_size=H * W, max_size=H * W).map(
    lambda v: np.array(v).reshape(H, W)
)
BOXES = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 3), st.integers(1, 3)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
TRACKED = st.lists(st.tuples(st.sampled_from("ab"), BOXES), max_size=3)
SCORED = st.lists(st.tuples(st.sampled_from([1.0, 2.0, 3.0]), BOXES), max_size=4)


def places(region):
    rows, columns = np.nonzero(region.pixels)
    return {(int(r) + region.top, int(c) + region.left) for r, c in zip(rows, columns, strict=True)}


def box_places(box):
    x_min, y_min, x_max, y_max = box
    return {(y, x) for y in range(y_min, y_max) for x in range(x_min, x_max)}


def flood(mask):
    """Connected parts over 8 neighbours, by walking."""
    left = {(r, c) for r in range(mask.shape[0]) for c in range(mask.shape[1]) if mask[r, c]}
    parts = []
    while left:
        part, front = set(), [min(left)]
        while front:
            place = front.pop()
            if place in left:
                left.discard(place)
                part.add(place)
                front += [(place[0] + r, place[1] + c) for r in (-1, 0, 1) for c in (-1, 0, 1)]
        parts.append(part)
    return parts


def iou(first, second):
    return len(first & second) / len(first | second)


def literal_area(points):
    """Area under straight lines from (0, 0) through the best points so far, between 0 and 1, level at the end."""
    curve, best = [(0.0, 0.0)], 0.0
    for x, y in sorted(points):
        best = max(best, y)
        curve.append((x, best))
    curve.append((max(1.0, curve[-1][0]), best))
    area = 0.0
    for (x0, y0), (x1, y1) in itertools.pairwise(curve):
        if x0 >= 1.0 or x0 == x1:
            continue
        end = min(x1, 1.0)
        y_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
        area += (end - x0) * (y0 + y_end) / 2
    return area


def literal_criteria(frames, thresholds):
    """Frames as (detections at a threshold, [(track, places)]); counts as rule 5 reads."""
    tracks = {track for _, truth in frames for track, _ in truth}
    region_points, track_points = [], []
    for threshold in thresholds:
        false_positives, outcome = 0, {track: [] for track in tracks}
        for detect, truth in frames:
            detected = detect(threshold)
            for track, true in truth:
                outcome[track].append(any(iou(true, one) >= 0.1 for one in detected))
            false_positives += sum(all(iou(true, one) < 0.1 for _, true in truth) for one in detected)
        x = false_positives / len(frames)
        everything = [hit for hits in outcome.values() for hit in hits]
        if everything:
            region_points.append((x, sum(everything) / len(everything)))
            track_points.append((x, sum(sum(h) / len(h) >= 0.1 for h in outcome.values()) / len(tracks)))
    if not tracks:
        return None, None
    return literal_area(region_points), literal_area(track_points)


def assert_criteria(result, expected):
    for found, value in zip((result.rbdc, result.tbdc), expected, strict=True):
        assert found == value if value is None else found == pytest.approx(value)


@given(st.lists(st.tuples(SCORED, TRACKED), min_size=1, max_size=5))
def test_criteria_of_scored_boxes_equal_a_literal_sweep(frames):
    metrics, literal = RegionMetrics([1.0, 2.0, 3.0]), []
    for scored, tracked in frames:
        metrics.add_detections(
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


@given(st.lists(st.tuples(MAPS, TRACKED), min_size=1, max_size=4))
def test_criteria_of_maps_equal_a_literal_sweep(frames):
    metrics, literal = RegionMetrics([1.0, 2.0, 3.0]), []
    for values, tracked in frames:
        metrics.add_map(values, [TrueRegion(track, Region.box(*box)) for track, box in tracked])
        literal.append(
            (
                lambda t, values=values: flood(values >= t),
                [(track, box_places(box)) for track, box in tracked],
            )
        )
    assert_criteria(metrics.result(), literal_criteria(literal, [3.0, 2.0, 1.0]))


@given(MASKS)
def test_regions_of_a_mask_equal_a_flood_fill(mask):
    found = [frozenset(places(region)) for region in regions_of_mask(mask)]
    assert set(found) == {frozenset(part) for part in flood(mask)}
    assert len(found) == len(set(found))


@given(MASKS.filter(np.any), MASKS.filter(np.any))
def test_overlap_equals_sets_of_pixels(first, second):
    for one in regions_of_mask(first):
        for other in regions_of_mask(second):
            assert overlap(one, other) == pytest.approx(iou(places(one), places(other)))
            assert overlap(one, other) == overlap(other, one)


@given(st.lists(MASKS, min_size=1, max_size=4).map(np.array))
def test_tracks_of_masks_follow_overlap_over_time(masks):
    frames = true_regions_of_masks("01", masks)
    nodes = [(t, frozenset(part)) for t, mask in enumerate(masks) for part in flood(mask)]
    # Merge group numbers until nothing changes.
    group = {node: number for number, node in enumerate(nodes)}
    for _ in nodes:
        for one in nodes:
            for other in nodes:
                if other[0] == one[0] + 1 and one[1] & other[1]:
                    group[one] = group[other] = min(group[one], group[other])
    named = {(t, frozenset(places(true.region))): true.track for t, frame in enumerate(frames) for true in frame}
    assert set(named) == set(nodes)
    assert len({(group[node], named[node]) for node in nodes}) == len(set(group.values())) == len(set(named.values()))
    assert all(track.startswith("01/") for track in named.values())


def test_one_region_of_ten_is_enough_for_a_track_and_one_of_eleven_is_not():
    for length, expected in ((10, 1.0), (11, 0.0)):
        metrics = RegionMetrics([0.5])
        true = TrueRegion("a", Region.box(0, 0, 2, 2))
        for number in range(length):
            metrics.add_detections([Detection(1.0, true.region)] if number == 0 else [], [true])
        result = metrics.result()
        assert (result.tracks_found, result.regions, result.tracks) == ((expected,), length, 1)


def test_perfect_and_useless_detectors():
    true, elsewhere = Region.box(0, 0, 2, 2), Region.box(3, 3, 5, 5)
    perfect, useless = RegionMetrics([0.5]), RegionMetrics([0.5])
    perfect.add_detections([Detection(1.0, true)], [TrueRegion("a", true)])
    useless.add_detections([Detection(1.0, elsewhere)], [TrueRegion("a", true)])
    assert (perfect.result().rbdc, perfect.result().tbdc) == (1.0, 1.0)
    assert (useless.result().rbdc, useless.result().tbdc) == (0.0, 0.0)
    assert useless.result().false_positives_per_frame == (1.0,)


def test_nothing_to_find_is_undefined_but_false_positives_are_counted():
    metrics = RegionMetrics([0.5])
    assert metrics.result().rbdc is None
    metrics.add_map([[1.0, 0.0, 1.0]], [])
    result = metrics.result()
    assert (result.rbdc, result.tbdc, result.frames) == (None, None, 1)
    assert result.false_positives_per_frame == (2.0,)


@pytest.mark.parametrize("thresholds", [[], [np.nan], [1.0, np.inf]])
def test_thresholds_are_checked(thresholds):
    with pytest.raises(InputError, match="thresholds must be finite"):
        RegionMetrics(thresholds)


def test_wrong_shapes_are_refused():
    with pytest.raises(InputError, match="H x W"):
        regions_of_mask(np.zeros(3))
    with pytest.raises(InputError, match="T x H x W"):
        true_regions_of_masks("01", np.zeros((3, 3)))
    with pytest.raises(InputError, match="a box must hold a pixel"):
        Region.box(3, 0, 3, 4)
