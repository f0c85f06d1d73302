"""Progress where standard error is no terminal: what is printed, and when."""

import pytest

from oddframe.cli import output
from oddframe.cli.output import ProgressLines, bars, duration


@pytest.fixture
def printed(capsys):
    """What was printed since the last call, by line; none of it on standard output."""

    def lines():
        captured = capsys.readouterr()
        assert captured.out == ""
        return captured.err.splitlines()

    return lines


def test_a_line_at_the_start_of_each_stage(clock, printed):
    lines = ProgressLines(clock)
    for phase in ("read", "pretrain", "centres", "joint", "calibrate"):
        for done in (1, 2, 3):
            lines(phase, done, 4000, {})
        clock.now_s += 5
    assert printed() == [
        "0:00:00  reading frames: 1 of 4,000 (0%)",
        "0:00:05  training the streams: step 1 of 4,000 (0%)",
        "0:00:10  finding cluster centres: 1 of 4,000 (0%)",
        "0:00:15  training all parts: step 1 of 4,000 (0%)",
        "0:00:20  calibrating threshold: 1 of 4,000 (0%)",
    ]


def test_one_line_a_minute_with_step_share_and_time_left(clock, printed):
    lines = ProgressLines(clock)
    for step in range(1001, 1001 + 180):
        lines("joint", step, 4000, {"motion": 0.0123})
        clock.now_s += 1
    assert printed() == [
        "0:00:00  training all parts: step 1,001 of 4,000 (25%), motion 1.2e-02",
        "0:00:55  training all parts: step 1,056 of 4,000 (26%), about 49 min 4 s left, 1/s, "
        "motion 1.2e-02",
        "0:01:50  training all parts: step 1,111 of 4,000 (28%), about 48 min 9 s left, 1/s, "
        "motion 1.2e-02",
        "0:02:45  training all parts: step 1,166 of 4,000 (29%), about 47 min 14 s left, 1/s, "
        "motion 1.2e-02",
    ]


def test_recordings_that_take_turns_begin_once(clock, printed):
    lines = ProgressLines(clock)
    for done in range(10, 100, 10):
        for name in ("a", "b"):
            lines(name, done, 300, {})
        clock.now_s += 1
    assert printed() == ["0:00:00  a: 10 of 300 (3%)", "0:00:00  b: 10 of 300 (3%)"]
    clock.now_s += 60
    lines("a", 200, 300, {})
    (line,) = printed()
    assert line.startswith("0:01:09  a: 200 of 300 (67%)")


def test_a_silent_stage_has_its_lines_too(clock, printed):
    lines = ProgressLines(clock)
    lines.print_if_due()
    assert printed() == []
    lines("export", 0, 1, {})
    assert printed() == ["0:00:00  exporting the network"]
    for _ in range(59):
        clock.now_s += 1
        lines.print_if_due()
    assert printed() == ["0:00:55  exporting the network"]


def test_a_recording_has_its_name(clock, printed):
    lines = ProgressLines(clock)
    lines("[red]door", 10, 12, {})
    lines("[red]door", 12, 12, {})
    assert printed() == ["0:00:00  [red]door: 10 of 12 (83%)"]


def test_without_a_terminal_there_are_lines_even_in_colour(monkeypatch, printed):
    """CI often sets FORCE_COLOR, but a log is no terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    with bars(quiet=False) as on_progress:
        on_progress("read", 0, 10, {})
    (line,) = printed()
    assert line == "0:00:00  reading frames: 0 of 10 (0%)"


def test_quiet_prints_nothing(printed):
    with bars(quiet=True) as on_progress:
        on_progress("read", 0, 10, {})
    assert printed() == []


def test_on_a_terminal_there_are_bars(monkeypatch, printed):
    monkeypatch.setattr(output.sys.stderr, "isatty", lambda: True, raising=False)
    with bars(quiet=False) as on_progress:
        assert isinstance(on_progress, output.ProgressBars)


def test_work_goes_on_when_nobody_reads_its_lines(monkeypatch, clock):
    class Closed:
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(output.sys, "stderr", Closed())
    ProgressLines(clock)("read", 0, 10, {})


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (4.21, "4.2 s"),
        (59.4, "59.4 s"),
        (192, "3 min 12 s"),
        (3600, "1 h 0 min"),
        (1e5, "27 h 46 min"),
    ],
)
def test_a_duration_in_words(seconds, words):
    assert duration(seconds) == words
