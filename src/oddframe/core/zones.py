"""What counts in the picture of one camera, and when: zones and armed hours.

A zone is a polygon in shares of the picture, so that it holds for every resolution of the camera.
Armed hours are meant as the clocks on the camera's wall show them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from oddframe._types import BoolMask
from oddframe.errors import SettingsError

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class ScheduleEntry:
    """A period of the day on some days of the week; it may last past midnight.

    Attributes:
        days: The days on which it begins, 0 = Monday to 6.
        start_min: Minutes from midnight at which it begins, 0 to 1439.
        end_min: Minutes from midnight at which it is over, 1 to 1440; at or before ``start_min`` it
            is that minute of the next day.

    Raises:
        SettingsError: If there are no such days or minutes.
    """

    days: frozenset[int]
    start_min: int
    end_min: int

    def __post_init__(self) -> None:
        if not self.days or not self.days <= set(range(7)):
            raise SettingsError(
                f"days of armed hours must be from 0 (Monday) to 6, got {sorted(self.days)}"
            )
        if not (0 <= self.start_min < _DAY_MINUTES and 0 < self.end_min <= _DAY_MINUTES):
            raise SettingsError(
                f"armed hours must lie within a day, got minutes {self.start_min} to {self.end_min}"
            )

    @classmethod
    def parse(cls, text: str) -> "ScheduleEntry":
        """Read "18:00-06:00", "mon-fri 18:00-06:00" or "sat,sun 00:00-24:00".

        Raises:
            SettingsError: If the text is not a period.
        """
        match = re.fullmatch(
            r"\s*(?:([a-z,\- ]+?)\s+)?(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)\s*", text.lower()
        )
        if match is None:
            raise SettingsError(
                f'armed hours must read like "mon-fri 18:00-06:00" or "08:00-17:30", got {text!r}'
            )
        days, *numbers = match.groups()
        start_hour, start_minute, end_hour, end_minute = map(int, numbers)
        if start_minute > 59 or end_minute > 59:
            raise SettingsError(f"armed hours must have minutes from 00 to 59, got {text!r}")
        # "18:00-00:00" ends at the end of the day, minute 1440, not at its start.
        return cls(
            _parse_days(days, text),
            60 * start_hour + start_minute,
            60 * end_hour + end_minute or _DAY_MINUTES,
        )

    def holds(self, weekday: int, minute: float) -> bool:
        """Say whether a time of day, in minutes from midnight, lies in the period."""
        if self.start_min < self.end_min:
            return weekday in self.days and self.start_min <= minute < self.end_min
        # Past midnight: either it began today, or yesterday and still lasts.
        tonight = weekday in self.days and minute >= self.start_min
        return tonight or ((weekday - 1) % 7 in self.days and minute < self.end_min)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The armed hours of a week: when alarms are wanted.

    Wall-clock times are meant as clocks there show them: an hour that is skipped in spring is never
    armed, one that comes twice in autumn is armed twice.

    Attributes:
        hours: Periods of the week; armed in any of them.
        time_zone: IANA name such as "Europe/Berlin".

    Raises:
        SettingsError: If there are no hours or the time zone is not known.
    """

    hours: tuple[ScheduleEntry, ...]
    time_zone: str

    def __post_init__(self) -> None:
        if not self.hours:
            raise SettingsError(
                "armed hours must name at least one period, got none; "
                "leave them out to be always armed"
            )
        self._zone()  # Raises where the time zone is not known.

    @classmethod
    def parse(cls, hours: Sequence[str], time_zone: str) -> "Schedule":
        """Read each of ``hours`` with `ScheduleEntry.parse`."""
        return cls(tuple(map(ScheduleEntry.parse, hours)), time_zone)

    def armed(self, unix_s: float) -> bool:
        """Say whether alarms are wanted at a moment, in seconds since 1970-01-01 UTC."""
        there = datetime.fromtimestamp(unix_s, UTC).astimezone(self._zone())
        minute = 60 * there.hour + there.minute + there.second / 60
        return any(entry.holds(there.weekday(), minute) for entry in self.hours)

    def _zone(self) -> ZoneInfo:
        try:
            return ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise SettingsError(
                'time_zone must be an IANA name such as "Europe/Berlin" that is known here, '
                f"got {self.time_zone!r}"
            ) from error


def _parse_days(text: str | None, whole: str) -> frozenset[int]:
    """Read days such as "mon-fri,sun"; all days where there is no text.

    Args:
        text: The days.
        whole: The text that they are part of, for a sentence about what is wrong.
    """
    if text is None:
        return frozenset(range(7))
    found: set[int] = set()
    for part in text.replace(" ", "").split(","):
        first, _, last = (part if "-" in part else f"{part}-{part}").partition("-")
        if first not in _DAYS or last not in _DAYS:
            raise SettingsError(
                f"days of armed hours must be among {', '.join(_DAYS)}, got {part!r} in {whole!r}"
            )
        begin, end = _DAYS.index(first), _DAYS.index(last)
        # "sat-mon" runs over the end of the week: seven days more, taken modulo 7.
        found.update(day % 7 for day in range(begin, end + 1 + 7 * (end < begin)))
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Polygon:
    """An outline in shares of the picture's width and height, filled by the even-odd rule.

    Attributes:
        points: (x, y) of three or more corners, each from 0 to 1; the last is joined to the first.
        name: What people call the zone.

    Raises:
        SettingsError: If there are fewer corners, or one lies outside the picture.
    """

    points: tuple[tuple[float, float], ...]
    name: str = ""

    def __post_init__(self) -> None:
        if len(self.points) < 3:
            raise SettingsError(
                f"a zone must have at least 3 corners, {self._name_text} has {len(self.points)}"
            )
        for x, y in self.points:
            if not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
                raise SettingsError(
                    "corners of zones must be shares of width and height, 0 to 1, "
                    f"{self._name_text} has ({x:g}, {y:g})"
                )

    @property
    def _name_text(self) -> str:
        """The zone's name for a sentence."""
        return repr(self.name) if self.name else "one without a name"

    def mask(self, height: int, width: int) -> BoolMask:
        """Mark the pixels whose centre lies inside, bool H x W."""
        x = (np.arange(width) + 0.5) / width
        y = ((np.arange(height) + 0.5) / height)[:, None]
        inside = np.zeros((height, width), np.bool_)
        # Even-odd rule: a pixel is inside where a line from it to the right crosses an odd number
        # of edges. Each edge turns over all the pixels to its left at once.
        for (x0, y0), (x1, y1) in zip(self.points, (*self.points[1:], self.points[0]), strict=True):
            if y0 == y1:
                continue
            # Half open, so that a corner on a row of centres is crossed once and not twice.
            crosses = (y0 > y) != (y1 > y)
            # An edge that is nearly level overflows only in rows that it does not cross.
            with np.errstate(over="ignore", invalid="ignore"):
                left = x < x0 + (y - y0) / (y1 - y0) * (x1 - x0)
            inside ^= crosses & left
        return inside


@dataclass(frozen=True, kw_only=True)
class Zones:
    """What counts in the picture of one camera, and when.

    Example:
        >>> zones = oddframe.read_zones("zones.toml")
        >>> len(zones.watch), zones.cool_down_s
        (1, 30.0)

    Attributes:
        watch: Only what lies in one of these counts; all of the picture where there are none.
        ignore: What lies in one of these does not count, whatever else it lies in.
        armed: When alarms are wanted; always when None. Only a live camera knows what time it is.
        cool_down_s: For this time after an event's end no other starts; the calibration's own when
            None.

    Raises:
        SettingsError: If the cool-down is below 0 or not finite.
    """

    watch: tuple[Polygon, ...] = ()
    ignore: tuple[Polygon, ...] = ()
    armed: Schedule | None = None
    cool_down_s: float | None = None

    def __post_init__(self) -> None:
        if self.cool_down_s is not None and not 0 <= self.cool_down_s < float("inf"):
            raise SettingsError(f"cool_down_s must be 0 s or more, got {self.cool_down_s}")

    def mask(self, height: int, width: int) -> BoolMask | None:
        """Mark the pixels that count, bool H x W; None where all of the picture does.

        Raises:
            SettingsError: If no pixel counts.
        """
        if not self.watch and not self.ignore:
            return None
        mask = np.full((height, width), not self.watch)
        for polygon in self.watch:
            mask |= polygon.mask(height, width)
        for polygon in self.ignore:
            mask &= ~polygon.mask(height, width)
        if not mask.any():
            raise SettingsError(
                "zones must leave a part of the picture to watch, "
                f"but at {width} x {height} places nothing is left; "
                "widen a watch zone or take an ignore zone away"
            )
        return mask
