"""What happens at the cameras as plain lines, for a log or where there is no terminal."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo

from oddframe.core.alerts import Alert
from oddframe.core.stream_state import Phase, StreamState
from oddframe.watching.views import CameraView

__all__ = ["WatchLines", "began", "lasted"]

_MOST_FEW_S = 9.95
"""Shorter durations are told to a tenth."""


class WatchLines:
    """Tells what is new since it was last asked: a line for a camera's state, and for each start and end of an event.

    A camera that is tried again and again is told of once, until frames come or the reason is another one.
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
        is_file: Whether its source is a file: then it is the place in the file, as minutes and seconds.
        now_us: The moment, in microseconds since 1970-01-01 UTC: what was not today has a date.
        tz: The time zone; that of the machine when None.
    """
    if is_file:
        minutes, seconds = divmod(round(alert.event.start_s * 10), 600)
        return f"{minutes}:{seconds / 10:04.1f}"
    start = _at(alert.start_us, tz)
    return f"{start:%H:%M:%S}" if start.date() == _at(now_us, tz).date() else f"{start:%Y-%m-%d %H:%M}"


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


def _state_text(state: StreamState) -> str:
    error = f": {' '.join(state.error.split())}" if state.error else ""
    match state.phase:
        case Phase.LIVE:
            size = "" if state.size is None else f", {state.size[0]}x{state.size[1]}"
            return f"live, {state.rate_fps:.1f} frames/s{size}"
        case Phase.STALLED:
            return "stalled" if state.silent_s is None else f"stalled, no frame for {state.silent_s:.0f} s"
        case Phase.WAITING:
            return "waiting" + ("" if state.retry_s is None else f", next try in {state.retry_s:.0f} s") + error
        case Phase.FAILED:
            return f"failed{error}"
        case _:
            return str(state.phase)
