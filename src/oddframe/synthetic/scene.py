"""A drawn scene for demos and tests: a fixed camera over a place with people, light and noise.

Anomalies come with exact pixel masks, boxes and labels, and with files that hold them. The same
seed and settings give the same pixels on every run.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from oddframe._types import BoolMask, Float32, Pixels
from oddframe.errors import SettingsError
from oddframe.files import write_bytes
from oddframe.settings import settings_dataclass
from oddframe.synthetic.actors import Spot
from oddframe.synthetic.crowd import Actor, Crowd
from oddframe.synthetic.objects import PROP_SIZES_M, prop
from oddframe.synthetic.places import LAYOUTS, Light, Noise, SceneCamera, paint_ground
from oddframe.synthetic.raster import Canvas, Patch, rasterise
from oddframe.synthetic.script import KINDS, PREWARM_S, Story

VISIBLE_SHARE = 0.0004
"""An anomaly counts in a frame from this share of the picture on: 25 pixels at 320 x 192."""


@dataclass(frozen=True, slots=True)
class Box:
    """The visible part of one anomaly in one frame.

    Attributes:
        track_id: The same for the same person or thing throughout a recording, from 1.
        kind: One of KINDS.
        x_min: Left column, in pixels.
        y_min: Top row.
        x_max: One past the right column.
        y_max: One past the bottom row.
    """

    track_id: int
    kind: str
    x_min: int
    y_min: int
    x_max: int
    y_max: int


@dataclass(frozen=True, slots=True)
class DrawnFrame:
    """A drawn frame with its truth.

    Attributes:
        pixels: uint8, H x W x 3, RGB.
        mask: bool, H x W: where an anomaly is visible. Shadows do not count.
        boxes: One for each visible anomaly.
        label: 1 when any is visible, else 0.
    """

    pixels: Pixels
    mask: BoolMask
    boxes: tuple[Box, ...]
    label: int

    def __repr__(self) -> str:
        height, width, _ = self.pixels.shape
        kinds = [box.kind for box in self.boxes]
        return f"DrawnFrame({width}x{height}, label={self.label}, kinds={kinds})"


def write_truth(folder: Path, name: str, frames: Iterable[DrawnFrame]) -> None:
    """Write what is true of a recording: labels, masks and tracks.

    Writes `<name>.npy` (one label a frame, uint8), `<name>.masks.npz` (`masks`, bool T x H x W) and
    `<name>.tracks.txt` (`track_id,frame,x_min,y_min,x_max,y_max`, frames from 0, one line a box).
    Each is complete or absent.

    Raises:
        OutputError: When one cannot be written.
    """
    labels, masks, lines = [], [], []
    for number, frame in enumerate(frames):
        labels.append(frame.label)
        masks.append(frame.mask)
        lines += [
            f"{b.track_id},{number},{b.x_min},{b.y_min},{b.x_max},{b.y_max}\n" for b in frame.boxes
        ]
    # Packed in memory first: `write_bytes` puts a file in its place whole or not at all.
    array = io.BytesIO()
    np.save(array, np.asarray(labels, np.uint8))
    write_bytes(folder / f"{name}.npy", array.getvalue())
    archive = io.BytesIO()
    np.savez_compressed(archive, masks=np.asarray(masks))
    write_bytes(folder / f"{name}.masks.npz", archive.getvalue())
    write_bytes(folder / f"{name}.tracks.txt", "".join(lines).encode())


@settings_dataclass()
class SceneSettings:
    """What is drawn, and how.

    Attributes:
        layout: Which place: "plaza" or "station".
        width: Picture width in pixels, 48 to 1920.
        height: Picture height in pixels, 32 to 1200.
        rate_fps: Frames a second, 1 to 60.
        noise: Standard deviation of the sensor noise, in grey levels of 255.
        density: How crowded it gets, 1 = from none to about 8 walkers; 0 = nobody.
        light: How much the light changes, 1 = drift and clouds, 0 = constant light.
    """

    layout: str = "plaza"
    width: Annotated[int, Field(ge=48, le=1920)] = 320
    height: Annotated[int, Field(ge=32, le=1200)] = 192
    rate_fps: Annotated[float, Field(ge=1, le=60)] = 10.0
    noise: Annotated[float, Field(ge=0, le=64)] = 2.5
    density: Annotated[float, Field(ge=0, le=4)] = 1.0
    light: Annotated[float, Field(ge=0, le=2)] = 1.0

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise SettingsError(f"layout must be one of {', '.join(LAYOUTS)}, got {self.layout!r}")


@dataclass(frozen=True, slots=True)
class DrawnRecording:
    """A recording of the standard set.

    Attributes:
        name: File name without an ending.
        seed: The seed that it is drawn with.
        frames: How many frames it has.
        anomalies: The kinds that appear; none in training recordings.
    """

    name: str
    seed: int
    frames: int
    anomalies: tuple[str, ...] = ()

    def draw(self, settings: SceneSettings | None = None) -> Iterator[DrawnFrame]:
        """Draw the frames of this recording, one at a time."""
        return draw(self.seed, self.frames, settings, self.anomalies)


TEST_SEEDS_FROM = 1000
"""Seeds below belong to training footage, seeds from here on to test footage.

Nothing else keeps the two apart.
"""

TRAIN_RECORDINGS = tuple(DrawnRecording(f"normal_{k:02d}", k, 450) for k in range(1, 9))
"""Normal footage to train on: six minutes at 10 frames a second."""

TEST_RECORDINGS = tuple(
    DrawnRecording(f"test_{k:02d}", TEST_SEEDS_FROM + k, 300, kinds)
    for k, kinds in enumerate(
        (
            ("cyclist", "abandoned"),
            ("wrong_way", "runner"),
            ("on_grass", "cart"),
            ("abandoned", "cart"),
            ("runner", "on_grass"),
            ("cyclist", "wrong_way"),
        ),
        start=1,
    )
)
"""The test footage: every kind appears in two recordings."""


def draw(
    seed: int, frames: int, settings: SceneSettings | None = None, anomalies: Sequence[str] = ()
) -> Iterator[DrawnFrame]:
    """Draw a recording, a frame at a time; memory does not grow with its length.

    Args:
        seed: Decides everything that happens. The crowd, the light and the noise of a seed are the
            same with and without anomalies.
        frames: How many frames.
        settings: The place and the picture; the defaults when None.
        anomalies: Kinds that appear, with normal stretches between them; none for normal footage.
            They are repeated in a long recording; in one much shorter than 30 seconds they overlap.

    Raises:
        SettingsError: On a negative seed, fewer than one frame, or an unknown kind.
    """
    if seed < 0:
        raise SettingsError(f"seed must be 0 or more, got {seed}")
    if frames < 1:
        raise SettingsError(f"frames must be 1 or more, got {frames}")
    # Checked here and not in a generator, which would fail at its first frame only.
    for kind in anomalies:
        if kind not in KINDS:
            raise SettingsError(f"anomalies must be among {', '.join(KINDS)}, got {kind!r}")
    return _DrawnScene(seed, frames, settings or SceneSettings(), tuple(anomalies)).play()


class _DrawnScene:
    """One recording while it is drawn: who is there, and what the camera sees of them."""

    def __init__(
        self, seed: int, frames: int, settings: SceneSettings, anomalies: tuple[str, ...]
    ) -> None:
        # Four independent sequences: with anomalies, crowd, light and noise stay the same.
        crowd, light, noise, story = (
            np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(4)
        )
        height, width = settings.height, settings.width
        self.settings = settings
        self.frames = frames
        self.step_s = 1.0 / settings.rate_fps
        self.camera = SceneCamera(LAYOUTS[settings.layout], height, width)
        self.canvas = Canvas(height, width)
        self.crowd = Crowd(self.camera, crowd, settings.density)
        self.light = Light(height, width, light, settings.light)
        self.story = Story(self.camera, story, anomalies, frames * self.step_s)
        self.noise = Noise(noise, settings.noise, height * width * 3)
        self.actors: list[Actor] = []
        self.props = self._place_props()
        # Painted once, on the canvas; every frame then starts from a copy of it.
        self.background = self._empty_place()

    def _place_props(self) -> list[tuple[float, Patch]]:
        """Draw what always stands there: distance from the camera and picture of each."""
        placed = []
        # They never move, so that their pictures are made once for the whole recording.
        for item in self.camera.layout.props:
            x_m, z_m = self.camera.ground((item.x, item.y))
            x, y, scale, flat = self.camera.project(x_m, z_m)
            patch = rasterise(
                prop(item.kind, Spot(x, y, scale, flat, (1.0, 0.0))), *self.canvas.owner.shape
            )
            if patch is not None:
                placed.append((z_m, patch))
        return placed

    def _empty_place(self) -> Float32:
        """Paint the ground with the shadows of what always stands there."""
        self.canvas.pixels[:] = paint_ground(self.camera.layout, *self.canvas.owner.shape)
        for item in self.camera.layout.props:
            self._shadow(*self.camera.ground((item.x, item.y)), *PROP_SIZES_M[item.kind], 0.4)
        return self.canvas.pixels.copy()

    def _shadow(
        self, x_m: float, z_m: float, tall_m: float, wide_m: float, strength: float
    ) -> None:
        """Darken the ground where something of a height and half width throws its shadow."""
        lean_x, lean_z = self.camera.layout.shadow
        x, y, scale, _ = self.camera.project(x_m, z_m)
        end_x, end_y, _, _ = self.camera.project(x_m + lean_x * tall_m, z_m + lean_z * tall_m)
        self.canvas.shade((x, y), (end_x, end_y), wide_m * scale + 0.5, strength)

    def play(self) -> Iterator[DrawnFrame]:
        """Let the scene live, and draw what is seen."""
        # It has lived for a while before the first frame, so that it does not start empty.
        for number in range(-round(PREWARM_S / self.step_s), self.frames):
            time_s = number * self.step_s
            self.actors = [actor for actor in self.actors if actor.step(self.step_s)]
            self.actors += self.crowd.arrivals(time_s, self.step_s)
            self.actors += self.story.arrivals(time_s)
            if number >= 0:
                yield self._picture(time_s)

    def _picture(self, time_s: float) -> DrawnFrame:
        """Draw the frame of a time, with everybody at their present place."""
        canvas, camera = self.canvas, self.camera
        gain, field, shadows = self.light.at(time_s)
        canvas.clear(self.background)
        seen = []
        for actor in self.actors:
            x_m, z_m = actor.place
            spot = Spot(*camera.project(x_m, z_m), actor.ahead)
            self._shadow(x_m, z_m, actor.height_m, actor.width_m, 0.42 * shadows)
            patch = rasterise(actor.body(spot, actor.gait, actor.pace), *canvas.owner.shape)
            if patch is not None:
                seen.append((z_m, patch, actor.track))
        seen += [(z_m, patch, 0) for z_m, patch in self.props]
        # From far to near: what is nearer covers what is behind it.
        for _, patch, track in sorted(seen, key=lambda item: -item[0]):
            canvas.blend(patch, track)
        light = gain if field is None else field[:, :, None] * gain
        picture = canvas.pixels * light
        # The noise is the sensor's: light and shadow come before it.
        self.noise.add(picture)
        np.clip(picture, 0.0, 255.0, out=picture)
        return self._with_truth(picture.astype(np.uint8))

    def _with_truth(self, pixels: Pixels) -> DrawnFrame:
        """Add boxes and mask of the anomalies of which enough is visible."""
        owner = self.canvas.owner
        mask = np.zeros(owner.shape, bool)
        boxes = []
        for actor in self.actors:
            if not actor.track:
                continue
            own = owner == actor.track
            # A few pixels at the border or behind others are nothing that anybody could see.
            if np.count_nonzero(own) < max(VISIBLE_SHARE * own.size, 1.0):
                continue
            mask |= own
            rows, columns = np.flatnonzero(own.any(axis=1)), np.flatnonzero(own.any(axis=0))
            corners = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
            boxes.append(Box(actor.track, actor.kind, *corners))
        return DrawnFrame(pixels, mask, tuple(boxes), int(bool(boxes)))
