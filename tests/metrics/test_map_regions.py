import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from literal_regions import INSIDE, MAPS, assert_criteria, box_places, flood, literal_criteria

from oddframe.errors import InputError
from oddframe.metrics.map_regions import MapRegionMetrics
from oddframe.metrics.region import Region, TrueRegion


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
    """The sweep ends where the false positives are: later frames are not looked at below, and nothing changes."""
    rng = np.random.default_rng(run_seed)
    maps = rng.choice([0.5, 1.0, 2.0, 4.0, 8.0], p=[0.5, 0.2, 0.15, 0.1, 0.05], size=(40, 12, 14)).astype(np.float32)
    truth = [[TrueRegion(f"{n // 10}", Region.box(2, 2, 6, 6))] if n % 3 else [] for n in range(40)]
    literal = [
        (lambda t, values=values: flood(values >= t), [(one.track, box_places((2, 2, 6, 6))) for one in true])
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
        ([[1.0]], [TrueRegion("a", Region.box(0, 0, 2, 1))], "track a: a true region must lie within the 1 x 1 frame"),
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
