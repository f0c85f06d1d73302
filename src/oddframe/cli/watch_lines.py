"""What happens at the cameras of `oddframe watch` as plain lines: for a log, or without a terminal.

The words for when an event began and how long it lasted are shared with the table.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo

from oddframe.core.alerts import Alert, Phase, StreamStatus
from oddframe.monitoring.camera import CameraView

# Where rounding would give the next larger unit: 9.95 s is "10 s" and 99.5 s is "2 min".
_TENTHS_BELOW_S = 9.95
_SECONDS_BELOW_S = 99.5
_MINUTES_BELOW = 99.5


class WatchLines:
    """Writes what is new since the last call: changed states of cameras, starts and ends of events.

    A camera that is tried again and again has one line, until frames come or the reason changes.
    So has a sink with a trouble.
    """

    def __init__(self, tz: tzinfo | None = None) -> None:
        """Start without any state known, so that the first call writes a line for each camera.

        Args:
            tz: The time zone of the times; that of the machine when None.
        """
        self._tz = tz
        self._last_state: dict[str, tuple[Phase, str | None, str | None]] = {}
        self._last_troubles: Mapping[str, str] = {}

    def lines(
        self,
        views: Iterable[CameraView],
        alerts: Iterable[Alert],
        now_us: int,
        troubles: Mapping[str, str] | None = None,
    ) -> list[str]:
        """Write one line for each change, without line breaks: states, events, then troubles.

        Args:
            views: All cameras as they are now.
            alerts: The alerts since the last call; updates of an event have no line.
            now_us: The moment, in microseconds since 1970-01-01 UTC.
            troubles: What is wrong now with sinks, database and pictures, by name; none when None.
        """
        views = list(views)
        files = {view.name for view in views if view.is_file}
        texts = [f"{view.name}: {_state_text(view.state)}" for view in views if self._is_new(view)]
        texts += [
            f"{alert.event.source}: {self._event_text(alert, alert.event.source in files, now_us)}"
            for alert in alerts
            if alert.event.phase != "update"
        ]
        texts += self._trouble_texts(troubles or {})
        now = _at(now_us, self._tz)
        return [f"{now:%Y-%m-%d %H:%M:%S} {text}" for text in texts]

    def _trouble_texts(self, troubles: Mapping[str, str]) -> list[str]:
        """Say what has become wrong or another trouble, and what works again."""
        last, self._last_troubles = self._last_troubles, troubles
        texts = [
            f"{name}: {' '.join(why.split())}"
            for name, why in troubles.items()
            if last.get(name) != why
        ]
        return texts + [f"{name}: works again" for name in last if name not in troubles]

    def _is_new(self, view: CameraView) -> bool:
        """Whether a camera's state deserves a line; remembers the state if it does."""
        state = view.state
        # In other phases the error is of an earlier try and would make an old state look new.
        reason = state.error if state.phase in (Phase.WAITING, Phase.FAILED) else None
        last = self._last_state.get(view.name)
        # Connecting comes between any two tries: only the first one is worth a line.
        is_retry = last is not None and state.phase is Phase.CONNECTING
        now = (state.phase, reason, state.notice)
        if is_retry or last == now:
            return False
        self._last_state[view.name] = now
        return True

    def _event_text(self, alert: Alert, is_file: bool, now_us: int) -> str:
        event = alert.event
        kind = "event" if event.kind == "anomaly" else "camera problem"
        score = f", score {event.score:.2f}" if event.kind == "anomaly" else ""
        start = start_text(alert, is_file=is_file, now_us=now_us, tz=self._tz)
        if event.phase == "start":
            return f"{kind} since {start}: {event.reason}{score}"
        return f"{kind} over, from {start}, {duration_text(alert)} long: {event.reason}{score}"


def start_text(alert: Alert, *, is_file: bool, now_us: int, tz: tzinfo | None = None) -> str:
    """Say when an event started: a time of day, with a date if it was not today.

    Args:
        alert: An alert of the event, of any phase.
        is_file: Whether its source is a file: then the text is the place in the file, as minutes
            and seconds.
        now_us: The moment, in microseconds since 1970-01-01 UTC.
        tz: The time zone; that of the machine when None.
    """
    if is_file:
        # Rounded to tenths before it is divided, so that 59.96 s is 1:00.0 and not 0:60.0.
        minutes, seconds = divmod(round(alert.event.start_s * 10), 600)
        return f"{minutes}:{seconds / 10:04.1f}"
    start = _at(alert.start_us, tz)
    if start.date() == _at(now_us, tz).date():
        return f"{start:%H:%M:%S}"
    return f"{start:%Y-%m-%d %H:%M}"


def duration_text(alert: Alert) -> str:
    """Say how long an event has lasted so far, such as "4.2 s" or "12 min"."""
    seconds = (alert.seen_us - alert.start_us) / 1e6
    if seconds < _TENTHS_BELOW_S:
        return f"{seconds:.1f} s"
    if seconds < _SECONDS_BELOW_S:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < _MINUTES_BELOW else f"{minutes / 60:.0f} h"


def _at(at_us: int, tz: tzinfo | None) -> datetime:
    """A moment in a time zone; adding to 1970 keeps microseconds that a float timestamp loses."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)).astimezone(tz)


def _state_text(state: StreamStatus) -> str:
    """Say what a camera does; an error of several lines becomes one line."""
    error = f": {' '.join(state.error.split())}" if state.error else ""
    match state.phase:
        case Phase.LIVE:
            size = "" if state.size is None else f", {state.size[0]}x{state.size[1]}"
            notice = "" if state.notice is None else f"; it {state.notice}"
            return f"live, {state.rate_fps:.1f} frames/s{size}{notice}"
        case Phase.STALLED:
            if state.silent_s is None:
                return "stalled"
            return f"stalled, no frame for {state.silent_s:.0f} s"
        case Phase.WAITING:
            retry = "" if state.retry_s is None else f", next try in {state.retry_s:.0f} s"
            return f"waiting{retry}{error}"
        case Phase.FAILED:
            return f"failed{error}"
        case _:
            return str(state.phase)
