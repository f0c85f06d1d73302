"""The table of `oddframe watch`: a row for each camera, fewer columns in a narrow terminal.

A column knows its cell and how much it matters; `render` keeps those that fit and gives the rest of
the width to the last event.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from itertools import islice

from rich.cells import cell_len, set_cell_size
from rich.console import Group, RenderableType
from rich.text import Text

from oddframe.cli.watch_lines import duration_text, start_text
from oddframe.core.alerts import Phase
from oddframe.monitoring.camera import CameraView, WatchHeader

_BAR_WIDTH = 9
_THRESHOLD = 0.5
"""Scores are scaled so that the camera's threshold is here."""

_SPARKS, _SPARK_S = "▁▂▃▄▅▆▇█", 5
_MINUTE_S = 60
# One character for every five seconds.
_MINUTE_WIDTH = _MINUTE_S // _SPARK_S

_GAP, _DOT = 2, " · "
# The last event gets what the columns leave. It is not shown at all below the first width; columns
# of the first ranks leave it the second, and all others the third.
_LEAST_EVENT, _SHORT_EVENT, _LONG_EVENT = 12, 22, 40
_FIRST_RANKS = 4

_ERROR_LINES = 2

_PHASES = {
    Phase.LIVE: ("●", "green"),
    Phase.CONNECTING: ("◌", "yellow"),
    Phase.STALLED: ("◐", "yellow"),
    Phase.WAITING: ("◔", "yellow"),
    Phase.FAILED: ("✖", "red"),
    Phase.ENDED: ("■", "dim"),
}
_STATE_WIDTH = 2 + max(map(len, Phase))


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes:
        title: The text above its cells.
        cell: Makes the cell of a camera.
        least: Minimum width in cells, so that the columns stay where they are when a number gets
            longer.
        right: Whether the text is aligned to the right.
        rank: 0 for a column that is always there; of the others the lowest ranks come first.
        share: The largest share of the terminal's width that it may have.
    """

    title: str
    cell: Callable[[CameraView], Text]
    least: int = 0
    right: bool = True
    rank: int = 0
    share: float = 1.0


def _name(view: CameraView) -> Text:
    """The camera's name, in bold."""
    return Text(view.name, "bold")


def _state(view: CameraView) -> Text:
    """The phase of the stream with a symbol, for those who do not see the colour."""
    symbol, style = _PHASES[view.state.phase]
    return Text(f"{symbol} {view.state.phase}", style)


def _bar(view: CameraView) -> Text:
    """The score as a line from 0 to 1 with a mark at the threshold, heavy up to the score."""
    score = _current(view) or 0.0
    reached, style = round(score * _BAR_WIDTH), _score_style(score)
    bar = Text()
    for number in range(_BAR_WIDTH):
        is_mark = number == _BAR_WIDTH // 2
        # The mark turns heavy only above the threshold; a rounded length may reach it before.
        is_in = score > _THRESHOLD if is_mark else number < reached
        heavy, light = ("╋", "┼") if is_mark else ("━", "─")
        bar.append(heavy if is_in else light, style if is_in else "dim")
    return bar


def _score(view: CameraView) -> Text:
    """The score, with an exclamation mark above the threshold."""
    score = _current(view)
    if score is None:
        return Text("- ", "dim")
    return Text(f"{score:.2f}{'!' if score > _THRESHOLD else ' '}", _score_style(score))


def _current(view: CameraView) -> float | None:
    """The score of the camera; None if it is not live, since the score is then an old one."""
    return view.score if view.state.phase is Phase.LIVE else None


def _score_style(score: float) -> str:
    return "bold red" if score > _THRESHOLD else "green"


def _last_minute(view: CameraView) -> Text:
    """The highest score of every five seconds, the newest on the right."""
    recent, sparks = list(view.recent)[-_MINUTE_S:], Text()
    # Whole pieces are counted from the newest second; what is left over is the first piece.
    first = len(recent) % _SPARK_S
    pieces = [recent[:first]] if first else []
    pieces += [recent[start : start + _SPARK_S] for start in range(first, len(recent), _SPARK_S)]
    for piece in pieces:
        highest = max((score for score in piece if score is not None), default=None)
        if highest is None:
            sparks.append(" ")
        else:
            # A score of exactly 1 belongs to the highest block.
            place = min(int(highest * len(_SPARKS)), len(_SPARKS) - 1)
            sparks.append(_SPARKS[place], _score_style(highest))
    return sparks


def _rate(view: CameraView) -> Text:
    """Frames per second that arrive."""
    if view.state.phase is not Phase.LIVE:
        return Text("-", "dim")
    return Text(f"{view.state.rate_fps:.1f}/s")


def _size(view: CameraView) -> Text:
    """Width x height of the camera's frames in pixels."""
    size = view.state.size
    return Text("-", "dim") if size is None else Text(f"{size[0]}x{size[1]}")


def _inference(view: CameraView) -> Text:
    """How long the model takes for a clip, on average."""
    return Text("-", "dim") if view.inference_ms is None else Text(f"{view.inference_ms:.0f} ms")


def _count(number: int) -> Text:
    """A number that stands out only if it is not 0."""
    return Text(f"{number:,}", "" if number else "dim")


COLUMNS = (
    Column("camera", _name, right=False, share=0.2),
    Column("state", _state, least=_STATE_WIDTH, right=False),
    Column("score", _score, least=5),
    Column("", _bar, right=False, rank=2),
    Column("last minute", _last_minute, least=_MINUTE_WIDTH, rank=4),
    Column("rate", _rate, least=6, rank=1),
    Column("drops", lambda view: _count(view.state.dropped), least=5, rank=3),
    Column("reconnects", lambda view: _count(view.state.reconnects), rank=5),
    Column("size", _size, least=9, rank=6),
    Column("events", lambda view: _count(view.events), rank=7),
    Column("model", _inference, least=6, rank=8),
)
"""All columns, from left to right."""


def render(
    views: Sequence[CameraView],
    header: WatchHeader,
    width: int,
    *,
    height: int | None = None,
    tz: tzinfo | None = None,
) -> RenderableType:
    """Draw header and table as lines of at most ``width`` cells, for a console or a live display.

    Args:
        views: The cameras, in the order in which they are shown.
        header: The figures of all cameras together.
        width: Width of the terminal in cells.
        height: Height of the terminal in lines; where there are more cameras than room, those with
            an event and those that are not live come first. None shows all.
        tz: The time zone of the times; that of the machine when None.
    """
    top = _header(views, header, width)
    columns, event_width = _choose_columns(views, header, width, tz)
    rows = [_row(view, columns, event_width, header, tz, width) for view in views]
    errors = [_error(view, width) for view in views]
    titles = (_fit(Text(column.title), size, column.right).plain for column, size in columns)
    title = Text((" " * _GAP).join(titles), "dim")
    if event_width:
        title.append(" " * _GAP * bool(columns) + "last event"[:event_width])
    # Above the cameras stand the header, an empty line and the titles.
    room = None if height is None else height - len(top) - 2
    shown, rest = _choose_cameras(views, errors, room)
    body = [line for number in shown for line in (rows[number], *errors[number][: shown[number]])]
    return Group(*top, Text(), *(_cut(line, width) for line in (title, *body, *rest)))


def _header(views: Sequence[CameraView], header: WatchHeader, width: int) -> list[Text]:
    """The lines above the table: counts of all cameras, and outputs that lag behind."""
    live = sum(view.state.phase is Phase.LIVE for view in views)
    open_events = sum(view.open_event for view in views)
    items = [
        Text(f"{live} of {len(views)} live", "bold green" if live == len(views) else "bold yellow"),
        Text(f"{open_events} with an event now", "bold red") if open_events else None,
        Text(
            f"{header.events_today:,} {'event' if header.events_today == 1 else 'events'} today",
            "bold",
        ),
        Text(f"up {_uptime(header.uptime_s)}"),
        Text(f"{'model' if len(header.models) == 1 else 'models'} {', '.join(header.models)}"),
    ]
    lines = [Text()]
    # Items are never broken: one that does not fit begins the next line.
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


def _choose_columns(
    views: Sequence[CameraView], header: WatchHeader, width: int, tz: tzinfo | None
) -> tuple[list[tuple[Column, int]], int]:
    """Columns that fit, with their widths, and the width left for the last event (0: none)."""
    sizes = {column: _column_width(column, views, width) for column in COLUMNS}
    events = [_event(view, header, tz) for view in views]
    longest = max([_SHORT_EVENT, *(texts[0].cell_len for texts in events if texts)])
    left, chosen = width, set()
    for column in sorted(COLUMNS, key=lambda column: column.rank):
        # No room is kept for an event that would not need it.
        kept_free = min(longest, _SHORT_EVENT if column.rank <= _FIRST_RANKS else _LONG_EVENT)
        if not column.rank or left - sizes[column] - _GAP >= kept_free:
            chosen.add(column)
            left -= sizes[column] + _GAP
    kept = [(column, sizes[column]) for column in COLUMNS if column in chosen]
    return kept, left if left >= _LEAST_EVENT else 0


def _column_width(column: Column, views: Sequence[CameraView], width: int) -> int:
    """The width in cells that a column needs, at most its share of the terminal's."""
    cells = (column.cell(view).cell_len for view in views)
    widest = max([column.least, cell_len(column.title), *cells])
    return min(widest, int(column.share * width))


def _row(
    view: CameraView,
    columns: Sequence[tuple[Column, int]],
    event_width: int,
    header: WatchHeader,
    tz: tzinfo | None,
    width: int,
) -> Text:
    """A camera's cells, and the longest text of its last event that fits."""
    row = Text(" " * _GAP).join(
        _fit(column.cell(view), size, column.right) for column, size in columns
    )
    texts = _event(view, header, tz)
    if event_width and texts:
        fitting = (text for text in texts if text.cell_len <= event_width)
        row.append(" " * _GAP)
        row.append_text(next(fitting, texts[-1]))
    return _cut(row, width)


def _choose_cameras(
    views: Sequence[CameraView], errors: Sequence[Sequence[Text]], room: int | None
) -> tuple[dict[int, int], list[Text]]:
    """Choose the cameras that fit into ``room`` lines.

    Returns:
        By the number of a shown camera how many lines of its error are shown, and a line about the
        cameras that are not shown.
    """
    if room is None or sum(1 + len(lines) for lines in errors) <= room:
        return {number: len(lines) for number, lines in enumerate(errors)}, []
    # One line is for the cameras that are left out.
    room = max(room - 1, 0)
    urgent = sorted(
        range(len(views)),
        key=lambda number: (not views[number].open_event, _is_fine(views[number])),
    )
    # Every camera comes before any error: a row says more than a reason.
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
    """Whether nobody has to look after the camera: it is live, or a file that has ended."""
    return view.state.phase in (Phase.LIVE, Phase.ENDED)


def _error(view: CameraView, width: int) -> list[Text]:
    """Why a camera is not live, in at most two lines."""
    state = view.state
    if _is_fine(view) or not state.error:
        return []
    again = "" if state.retry_s is None else f"next try in {state.retry_s:.0f} s: "
    words, lines = f"{again}{state.error}".split(), [""]
    for word in words:
        if lines[-1] and cell_len(f"    {lines[-1]} {word}") > width and len(lines) < _ERROR_LINES:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return [_cut(Text(f"    {line}", "dim"), width) for line in lines]


def _event(view: CameraView, header: WatchHeader, tz: tzinfo | None) -> list[Text]:
    """Texts of different length for the last event, longest first; none if there was no event."""
    if view.last_event is None:
        return []
    event = view.last_event.event
    start = start_text(view.last_event, is_file=view.is_file, now_us=header.now_us, tz=tz)
    short = f"{'▶' if view.open_event else ' '} {start} {event.reason}"
    # Camera problems have no score worth showing.
    score = f"{short} {event.score:.2f}" if event.kind == "anomaly" else short
    style = "bold red" if view.open_event else ""
    long = f"{score}, {duration_text(view.last_event)}"
    return [Text(text, style) for text in (long, score, short)]


def _uptime(seconds: float) -> str:
    """Seconds as days, hours, minutes and seconds, such as "1 d 1:01:01"."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return (f"{days} d " if days else "") + f"{hour}:{minute:02d}:{second:02d}"


def _fit(text: Text, size: int, right: bool) -> Text:
    """Make a cell exactly ``size`` wide.

    A text that is too long loses its middle, since names of cameras of one place often begin alike.
    """
    if text.cell_len > size:
        tail = text.plain[-(size // 2) :] if size > 1 else ""
        # Chinese characters, for example, are two cells wide.
        while cell_len(tail) > size // 2:
            tail = tail[1:]
        text = Text(
            f"{set_cell_size(text.plain, size - 1 - cell_len(tail)).rstrip()}…{tail}", text.style
        )
    blank = " " * (size - text.cell_len)
    return Text(blank) + text if right else text + Text(blank)


# Whatever Python or a terminal takes for the end of a line: a name or a reason is one line.
_LINE_BREAKS = dict.fromkeys(map(ord, "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), " ")


def _cut(line: Text, width: int) -> Text:
    """A copy of a line that the console neither wraps nor finds too long."""
    line = line.copy()
    line.plain = line.plain.translate(_LINE_BREAKS)
    line.no_wrap = True
    line.truncate(width, overflow="ellipsis")
    return line
