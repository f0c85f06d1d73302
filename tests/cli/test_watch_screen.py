import io
import re
from dataclasses import replace
from datetime import UTC, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from oddframe.cli.watch_screen import WatchLines, began, lasted, render
from oddframe.core.alerts import Phase, StreamStatus
from oddframe.monitoring.camera import CameraView, WatchHeader
from tests.support.alerting import NOON_US, made_alert

HEADER = WatchHeader(models=["ped2"], now_us=NOON_US, uptime_s=90061, events_today=3)


def view(name="yard", phase=Phase.LIVE, **wishes):
    state = {
        key: wishes.pop(key)
        for key in ("error", "retry_s", "dropped", "reconnects", "size")
        if key in wishes
    }
    return CameraView(name=name, state=StreamStatus(name, phase, rate_fps=24.93, **state), **wishes)


def drawn(views, width, header=HEADER, **given):
    """The lines as text."""
    console = Console(width=width, file=io.StringIO())
    console.print(render(views, header, width, tz=UTC, **given))
    return console.file.getvalue().splitlines()


def row(views, width, name="yard", **given):
    return next(line for line in drawn(views, width, **given) if line.startswith(name))


FULL = view(
    size=(1920, 1080),
    dropped=1234,
    reconnects=7,
    score=0.83,
    recent=[0.1] * 55 + [0.2, 0.9, 0.3, None, 0.2],
    clips=5000,
    inference_ms=37.6,
    last_event=made_alert(0, "end", score=0.91),
    events=42,
)


def test_a_wide_terminal_says_everything():
    line = row([FULL], 170)
    for part in (
        "● live",
        "0.83!",
        "━━━━╋━━──",
        "▁" * 11 + "█",
        "24.9/s",
        "1,234",
        "7",
        "1920x1080",
        "42",
        "38 ms",
    ):
        assert f" {part} " in line
    assert line.endswith("14:13:20 moves wrong 0.91, 4.0 s")


@pytest.mark.parametrize(
    ("width", "there", "missing"),
    [
        (120, ["state", "score", "last minute", "rate", "drops", "last event"], ["size", "model "]),
        (80, ["state", "score", "rate", "last event"], ["last minute", "size"]),
        (60, ["state", "score", "last event"], ["drops"]),
        (36, ["state", "score"], ["last event"]),
    ],
)
def test_a_narrow_terminal_keeps_what_matters_most(width, there, missing):
    lines = drawn([FULL], width)
    title = next(line for line in lines if line.startswith("camera"))
    assert [part for part in there if part not in title] == []
    assert [part for part in missing if part in title] == []
    assert max(map(cell_len, lines)) <= width


@settings(max_examples=settings.default.max_examples // 2)
@given(
    st.integers(20, 200),
    st.lists(
        st.builds(
            view,
            st.text(
                st.characters(categories=["L", "N", "Zs", "Lo"]), min_size=1, max_size=50
            ).filter(str.strip),
            st.sampled_from(Phase),
            error=st.sampled_from([None, "no answer " * 30, "x" * 300, "門" * 90]),
            retry_s=st.none() | st.floats(0, 60),
            dropped=st.integers(0, 10**9),
            size=st.none() | st.just((1920, 1080)),
            score=st.none() | st.floats(0, 1),
            recent=st.lists(st.none() | st.floats(0, 1), max_size=80),
            open_event=st.booleans(),
            last_event=st.none()
            | st.builds(made_alert, st.integers(0, 10**6), reason=st.text(max_size=60)),
        ),
        max_size=6,
    ),
    st.none() | st.integers(3, 30),
)
def test_no_line_is_ever_too_long_and_there_are_never_too_many(width, views, height):
    header = replace(HEADER, lagging={"phone": "12 waiting: " + "no answer " * 20})
    lines = drawn(views, width, header, height=height)
    assert max(map(cell_len, lines)) <= width
    if height is not None and height >= 12:
        assert len(lines) <= height


def test_what_goes_on_is_told_from_what_is_over():
    over, now = (
        view("a", last_event=made_alert(0, "end")),
        view("b", last_event=made_alert(1), open_event=True),
    )
    assert "   14:13:20 moves wrong" in row([over, now], 100, "a")
    assert "  ▶ 14:13:30 moves wrong" in row([over, now], 100, "b")


def test_a_fault_of_the_camera_has_no_score():
    line = row(
        [view(last_event=made_alert(0, "end", kind="health", reason="frozen", score=1.0))], 100
    )
    assert line.endswith("14:13:20 frozen, 4.0 s")


def test_an_event_of_a_file_has_its_place_in_the_file():
    assert "  0:10.0 moves wrong" in row([view(last_event=made_alert(1), is_file=True)], 100)


@pytest.mark.parametrize(
    ("score", "bar", "number"),
    [
        (None, "────┼────", "- "),
        (0.0, "────┼────", "0.00 "),
        (0.3, "━━━─┼────", "0.30 "),
        (0.5, "━━━━┼────", "0.50 "),
        (0.502, "━━━━╋────", "0.50!"),
        (0.999, "━━━━╋━━━━", "1.00!"),
    ],
)
def test_the_bar_reaches_over_its_mark_only_above_the_threshold(score, bar, number):
    line = row([view(score=score)], 100)
    assert bar in line
    assert re.search(rf" {number}", line)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.LIVE])
def test_a_score_of_before_is_not_shown(phase):
    line = row([view(phase=phase, score=0.83)], 100)
    assert "0.83" not in line
    assert f" {phase} " in line
    assert "/s" not in line


def test_every_state_has_a_symbol_of_its_own():
    symbols = {row([view(phase=phase)], 100).split()[1] for phase in Phase}
    assert len(symbols) == len(Phase)


def test_the_last_minute_is_drawn_by_the_highest_of_five_seconds_newest_right():
    line = row(
        [view(recent=[0.1, 0.1, 0.7, 0.1, 0.1] + [None] * 5 + [0.3, 0.1, 0.1, 0.1, 0.1])], 120
    )
    assert "▆ ▃  24.9/s" in line
    assert "▆ ▃" not in row([view(recent=[0.9] * 60 + [0.1] * 60)], 120)


def test_why_a_camera_is_away_stands_below_it():
    away = view(phase=Phase.WAITING, error="the camera must answer, but it did not", retry_s=12.3)
    lines = drawn([away, view("b", error="of before")], 100)
    place = next(number for number, line in enumerate(lines) if line.startswith("yard"))
    assert lines[place + 1] == "    next try in 12 s: the camera must answer, but it did not"
    assert lines[place + 2].startswith("b ")
    assert not any("of before" in line for line in lines)


def test_the_header_counts_the_cameras_and_names_sinks_that_lag():
    header = replace(
        HEADER, models=["a", "b"], lagging={"phone": "12 waiting: no answer"}, events_today=1
    )
    first, second, *_ = drawn(
        [view(clips=1000), view("b", Phase.ENDED, clips=234, open_event=True)], 140, header
    )
    assert (
        first
        == "1 of 2 live · 1 with an event now · 1 event today · up 1 d 1:01:01 · models a, b · 1,234 clips scored"
    )
    assert second == "! phone: 12 waiting: no answer"


def test_too_many_cameras_show_those_that_need_a_look():
    views = [view(f"cam{number}") for number in range(30)]
    views[20] = view("cam20", Phase.WAITING, error="no answer")
    views[25] = view("cam25", open_event=True, last_event=made_alert())
    lines = drawn(views, 100, height=10)
    assert len(lines) <= 10
    names = [
        line.split()[0]
        for line in lines
        if line.startswith("cam") and not line.startswith("camera")
    ]
    assert names == sorted(names, key=lambda name: int(name[3:]))
    assert {"cam20", "cam25"} <= set(names)
    assert lines[-1] == f"and {30 - len(names)} more, {30 - len(names)} of them live"


def test_markup_in_a_name_is_no_markup():
    assert row([view("[red]a[/red]")], 140, "[red]").startswith("[red]a[/red]")


def test_long_names_keep_both_their_ends():
    assert row([view("building-17-floor-3-corridor-east")], 80, "buil").startswith(
        "buildin…dor-east  ●"
    )


NOW = "2026-09-21 14:13:20"


def view_lines(name="yard", phase=Phase.LIVE, is_file=False, **state):
    return CameraView(name=name, state=StreamStatus(name, phase, **state), is_file=is_file)


def told(*steps):
    """What is told of cameras step by step, without the time in front."""
    lines = WatchLines(UTC)
    return [
        line.removeprefix(f"{NOW} ") for views in steps for line in lines.lines(views, (), NOON_US)
    ]


def test_every_line_begins_with_the_time_of_the_place():
    lines = WatchLines(timezone(timedelta(hours=2)))
    assert lines.lines([view_lines(phase=Phase.CONNECTING)], [], NOON_US) == [
        "2026-09-21 16:13:20 yard: connecting"
    ]


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (view_lines(rate_fps=9.96, size=(64, 48)), "live, 10.0 frames/s, 64x48"),
        (view_lines(rate_fps=0.0, error="old"), "live, 0.0 frames/s"),
        (view_lines(phase=Phase.STALLED, silent_s=4.2), "stalled, no frame for 4 s"),
        (
            view_lines(phase=Phase.WAITING, retry_s=12.4, error="no\nanswer"),
            "waiting, next try in 12 s: no answer",
        ),
        (view_lines(phase=Phase.FAILED, error="cut"), "failed: cut"),
        (view_lines(phase=Phase.ENDED), "ended"),
    ],
)
def test_a_state_is_told_in_words(shown, text):
    assert told([shown]) == [f"yard: {text}"]


def test_only_what_changes_is_told():
    live, slow = view_lines(rate_fps=10.0), view_lines(rate_fps=9.0, frames=30)
    assert told(
        [live, view_lines("b")], [slow, view_lines("b")], [slow, view_lines("b", Phase.ENDED)]
    ) == [
        "yard: live, 10.0 frames/s",
        "b: live, 0.0 frames/s",
        "b: ended",
    ]


def test_a_camera_that_is_tried_again_and_again_is_told_of_once():
    away = [
        view_lines(phase=Phase.WAITING, error="no answer", retry_s=1.0),
        view_lines(phase=Phase.CONNECTING),
    ] * 5
    steps = [
        view_lines(phase=Phase.CONNECTING),
        *away,
        view_lines(phase=Phase.WAITING, error="401", retry_s=60.0),
        view_lines(),
        *away,
    ]
    assert told(*([step] for step in steps)) == [
        "yard: connecting",
        "yard: waiting, next try in 1 s: no answer",
        "yard: waiting, next try in 60 s: 401",
        "yard: live, 0.0 frames/s",
        "yard: waiting, next try in 1 s: no answer",
    ]


def test_events_are_told_when_they_start_and_when_they_end():
    lines = WatchLines(UTC)
    lines.lines([view_lines()], [], NOON_US)
    alerts = [made_alert(6, phase) for phase in ("start", "update", "end")]
    assert [
        line.removeprefix(f"{NOW} ") for line in lines.lines([view_lines()], alerts, NOON_US)
    ] == [
        "yard: event since 14:14:20: moves wrong, score 0.75",
        "yard: event over, from 14:14:20, 4.0 s long: moves wrong, score 0.75",
    ]


def test_what_is_wrong_with_a_camera_has_no_score():
    alerts = [made_alert(6, phase, kind="health", reason="frozen") for phase in ("start", "end")]
    assert [
        line.removeprefix(f"{NOW} ") for line in WatchLines(UTC).lines([], alerts, NOON_US)
    ] == [
        "yard: camera problem since 14:14:20: frozen",
        "yard: camera problem over, from 14:14:20, 4.0 s long: frozen",
    ]


def test_an_event_of_a_file_has_its_place_in_the_file_in_lines():
    lines = WatchLines(UTC).lines(
        [view_lines(is_file=True)], [made_alert(6), made_alert(6, source="b")], NOON_US
    )
    assert "since 1:00.0:" in lines[1]
    assert "since 14:14:20:" in lines[2]


def test_an_event_of_another_day_has_a_date():
    assert (
        began(made_alert(0), is_file=False, now_us=NOON_US + 86_400_000_000, tz=UTC)
        == "2026-09-21 14:13"
    )
    # Ten hours further east it is past midnight already.
    east = timezone(timedelta(hours=10))
    assert (
        began(made_alert(0), is_file=False, now_us=NOON_US - 15 * 60_000_000, tz=east)
        == "2026-09-22 00:13"
    )


@pytest.mark.parametrize(
    ("start_s", "place"), [(0, "0:00.0"), (59.96, "1:00.0"), (3663.1, "61:03.1")]
)
def test_places_in_files_are_minutes_and_seconds(start_s, place):
    event = replace(made_alert(0).event, start_s=start_s)
    assert began(replace(made_alert(0), event=event), is_file=True, now_us=0) == place


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
def test_durations_are_told_as_people_say_them(seconds, text):
    alert = made_alert(0)
    assert lasted(replace(alert, seen_us=alert.start_us + round(seconds * 1e6))) == text
