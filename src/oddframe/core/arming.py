"""Armed hours: when alarms are wanted, in the wall-clock time of the place."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from oddframe.errors import SettingsError

__all__ = ["ArmedHours", "DayHours"]

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class DayHours:
    """A stretch of the day on some days of the week.

    Attributes:
        days: The days on which it begins, 0 = Monday to 6.
        start_min: Minutes from midnight at which it begins, 0 to 1439.
        end_min: Minutes from midnight at which it is over, 1 to 1440; at or before ``start_min`` it is that minute of
            the next day.
    """

    days: frozenset[int]
    start_min: int
    end_min: int

    def __post_init__(self) -> None:
        if not self.days or not self.days <= set(range(7)):
            raise SettingsError(f"days of armed hours must be from 0 (Monday) to 6, got {sorted(self.days)}")
        if not (0 <= self.start_min < _DAY_MINUTES and 0 < self.end_min <= _DAY_MINUTES):
            raise SettingsError(f"armed hours must lie within a day, got minutes {self.start_min} to {self.end_min}")

    @classmethod
    def parse(cls, text: str) -> "DayHours":
        """Read "18:00-06:00", "mon-fri 18:00-06:00" or "sat,sun 00:00-24:00".

        Raises:
            SettingsError: If it is none.
        """
        match = re.fullmatch(r"\s*(?:([a-z,\- ]+?)\s+)?(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)\s*", text.lower())
        if match is None:
            raise SettingsError(f'armed hours must read like "mon-fri 18:00-06:00" or "08:00-17:30", got {text!r}')
        days, *numbers = match.groups()
        start_hour, start_minute, end_hour, end_minute = map(int, numbers)
        if start_minute > 59 or end_minute > 59:
            raise SettingsError(f"armed hours must have minutes from 00 to 59, got {text!r}")
        # Until midnight is until the end of the day.
        return cls(_days(days, text), 60 * start_hour + start_minute, 60 * end_hour + end_minute or _DAY_MINUTES)

    def holds(self, weekday: int, minute: float) -> bool:
        """Whether a time of day, in minutes from midnight, lies in it."""
        if self.start_min < self.end_min:
            return weekday in self.days and self.start_min <= minute < self.end_min
        tonight = weekday in self.days and minute >= self.start_min
        return tonight or ((weekday - 1) % 7 in self.days and minute < self.end_min)


@dataclass(frozen=True, slots=True)
class ArmedHours:
    """When alarms are wanted.

    Wall-clock times are meant as clocks there show them: an hour that is skipped in spring is never armed, one that
    comes twice in autumn is armed twice.

    Attributes:
        hours: Stretches of the week; armed in any of them.
        time_zone: IANA name such as "Europe/Berlin".

    Raises:
        SettingsError: If there are no hours or the time zone is not known.
    """

    hours: tuple[DayHours, ...]
    time_zone: str

    def __post_init__(self) -> None:
        if not self.hours:
            raise SettingsError(
                "armed hours must name at least one period, got none; leave them out to be always armed"
            )
        self._zone()

    @classmethod
    def parse(cls, hours: Sequence[str], time_zone: str) -> "ArmedHours":
        """Read each of ``hours`` as `DayHours.parse` does."""
        return cls(tuple(map(DayHours.parse, hours)), time_zone)

    def armed(self, unix_s: float) -> bool:
        """Whether alarms are wanted at a moment, in seconds since 1970 (UTC)."""
        there = datetime.fromtimestamp(unix_s, UTC).astimezone(self._zone())
        minute = 60 * there.hour + there.minute + there.second / 60
        return any(one.holds(there.weekday(), minute) for one in self.hours)

    def _zone(self) -> ZoneInfo:
        try:
            return ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise SettingsError(
                f'time_zone must be an IANA name such as "Europe/Berlin" that is known here, got {self.time_zone!r}'
            ) from error


def _days(text: str | None, whole: str) -> frozenset[int]:
    """Days of "mon-fri,sun"; all where nothing is said."""
    if text is None:
        return frozenset(range(7))
    found: set[int] = set()
    for part in text.replace(" ", "").split(","):
        first, _, last = (part if "-" in part else f"{part}-{part}").partition("-")
        if first not in _DAYS or last not in _DAYS:
            raise SettingsError(f"days of armed hours must be among {', '.join(_DAYS)}, got {part!r} in {whole!r}")
        begin, end = _DAYS.index(first), _DAYS.index(last)
        found.update(day % 7 for day in range(begin, end + 1 + 7 * (end < begin)))
    return frozenset(found)
