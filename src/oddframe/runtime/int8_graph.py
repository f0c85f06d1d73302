"""A graph in whole numbers for OpenVINO, by NNCF's static quantisation after training."""

import contextlib
import io
import logging
import os
import tempfile
from pathlib import Path
from typing import Literal

import numpy as np

from oddframe.bundle import INT8
from oddframe.core.records import Pixels
from oddframe.errors import InputError, ParityError
from oddframe.extras import naming_extras
from oddframe.runtime.scorer import CLIPS

__all__ = ["LEAST_CLIPS", "MOST_CLIPS", "Ranges", "int8_graph"]

LEAST_CLIPS, MOST_CLIPS = 16, 128
"""Clips from which the ranges are taken, at least and at most."""


Ranges = Literal["extremes", "histogram"]
"""How ranges are found: the mean of the clips' extremes, or those that lose least over a histogram of all values."""


def int8_graph(graph: bytes, clips: Pixels, ranges: Ranges = "extremes") -> dict[str, bytes]:
    """The files of a graph whose convolutions compute in 8-bit whole numbers.

    Args:
        graph: The ONNX graph.
        clips: Clips, uint8 N x 5 x H x W x C, which decide the ranges of what flows through it; of more than
            `MOST_CLIPS` that many, evenly.
        ranges: How.

    Raises:
        MissingExtraError: If NNCF or OpenVINO is not installed.
        InputError: If there are too few clips.
        ParityError: If no ranges can be found.
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
    names = {"extremes": RangeEstimatorParametersSet.MEAN_MINMAX, "histogram": RangeEstimatorParametersSet.HISTOGRAM}
    parameters = nncf.AdvancedQuantizationParameters(activations_range_estimator_params=names[ranges])
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # its progress bars
            quantised = nncf.quantize(
                model,
                nncf.Dataset(list(chosen), lambda clip: clip[None]),
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(chosen),
                advanced_parameters=parameters,
            )
    except ValueError as error:
        # NumPy cannot cut into bins what has hardly any range, as in a network that was not trained.
        raise ParityError(f"int8 must measure the ranges of values in the network, but failed: {error}") from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / INT8[0]
        openvino.save_model(quantised, path, compress_to_fp16=False)
        return {name: (Path(folder) / name).read_bytes() for name in INT8}
