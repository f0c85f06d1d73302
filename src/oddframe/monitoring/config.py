"""What is watched, and how: the settings of the verb `watch`.

A `WatchPlan` has the cameras and the settings. Files of cameras become one in `config_file`, plain
addresses by `named_cameras`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field

from oddframe.core.alerts import safe_name
from oddframe.core.budget import FalseAlarmBudget
from oddframe.core.zones import Zones
from oddframe.errors import SettingsError
from oddframe.files import name_for_files
from oddframe.media.live_config import LiveSettings, StreamAddress, stream_address
from oddframe.settings import settings_dataclass
from oddframe.sinks.description import DescribeConfig
from oddframe.sinks.factory import SinkConfig, secrets_of
from oddframe.sinks.links import check_public_url

# A name is part of file names, and most file systems take no more than 255 bytes.
_LONGEST_NAME = 120
"""Most bytes of a camera's name."""
_NUMBER = len("-1234")
"""Bytes of the number that tells cameras of one name apart."""


def check_camera_name(name: str) -> None:
    """Check what a camera is to be called: it is a part of addresses and of files' names.

    Raises:
        SettingsError: If it cannot be called so.
    """
    # Browsers and servers take a part of an address that is "." or ".." for a way to another one.
    if name.strip() in ("", ".", "..") or any(
        not letter.isprintable() or letter in "/\\" for letter in name
    ):
        raise SettingsError(
            f"a camera's name must be printable, without slashes and more than dots, got {name!r}"
        )
    if len(name.encode()) > _LONGEST_NAME:
        raise SettingsError(
            f"a camera's name must be at most {_LONGEST_NAME} bytes long, got {name!r}"
        )


@dataclass(frozen=True, kw_only=True)
class Camera:
    """One camera, or a file that is played as one.

    Example:
        >>> door = oddframe.read_camera_file("cameras.toml").cameras[0]
        >>> door.name, door.false_alarms
        ('door', '2/day')

    Attributes:
        name: What its results are filed under.
        address: Where its pictures come from.
        model: A run folder, a model bundle or the name of a shipped model; that of the plan when
            None.
        false_alarms: Its own budget such as "2/day", from the scores kept in the model; the model's
            threshold when None.
        zones: Which parts of the picture count, when alarms are wanted, and the cool-down.
        health: Whether it is checked for pictures that show nothing of the scene, where the model
            knows the scene.
        fps: Frames per second of a folder of images. When None, the times in their names count, or
            else the model's rate.
        live: The settings of its connection.
        loop: Whether a file is played again and again, as a camera that shows it.
        calibration: File with a threshold of its own, as `oddframe.monitoring.camera_threshold`
            writes it; it goes before ``false_alarms``.
    """

    name: str
    address: StreamAddress
    model: str | None = None
    false_alarms: str | None = None
    zones: Zones | None = None
    health: bool = True
    fps: float | None = None
    live: LiveSettings = field(default_factory=LiveSettings)
    loop: bool = False
    calibration: Path | None = None

    def __post_init__(self) -> None:
        check_camera_name(self.name)
        if self.fps is not None and not 0 < self.fps < float("inf"):
            raise SettingsError(f"fps of camera {self.name!r} must be above 0, got {self.fps}")
        if self.false_alarms is not None:
            FalseAlarmBudget.parse(self.false_alarms)
        # A live camera never ends, so there is nothing to begin anew.
        if self.loop and self.address.kind != "file":
            raise SettingsError(f"loop is for files, but camera {self.name!r} is none")

    @property
    def is_file(self) -> bool:
        """Whether it is a file that is played once.

        Such a file ends by itself, waits where scoring is slow, and has no wall-clock times.
        """
        return self.address.kind == "file" and not self.loop


@settings_dataclass("watch")
class WatchSettings:
    """How cameras are watched, what is kept, and where alerts are sent.

    Example:
        >>> settings = oddframe.WatchSettings(keep_days=7, pictures=False)
        >>> settings.keep_days
        7.0

    Attributes:
        fast: Whether files are played as fast as they are scored.
        store: Whether events, scores and pictures are kept in a database; JSON lines are written in
            any case.
        pictures: Whether pictures and clips of events are kept in it.
        keep_days: What is older than this is removed.
        pictures_gb: Pictures and clips beyond this are removed, the oldest first.
        keep_free_gb: While the disk has less room than this, pictures and clips are removed too.
        clip_before_s: Seconds of a clip before its event.
        clip_after_s: Seconds of a clip after its event.
        clip_most_s: Most seconds of the event itself; the clip of a longer one has its first ones.
        public_url: Address at which people reach the web app; alerts carry links to it.
        sinks: Settings of further sinks, by name.
        describe: A model that says in a sentence what is seen in an event; None where none does.
    """

    fast: bool = False
    store: bool = True
    pictures: bool = True
    # The three fields of `store.retention.Retention`, which cannot be used here: the room `store`
    # needs an extra, and these settings are read without it.
    keep_days: Annotated[float, Field(ge=0)] = 30.0
    pictures_gb: Annotated[float, Field(ge=0)] = 10.0
    keep_free_gb: Annotated[float, Field(ge=0)] = 1.0
    clip_before_s: Annotated[float, Field(ge=0, le=600)] = 5.0
    clip_after_s: Annotated[float, Field(ge=0, le=600)] = 5.0
    clip_most_s: Annotated[float, Field(ge=0, le=600)] = 60.0
    public_url: str | None = None
    sinks: Mapping[str, SinkConfig] = field(default_factory=dict)
    describe: DescribeConfig | None = None

    def __post_init__(self) -> None:
        if self.public_url is not None:
            check_public_url(self.public_url)
        if "events" in self.sinks:
            raise SettingsError(
                'a sink must not be called "events": '
                "that is the one that writes <camera>.events.jsonl"
            )

    @property
    def keep_s(self) -> float:
        """How much encoded video of a camera stays in memory for clips, in seconds."""
        # An event is known to have ended only after its merge gap; 10 s are room for that.
        return self.clip_before_s + self.clip_most_s + self.clip_after_s + 10.0


@dataclass(frozen=True, kw_only=True)
class WatchPlan:
    """All that `watch` needs to know.

    Example:
        >>> plan = oddframe.read_camera_file("cameras.toml")
        >>> [camera.name for camera in plan.cameras]
        ['door']

    Attributes:
        cameras: At least one, unless it `stays`; their names differ, also as parts of paths.
        model: The model of cameras that name none.
        settings: How they are watched.
        stays: Whether watching goes on where no camera is left, since others may come; a server
            does.
    """

    cameras: Sequence[Camera]
    model: str | None = None
    settings: WatchSettings = field(default_factory=WatchSettings)
    stays: bool = False

    def __post_init__(self) -> None:
        if not self.cameras and not self.stays:
            raise SettingsError("there must be a camera to watch, got none")
        seen: dict[str, str] = {}
        for camera in self.cameras:
            # Names are parts of paths, and some file systems know no capitals.
            key = safe_name(camera.name).casefold()
            if key in seen:
                raise SettingsError(
                    f"cameras must have different names, got {seen[key]!r} and {camera.name!r}"
                )
            seen[key] = camera.name
            if camera.model is None and self.model is None:
                raise SettingsError(
                    f"camera {camera.name!r} needs a model: give --model, or model in its table"
                )

    def model_of(self, camera: Camera) -> str:
        """Return the model that scores a camera: its own, or else that of the plan."""
        model = camera.model or self.model
        assert model is not None, "checked when the plan was made"
        return model

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts of cameras and sinks that nobody may be shown, longest first."""
        # Longest first, so that no part of a secret is left where another one is inside it.
        found = {secret for camera in self.cameras for secret in camera.address.secrets}
        found |= {secret for sink in self.settings.sinks.values() for secret in secrets_of(sink)}
        if self.settings.describe is not None:
            found |= set(self.settings.describe.secrets)
        return tuple(sorted(found, key=len, reverse=True))


def named_cameras(
    sources: Iterable[str | Path],
    *,
    zones: Zones | None = None,
    health: bool = True,
    fps: float | None = None,
    false_alarms: str | None = None,
) -> tuple[Camera, ...]:
    """Make cameras of addresses alone, each named after its address.

    Where two would have the same name, the later ones get a number.

    Args:
        sources: Addresses or files, as `stream_address` takes them.
        zones: As in `Camera`, for all cameras.
        health: As in `Camera`, for all cameras.
        fps: As in `Camera`, for all cameras.
        false_alarms: As in `Camera`, for all cameras.

    Raises:
        SourceError: If a source is no address that can be watched.
        SourceNotFoundError: If a source is neither an address nor a file.
    """
    cameras: list[Camera] = []
    taken: set[str] = set()
    for source in sources:
        address = stream_address(source)
        stem = name_for_files(address.name or "camera", _LONGEST_NAME - _NUMBER)
        name, number = stem, 2
        while safe_name(name).casefold() in taken:
            name, number = f"{stem}-{number}", number + 1
        taken.add(safe_name(name).casefold())
        cameras.append(
            Camera(
                name=name,
                address=address,
                zones=zones,
                health=health,
                fps=fps,
                false_alarms=false_alarms,
            )
        )
    return tuple(cameras)
