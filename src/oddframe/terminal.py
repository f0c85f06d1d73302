"""How the command line looks: progress bars and tables, on standard error so that output can be piped."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
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

from oddframe.progress import Progress as ProgressCallback

__all__ = ["bars", "console", "messages", "show_facts", "show_rows"]

_NAMES = {
    "draw": "drawing the scene",
    "read": "reading frames",
    "pretrain": "training the streams",
    "centres": "placing the centres",
    "joint": "training jointly",
    "calibrate": "calibrating",
    "eval": "scoring test videos",
}

console = Console()
"""Results, on standard output."""
messages = Console(stderr=True)
"""Everything else."""


class _Bars:
    """One bar for each phase, which stays when the phase is done."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._began: dict[str, float] = {}

    def __call__(self, phase: str, done: int, total: int, values: Mapping[str, float]) -> None:
        if phase not in self._tasks:
            self._tasks[phase] = self._progress.add_task(_NAMES.get(phase, phase), figures="", rate="")
            self._began[phase] = time.monotonic()
        figures = "  ".join(f"{name} {value:.1e}" for name, value in values.items())
        elapsed = time.monotonic() - self._began[phase]
        rate = f"{done / elapsed:.3g}/s" if done and elapsed > 1 else ""
        self._progress.update(self._tasks[phase], completed=done, total=total, figures=figures, rate=rate)


@contextmanager
def bars(*, quiet: bool) -> Iterator[ProgressCallback]:
    """Progress bars with time left, rate and losses, as a callback for the library; none when ``quiet``."""
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
        yield _Bars(progress)


def show_facts(facts: Mapping[str, Any]) -> None:
    """Print names and values, aligned."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, str(value))
    console.print(table)


def show_rows(columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str | None = None) -> None:
    """Print a table; all columns but the first are numbers."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if not number else "right")
    for row in rows:
        table.add_row(*row)
    console.print(table)
