"""Scores with OpenVINO, on the processor, in float32, half precision or whole numbers."""

import threading
from typing import Any

import numpy as np

from oddframe._types import Pixels
from oddframe.errors import BundleError, SettingsError
from oddframe.extras import require_extra
from oddframe.inference import Precision
from oddframe.inference.cores import usable_cores
from oddframe.inference.scorer import CLIPS, PARTS, ClipScores, pad_batch

# Always given: by itself OpenVINO takes bfloat16 where the processor has it, and the
# differences of the cluster distance are lost in so few digits. An int8 graph
# has float32 around its whole numbers.
_HINTS = {"float32": "f32", "int8": "f32", "bfloat16": "bf16", "float16": "f16"}
_CAPABILITIES: dict[str, Precision] = {"BF16": "bfloat16", "FP16": "float16"}


class OpenvinoScorer:
    """Runs an exported graph in OpenVINO.

    Args:
        graph: An ONNX graph, or the first file of OpenVINO's own two.
        weights: The second of them; empty for ONNX.
        batch_size: Clips at a time.
        precision: What it computes in; "int8" where the graph does.
        threads: Threads that it computes on; it takes no more than there are processors.

    Raises:
        BundleError: If OpenVINO cannot load it.
        SettingsError: If this processor has no instructions for the precision.
    """

    def __init__(
        self,
        graph: bytes,
        weights: bytes,
        batch_size: int,
        precision: Precision = "float32",
        threads: int = 1,
    ) -> None:
        with require_extra("scoring with OpenVINO"):
            import openvino

        if batch_size < 1:
            raise SettingsError(f"batch_size must be at least 1, got {batch_size}")
        if precision not in ("float32", "int8", *openvino_precisions()):
            raise SettingsError(
                f"precision must be one that this processor has in OpenVINO, got {precision}"
            )
        self.batch_size = batch_size
        core = openvino.Core()
        try:
            model = core.read_model(graph, weights)
            # Only the batch is free in the graph; with a fixed size the kernels are chosen once.
            shape = model.input(CLIPS).partial_shape
            model.reshape(
                {CLIPS: [batch_size, *(shape[axis].get_length() for axis in range(1, len(shape)))]}
            )
            options = {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": _HINTS[precision],
                # It does not heed OMP_NUM_THREADS.
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": 1,
                # Else it ties its threads to the first cores: those of all processes share them
                # while others are idle, and none evades a busy program.
                "ENABLE_CPU_PINNING": False,
                # By itself it leaves the second hardware thread of a core alone, even if asked for
                # more threads than cores.
                "ENABLE_HYPER_THREADING": threads > usable_cores(),
            }
            compiled = core.compile_model(model, "CPU", options)
        except RuntimeError as error:
            raise BundleError(
                f"OpenVINO {openvino.__version__} cannot load the exported network of this model: "
                f"{error}; "
                "export it again with: oddframe export MODEL --to openvino"
            ) from error
        # A request computes one batch at a time and refuses another one meanwhile. More requests
        # would only share the same cores.
        self._idle = threading.Lock()
        self._request: Any = compiled.create_infer_request()
        self._parts = [compiled.output(name) for name in PARTS]

    def score(self, clips: Pixels) -> ClipScores:
        """Score clips, uint8 B x 5 x H x W x C with B from 1 to batch_size."""
        batch = pad_batch(clips, self.batch_size)
        with self._idle:
            outputs = self._request.infer({CLIPS: batch}, share_inputs=True, share_outputs=True)
            # Copied, since the next request writes into the same memory.
            return ClipScores(*(np.array(outputs[part][: len(clips)]) for part in self._parts))


def openvino_precisions() -> tuple[Precision, ...]:
    """List the half precisions for which this processor has instructions, as OpenVINO sees it."""
    import openvino

    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return tuple(name for capability, name in _CAPABILITIES.items() if capability in able)
