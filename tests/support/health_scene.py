"""Small grey recordings of the drawn scene for tests of the camera's health; each is drawn once."""

import functools
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

from oddframe._types import Pixels
from oddframe.core.health.learning import BadFrames, learn_health
from oddframe.core.health.monitor import HealthMonitor, HealthReference
from oddframe.core.records import Frame, HealthChange
from oddframe.synthetic.scene import SceneSettings, draw

RATE_FPS = 10.0


@functools.cache
def drawn(seed: int, frames: int, layout: str = "plaza", **scene: float) -> tuple[Pixels, ...]:
    """Draw a normal recording, frames uint8 128 x 192 x 1."""
    settings = SceneSettings(layout=layout, width=192, height=128, **scene)
    pictures = (
        Image.fromarray(frame.pixels).convert("L") for frame in draw(seed, frames, settings)
    )
    return tuple(np.asarray(picture)[..., None] for picture in pictures)


def learned(*recordings: Sequence[Pixels]) -> tuple[HealthReference, tuple[BadFrames, ...]]:
    """Learn a reference from recordings; also returns the bad frames that were left out."""
    flat = [frame for recording in recordings for frame in recording]
    sample = np.stack(flat[:: max(1, len(flat) // 64)])
    starts = np.cumsum([0, *map(len, recordings)]).tolist()
    return learn_health(sample, list(zip(starts, recordings, strict=False)), RATE_FPS)


@functools.cache
def reference(layout: str = "plaza") -> HealthReference:
    """The reference of two short normal recordings."""
    found, bad = learned(drawn(1, 200, layout), drawn(2, 200, layout))
    assert not bad
    return found


def watched(
    pictures: Iterable[Pixels], of: HealthReference | None = None, rate_fps: float = RATE_FPS
) -> tuple[list[HealthChange], list[bool]]:
    """Run the monitor over pictures: changes of state, and for each frame whether it is usable."""
    watch = HealthMonitor(of or reference())
    changes, usable = [], []
    for index, picture in enumerate(pictures):
        changes += watch.push(Frame(index, index / rate_fps, picture, (192, 128)))
        usable.append(watch.usable)
    return changes, usable
