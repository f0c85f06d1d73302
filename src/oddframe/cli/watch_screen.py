"""How `oddframe watch` looks in a terminal.

The terminal view of `watch`: a row for each camera, which says less where the terminal is narrow.

What a row of the terminal view says of a camera: its columns and their cells.

What happens at the cameras as plain lines, for a log or where there is no terminal.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice

from rich.cells import cell_len, set_cell_size
from rich.console import Group, RenderableType
from rich.text import Text

from oddframe.core.alerts import Alert, Phase, StreamStatus
from oddframe.monitoring.camera import CameraView, WatchHeader

_BAR = 9
_THRESHOLD = 0.5
_SPARKS, _SPARK_S = "▁▂▃▄▅▆▇█", 5
_MINUTE = 60 // _SPARK_S

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
    """A column of cells.

    Attributes:
        title: Its title.
        cell: What it says of a camera.
        least: It is at least so wide, so that the others stay where they are when a figure gets
            longer.
        right: Whether it is set to the right.
        rank: 0 for those that are always there; of the others the lowest come first.
        share: It has at most so much of the width.
    """

    title: str
    cell: Callable[[CameraView], Text]
    least: int = 0
    right: bool = True
    rank: int = 0
    share: float = 1.0


def _name(view: CameraView) -> Text:
    return Text(view.name, "bold")


def _state(view: CameraView) -> Text:
    symbol, style = _PHASES[view.state.phase]
    return Text(f"{symbol} {view.state.phase}", style)


def _bar(view: CameraView) -> Text:
    """0 to 1 with a mark at the threshold; heavy as far as the score reaches."""
    score = _current(view) or 0.0
    reached, style = round(score * _BAR), _score_style(score)
    bar = Text()
    for number in range(_BAR):
        is_mark = number == _BAR // 2
        is_in = score > _THRESHOLD if is_mark else number < reached
        bar.append(
            ("╋" if is_in else "┼") if is_mark else ("━" if is_in else "─"),
            style if is_in else "dim",
        )
    return bar


def _score(view: CameraView) -> Text:
    score = _current(view)
    if score is None:
        return Text("- ", "dim")
    return Text(f"{score:.2f}{'!' if score > _THRESHOLD else ' '}", _score_style(score))


def _current(view: CameraView) -> float | None:
    """The score; None where it is one of before."""
    return view.score if view.state.phase is Phase.LIVE else None


def _score_style(score: float) -> str:
    return "bold red" if score > _THRESHOLD else "green"


def _last_minute(view: CameraView) -> Text:
    """The highest score of every five seconds."""
    recent, sparks = list(view.recent)[-60:], Text()
    first = len(recent) % _SPARK_S
    pieces = [recent[:first]] * bool(first) + [
        recent[start : start + _SPARK_S] for start in range(first, len(recent), _SPARK_S)
    ]
    for piece in pieces:
        highest = max((score for score in piece if score is not None), default=None)
        if highest is None:
            sparks.append(" ")
        else:
            place = min(int(highest * len(_SPARKS)), len(_SPARKS) - 1)
            sparks.append(_SPARKS[place], _score_style(highest))
    return sparks


def _rate(view: CameraView) -> Text:
    return (
        Text(f"{view.state.rate_fps:.1f}/s") if view.state.phase is Phase.LIVE else Text("-", "dim")
    )


def _size(view: CameraView) -> Text:
    size = view.state.size
    return Text("-", "dim") if size is None else Text(f"{size[0]}x{size[1]}")


def _inference(view: CameraView) -> Text:
    return Text("-", "dim") if view.inference_ms is None else Text(f"{view.inference_ms:.0f} ms")


def _count(number: int) -> Text:
    return Text(f"{number:,}", "" if number else "dim")


COLUMNS = (
    Column("camera", _name, right=False, share=0.2),
    Column("state", _state, least=_STATE_WIDTH, right=False),
    Column("score", _score, least=5),
    Column("", _bar, right=False, rank=2),
    Column("last minute", _last_minute, least=_MINUTE, rank=4),
    Column("rate", _rate, least=6, rank=1),
    Column("drops", lambda view: _count(view.state.dropped), least=5, rank=3),
    Column("reconnects", lambda view: _count(view.state.reconnects), rank=5),
    Column("size", _size, least=9, rank=6),
    Column("events", lambda view: _count(view.events), rank=7),
    Column("model", _inference, least=6, rank=8),
)
"""As they stand from left to right."""


_MOST_FEW_S = 9.95
"""Shorter durations are told to a tenth."""


class WatchLines:
    """Tells what is new since it was last asked: a line for a camera's state, and for each start and end of an event.

    A camera that is tried again and again is told of once, until frames come or the reason is
    another one.
    """

    def __init__(self, tz: tzinfo | None = None) -> None:
        """Begin with nothing told.

        Args:
            tz: The time zone of the times; that of the machine when None.
        """
        self._tz = tz
        self._told: dict[str, tuple[Phase, str | None]] = {}

    def lines(self, views: Iterable[CameraView], alerts: Iterable[Alert], now_us: int) -> list[str]:
        """Lines without line breaks, in the order in which they belong.

        Args:
            views: All cameras as they are now.
            alerts: What has been told since the last call.
            now_us: The moment, in microseconds since 1970-01-01 UTC.
        """
        views = list(views)
        files = {view.name for view in views if view.is_file}
        told = [f"{view.name}: {_state_text(view.state)}" for view in views if self._is_news(view)]
        told += [
            f"{alert.event.source}: {self._event_text(alert, alert.event.source in files, now_us)}"
            for alert in alerts
            if alert.event.phase != "update"
        ]
        now = _at(now_us, self._tz)
        return [f"{now:%Y-%m-%d %H:%M:%S} {text}" for text in told]

    def _is_news(self, view: CameraView) -> bool:
        state = view.state
        news = (state.phase, state.error if state.phase in (Phase.WAITING, Phase.FAILED) else None)
        before = self._told.get(view.name)
        if news == before or (before is not None and state.phase is Phase.CONNECTING):
            return False
        self._told[view.name] = news
        return True

    def _event_text(self, alert: Alert, is_file: bool, now_us: int) -> str:
        event = alert.event
        kind = "event" if event.kind == "anomaly" else "camera problem"
        score = f", score {event.score:.2f}" if event.kind == "anomaly" else ""
        since = began(alert, is_file=is_file, now_us=now_us, tz=self._tz)
        if event.phase == "start":
            return f"{kind} since {since}: {event.reason}{score}"
        return f"{kind} over, from {since}, {lasted(alert)} long: {event.reason}{score}"


def began(alert: Alert, *, is_file: bool, now_us: int, tz: tzinfo | None = None) -> str:
    """When an event started, as people say it.

    Args:
        alert: Any phase of it.
        is_file: Whether its source is a file: then it is the place in the file, as minutes and
            seconds.
        now_us: The moment, in microseconds since 1970-01-01 UTC: what was not today has a date.
        tz: The time zone; that of the machine when None.
    """
    if is_file:
        minutes, seconds = divmod(round(alert.event.start_s * 10), 600)
        return f"{minutes}:{seconds / 10:04.1f}"
    start = _at(alert.start_us, tz)
    return (
        f"{start:%H:%M:%S}" if start.date() == _at(now_us, tz).date() else f"{start:%Y-%m-%d %H:%M}"
    )


def lasted(alert: Alert) -> str:
    """How long an event lasted so far, such as "4.2 s" or "12 min"."""
    seconds = (alert.seen_us - alert.start_us) / 1e6
    if seconds < _MOST_FEW_S:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 99.5 else f"{minutes / 60:.0f} h"


def _at(at_us: int, tz: tzinfo | None) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)).astimezone(tz)


def _state_text(state: StreamStatus) -> str:
    error = f": {' '.join(state.error.split())}" if state.error else ""
    match state.phase:
        case Phase.LIVE:
            size = "" if state.size is None else f", {state.size[0]}x{state.size[1]}"
            return f"live, {state.rate_fps:.1f} frames/s{size}"
        case Phase.STALLED:
            return (
                "stalled"
                if state.silent_s is None
                else f"stalled, no frame for {state.silent_s:.0f} s"
            )
        case Phase.WAITING:
            return (
                "waiting"
                + ("" if state.retry_s is None else f", next try in {state.retry_s:.0f} s")
                + error
            )
        case Phase.FAILED:
            return f"failed{error}"
        case _:
            return str(state.phase)


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
        height: Of the terminal, in lines: where there are more cameras than room, those with an
            event and those that are not live come first. None shows all.
        tz: The time zone of the times; that of the machine when None.
    """
    top = _header(views, header, width)
    columns, event_width = _chosen(views, header, width, tz)
    rows = [_row(view, columns, event_width, header, tz, width) for view in views]
    errors = [_error(view, width) for view in views]
    title = Text(
        "  ".join(_padded(Text(one.title), size, one.right).plain for one, size in columns), "dim"
    )
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
        Text(
            f"{header.events_today:,} {'event' if header.events_today == 1 else 'events'} today",
            "bold",
        ),
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
            max(
                [
                    column.least,
                    cell_len(column.title),
                    *(column.cell(view).cell_len for view in views),
                ]
            ),
            int(column.share * width),
        )
        for column in COLUMNS
    }
    longest = max(
        [_SHORT_EVENT, *(one[0].cell_len for view in views if (one := _event(view, header, tz)))]
    )
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
    row = Text(" " * _GAP).join(
        _padded(column.cell(view), size, column.right) for column, size in columns
    )
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
    urgent = sorted(
        range(len(views)),
        key=lambda number: (not views[number].open_event, _is_fine(views[number])),
    )
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
        text = Text(
            f"{set_cell_size(text.plain, size - 1 - cell_len(tail)).rstrip()}…{tail}", text.style
        )
    blank = " " * (size - text.cell_len)
    return Text(blank) + text if right else text + Text(blank)


def _cut(line: Text, width: int) -> Text:
    line = line.copy()
    line.no_wrap = True
    line.truncate(width, overflow="ellipsis")
    return line
