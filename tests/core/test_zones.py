from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.zones import Polygon, Schedule, ScheduleEntry, Zones
from oddframe.errors import SettingsError

BERLIN = "Europe/Berlin"


def armed(hours, when, zone=BERLIN):
    """Whether hours are armed at a local time; the first of two where a clock shows it twice."""
    local = datetime.fromisoformat(when).replace(tzinfo=ZoneInfo(zone))
    return Schedule.parse([hours], zone).armed(local.timestamp())


@pytest.mark.parametrize(
    ("hours", "when", "expected"),
    [
        ("08:00-17:30", "2026-11-23 08:00", True),
        ("08:00-17:30", "2026-11-23 17:30", False),
        ("mon 08:00-17:30", "2026-11-23 12:00", True),
        ("tue 08:00-17:30", "2026-11-23 12:00", False),
        # Over midnight: the day is the one on which it begins.
        ("fri 22:00-06:00", "2026-11-27 23:00", True),
        ("fri 22:00-06:00", "2026-11-28 05:59", True),
        ("fri 22:00-06:00", "2026-11-28 06:00", False),
        ("fri 22:00-06:00", "2026-11-27 05:00", False),
        ("sun 22:00-06:00", "2026-11-23 05:00", True),
        ("fri-mon 10:00-11:00", "2026-11-22 10:30", True),
        ("fri-mon 10:00-11:00", "2026-11-24 10:30", False),
        ("sat,sun 00:00-24:00", "2026-11-22 23:59", True),
        ("18:00-00:00", "2026-11-22 23:59", True),
        ("18:00-00:00", "2026-11-22 00:30", False),
        ("12:00-12:00", "2026-11-22 03:00", True),  # round the clock
    ],
)
def test_armed_hours(hours, when, expected):
    assert armed(hours, when) is expected


def test_the_time_zone_counts():
    noon = datetime(2026, 11, 23, 12, 0, tzinfo=UTC).timestamp()
    assert Schedule.parse(["13:00-14:00"], BERLIN).armed(noon)
    assert not Schedule.parse(["13:00-14:00"], "America/New_York").armed(noon)


def test_clocks_that_are_put_forward_skip_an_hour():
    hours = Schedule.parse(["02:00-04:00"], BERLIN)
    begin = datetime(
        2026, 3, 29, 0, 30, tzinfo=UTC
    ).timestamp()  # 01:30 there; at 02:00 it is 03:00
    assert [hours.armed(begin + 60 * minutes) for minutes in (0, 29, 30, 89, 90)] == [
        False,
        False,
        True,
        True,
        False,
    ]


def test_clocks_that_are_put_back_repeat_an_hour():
    hours = Schedule.parse(["02:00-03:00"], BERLIN)
    begin = datetime(2026, 10, 25, 0, 0, tzinfo=UTC).timestamp()  # 02:00 there, for two hours
    assert [hours.armed(begin + 60 * minutes) for minutes in (-1, 0, 61, 119, 120)] == [
        False,
        True,
        True,
        True,
        False,
    ]


@given(st.integers(0, 2_000_000_000), st.integers(0, 1439), st.integers(0, 1439))
def test_a_stretch_and_the_rest_of_the_day_are_always(unix_s, start, end):
    def clock(minutes):
        return f"{minutes // 60:02}:{minutes % 60:02}"

    if start == end:
        end = (start + 1) % 1440
    one = Schedule.parse([f"{clock(start)}-{clock(end)}"], BERLIN)
    rest = Schedule.parse([f"{clock(end)}-{clock(start)}"], BERLIN)
    assert one.armed(unix_s) != rest.armed(unix_s)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "always",
        "25:00-26:00",
        "10:60-11:00",
        "mon",
        "funday 10:00-11:00",
        "10-11",
        "mon- 8:00-9:00",
    ],
)
def test_what_is_no_stretch_is_refused(text):
    with pytest.raises(SettingsError, match="armed hours"):
        ScheduleEntry.parse(text)


@pytest.mark.parametrize("zone", ["Middle/Earth", "", "../etc/passwd"])
def test_an_unknown_time_zone_is_refused(zone):
    with pytest.raises(SettingsError, match="time_zone must be an IANA name"):
        Schedule.parse(["10:00-11:00"], zone)


def test_no_hours_are_refused():
    with pytest.raises(SettingsError, match="at least one period"):
        Schedule((), BERLIN)


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
    star = Polygon(
        tuple((0.5 + 0.5 * np.sin(a), 0.5 - 0.5 * np.cos(a)) for a in np.arange(5) * 4 * np.pi / 5)
    )
    mask = star.mask(200, 200)
    assert not mask[100, 100]
    assert mask[40, 100]


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=7), st.integers(0, 6)
)
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
    [
        (((0, 0), (1, 1)), "at least 3 corners, 'door' has 2"),
        (((0, 0), (1, 1), (20, 0)), r"'door' has \(20, 0\)"),
    ],
)
def test_polygons_check_themselves(points, named):
    with pytest.raises(SettingsError, match=named):
        Polygon(points, "door")


@pytest.mark.parametrize("cool_down_s", [-1, float("nan")])
def test_a_cool_down_is_0_or_more(cool_down_s):
    with pytest.raises(SettingsError, match="cool_down_s"):
        Zones(cool_down_s=cool_down_s)
