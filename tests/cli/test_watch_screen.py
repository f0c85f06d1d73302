"""The table of `oddframe watch`: what it shows at which width."""

import io
import re
from dataclasses import replace
from datetime import UTC

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from oddframe.cli.watch_screen import render
from oddframe.core.alerts import Phase, StreamStatus
from oddframe.monitoring.camera import CameraView, WatchHeader
from tests.support.alerting import NOON_US, made_alert

HEADER = WatchHeader(models=["ped2"], now_us=NOON_US, uptime_s=90061, events_today=3)


def view(name="yard", phase=Phase.LIVE, **fields):
    state = {
        key: fields.pop(key)
        for key in ("error", "retry_s", "dropped", "reconnects", "size")
        if key in fields
    }
    return CameraView(name=name, state=StreamStatus(name, phase, rate_fps=24.93, **state), **fields)


def draw(views, width, header=HEADER, **options):
    """The lines of the table as text."""
    console = Console(width=width, file=io.StringIO())
    console.print(render(views, header, width, tz=UTC, **options))
    return console.file.getvalue().splitlines()


def row(views, width, name="yard", **options):
    return next(line for line in draw(views, width, **options) if line.startswith(name))


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
    lines = draw([FULL], width)
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
    lines = draw(views, width, header, height=height)
    assert max(map(cell_len, lines)) <= width
    if height is not None and height >= 12:
        assert len(lines) <= height


@pytest.mark.parametrize("end", ["\n", "\x1c", "\x85", "\u2028"])
def test_what_ends_a_line_elsewhere_does_not_end_one_here(end):
    plain = draw([view("yard", last_event=made_alert(0, reason="looks wrong"))], 200)
    broken = draw([view("yard", last_event=made_alert(0, reason=f"looks{end}wrong"))], 200)
    assert broken == plain


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
    lines = draw([away, view("b", error="of before")], 100)
    place = next(number for number, line in enumerate(lines) if line.startswith("yard"))
    assert lines[place + 1] == "    next try in 12 s: the camera must answer, but it did not"
    assert lines[place + 2].startswith("b ")
    assert not any("of before" in line for line in lines)


def test_the_header_counts_the_cameras_and_names_sinks_that_lag():
    header = replace(
        HEADER, models=["a", "b"], lagging={"phone": "12 waiting: no answer"}, events_today=1
    )
    first, second, *_ = draw(
        [view(clips=1000), view("b", Phase.ENDED, clips=234, open_event=True)], 140, header
    )
    assert (
        first == "1 of 2 live · 1 with an event now · 1 event today · up 1 d 1:01:01 · "
        "models a, b · 1,234 clips scored"
    )
    assert second == "! phone: 12 waiting: no answer"


def test_too_many_cameras_show_those_that_need_a_look():
    views = [view(f"cam{number}") for number in range(30)]
    views[20] = view("cam20", Phase.WAITING, error="no answer")
    views[25] = view("cam25", open_event=True, last_event=made_alert())
    lines = draw(views, 100, height=10)
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
