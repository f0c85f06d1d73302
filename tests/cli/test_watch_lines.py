"""The lines of `oddframe watch` where there is no terminal, and its words for times."""

from dataclasses import replace
from datetime import UTC, timedelta, timezone

import pytest

from oddframe.cli.watch_lines import WatchLines, duration_text, start_text
from oddframe.core.alerts import Phase, StreamStatus
from oddframe.monitoring.camera import CameraView
from tests.support.alerting import NOON_US, made_alert

NOW = "2026-09-21 14:13:20"


def view(name="yard", phase=Phase.LIVE, is_file=False, **state):
    return CameraView(name=name, state=StreamStatus(name, phase, **state), is_file=is_file)


def lines_of(*steps):
    """The lines for the states of cameras, step by step, without the time in front."""
    lines = WatchLines(UTC)
    return [
        line.removeprefix(f"{NOW} ") for views in steps for line in lines.lines(views, (), NOON_US)
    ]


def test_every_line_begins_with_the_time_of_the_place():
    lines = WatchLines(timezone(timedelta(hours=2)))
    assert lines.lines([view(phase=Phase.CONNECTING)], [], NOON_US) == [
        "2026-09-21 16:13:20 yard: connecting"
    ]


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (view(rate_fps=9.96, size=(64, 48)), "live, 10.0 frames/s, 64x48"),
        (view(rate_fps=0.0, error="old"), "live, 0.0 frames/s"),
        (view(phase=Phase.STALLED, silent_s=4.2), "stalled, no frame for 4 s"),
        (
            view(phase=Phase.WAITING, retry_s=12.4, error="no\nanswer"),
            "waiting, next try in 12 s: no answer",
        ),
        (view(phase=Phase.FAILED, error="cut"), "failed: cut"),
        (view(phase=Phase.ENDED), "ended"),
    ],
)
def test_a_state_is_written_in_words(shown, text):
    assert lines_of([shown]) == [f"yard: {text}"]


def test_only_what_changes_is_lines_of():
    live, slow = view(rate_fps=10.0), view(rate_fps=9.0, frames=30)
    assert lines_of([live, view("b")], [slow, view("b")], [slow, view("b", Phase.ENDED)]) == [
        "yard: live, 10.0 frames/s",
        "b: live, 0.0 frames/s",
        "b: ended",
    ]


def test_a_camera_that_is_tried_again_and_again_has_one_line():
    away = [
        view(phase=Phase.WAITING, error="no answer", retry_s=1.0),
        view(phase=Phase.CONNECTING),
    ] * 5
    steps = [
        view(phase=Phase.CONNECTING),
        *away,
        view(phase=Phase.WAITING, error="401", retry_s=60.0),
        view(),
        *away,
    ]
    assert lines_of(*([step] for step in steps)) == [
        "yard: connecting",
        "yard: waiting, next try in 1 s: no answer",
        "yard: waiting, next try in 60 s: 401",
        "yard: live, 0.0 frames/s",
        "yard: waiting, next try in 1 s: no answer",
    ]


def test_events_have_a_line_when_they_start_and_when_they_end():
    lines = WatchLines(UTC)
    lines.lines([view()], [], NOON_US)
    alerts = [made_alert(6, phase) for phase in ("start", "update", "end")]
    assert [line.removeprefix(f"{NOW} ") for line in lines.lines([view()], alerts, NOON_US)] == [
        "yard: event since 14:14:20: moves wrong, score 0.75",
        "yard: event over, from 14:14:20, 4.0 s long: moves wrong, score 0.75",
    ]


def test_a_camera_problem_has_no_score():
    alerts = [made_alert(6, phase, kind="health", reason="frozen") for phase in ("start", "end")]
    assert [
        line.removeprefix(f"{NOW} ") for line in WatchLines(UTC).lines([], alerts, NOON_US)
    ] == [
        "yard: camera problem since 14:14:20: frozen",
        "yard: camera problem over, from 14:14:20, 4.0 s long: frozen",
    ]


def test_an_event_of_a_file_has_its_place_in_the_file():
    lines = WatchLines(UTC).lines(
        [view(is_file=True)], [made_alert(6), made_alert(6, source="b")], NOON_US
    )
    assert "since 1:00.0:" in lines[1]
    assert "since 14:14:20:" in lines[2]


def test_an_event_of_another_day_has_a_date():
    assert (
        start_text(made_alert(0), is_file=False, now_us=NOON_US + 86_400_000_000, tz=UTC)
        == "2026-09-21 14:13"
    )
    # Ten hours further east it is past midnight already.
    east = timezone(timedelta(hours=10))
    assert (
        start_text(made_alert(0), is_file=False, now_us=NOON_US - 15 * 60_000_000, tz=east)
        == "2026-09-22 00:13"
    )


@pytest.mark.parametrize(
    ("start_s", "place"), [(0, "0:00.0"), (59.96, "1:00.0"), (3663.1, "61:03.1")]
)
def test_places_in_files_are_minutes_and_seconds(start_s, place):
    event = replace(made_alert(0).event, start_s=start_s)
    assert start_text(replace(made_alert(0), event=event), is_file=True, now_us=0) == place


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (99.4, "99 s"),
        (99.6, "2 min"),
        (5400, "90 min"),
        (7200, "2 h"),
    ],
)
def test_durations_are_written_as_people_say_them(seconds, text):
    alert = made_alert(0)
    assert duration_text(replace(alert, seen_us=alert.start_us + round(seconds * 1e6))) == text


def test_a_trouble_has_a_line_when_it_comes_changes_and_goes():
    lines = WatchLines(UTC)
    steps = [{}, {"home": "no\nbroker"}, {"home": "no\nbroker"}, {"home": "b", "database": "c"}, {}]
    told = [lines.lines((), (), NOON_US, troubles) for troubles in steps]
    assert [[line.removeprefix(f"{NOW} ") for line in step] for step in told] == [
        [],
        ["home: no broker"],
        [],
        ["home: b", "database: c"],
        ["home: works again", "database: works again"],
    ]
