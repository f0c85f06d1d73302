"""Where heat lies: the share of anomaly maps inside true masks, and a recording scored live."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from oddframe._types import BoolMask
from oddframe.core.records import Score
from oddframe.inference.model import Model
from oddframe.media.live_config import stream_address
from oddframe.media.recording import Recording
from oddframe.media.video_writer import VideoWriter
from oddframe.monitoring.camera import CameraPipeline
from oddframe.monitoring.config import Camera
from oddframe.synthetic.scene import DrawnFrame

RATE_FPS = 10.0


def write_drawn(path: Path, frames: Sequence[DrawnFrame]) -> BoolMask:
    """Write drawn frames as a recording; returns their masks, bool T x H x W."""
    height, width = frames[0].mask.shape
    with VideoWriter(path, RATE_FPS, (width, height)) as video:
        for number, frame in enumerate(frames):
            video.write(frame.pixels, number / RATE_FPS)
    return np.stack([frame.mask for frame in frames])


def watch(model: Model, path: Path) -> Iterator[Score]:
    """Score a recording as a camera that is watched is scored, frame by frame.

    Yields:
        For each frame what the camera shows once its score is final: the number that its picture
        has in the recording, the time and the map that the live view draws over it.
    """
    source = Recording(path)
    camera = CameraPipeline(
        Camera(name="live", address=stream_address(str(path)), health=False),
        source,  # type: ignore[arg-type]  # of a stream only the rate and the gap are asked
        model,
        model.bundle.calibration,
        0,
    )
    # The pictures are told apart by the object: the camera keeps the one that it was given.
    numbers = {}
    for frame in source.frames(model.wanted(64)):
        numbers[id(frame.picture)] = frame
        ready = camera.take(frame, frame.time_s, 0)
        for score in camera.resolve(model.scored(ready, maps=True)):
            camera.detect(score, 0.0)
            shown = camera.snapshot(mapped=True)
            assert shown is not None
            if score.map is not None:
                frame_shown = numbers[id(shown.picture)]
                yield Score(frame_shown.index, frame_shown.time_s, map=shown.map)


def shares(scores: Sequence[Score], masks: BoolMask, shifts: Sequence[int]) -> dict[int, float]:
    """Give the mean share of maps inside the masks of the frames so many later, by the shift.

    Frames count where something is to be seen at every shift.
    """
    found: dict[int, list[float]] = {shift: [] for shift in shifts}
    for score in scores:
        places = [score.frame + shift for shift in shifts]
        if score.map is None or min(places) < 0 or max(places) >= len(masks):
            continue
        if not all(masks[place].any() for place in places):
            continue
        rows = np.arange(score.map.shape[0]) * masks.shape[1] // score.map.shape[0]
        columns = np.arange(score.map.shape[1]) * masks.shape[2] // score.map.shape[1]
        total = float(score.map.sum())
        for shift, place in zip(shifts, places, strict=True):
            inside = masks[place][rows][:, columns]
            found[shift].append(float(score.map[inside].sum()) / total)
    assert all(found.values()), "nothing was to be seen at every shift"
    return {shift: float(np.mean(values)) for shift, values in found.items()}
