"""A scene whose unusual parts are known, encoded for the server, and a model trained on it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from oddframe._types import Pixels
from oddframe.media.video_writer import VideoWriter
from oddframe.tasks.calibrate import calibrate
from oddframe.tasks.train import train
from tests.support.rtsp import encode_pictures
from tests.support.tiny import tiny_settings

RATE_FPS = 10
ROUND = 10
"""Pictures until the scene begins anew; anything may follow the end of a round."""

SIZE = (160, 96)
LARGE = (320, 192)
ODD_S, LONG_S = 2.0, 6.0
"""Seconds that a short and a long unusual part last."""


@dataclass(frozen=True)
class Scenes:
    """Folders for the server, of the scene in two sizes.

    Attributes:
        calm: A round of the normal scene: a box that goes to and fro.
        odd: The same for `ODD_S` with a white block that should not be there.
        long: The same for `LONG_S`.
        large_calm: As `calm`, in the larger size.
        large_odd: As `odd`, in the larger size.
    """

    calm: Path
    odd: Path
    long: Path
    large_calm: Path
    large_odd: Path


def picture(number: int, size: tuple[int, int] = SIZE, *, odd: bool = False) -> Pixels:
    """Draw a picture of the scene, uint8 H x W x 3.

    Its number decides where the box is, and the noise.
    """
    width, height = size
    tiles = np.random.default_rng(7).integers(60, 150, (6, 10))
    drawn = np.kron(tiles, np.ones((height // 6, width // 10)))
    left = int((width - width // 8) * (1 - abs(number % ROUND - ROUND / 2) / (ROUND / 2)))
    drawn[height // 2 : height // 2 + height // 4, left : left + width // 8] = 20
    drawn += np.random.default_rng(number).normal(0, 3, drawn.shape)
    if odd:
        left = (number * width // 16) % (width - width // 3)
        drawn[height // 8 : height // 8 + height // 2, left : left + width // 3] = 250
    return np.repeat(np.clip(drawn, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def encode_scenes(folder: Path) -> Scenes:
    """Encode all scenes, each in a folder of its own."""

    def encode(
        name: str, pictures: float, size: tuple[int, int] = SIZE, *, odd: bool = False
    ) -> Path:
        drawn: Iterator[Pixels] = (
            picture(number, size, odd=odd) for number in range(round(pictures))
        )
        return encode_pictures(folder / name, drawn, RATE_FPS)

    return Scenes(
        calm=encode("calm", ROUND),
        odd=encode("odd", ODD_S * RATE_FPS, odd=True),
        long=encode("long", LONG_S * RATE_FPS, odd=True),
        large_calm=encode("large-calm", ROUND, LARGE),
        large_odd=encode("large-odd", ODD_S * RATE_FPS, LARGE, odd=True),
    )


def write_recording(
    path: Path, pictures: int, odd: Iterator[int] | range = range(0), first: int = 0
) -> Path:
    """Write the scene as a recording; ``odd`` are the numbers of the pictures with the block."""
    unusual = set(odd)
    with VideoWriter(path, RATE_FPS, SIZE) as video:
        for number in range(pictures):
            video.write(picture(first + number, odd=number in unusual))
    return path


def learn_scene(folder: Path) -> Path:
    """Train on the scene for some seconds; returns the run folder.

    Its events end soon, so that tests need not wait long.
    """
    normal = folder / "normal"
    normal.mkdir()
    for number in range(3):
        write_recording(normal / f"{number}.mp4", 300, first=1000 * number)
    train(
        normal,
        folder / "run",
        settings=tiny_settings(pretrain_steps=30, joint_steps=30),
        export=False,
    )
    calibrate(folder / "run", rules={"merge_gap_s": 1.5})
    return folder / "run"
