"""Scenes that differ plainly, and models of the tiny network that have learnt one of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from oddframe.bundle.bundle import read_bundle, write_bundle
from oddframe.core.health.learning import learn_health
from oddframe.media.convert import resize_picture

RATE_FPS = 10.0


def frame_of_view(seed: int, number: int) -> npt.NDArray[np.uint8]:
    """Draw a frame of a scene of plain blocks, uint8 48 x 64 x 3.

    Args:
        seed: Places the blocks.
        number: Decides the noise: a picture without it would be called frozen.
    """
    blocks = np.random.default_rng(seed).integers(30, 200, (6, 8))
    noise = np.random.default_rng(number).integers(-3, 4, (48, 64))
    picture = np.clip(blocks.repeat(8, axis=0).repeat(8, axis=1) + noise, 0, 255).astype(np.uint8)
    return np.repeat(picture[..., None], 3, axis=2)


def write_model_of_view(models: Path, name: str, run: Path, seed: int | None) -> None:
    """Write a model that has learnt a view.

    Args:
        models: The folder of models.
        name: What the model is called there.
        run: The run folder of the tiny training, whose model it is but for the view.
        seed: Of the view; None writes a model that keeps no picture of its view.
    """
    bundle = read_bundle(run / "bundle")
    health = None
    if seed is not None:
        network = bundle.network.config
        frames = [
            resize_picture(frame_of_view(seed, number), network.width, network.height)[..., :1]
            for number in range(60)
        ]
        health, _ = learn_health(np.stack(frames[::10]), [(0, frames)], RATE_FPS)
    write_bundle(models / name / "bundle", replace(bundle, health=health))
