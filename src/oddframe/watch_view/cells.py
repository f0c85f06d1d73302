"""What a row of the terminal view says of a camera: its columns and their cells."""

from collections.abc import Callable
from dataclasses import dataclass

from rich.text import Text

from oddframe.core.stream_state import Phase
from oddframe.watching.views import CameraView

__all__ = ["COLUMNS", "Column"]

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
        least: It is at least so wide, so that the others stay where they are when a figure gets longer.
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
        bar.append(("╋" if is_in else "┼") if is_mark else ("━" if is_in else "─"), style if is_in else "dim")
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
    return Text(f"{view.state.rate_fps:.1f}/s") if view.state.phase is Phase.LIVE else Text("-", "dim")


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
