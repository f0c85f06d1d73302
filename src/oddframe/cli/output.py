"""How the command line looks: JSON, sentences, tables and progress bars.

Results go to standard output and everything else to standard error, so that results can be piped.
"""

import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table

from oddframe.core.pace import StagePace
from oddframe.files import json_text

if TYPE_CHECKING:
    from oddframe._types import Progress as ProgressCallback
    from oddframe.tasks.evaluate import EvalReport

PHASES = {
    "draw": "drawing videos",
    "record": "recording",
    "read": "reading frames",
    "pretrain": "training the streams",
    "centres": "finding cluster centres",
    "joint": "training all parts",
    "health": "checking camera health",
    "first pass": "searching for outliers",
    "calibrate": "calibrating threshold",
    "guard": "scoring training video",
    "export": "exporting the network",
    "parity": "comparing the exported network",
    "eval": "scoring test videos",
    "check": "checking test videos",
    "recordings": "scoring recordings",
    "report": "writing pages",
    "prepare": "preparing presets",
    "bench": "measuring",
}
"""Progress phases of the library in words; a phase that is not here is the name of a recording."""

_STEPS = ("pretrain", "joint", "first pass")
"""Phases that count training steps."""

_TIMED = ("record",)
"""Phases that count seconds and go as fast as time does; their figures are amounts."""

LINE_EVERY_S = 55.0
"""Seconds from one line of progress to the next: one a minute is promised, so a little less."""
_LOOK_EVERY_S = 1.0
"""Seconds from one look at the clock to the next while nothing is reported."""

_MOST_NAMES = 8
"""So many videos are named in one line; the others are counted."""

console = Console()
"""For results, on standard output."""
messages = Console(stderr=True)
"""For everything else, on standard error."""


def print_json(value: object) -> None:
    """Print a report as one line of JSON."""
    sys.stdout.write(_json_line(value))


def print_json_progress(record: object) -> None:
    """Print a record of progress as one line of JSON on standard error."""
    _print_progress(_json_line(record))


def _json_line(value: object) -> str:
    return json_text(_plain(value)) + "\n"


def _print_progress(line: str) -> None:
    """Print a line on standard error at once."""
    # Whoever read it may have gone, as `head` does; the work matters more than what is said of it.
    with suppress(OSError):
        sys.stderr.write(line)
        sys.stderr.flush()


def _plain(value: Any) -> Any:
    """A report as JSON values: dataclasses by field, paths as text, null for what is no number."""
    # JSON has neither NaN nor infinity.
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if is_dataclass(value):
        # A record that knows how it is written, as a calibration does, is written that way.
        if hasattr(value, "as_dict"):
            return _plain(value.as_dict())
        # A record's repr leaves out its pictures, and so does its JSON.
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value) if item.repr}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def warn(sentences: Sequence[str], mark: str = "[yellow]note:[/yellow]") -> None:
    """Print sentences on standard error, each with a mark in front."""
    for sentence in sentences:
        # File names with square brackets are no markup.
        messages.print(f"{mark} {escape(sentence)}", soft_wrap=True)


def yes_no(value: bool) -> str:
    """Return yes in green or no in red, as markup."""
    return "[green]yes[/green]" if value else "[red]no[/red]"


def duration(seconds: float) -> str:
    """Return seconds as people say them, such as "4.2 s", "3 min 12 s" or "10 h 5 min"."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def parity_line(parity: Mapping[str, Any]) -> str:
    """Say in one line how close the results of an exported network are to the trained one's.

    Args:
        parity: What the parity gate found, as the bundle keeps it.
    """
    events = "the same events" if parity["events_same"] else "different events"
    line = (
        f"raw scores differ by at most {100 * parity['raw_error']:.4f} %, {events}, "
        f"alarms differ in {parity['alarms_off']} of {parity['clips']} clips"
    )
    # Only there if the gate had a labelled test set.
    if "auc" in parity:
        exported = parity["auc"]["exported"]
        for name, trained in parity["auc"]["trained"].items():
            line += f", {name} AUC {trained:.4f} -> {exported[name]:.4f}"
    return line if parity["passed"] else f"[yellow]not used[/yellow]: {line}"


class ProgressBars:
    """Shows one bar for each phase; it stays when the phase is done."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._pace = StagePace()

    def __call__(self, phase: str, done: int, total: int, values: Mapping[str, float]) -> None:
        """Show how far a phase is; see `oddframe._types.Progress`."""
        if phase not in self._tasks:
            self._tasks[phase] = self._progress.add_task(
                PHASES.get(phase, phase), figures="", rate=""
            )
        self._pace.report(phase, done, total, time.monotonic())
        self._progress.update(
            self._tasks[phase],
            completed=done,
            total=total,
            figures=_figures(phase, values),
            rate=_rate(self._pace),
        )


class ProgressLines:
    """Prints a line when a phase begins, and one a minute, where there is no terminal.

    A line has the time since the start, what is done, the share, the time left and figures such
    as losses.

    Args:
        clock: The time in seconds, on a clock that never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began_s = self._printed_s = clock()
        self._pace = StagePace()
        self._values: Mapping[str, float] = {}
        self._begun: set[str] = set()
        # Reports come from the thread that works, and `print_if_due` is called from another one.
        self._lock = threading.Lock()

    def __call__(self, phase: str, done: int, total: int, values: Mapping[str, float]) -> None:
        """Take how far a phase is, and print it if it begins or a line is due."""
        with self._lock:
            before = self._pace.stage
            begins = self._pace.report(phase, done, total, self._clock())
            # Recordings that are scored side by side take turns, but each of them begins once.
            begins = begins and (phase == before or phase not in self._begun)
            self._begun.add(phase)
            self._values = values
            self._print_if(begins)

    def print_if_due(self) -> None:
        """Print how far the phase is if nothing was printed for almost a minute."""
        with self._lock:
            self._print_if(False)

    def _print_if(self, begins: bool) -> None:
        now_s, pace = self._clock(), self._pace
        if not pace.stage or not (begins or now_s - self._printed_s >= LINE_EVERY_S):
            return
        self._printed_s = now_s
        words = PHASES.get(pace.stage, pace.stage)
        # A phase of one unit cannot be half done.
        if pace.stage in _TIMED and pace.total:
            words += f": {duration(pace.done)} of {duration(pace.total)} ({pace.share:.0%})"
        elif pace.total > 1:
            step = "step " if pace.stage in _STEPS else ""
            words += f": {step}{pace.done:,} of {pace.total:,} ({pace.share:.0%})"
        left_s = pace.seconds_left(now_s)
        left = "" if left_s is None else f"about {duration(left_s)} left"
        parts = (words, left, _rate(pace), _figures(pace.stage, self._values))
        elapsed = timedelta(seconds=int(now_s - self._began_s))
        _print_progress(f"{elapsed}  {', '.join(filter(None, parts))}\n")


def _figures(phase: str, values: Mapping[str, float]) -> str:
    """Figures of a phase, such as losses, in one line."""
    if phase in _TIMED:
        return "  ".join(f"{value:.3g} {name}" for name, value in values.items())
    return "  ".join(f"{name} {value:.1e}" for name, value in values.items())


def _rate(pace: StagePace) -> str:
    """How fast a phase goes; nothing where that cannot be said yet."""
    return f"{pace.rate:.3g}/s" if pace.rate and pace.stage not in _TIMED else ""


@contextmanager
def bars(*, quiet: bool) -> "Iterator[ProgressCallback]":
    """Show progress: bars on a terminal, and lines where standard error is none.

    Args:
        quiet: Whether nothing is shown.

    Yields:
        The callback that the library reports its progress to.
    """
    # Programs that run others often set FORCE_COLOR, which makes rich take a log for a terminal.
    if quiet or (sys.stderr.isatty() and not messages.is_dumb_terminal):
        with _bars(quiet=quiet) as on_progress:
            yield on_progress
        return
    lines, over = ProgressLines(), threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_EVERY_S):
            lines.print_if_due()

    # A phase may report nothing for minutes, as while centres are computed or a graph is checked.
    watch = threading.Thread(target=look, name="progress", daemon=True)
    watch.start()
    try:
        yield lines
    finally:
        over.set()
        watch.join()


@contextmanager
def _bars(*, quiet: bool) -> "Iterator[ProgressCallback]":
    """Show a bar for each phase, with the time left, a rate and figures such as losses."""
    columns = (
        SpinnerColumn(finished_text="[green]✓[/green]"),
        TextColumn("{task.description}", table_column=Column(no_wrap=True, min_width=20)),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        TextColumn(
            "[dim]{task.fields[rate]}  {task.fields[figures]}[/dim]",
            table_column=Column(no_wrap=True, overflow="ellipsis"),
        ),
    )
    with Progress(*columns, console=messages, disable=quiet) as progress:
        yield ProgressBars(progress)


def show_facts(facts: Mapping[str, Any]) -> None:
    """Print names and values, aligned."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, str(value))
    console.print(table)


def show_rows(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str | None = None
) -> None:
    """Print a table; all columns but the first are numbers, aligned to the right."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        header_style="dim",
    )
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if not number else "right")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def show_evaluation(report: "EvalReport") -> None:
    """Print an evaluation: shares in per cent, a dash for a figure that does not exist."""
    figures = report.as_dict()
    facts = {
        "dataset": escape(report.dataset),
        "frames": f"{figures['frames_scored']:,} scored of {figures['frames_total']:,} "
        f"in {figures['videos']} videos",
        "padded": _named(figures["padded_videos"]),
        "unscored": _named(figures["unscored_videos"]),
        "took": f"{report.seconds:.1f} s",
    }
    show_facts({name: text for name, text in facts.items() if text})
    # One row for each way to take the scores, one column for each figure and each way to pool it.
    kinds = {"AUC": "auc", "AP": "average_precision", "EER": "equal_error_rate"}
    columns = [f"{name}\n{pool}" for name in kinds for pool in ("micro", "macro")]
    console.print()
    show_rows(
        ("per frame, in %,\nscores taken as", *columns),
        [
            (
                variant.replace("_", " "),
                *(
                    _percent(figures[kind][pool][variant])
                    for kind in kinds.values()
                    for pool in ("micro", "macro")
                ),
            )
            for variant in figures["auc"]["micro"]
        ],
    )
    _show_events(figures["events"])
    _show_places(figures["pixel"], figures["region"])


def _show_events(events: Mapping[str, Any]) -> None:
    """Print what it costs to find a share of the events: threshold, false alarms, delay."""
    hours = events["hours_scored"]
    span = "" if hours is None else f"\nin {hours:.2f} h of video"
    console.print()
    show_rows(
        (
            f"found of {events['events']} events{span}",
            "found",
            "threshold\n(raw)",
            "false\nalarms",
            "per\nhour",
            "delay\nmean",
            "delay\nmedian",
        ),
        [
            (
                f"{point['detection_rate']:.0%}",
                _or_dash("{}", point["detected"]),
                _or_dash("{:.4g}", point["threshold"]),
                _or_dash("{}", point["false_alarms"]),
                _or_dash("{:.1f}", point["false_alarms_per_hour"]),
                _or_dash("{:.2f} s", point["delay_mean_s"]),
                _or_dash("{:.2f} s", point["delay_median_s"]),
            )
            for point in events["points"]
        ],
    )


def _show_places(pixel: Mapping[str, Any] | None, region: Mapping[str, Any] | None) -> None:
    """Print how well the maps show where it is; nothing where there are no masks or tracks."""
    rows = []
    if pixel is not None:
        share = f"{pixel['criterion_share']:.0%}"
        rows += [
            ("pixel AUC", _percent(pixel["auc"]), f"{pixel['frames']:,} frames with masks"),
            (
                f"{share} criterion, AUC",
                _percent(pixel["criterion_auc"]),
                f"{share} of a frame's abnormal pixels",
            ),
            (f"{share} criterion, EER", _percent(pixel["criterion_equal_error_rate"]), ""),
        ]
    if region is not None:
        rows += [
            ("RBDC", _percent(region["rbdc"]), f"{region['regions']:,} true regions"),
            ("TBDC", _percent(region["tbdc"]), f"{region['tracks']:,} true tracks"),
        ]
    if rows:
        console.print()
        show_rows(("where in the picture", "%", "of"), rows)


def _named(names: Sequence[str]) -> str:
    """The first names, and how many there are beyond them."""
    more = len(names) - _MOST_NAMES
    return escape(", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else ""))


def _percent(value: float | None) -> str:
    """A share in per cent, without the sign."""
    return _or_dash("{:.2f}", None if value is None else 100 * value)


def _or_dash(template: str, value: float | None) -> str:
    """A formatted number, a dash where there is none."""
    return "-" if value is None else template.format(value)
