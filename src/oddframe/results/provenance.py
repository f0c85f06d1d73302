"""How the results of a recording came about, in ``NAME.score.json``, for reports.

It depends on the recording, the model and the settings alone: neither on the clock nor on where the
results are.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from oddframe._version import __version__
from oddframe.bundle.bundle import find_bundle
from oddframe.bundle.storage import read_hashes
from oddframe.core.calibration import Calibration
from oddframe.core.zones import Polygon, Zones
from oddframe.errors import OddframeError, SourceError
from oddframe.files import write_json
from oddframe.inference.model import Model
from oddframe.media.source import Source
from oddframe.settings import zones_from

SUFFIX = ".score.json"
"""Ending of the file's name."""

# The weights alone decide which model it is: a new threshold leaves it the same.
_WEIGHTS = "model.safetensors"


@dataclass(frozen=True, slots=True)
class ModelOrigin:
    """Where a model came from.

    Attributes:
        path: Its bundle; None where it was given as an object.
        weights: SHA-256 of its weights; None as above.
    """

    path: str | None = None
    weights: str | None = None


@dataclass(frozen=True, kw_only=True)
class ScoreFacts:
    """How the results of a recording came about.

    Attributes:
        oddframe: Version of the program.
        recording: The recording, as an absolute path.
        input_size: Bytes of a recording, or number of images of a folder; where it has changed, the
            recording has changed too.
        rate_fps: Its frames per second.
        gap_s: The longest time between its frames that does not break a clip.
        notices: What was wrong with it, a sentence each.
        model: Where the model came from.
        backend: What ran the network; empty where that is not known.
        frame_size: (width, height) of the frames that the network sees.
        interval: Frames from one frame of a clip to the next.
        model_fps: Frames per second that the model wants.
        calibration: Threshold and where it comes from, without the tails.
        zones: Which parts of the picture counted, as in a file of zones; None where all of it did.
        health: Whether the camera's health was watched.
    """

    oddframe: str
    recording: str
    input_size: int
    rate_fps: float
    gap_s: float
    notices: tuple[str, ...]
    model: ModelOrigin
    backend: str
    frame_size: tuple[int, int]
    interval: int
    model_fps: float
    calibration: Mapping[str, Any]
    zones: Mapping[str, Any] | None
    health: bool

    @classmethod
    def of(cls, source: Source, model: Model, zones: Zones | None, *, health: bool) -> "ScoreFacts":
        """Collect the facts of a recording that has just been scored."""
        network = model.bundle.network.config
        calibration: Calibration = model.bundle.calibration
        return cls(
            oddframe=__version__,
            # Absolute, since a report may be made from another folder.
            recording=str(source.path.absolute()),
            input_size=input_size(source.path, source),
            rate_fps=source.rate_fps,
            gap_s=source.gap_s,
            notices=tuple(source.notices),
            model=ModelOrigin() if model.path is None else origin_of(model.path),
            backend=model.backend,
            frame_size=(network.width, network.height),
            interval=network.interval,
            model_fps=model.bundle.rate_fps,
            # The tails are long, and a report shows nothing of them.
            calibration={
                name: value for name, value in calibration.as_dict().items() if name != "tails"
            },
            zones=None if zones is None else _zones_table(zones),
            health=health,
        )

    def used_zones(self) -> Zones | None:
        """The zones that counted; None where the whole picture did."""
        return None if self.zones is None else zones_from(self.zones, SUFFIX)


def origin_of(model: str | Path) -> ModelOrigin:
    """Find what a model can be recognised by later.

    Raises:
        SourceNotFoundError: If it is not there.
        BundleError: If it cannot be read.
    """
    folder = find_bundle(model)
    return ModelOrigin(str(folder.absolute()), read_hashes(folder).get(_WEIGHTS))


def input_size(path: Path, source: Source) -> int:
    """The size of a file in bytes, or the number of images of a folder."""
    return source.count_frames() if path.is_dir() else path.stat().st_size


def write_facts(path: Path, facts: ScoreFacts) -> None:
    """Write the facts of a recording into its file.

    Raises:
        OutputError: If they cannot be written.
    """
    write_json(path, asdict(facts))


def read_facts(path: Path) -> ScoreFacts | None:
    """Read the facts of a recording; None where it has none.

    Raises:
        SourceError: If they cannot be read.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        known = {item.name: values[item.name] for item in fields(ScoreFacts)}
        # JSON knows no tuples.
        known |= {"notices": tuple(known["notices"]), "frame_size": tuple(known["frame_size"])}
        return ScoreFacts(**{**known, "model": ModelOrigin(**known["model"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, OddframeError) as error:
        raise SourceError(
            f"{path} must say how the scores came about, but cannot be read: {error}"
        ) from error


def _zones_table(zones: Zones) -> dict[str, Any]:
    """Zones as a file of zones holds them, without armed hours."""
    # A recording does not know what time of day it was, so armed hours had no effect.

    def table(polygon: Polygon) -> dict[str, Any]:
        return {"name": polygon.name, "polygon": [list(point) for point in polygon.points]}

    return {
        "watch": [table(polygon) for polygon in zones.watch],
        "ignore": [table(polygon) for polygon in zones.ignore],
        "cool_down_s": zones.cool_down_s,
    }
