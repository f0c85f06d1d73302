"""When is recorded, how much that will be, and the file from which it goes on."""

import json
from dataclasses import replace

import pytest

from oddframe.errors import RunError, SettingsError
from oddframe.monitoring.recording_order import RecordingOrder, has_order, read_order

HOUR = 3600.0
MONDAY = 1_795_996_800.0  # 2026-11-30 00:00 UTC


def test_all_of_the_time_is_wanted_unless_something_else_is_said():
    order = RecordingOrder(for_s=8 * HOUR)
    assert order.wants(0, MONDAY)
    assert order.wants(7 * HOUR, MONDAY)
    assert order.wanted_s(MONDAY) == pytest.approx(8 * HOUR)
    assert not order.is_endless
    assert RecordingOrder().is_endless


def test_stretches_are_spread_over_the_time():
    order = RecordingOrder(for_s=8 * HOUR, stretch_s=300, every_s=1800)
    wanted = [second for second in range(0, 3600, 60) if order.wants(second, MONDAY)]
    assert wanted == [*range(0, 300, 60), *range(1800, 2100, 60)]
    assert order.wanted_s(MONDAY) == pytest.approx(8 * HOUR / 6, rel=0.02)
    # What has been recorded is not counted again.
    half = replace(order, seconds=4 * HOUR)
    assert half.wanted_s(MONDAY) == pytest.approx(4 * HOUR / 6, rel=0.02)


@pytest.mark.parametrize("days", [1, 7, 100, 1000])
def test_the_estimate_never_falls_into_step_with_the_stretches(days):
    order = RecordingOrder(for_s=days * 24 * HOUR, stretch_s=300, every_s=1800)
    assert order.wanted_s(MONDAY) == pytest.approx(order.for_s / 6, rel=0.05)


def test_armed_hours_are_those_of_the_place():
    order = RecordingOrder(
        for_s=7 * 24 * HOUR, armed=("mon-fri 08:00-18:00",), time_zone="Europe/Berlin"
    )
    assert [hour for hour in range(24) if order.wants(0, MONDAY + hour * HOUR)] == [*range(7, 17)]
    assert order.wanted_s(MONDAY) == pytest.approx(50 * HOUR, rel=0.02)


@pytest.mark.parametrize(
    ("wishes", "says"),
    [
        ({"for_s": 0.0}, "longer than 0 s"),
        ({"for_s": float("inf")}, "longer than 0 s"),
        ({"stretch_s": 60.0}, "given together"),
        ({"every_s": 60.0}, "given together"),
        ({"stretch_s": 61.0, "every_s": 60.0}, "at most as long"),
        ({"armed": ("08:00-18:00",)}, "time zone"),
        ({"armed": ("never",), "time_zone": "UTC"}, "armed hours must read"),
        ({"armed": ("08:00-18:00",), "time_zone": "Mars"}, "IANA"),
    ],
)
def test_what_cannot_be_is_refused(wishes, says):
    with pytest.raises(SettingsError, match=says):
        RecordingOrder(**wishes)


def test_it_is_read_back_as_it_was_written(tmp_path):
    assert not has_order(tmp_path)
    order = RecordingOrder(
        for_s=60.0, armed=("08:00-18:00",), time_zone="UTC", cameras=("door",), seconds=12.5
    )
    order.write(tmp_path)
    assert has_order(tmp_path)
    assert read_order(tmp_path) == order
    # A later version may say more.
    path = tmp_path / "recording.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "more": 1}))
    assert read_order(tmp_path) == order


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"for_s": "long"}'])
def test_a_file_that_cannot_be_read_is_an_error(tmp_path, text):
    with pytest.raises(RunError, match="must hold a recording"):
        read_order(tmp_path)
    (tmp_path / "recording.json").write_text(text)
    with pytest.raises(RunError, match="cannot be read"):
        read_order(tmp_path)
