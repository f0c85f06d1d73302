"""Scores and events in memory, for people who go on with them: tables, pictures, notebooks.

`Scores` and `Events` hold what `Model.scores` and `Model.events` yield. They are sequences,
become tables of other libraries in one call, and show themselves in a notebook.
"""

import base64
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from oddframe.core.records import Event, Score
from oddframe.extras import require_extra
from oddframe.media.plots import Chart, can_draw, draw_curve
from oddframe.results.score_files import COLUMNS

_EVENT_COLUMNS = ("source", "kind", "start_s", "end_s", "peak_s", "score", "reason", "box", "id")
"""Columns of a table of events."""

_MOST_ROWS = 20
"""Rows that a notebook shows."""


class Scores(Sequence[Score]):
    """The scores of one source, all of them in memory.

    Example:
        >>> scores = oddframe.Scores(model.scores("monday.mp4"))
        >>> len(scores), scores.to_numpy()["time_s"].shape
        (20, (20,))

    Args:
        scores: The scores, such as ``model.scores(...)``; they are taken to their end.
        title: Stands over the picture.
    """

    def __init__(self, scores: Iterable[Score], title: str | None = None) -> None:
        self._scores = tuple(scores)
        self._title = title

    @overload
    def __getitem__(self, place: int) -> Score: ...

    @overload
    def __getitem__(self, place: slice) -> "Scores": ...

    def __getitem__(self, place: int | slice) -> "Score | Scores":
        found = self._scores[place]
        return Scores(found, self._title) if isinstance(found, tuple) else found

    def __len__(self) -> int:
        return len(self._scores)

    def __iter__(self) -> Iterator[Score]:
        return iter(self._scores)

    def __repr__(self) -> str:
        return f"Scores({_counted(len(self), 'frame')})"

    def to_numpy(self) -> npt.NDArray[Any]:
        """Give a structured array, a row for each frame.

        Its fields are those of `Score` that are numbers: "frame", "time_s", "score", "raw",
        "appearance", "motion" and "cluster". What a frame does not have is NaN.
        """
        table = np.empty(len(self), [(name, "i8" if name == "frame" else "f8") for name in COLUMNS])
        for name in COLUMNS:
            table[name] = [_number(getattr(score, name)) for score in self]
        return table

    def to_pandas(self) -> Any:
        """Give a ``pandas.DataFrame`` with the columns of `to_numpy` and "health".

        Raises:
            ModuleNotFoundError: If pandas is not installed.
        """
        import pandas as pd

        return pd.DataFrame(self._columns())

    def to_arrow(self) -> Any:
        """Give a ``pyarrow.Table`` with the columns of `to_numpy` and "health".

        Raises:
            MissingExtraError: If pyarrow is not installed.
        """
        with require_extra("a table of Arrow"):
            import pyarrow as pa

        return pa.table(self._columns())

    def plot(self, events: Iterable[Event] = ()) -> Chart:
        """Draw the scores over time, as `oddframe score` does.

        Args:
            events: What to shade.

        Raises:
            MissingExtraError: If Matplotlib is not installed.
        """
        table = self.to_numpy()
        spans = [(event.start_s, event.end_s) for event in Events(events)]
        return draw_curve(table["time_s"], table["score"], events=spans, title=self._title)

    def _columns(self) -> dict[str, Any]:
        table = self.to_numpy()
        return {name: table[name] for name in COLUMNS} | {
            "health": [score.health for score in self]
        }

    def to_html(self) -> str:
        """Give what a notebook shows: the figures in a sentence, and the picture."""
        known = [score for score in self if score.score is not None]
        if not known:
            return f"<p>{_counted(len(self), 'frame')}, none with a score</p>"
        highest = max(known, key=lambda score: score.score or 0.0)
        return (
            f"<p>{_counted(len(self), 'frame')}, {len(known):,} with a score; the highest is "
            f"{highest.score:.2f} at {highest.time_s:.1f} s</p>{_image(self.plot)}"
        )

    # Notebooks look for a method of this name.
    _repr_html_ = to_html


class Events(Sequence[Event]):
    """The events of one source or of several, each once, as it was last reported.

    Example:
        >>> events = oddframe.Events(model.with_threshold(raw=1e-9).events("monday.mp4"))
        >>> [event.phase for event in events]
        ['end']

    Args:
        events: Phases of events, such as ``model.events(...)``; they are taken to their end.
        title: Stands over the picture.
    """

    def __init__(self, events: Iterable[Event], title: str | None = None) -> None:
        # A later phase takes the place of an earlier one; the order stays that of the starts.
        self._events = tuple({event.id: event for event in events}.values())
        self._title = title

    @overload
    def __getitem__(self, place: int) -> Event: ...

    @overload
    def __getitem__(self, place: slice) -> "Events": ...

    def __getitem__(self, place: int | slice) -> "Event | Events":
        found = self._events[place]
        return Events(found, self._title) if isinstance(found, tuple) else found

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    def __repr__(self) -> str:
        return f"Events({_counted(len(self), 'event')})"

    def to_pandas(self) -> Any:
        """Give a ``pandas.DataFrame``, a row for each event.

        Raises:
            ModuleNotFoundError: If pandas is not installed.
        """
        import pandas as pd

        return pd.DataFrame(self._columns())

    def to_arrow(self) -> Any:
        """Give a ``pyarrow.Table``, a row for each event.

        Raises:
            MissingExtraError: If pyarrow is not installed.
        """
        with require_extra("a table of Arrow"):
            import pyarrow as pa

        return pa.table(self._columns())

    def plot(self) -> Chart:
        """Draw each event as a line at its highest score, over its time.

        Raises:
            MissingExtraError: If Matplotlib is not installed.
        """
        times_s: list[float] = []
        scores: list[float] = []
        # Some room before and after, so that a single event does not fill the picture.
        begin = min((event.start_s for event in self), default=0.0)
        end = max((event.end_s for event in self), default=0.0)
        room_s = max(1.0, 0.1 * (end - begin))
        if len(self):
            times_s, scores = [max(0.0, begin - room_s)], [np.nan]
        for event in self:
            # A gap after each, so that no line leads from one event to the next.
            times_s += [event.start_s, event.end_s, event.end_s]
            scores += [event.score, event.score, np.nan]
        if len(self):
            times_s, scores = [*times_s, end + room_s], [*scores, np.nan]
        spans = [(event.start_s, event.end_s) for event in self]
        return draw_curve(times_s, scores, events=spans, title=self._title)

    def _columns(self) -> dict[str, list[Any]]:
        values = [event.as_dict() for event in self]
        return {name: [value[name] for value in values] for name in _EVENT_COLUMNS}

    def to_html(self) -> str:
        """Give what a notebook shows: the number of events, and a table of the first ones."""
        shown = ("source", "start_s", "end_s", "score", "reason")
        head = "".join(f"<th>{name}</th>" for name in shown)
        rows = "".join(
            f"<tr><td>{escape(event.source)}</td><td>{event.start_s:.1f}</td>"
            f"<td>{event.end_s:.1f}</td><td>{event.score:.2f}</td>"
            f"<td>{escape(event.reason)}</td></tr>"
            for event in self[:_MOST_ROWS]
        )
        more = "" if len(self) <= _MOST_ROWS else f", of which the first {_MOST_ROWS} are shown"
        table = f"<table><tr>{head}</tr>{rows}</table>" if len(self) else ""
        return f"<p>{_counted(len(self), 'event')}{more}</p>{table}"

    _repr_html_ = to_html


def _image(draw: Any) -> str:
    """Draw a picture for a page; nothing where Matplotlib is not installed."""
    if not can_draw():
        return ""
    return f'<img src="data:image/png;base64,{base64.b64encode(draw().png).decode()}">'


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def _counted(count: int, noun: str) -> str:
    """Write a number with its noun."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
