"""A graph in whole numbers for OpenVINO, by NNCF's static quantisation after training."""

import contextlib
import io
import logging
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from oddframe.bundle import INT8
from oddframe.core.records import Pixels
from oddframe.errors import InputError
from oddframe.extras import naming_extras
from oddframe.runtime.scorer import CLIPS

__all__ = ["LEAST_CLIPS", "MOST_CLIPS", "int8_graph"]

LEAST_CLIPS, MOST_CLIPS = 16, 128
"""Clips from which the ranges are taken, at least and at most."""


def int8_graph(graph: bytes, clips: Pixels) -> dict[str, bytes]:
    """The files of a graph whose convolutions compute in 8-bit whole numbers.

    Args:
        graph: The ONNX graph.
        clips: Clips, uint8 N x 5 x H x W x C, which decide the ranges of what flows through it; of more than
            `MOST_CLIPS` that many, evenly.

    Raises:
        MissingExtraError: If NNCF or OpenVINO is not installed.
        InputError: If there are too few clips.
    """
    if len(clips) < LEAST_CLIPS:
        raise InputError(f"int8 needs at least {LEAST_CLIPS} clips, found {len(clips)}; give more with --normal")
    # NNCF would tell its makers that it was used; it asks for this variable while it is imported.
    os.environ.setdefault("NNCF_CI", "1")
    with naming_extras("int8"):
        import nncf
        import openvino
        from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    chosen = clips[np.linspace(0, len(clips) - 1, min(len(clips), MOST_CLIPS)).round().astype(int)]
    model = openvino.Core().read_model(graph, b"")
    shape = [1, *chosen.shape[1:]]
    model.reshape({CLIPS: shape})
    logging.getLogger("nncf").setLevel(logging.ERROR)

    def quantised_by(estimator: Any) -> Any:
        with contextlib.redirect_stdout(io.StringIO()):  # its progress bars
            return nncf.quantize(
                model,
                nncf.Dataset(list(chosen), lambda clip: clip[None]),
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(chosen),
                advanced_parameters=nncf.AdvancedQuantizationParameters(activations_range_estimator_params=estimator),
            )

    try:
        # The mean of the clips' extremes, which is NNCF's habit, cuts off what few clips have: what is odd.
        quantised = quantised_by(RangeEstimatorParametersSet.HISTOGRAM)
    except ValueError:
        # Hardly any range at all, as in a network that was not trained, cannot be cut into bins.
        quantised = quantised_by(RangeEstimatorParametersSet.MEAN_MINMAX)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / INT8[0]
        openvino.save_model(quantised, path, compress_to_fp16=False)
        return {name: (Path(folder) / name).read_bytes() for name in INT8}
