"""What is recorded when, and how far that is: the record that a recording is resumed from.

`RecordingOrder` lies in the folder of footage as ``recording.json`` and holds no address, since
addresses hold passwords. `live_cameras` makes cameras of the addresses that are named.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from oddframe.core.zones import Schedule
from oddframe.errors import RunError, SettingsError, SourceError
from oddframe.files import write_json
from oddframe.media.live_config import is_device
from oddframe.monitoring.config import Camera, named_cameras
from oddframe.monitoring.footage import ORDER_FILE, footage_folder

_ENDLESS_S = 100 * 365.25 * 86400.0
"""A recording without an end; JSON has no infinity."""

_SAMPLES = 2000
"""At so many moments it is looked at whether recording is wanted, to say how much that will be."""

_GOLDEN = 0.6180339887498949
"""The golden ratio's part: its multiples fill the time evenly and repeat nothing."""


_NAMED = re.compile(r"([\w-]{1,100})=(?=\w+://|/dev/video|\d{1,3}$)")
"""The name that may stand before a camera's address."""


@dataclass(frozen=True, kw_only=True)
class RecordingOrder:
    """What is recorded when, and how far that is, as the folder of footage keeps it.

    Attributes:
        for_s: How long the recording runs, in seconds, with its pauses.
        stretch_s: How much of each ``every_s`` is recorded, in seconds; None records all of it.
        every_s: From the start of one stretch to that of the next, in seconds.
        armed: Periods of the week in which it records, such as "mon-fri 08:00-18:00"; always when
            there are none.
        time_zone: IANA name of the time zone that they are meant in.
        cameras: The names of the cameras.
        seconds: How long it has run, in seconds.
        is_done: Whether it has run for as long as it was to.

    Raises:
        SettingsError: If it cannot be carried out.
    """

    for_s: float = _ENDLESS_S
    stretch_s: float | None = None
    every_s: float | None = None
    armed: tuple[str, ...] = ()
    time_zone: str | None = None
    cameras: tuple[str, ...] = ()
    seconds: float = 0.0
    is_done: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.for_s < math.inf:
            raise SettingsError(f"a recording must last longer than 0 s, got {self.for_s:g} s")
        if (self.stretch_s is None) != (self.every_s is None):
            raise SettingsError(
                "stretch and every must be given together: record 5m of every 30m, for example"
            )
        stretch_s, every_s = self._rhythm()
        if not 0 < stretch_s <= every_s < math.inf:
            raise SettingsError(
                "a stretch must be longer than 0 s and at most as long as the time from one to "
                f"the next, got {stretch_s:g} s of every {every_s:g} s"
            )
        if self.armed and self.time_zone is None:
            raise SettingsError('armed hours need a time zone, such as "Europe/Berlin"; got none')
        self._schedule()  # Raises where the hours cannot be read.

    def wants(self, seconds: float, unix_s: float) -> bool:
        """Say whether to record.

        Args:
            seconds: How long the recording has run, in seconds.
            unix_s: The moment, in seconds since 1970-01-01 UTC.
        """
        stretch_s, every_s = self._rhythm()
        if seconds % every_s >= stretch_s:
            return False
        schedule = self._schedule()
        return schedule is None or schedule.armed(unix_s)

    def wanted_s(self, unix_s: float) -> float:
        """Estimate how many seconds of video it will be from a moment on, pauses left out."""
        left_s = self.for_s - self.seconds
        # Even steps might always meet the same minute of a stretch; these never do.
        moments = [left_s * (place * _GOLDEN % 1) for place in range(_SAMPLES)]
        wanted = sum(self.wants(self.seconds + at_s, unix_s + at_s) for at_s in moments)
        return left_s * wanted / _SAMPLES

    @property
    def is_endless(self) -> bool:
        """Whether it goes on until somebody stops it."""
        return self.for_s >= _ENDLESS_S

    def write(self, folder: Path) -> None:
        """Write it into a folder of footage.

        Raises:
            OutputError: If it cannot be written.
        """
        write_json(folder / ORDER_FILE, asdict(self))

    def _rhythm(self) -> tuple[float, float]:
        """Return how much of how much time is recorded, in seconds."""
        if self.stretch_s is None or self.every_s is None:
            return 1.0, 1.0
        return self.stretch_s, self.every_s

    def _schedule(self) -> Schedule | None:
        if not self.armed or self.time_zone is None:
            return None
        return Schedule.parse(self.armed, self.time_zone)


def has_order(folder: str | Path) -> bool:
    """Tell whether something was recorded into a folder, or is to be."""
    return (Path(folder) / ORDER_FILE).exists()


def read_order(folder: str | Path) -> RecordingOrder:
    """Read what is recorded into a folder of footage.

    Raises:
        RunError: If there is nothing to read, or it cannot be read.
    """
    path = Path(folder) / ORDER_FILE
    try:
        found = json.loads(path.read_text())
        # Only what is known: later versions may say more.
        known = {item.name: found[item.name] for item in fields(RecordingOrder)}
        lists = {name: tuple(known[name]) for name in ("armed", "cameras")}
        return RecordingOrder(**{**known, **lists})
    except FileNotFoundError as error:
        raise RunError(
            f"{folder} must hold a recording to resume, but has no {ORDER_FILE}; leave --resume out"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} must say what is recorded, but cannot be read: {error}") from error


def split_cameras(what: Sequence[str | Path]) -> tuple[list[str], list[str | Path]]:
    """Tell addresses of live cameras from files and folders.

    Returns:
        The addresses, and the rest.
    """
    cameras = [
        str(one)
        for one in what
        if isinstance(one, str)
        and ("://" in one or is_device(_NAMED.sub("", one, count=1)))
        and not Path(one).exists()
    ]
    return cameras, [one for one in what if one not in cameras]


def live_cameras(
    what: str | Camera | Sequence[str | Camera], *, redirects: bool = True
) -> tuple[Camera, ...]:
    """Make cameras of what was named, with names that differ.

    Args:
        what: Cameras, or addresses of them; ``NAME=ADDRESS`` gives one a name.
        redirects: Whether an http server may send the reader to another address.

    Raises:
        SourceError: If one is no address of a live camera.
        SettingsError: If two have the same name, or there are none.
    """
    named = [what] if isinstance(what, str | Camera) else list(what)
    if not named:
        raise SettingsError("there must be a camera to record, got none")
    cameras: list[Camera] = []
    for one in named:
        if isinstance(one, Camera):
            camera = one
        else:
            found = _NAMED.match(one)
            (camera,) = named_cameras([one[found.end() :] if found else one])
            live = replace(camera.live, redirects=redirects)
            camera = replace(camera, live=live, name=found[1] if found else camera.name)
        if camera.address.kind == "file":
            raise SourceError(
                f"{camera.address} must be the address of a live camera (rtsp://, http(s)://, or a "
                "local camera's number), but is a file; train takes files as they are"
            )
        cameras.append(camera)
    for number, camera in enumerate(cameras):
        folders = [footage_folder("", one.name) for one in cameras[:number]]
        if footage_folder("", camera.name) in folders:
            raise SettingsError(
                f"cameras must have different names, got {camera.name!r} twice; "
                "write NAME=ADDRESS to name them"
            )
    return tuple(cameras)
