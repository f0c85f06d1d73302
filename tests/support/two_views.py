"""Scenes that differ plainly, and models of the tiny network that have learnt one of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from oddframe.bundle.bundle import read_bundle, write_bundle
from oddframe.core.health.learning import learn_health
from oddframe.media.convert import resize_picture

RATE_FPS = 10.0


def view(seed: int, width: int = 64, height: int = 48) -> npt.NDArray[np.uint8]:
    """Draw a scene of plain blocks, which every seed places otherwise, uint8 H x W x 3."""
    random = np.random.default_rng(seed)
    picture = random.integers(30, 200, (6, 8)).astype(np.uint8)
    picture = picture.repeat(height // 6, axis=0).repeat(width // 8, axis=1)
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
        random = np.random.default_rng(7)
        network = bundle.network.config
        seen = resize_picture(view(seed), network.width, network.height)[..., :1].astype(np.int16)
        frames = [
            np.clip(seen + random.integers(-2, 3, seen.shape), 0, 255).astype(np.uint8)
            for _ in range(60)
        ]
        health, _ = learn_health(np.stack(frames[::10]), [(0, frames)], RATE_FPS)
    write_bundle(models / name / "bundle", replace(bundle, health=health))
