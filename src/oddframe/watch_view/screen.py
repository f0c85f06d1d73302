"""The terminal view of `watch`: a row for each camera, which says less where the terminal is narrow."""

from collections.abc import Sequence
from datetime import tzinfo
from itertools import islice

from rich.cells import cell_len, set_cell_size
from rich.console import Group, RenderableType
from rich.text import Text

from oddframe.core.stream_state import Phase
from oddframe.watch_view.cells import COLUMNS, Column
from oddframe.watching.lines import began, lasted
from oddframe.watching.views import CameraView, WatchHeader

__all__ = ["render"]

_GAP, _DOT = 2, " · "
_LEAST_EVENT, _SHORT_EVENT, _LONG_EVENT = 12, 22, 40
"""Widths of the last event: below the first there is none; columns leave it the second, or by rank the third."""

_FIRST_RANKS = 4


def render(
    views: Sequence[CameraView],
    header: WatchHeader,
    width: int,
    *,
    height: int | None = None,
    tz: tzinfo | None = None,
) -> RenderableType:
    """All of it as lines of at most ``width`` cells, for a console or a live display.

    Args:
        views: The cameras, in the order in which they are shown.
        header: What there is to say of all of them together.
        width: Of the terminal, in cells.
        height: Of the terminal, in lines: where there are more cameras than room, those with an event and those that
            are not live come first. None shows all.
        tz: The time zone of the times; that of the machine when None.
    """
    top = _header(views, header, width)
    columns, event_width = _chosen(views, header, width, tz)
    rows = [_row(view, columns, event_width, header, tz, width) for view in views]
    errors = [_error(view, width) for view in views]
    title = Text("  ".join(_padded(Text(one.title), size, one.right).plain for one, size in columns), "dim")
    if event_width:
        title.append(" " * _GAP * bool(columns) + "last event"[:event_width])
    room = None if height is None else height - len(top) - 2
    shown, rest = _that_fit(views, errors, room)
    body = [line for number in shown for line in (rows[number], *errors[number][: shown[number]])]
    return Group(*top, Text(), *(_cut(line, width) for line in (title, *body, *rest)))


def _header(views: Sequence[CameraView], header: WatchHeader, width: int) -> list[Text]:
    live = sum(view.state.phase is Phase.LIVE for view in views)
    going_on = sum(view.open_event for view in views)
    items = [
        Text(f"{live} of {len(views)} live", "bold green" if live == len(views) else "bold yellow"),
        Text(f"{going_on} with an event now", "bold red") if going_on else None,
        Text(f"{header.events_today:,} {'event' if header.events_today == 1 else 'events'} today", "bold"),
        Text(f"up {_uptime(header.uptime_s)}"),
        Text(f"{'model' if len(header.models) == 1 else 'models'} {', '.join(header.models)}"),
    ]
    lines = [Text()]
    for item in filter(None, items):
        if lines[-1] and lines[-1].cell_len + len(_DOT) + item.cell_len > width:
            lines.append(Text())
        if lines[-1]:
            lines[-1].append(_DOT, "dim")
        lines[-1].append_text(item)
    clips = Text(f"{_DOT}{sum(view.clips for view in views):,} clips scored", "dim")
    if lines[-1].cell_len + clips.cell_len <= width:
        lines[-1].append_text(clips)
    lines += [Text(f"! {name}: {why}", "yellow") for name, why in header.lagging.items()]
    return [_cut(line, width) for line in lines]


def _chosen(
    views: Sequence[CameraView], header: WatchHeader, width: int, tz: tzinfo | None
) -> tuple[list[tuple[Column, int]], int]:
    """Columns with their widths, and what is left for the last event."""
    sizes = {
        column: min(
            max([column.least, cell_len(column.title), *(column.cell(view).cell_len for view in views)]),
            int(column.share * width),
        )
        for column in COLUMNS
    }
    longest = max([_SHORT_EVENT, *(one[0].cell_len for view in views if (one := _event(view, header, tz)))])
    left, chosen = width, set()
    for column in sorted(COLUMNS, key=lambda column: column.rank):
        kept_free = min(longest, _SHORT_EVENT if column.rank <= _FIRST_RANKS else _LONG_EVENT)
        if not column.rank or left - sizes[column] - _GAP >= kept_free:
            chosen.add(column)
            left -= sizes[column] + _GAP
    kept = [(column, sizes[column]) for column in COLUMNS if column in chosen]
    return kept, left if left >= _LEAST_EVENT else 0


def _row(
    view: CameraView,
    columns: Sequence[tuple[Column, int]],
    event_width: int,
    header: WatchHeader,
    tz: tzinfo | None,
    width: int,
) -> Text:
    row = Text(" " * _GAP).join(_padded(column.cell(view), size, column.right) for column, size in columns)
    said = _event(view, header, tz)
    if event_width and said:
        row.append(" " * _GAP)
        row.append_text(next((one for one in said if one.cell_len <= event_width), said[-1]))
    return _cut(row, width)


def _that_fit(
    views: Sequence[CameraView], errors: Sequence[Sequence[Text]], room: int | None
) -> tuple[dict[int, int], list[Text]]:
    """Which cameras are shown, with how many lines of their errors, and a line about the others."""
    if room is None or sum(1 + len(lines) for lines in errors) <= room:
        return {number: len(lines) for number, lines in enumerate(errors)}, []
    room = max(room - 1, 0)
    urgent = sorted(range(len(views)), key=lambda number: (not views[number].open_event, _is_fine(views[number])))
    shown = dict.fromkeys(islice(urgent, room), 0)
    left = room - len(shown)
    for number in shown:
        shown[number] = min(len(errors[number]), left)
        left -= shown[number]
    others = [view for number, view in enumerate(views) if number not in shown]
    live = sum(view.state.phase is Phase.LIVE for view in others)
    rest = [Text(f"and {len(others)} more, {live} of them live", "dim")] if others else []
    return {number: shown[number] for number in sorted(shown)}, rest


def _is_fine(view: CameraView) -> bool:
    return view.state.phase in (Phase.LIVE, Phase.ENDED)


def _error(view: CameraView, width: int) -> list[Text]:
    """Why a camera is not live, in two lines at most."""
    state = view.state
    if _is_fine(view) or not state.error:
        return []
    again = "" if state.retry_s is None else f"next try in {state.retry_s:.0f} s: "
    words, lines = f"{again}{state.error}".split(), [""]
    for word in words:
        if lines[-1] and cell_len(f"    {lines[-1]} {word}") > width and len(lines) < 2:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return [_cut(Text(f"    {line}", "dim"), width) for line in lines]


def _event(view: CameraView, header: WatchHeader, tz: tzinfo | None) -> list[Text]:
    """The last event in words, longest first; none where there was none."""
    if view.last_event is None:
        return []
    event = view.last_event.event
    since = began(view.last_event, is_file=view.is_file, now_us=header.now_us, tz=tz)
    short = f"{'▶' if view.open_event else ' '} {since} {event.reason}"
    score = f"{short} {event.score:.2f}" if event.kind == "anomaly" else short
    style = "bold red" if view.open_event else ""
    return [Text(text, style) for text in (f"{score}, {lasted(view.last_event)}", score, short)]


def _uptime(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return (f"{days} d " if days else "") + f"{hour}:{minute:02d}:{second:02d}"


def _padded(text: Text, size: int, right: bool) -> Text:
    """A cell of exactly a width; what is too long loses its middle, since names of one place often begin alike."""
    if text.cell_len > size:
        tail = text.plain[-(size // 2) :] if size > 1 else ""
        while cell_len(tail) > size // 2:
            tail = tail[1:]
        text = Text(f"{set_cell_size(text.plain, size - 1 - cell_len(tail)).rstrip()}…{tail}", text.style)
    blank = " " * (size - text.cell_len)
    return Text(blank) + text if right else text + Text(blank)


def _cut(line: Text, width: int) -> Text:
    line = line.copy()
    line.no_wrap = True
    line.truncate(width, overflow="ellipsis")
    return line
