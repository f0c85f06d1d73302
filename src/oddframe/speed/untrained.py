"""Bundles of presets that nobody has trained: as fast as trained ones, and nothing else."""

from collections.abc import Sequence
from pathlib import Path

import torch

from oddframe.bundle import ONNX, Bundle, write_bundle
from oddframe.core.calibration import uncalibrated
from oddframe.core.clips import clip_span
from oddframe.errors import MissingExtraError
from oddframe.model.network import Network
from oddframe.model.network_config import NetworkConfig
from oddframe.runtime.backends import installed
from oddframe.runtime.drawn_clips import clips_of, drawn_frames
from oddframe.runtime.int8_graph import LEAST_CLIPS, int8_graph
from oddframe.runtime.onnx_graph import onnx_graph
from oddframe.speed.footage import SCENE

__all__ = ["write_untrained"]


def write_untrained(folder: Path, config: NetworkConfig, graphs: Sequence[str] = ("onnx", "int8")) -> str | None:
    """Write the bundle of a randomly initialised network; returns why it lacks int8, if it does.

    Args:
        folder: Where to.
        config: The network.
        graphs: Which graphs it gets: "onnx", and with it "int8".

    Raises:
        MissingExtraError: If a graph is wanted and its exporter is not installed.
        OutputError: If the bundle cannot be written.
    """
    torch.manual_seed(0)
    trained = Network(config).trained()
    made: dict[str, bytes] = {}
    lacking = None
    if graphs:
        made[ONNX] = onnx_graph(trained)
    if "int8" in graphs and installed("openvino"):
        frames = drawn_frames(trained, clip_span(config.interval) - 1 + LEAST_CLIPS)
        try:
            made |= int8_graph(made[ONNX], clips_of(frames, config.interval))
        except MissingExtraError as error:
            lacking = str(error)
    bundle = Bundle(
        network=trained,
        rate_fps=SCENE.rate_fps,
        calibration=uncalibrated(),
        card="A randomly initialised network of `oddframe bench`: it scores nothing that means anything.\n",
        graphs=made,
    )
    write_bundle(folder, bundle)
    return lacking
