"""The heat lies on the thing: maps against the exact masks of drawn scenes, files and live."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from oddframe.core.maps import find_region
from oddframe.inference.loading import load
from oddframe.synthetic.scene import DrawnFrame, SceneSettings, draw
from oddframe.tasks.demo import demo_settings
from oddframe.tasks.train import train
from oddframe.training.settings import PRESETS, read_settings
from tests.support.heat import shares, watch, write_drawn

SHIFTS = (-8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8)
# The file that was the preset of the shipped model, and is hot where a thing was as well.
WALKWAY = Path(__file__).parents[2] / "benchmarks" / "walkway.toml"
RECIPES = {**PRESETS, "walkway": read_settings(WALKWAY, PRESETS["fast"])}
SMALL = SceneSettings(width=96, height=64, density=0.2, light=0.0, noise=1.0)


def assert_lies_on_the_thing(model, path, masks):
    scored = [one for one in model.scores(path, health=False, maps=True) if one.map is not None]
    live = list(watch(model, path))
    # The last frames of a recording get their maps when it ends, which a camera does not.
    assert len(live) >= len(scored) - model.bundle.network.config.known_after > 0
    for ours, theirs in zip(scored, live, strict=False):
        assert ours.frame == theirs.frame
        assert np.array_equal(ours.map, theirs.map)
    found = shares(scored, masks, SHIFTS)
    assert max(found, key=found.get) == 0, found
    return scored


def overlaps(scored, frames, level):
    """The overlap of each frame's box with the true one, as intersection over union."""
    found = []
    for one in scored:
        height, width = frames[one.frame].mask.shape
        for true in frames[one.frame].boxes:
            box = np.array(find_region(one.map, level)[1]) * [width, height, width, height]
            low = np.maximum(box[:2], [true.x_min, true.y_min])
            high = np.minimum(box[2:], [true.x_max, true.y_max])
            both = np.prod(np.maximum(high - low, 0))
            area = (true.x_max - true.x_min) * (true.y_max - true.y_min)
            found.append(both / (np.prod(box[2:] - box[:2]) + area - both))
    return found


@pytest.fixture(scope="module")
def shipped():
    return load("ped2", device="cpu", backend="openvino")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cyclist", "cart"])
def test_the_heat_of_the_shipped_model_lies_on_the_thing(kind, shipped, tmp_path):
    network = shipped.bundle.network
    empty = np.clip(255 * network.weights["appearance.empty"][0].astype(np.float32), 0, 255)
    size = SceneSettings(width=network.config.width, height=network.config.height)
    frames, noise = [], np.random.default_rng(0)
    for frame in islice(draw(1003, 46, size, (kind,)), 12, None):
        # What is drawn is laid over the empty scene that the model knows.
        grey = np.where(frame.mask, frame.pixels.mean(axis=2), empty)
        grey = np.clip(grey + noise.normal(0, 2, grey.shape), 0, 255).astype(np.uint8)
        frames.append(DrawnFrame(np.repeat(grey[..., None], 3, 2), frame.mask, (), 1))
    masks = write_drawn(tmp_path / "drawn.mp4", frames)
    assert_lies_on_the_thing(shipped, tmp_path / "drawn.mp4", masks)


def test_the_file_that_was_a_preset_is_what_the_shipped_model_was_trained_with(shipped):
    assert RECIPES["walkway"].network == shipped.bundle.network.config


def hurried(start):
    """Settings made small and trained in seconds."""
    settings = demo_settings(150, start)
    network = replace(
        settings.network, height=64, width=96, channels=8, decoder_channels=4, clusters=8,
        score_windows=(4,),
    )  # fmt: skip
    training = replace(settings.training, learning_rate=2e-3, schedule="cosine", centre_codes=2000)
    return replace(settings, network=network, training=training)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_the_heat_of_every_recipe_lies_on_the_thing(name, tmp_path):
    normal = tmp_path / "normal"
    normal.mkdir()
    write_drawn(normal / "normal.mp4", list(draw(1, 300, SMALL)))
    frames = list(draw(1003, 90, SMALL, ("cart",)))
    masks = write_drawn(tmp_path / "odd.mp4", frames)
    train(normal, tmp_path / "run", settings=hurried(RECIPES[name]), export=False, device="cpu")
    model = load(tmp_path / "run", device="cpu")
    scored = assert_lies_on_the_thing(model, tmp_path / "odd.mp4", masks)
    # As published, a map is hot at every edge of the picture until it has learnt for much longer.
    if name != "paper":
        assert np.median(overlaps(scored, frames, model.bundle.calibration.map_level)) >= 0.4
