"""The demo's results as a data folder of the web app.

`oddframe serve` then shows the events on a timeline and plays the recording as a live camera.
"""

import csv
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from oddframe._types import Pixels
from oddframe.bundle.bundle import find_bundle, read_bundle
from oddframe.core.alerts import Alert, CameraStatus, alert
from oddframe.core.records import Event, event_id
from oddframe.errors import MissingExtraError, OddframeError
from oddframe.files import output_error, write_json, write_text
from oddframe.media.clip_export import write_event_clip
from oddframe.media.discovery import open_source
from oddframe.media.source import FrameFormat

if TYPE_CHECKING:
    from oddframe.store.store import Store


CAMERA = "plaza"
"""Name of the demo's camera in the web app."""
_PICTURE_WIDTH = 640
# A clip shows so much around its event, as the clips of a live camera do.
_BEFORE_S = _AFTER_S = 5.0
# Between two recordings on the timeline, so that events of both stay apart.
_PAUSE_S = 10.0
# The store writes in the background; so long a recording waits for it, at most.
_FLUSH_S = 60.0

_CAMERAS = f"""\
# The demo's camera: its first recording, played again and again.
model = "models/plaza"

[[camera]]
name = "{CAMERA}"
source = "recordings/{{source}}"
loop = true
"""


@dataclass(frozen=True, kw_only=True)
class Played:
    """A recording of the demo and what was found in it.

    Attributes:
        path: The recording.
        scores: The table of its scores.
        events: What was found.
    """

    path: Path
    scores: Path
    events: Sequence[Event]


def write_demo_app(folder: Path, run: Path, played: Sequence[Played]) -> bool:
    """Write a data folder for `oddframe serve`, as if one camera had just shown all recordings.

    Args:
        folder: The data folder; that of an earlier demo is replaced.
        run: The run folder of the model.
        played: The recordings, in order, at least one.

    Returns:
        Whether it was written; False where the web app's packages are not installed.

    Raises:
        OutputError: If it cannot be written.
    """
    try:
        from oddframe import web as _needed  # noqa: F401
    except MissingExtraError:
        return False
    from oddframe.store.store import Store

    try:
        if (folder / "demo.json").is_file():
            shutil.rmtree(folder)
        (folder / "recordings").mkdir(parents=True, exist_ok=True)
        shutil.copy2(played[0].path, folder / "recordings")
        shutil.copytree(
            find_bundle(run), folder / "models" / "plaza" / "bundle", dirs_exist_ok=True
        )
        if (run / "report.html").is_file():
            shutil.copy2(run / "report.html", folder / "models" / "plaza")
    except OSError as error:
        raise output_error(folder, error) from error
    write_text(folder / "cameras.toml", _CAMERAS.format(source=played[0].path.name))
    bundle = read_bundle(find_bundle(run))
    tables = [_read_scores(recording.scores) for recording in played]
    # The last frame of the last recording is now, and everything else came before it.
    lengths_s = [table[-1][0] + _PAUSE_S if table else _PAUSE_S for table in tables]
    start_us = time.time_ns() // 1000 - round(sum(lengths_s) * 1e6)
    with Store(folder) as store:
        store.put_threshold(CAMERA, start_us, bundle.calibration.threshold, bundle.fingerprint)
        store.put_status(CameraStatus(camera=CAMERA, at_us=start_us, online=True, state="live"))
        for recording, table, length_s in zip(played, tables, lengths_s, strict=True):
            wall = partial(_wall_time_us, start_us)
            for time_s, score in table:
                store.put_score(CAMERA, wall(time_s), score)
            for event in recording.events:
                _put(store, recording.path, alert(_as_camera_event(event, start_us), wall))
            store.flush(_FLUSH_S)
            start_us += round(length_s * 1e6)
    write_json(folder / "demo.json", {"recordings": [recording.path.name for recording in played]})
    return True


def _put(store: "Store", recording: Path, message: Alert) -> None:
    """Store an event with its picture and its clip, cut from the recording."""
    event = message.event
    snapshot, clip = store.path_of(message, "snapshot"), store.path_of(message, "clip")
    message = replace(message, snapshot=snapshot, clip=clip)
    store.put_event(message)
    if (picture := _picture(recording, event.peak_s)) is not None:
        store.put_snapshot(message, picture)
    write = partial(
        write_event_clip,
        open_source(recording),
        start_s=event.start_s,
        end_s=event.end_s,
        before_s=_BEFORE_S,
        after_s=_AFTER_S,
    )
    store.put_clip(message, write)


def _picture(recording: Path, time_s: float) -> Pixels | None:
    """The first frame of a recording at or after a time; None if it cannot be read."""
    try:
        frames = open_source(recording).frames(
            FrameFormat(2, 2, "rgb", picture_width=_PICTURE_WIDTH)
        )
        # A millisecond for the rounding of times in the table.
        return next((frame.picture for frame in frames if frame.time_s >= time_s - 1e-3), None)
    except OddframeError:
        return None


def _as_camera_event(event: Event, start_us: int) -> Event:
    """The event of a recording as an event of the camera.

    Every recording begins at 0 s, so the identity is made of the time on the clock: two events must
    not have the same.
    """
    identity = event_id(CAMERA, start_us / 1e6 + event.start_s)
    return replace(event, id=identity, source=CAMERA, phase="end")


def _wall_time_us(start_us: int, time_s: float) -> int:
    """The time on the clock, in microseconds since 1970, of a time in a recording."""
    return start_us + round(time_s * 1e6)


def _read_scores(path: Path) -> list[tuple[float, float]]:
    """Read times in seconds and scores from a table, without frames that have no score."""
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["score"]]
    return [(float(row["time_s"]), float(row["score"])) for row in rows]
