import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.zones import Polygon, Zones
from oddframe.errors import SettingsError

LEFT = Polygon(((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)), "left")
TOP = Polygon(((0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.0, 0.5)), "top")


def test_a_square_covers_its_places():
    mask = LEFT.mask(4, 6)
    assert mask.tolist() == [[True] * 3 + [False] * 3] * 4


def test_a_triangle_covers_half():
    mask = Polygon(((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))).mask(100, 100)
    assert mask.mean() == pytest.approx(0.5, abs=0.01)
    assert mask[0, 0]
    assert not mask[99, 99]


def test_where_an_outline_goes_round_twice_is_outside():
    star = Polygon(tuple((0.5 + 0.5 * np.sin(a), 0.5 - 0.5 * np.cos(a)) for a in np.arange(5) * 4 * np.pi / 5))
    mask = star.mask(200, 200)
    assert not mask[100, 100]
    assert mask[40, 100]


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=7), st.integers(0, 6))
def test_it_does_not_matter_where_an_outline_begins_or_which_way_it_goes(points, turn):
    mask = Polygon(tuple(points)).mask(24, 32)
    turned = points[turn % len(points) :] + points[: turn % len(points)]
    assert (Polygon(tuple(turned)).mask(24, 32) == mask).mean() > 0.99
    assert (Polygon(tuple(points[::-1])).mask(24, 32) == mask).mean() > 0.99


@pytest.mark.parametrize("last", [0.0, 0.5])
def test_an_edge_that_is_all_but_level_is_no_trouble(last):
    mask = Polygon(((0.0, 0.0), (last, 5e-324), (1.0, 1.0), (0.0, 1.0))).mask(8, 8)
    assert mask[-1, 0]
    assert not mask[0, -1]


def test_without_zones_all_of_the_picture_counts():
    assert Zones().mask(8, 8) is None


def test_what_is_watched_counts_unless_it_is_ignored():
    assert Zones(watch=(LEFT, TOP)).mask(8, 8).mean() == 0.75
    assert Zones(ignore=(LEFT,)).mask(8, 8).mean() == 0.5
    assert Zones(watch=(LEFT,), ignore=(TOP,)).mask(8, 8).mean() == 0.25


def test_zones_that_leave_nothing_are_refused():
    with pytest.raises(SettingsError, match="nothing is left"):
        Zones(watch=(LEFT,), ignore=(LEFT,)).mask(8, 8)


@pytest.mark.parametrize(
    ("points", "named"),
    [(((0, 0), (1, 1)), "at least 3 corners, 'door' has 2"), (((0, 0), (1, 1), (20, 0)), r"'door' has \(20, 0\)")],
)
def test_polygons_check_themselves(points, named):
    with pytest.raises(SettingsError, match=named):
        Polygon(points, "door")


@pytest.mark.parametrize("cool_down_s", [-1, float("nan")])
def test_a_cool_down_is_0_or_more(cool_down_s):
    with pytest.raises(SettingsError, match="cool_down_s"):
        Zones(cool_down_s=cool_down_s)
