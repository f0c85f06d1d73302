import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.maps import SMALLEST, find_region, frame_score, map_peaks, perspective_of
from oddframe.model import fusion


@given(
    st.integers(0, 1000),
    st.sampled_from([(32, 48), (33, 40), (64, 32)]),
    st.lists(st.sampled_from([1, 2, 3, 8, 13, 32]), min_size=1, max_size=3).map(tuple),
    st.sampled_from([1e-6, 0.02, 0.3, 1.0]),
)
def test_it_is_the_statistic_of_the_network(seed, size, windows, share):
    anomaly_map = np.random.default_rng(seed).lognormal(0, 2, size).astype(np.float32)
    theirs = fusion.frame_score(torch.from_numpy(anomaly_map)[None].double(), windows, share)
    assert frame_score(anomaly_map, windows, share) == pytest.approx(theirs.item(), rel=1e-9)
    single = fusion.frame_score(torch.from_numpy(anomaly_map)[None], windows, share)
    assert frame_score(anomaly_map, windows, share) == pytest.approx(single.item(), rel=1e-5)
    root = fusion.frame_score(torch.from_numpy(anomaly_map)[None].sqrt(), windows, share)
    found = frame_score(anomaly_map, windows, share, power=2.0, mean_power=0.5)
    assert found == pytest.approx(root.item() ** 2, rel=1e-5)


def test_nothing_at_all_is_still_above_0():
    assert frame_score(np.zeros((32, 32), np.float32), (8,), 0.1) == SMALLEST > 0


def test_peaks_are_the_mean_of_the_highest_hundredth():
    maps = np.random.default_rng(0).permutation(np.arange(400, dtype=np.float32)).reshape(1, 20, 20)
    assert map_peaks(np.concatenate([maps, 2 * maps])).tolist() == [397.5, 795.0]


def drawn(*boxes, height=64, width=96, seed=0):
    """A map with hot boxes (rows, columns, height) over noise."""
    made = np.random.default_rng(seed).random((height, width)).astype(np.float32)
    for rows, columns, hot in boxes:
        made[slice(*rows), slice(*columns)] = hot
    return made


def test_the_region_is_the_hottest_box():
    mask, box = find_region(drawn(((10, 30), (40, 60), 20.0), ((40, 60), (5, 25), 10.0)), level=5.0)
    assert box == pytest.approx((40 / 96, 10 / 64, 60 / 96, 30 / 64), abs=2.5 / 64)
    truth = np.zeros((64, 96), bool)
    truth[10:30, 40:60] = True
    assert (mask & truth).sum() / (mask | truth).sum() > 0.75


def test_a_thing_of_which_only_a_part_is_hot_is_enclosed_whole():
    wheel_and_rider = drawn(((10, 40), (40, 60), 4.0), ((34, 40), (40, 46), 20.0))
    _, box = find_region(wheel_and_rider, level=10.0)
    assert box == pytest.approx((40 / 96, 10 / 64, 60 / 96, 40 / 64), abs=2.5 / 64)


def test_single_hot_pixels_are_no_region():
    speckled = drawn(((10, 30), (40, 60), 20.0))
    speckled[50, 5] = 60.0
    _, box = find_region(speckled, level=5.0)
    assert box[0] > 0.3


def test_where_the_level_is_not_reached_half_of_the_hottest_place_serves():
    _, low = find_region(drawn(((10, 30), (40, 60), 20.0)), level=1e6)
    _, usual = find_region(drawn(((10, 30), (40, 60), 20.0)), level=10.0)
    assert low == pytest.approx(usual, abs=0.05)


def test_where_the_whole_map_is_hot_the_region_is_what_stands_out():
    hot = drawn(((10, 30), (40, 60), 20.0)) + 8.0
    _, box = find_region(hot, level=10.0)
    assert box == pytest.approx((40 / 96, 10 / 64, 60 / 96, 30 / 64), abs=2.5 / 64)


def test_what_is_far_hotter_than_usual_does_not_take_its_surroundings_with_it():
    glowing = drawn(((4, 60), (10, 80), 40.0), ((20, 36), (30, 50), 20_000.0))
    _, box = find_region(glowing, level=10.0)
    assert box == pytest.approx((30 / 96, 20 / 64, 50 / 96, 36 / 64), abs=2.5 / 64)


def test_a_thing_as_large_as_half_of_the_picture_is_enclosed_whole():
    large = drawn(((4, 60), (10, 70), 6.0), ((10, 20), (30, 40), 20.0))
    _, box = find_region(large, level=10.0)
    assert box == pytest.approx((10 / 96, 4 / 64, 70 / 96, 60 / 64), abs=2.5 / 64)


def test_a_region_does_not_leave_what_is_watched():
    watched = drawn(((10, 30), (40, 60), 20.0))
    watched[:, 50:] = 0.0
    _, box = find_region(watched, level=5.0)
    assert box[2] == round(50 / 96, 4)


def test_a_bent_region_is_one():
    bent = drawn(((10, 50), (10, 20), 20.0), ((40, 50), (10, 80), 20.0), ((10, 50), (70, 80), 20.0))
    mask, box = find_region(bent, level=10.0)
    assert box == pytest.approx((10 / 96, 10 / 64, 80 / 96, 50 / 64), abs=2.5 / 64)
    assert not mask[20, 45]


def test_a_flat_map_is_one_region():
    mask, box = find_region(np.zeros((16, 16), np.float32), level=1.0)
    assert mask.all()
    assert box == (0.0, 0.0, 1.0, 1.0)


@given(st.integers(0, 1000), st.integers(8, 40), st.integers(8, 40), st.floats(0.01, 2.0))
def test_the_box_is_that_of_the_mask_which_holds_the_hottest_window(seed, height, width, level):
    mask, box = find_region(np.random.default_rng(seed).random((height, width), np.float32), level)
    rows, columns = np.nonzero(mask)
    corners = (
        columns.min() / width,
        rows.min() / height,
        (columns.max() + 1) / width,
        (rows.max() + 1) / height,
    )
    assert box == pytest.approx(corners, abs=1e-4)
    assert mask.any()


def passers_by(slope, seed=0):
    """Maps of 16 x 24 places in which two things move, hotter by ``slope`` towards the bottom."""
    random = np.random.default_rng(seed)
    maps = random.uniform(0.0, 0.01, (300, 16, 24))
    for frame in maps:
        for row, column in zip(random.integers(2, 15, 2), random.integers(0, 22, 2), strict=True):
            heat = random.lognormal(0.0, 0.4) * np.exp(slope * ((row + 0.5) / 16 - 0.5))
            frame[row : row + 2, column : column + 2] += heat
    return maps.astype(np.float32)


@pytest.mark.parametrize("slope", [-1.5, 1.5, 3.0])
def test_how_the_heat_of_what_moves_falls_off_with_height_is_found(slope):
    assert perspective_of(passers_by(slope)) == pytest.approx(slope, rel=0.25)


def test_where_there_is_no_perspective_next_to_none_is_found():
    assert abs(perspective_of(passers_by(0.0))) < 0.05


@pytest.mark.parametrize("maps", [np.zeros((9, 4, 6)), np.eye(4)[None], np.ones((9, 4, 6))])
def test_maps_that_say_nothing_have_no_perspective(maps):
    assert perspective_of(maps.astype(np.float32)) == 0.0
