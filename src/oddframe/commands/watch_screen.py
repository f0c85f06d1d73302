"""What `oddframe watch` shows while it runs: a table that is redrawn, or lines where there is no terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oddframe.watching.watch import Look

__all__ = ["watch_screen"]


@contextmanager
def watch_screen(*, quiet: bool) -> "Iterator[Callable[[Look], None]]":
    """Shows each look that it is given, on standard error; nothing when ``quiet``."""
    from oddframe.terminal import messages

    if quiet:
        yield lambda look: None
    elif messages.is_terminal:
        with _table() as show:
            yield show
    else:
        yield _lines()


@contextmanager
def _table() -> "Iterator[Callable[[Look], None]]":
    from rich.live import Live

    from oddframe.terminal import messages
    from oddframe.watch_view.screen import render

    with Live(console=messages, auto_refresh=False, transient=False) as live:
        yield lambda look: live.update(
            render(look.cameras, look.header, messages.width, height=messages.height), refresh=True
        )


def _lines() -> "Callable[[Look], None]":
    from oddframe.terminal import messages
    from oddframe.watching.lines import WatchLines

    told = WatchLines()

    def show(look: "Look") -> None:
        for line in told.lines(look.cameras, look.alerts, look.header.now_us):
            messages.print(line, markup=False, highlight=False, soft_wrap=True)

    return show
