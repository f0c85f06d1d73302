"""Scores with ONNX Runtime, which is in every install: on the processor, or on an NVIDIA GPU.

A GPU needs the package ``onnxruntime-gpu`` in the place of ``onnxruntime``, which brings CUDA's
provider, and TensorRT's for those who have installed TensorRT.
"""

from contextlib import suppress
from typing import Any

import numpy as np

from oddframe._types import Pixels
from oddframe.errors import BundleError, SettingsError
from oddframe.extras import require_extra
from oddframe.files import cache_folder
from oddframe.inference.scorer import CLIPS, PARTS, ClipScores, pad_batch

# Its levels go from 0, verbose, to 4, fatal.
_ERRORS_ONLY = 3

_TENSORRT, _CUDA = "TensorrtExecutionProvider", "CUDAExecutionProvider"
"""ONNX Runtime's names of what runs a graph on a GPU."""
_PROCESSOR = "CPUExecutionProvider"


class OnnxScorer:
    """Runs an exported graph in ONNX Runtime, in float32.

    On a processor it takes clip by clip: in larger batches its threads divide the work anew and the
    last bits of a score depend on the clip's place, and they are no faster. On a GPU it takes
    batches of one size.

    Args:
        graph: The graph, as `oddframe.inference.onnx_export.onnx_graph` makes it.
        batch_size: Clips that it takes at a time.
        threads: Threads that it computes on.
        gpu: The number of the GPU that it computes on; None for the processor.

    Raises:
        BundleError: If ONNX Runtime cannot load it.
        SettingsError: If the batch size is below 1, or the GPU cannot be used.
    """

    def __init__(
        self, graph: bytes, batch_size: int, threads: int = 1, gpu: int | None = None
    ) -> None:
        with require_extra("scoring with ONNX Runtime"):
            import onnxruntime

        if batch_size < 1:
            raise SettingsError(f"batch_size must be at least 1, got {batch_size}")
        self.batch_size = batch_size
        self._on_gpu = gpu is not None
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        options.add_free_dimension_override_by_name("batch", batch_size if self._on_gpu else 1)
        options.intra_op_num_threads = threads
        # Threads that wait by spinning take the cores from the decoder, which costs a third of the
        # speed on a busy machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = [*(() if gpu is None else _with_options(gpu)), _PROCESSOR]
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=providers)
        except Exception as error:
            # Its errors have no common class of their own.
            raise BundleError(
                f"ONNX Runtime {onnxruntime.__version__} cannot load the exported network of this "
                f"model: {error}; "
                "export it again with: oddframe export MODEL --to onnx"
            ) from error
        # Where a library of CUDA is missing it runs all of the graph on the processor, without an
        # error.
        if self._on_gpu and self._session.get_providers()[0] == _PROCESSOR:
            raise SettingsError(
                f"device must be a GPU that ONNX Runtime can use, got cuda:{gpu}, which it could "
                "not set up; see which versions of CUDA and cuDNN it needs, or choose --backend "
                "torch or --device cpu"
            )

    def score(self, clips: Pixels) -> ClipScores:
        """Score clips, uint8 B x 5 x H x W x C with B from 1 to batch_size."""
        if self._on_gpu:
            scored = self._session.run(list(PARTS), {CLIPS: pad_batch(clips, self.batch_size)})
            return ClipScores(*(part[: len(clips)] for part in scored))
        single = [
            self._session.run(list(PARTS), {CLIPS: np.ascontiguousarray(clip[None])})
            for clip in clips
        ]
        return ClipScores(*(np.concatenate(part) for part in zip(*single, strict=True)))


def gpu_providers() -> tuple[str, ...]:
    """List what this ONNX Runtime can run a graph on a GPU with, in its own order of preference."""
    import onnxruntime

    known = onnxruntime.get_available_providers()
    return tuple(provider for provider in known if provider in (_TENSORRT, _CUDA))


def _with_options(gpu: int) -> list[tuple[str, dict[str, Any]]]:
    """Give the providers of a GPU, each with its options."""
    providers: list[tuple[str, dict[str, Any]]] = []
    for provider in gpu_providers():
        options: dict[str, Any] = {"device_id": gpu}
        if provider == _CUDA:
            # No shortened products: this is the float32 of the parity gate.
            options["use_tf32"] = 0
        else:
            # Building an engine takes minutes; a built one serves all later runs on this GPU.
            with suppress(OSError, RuntimeError):
                folder = cache_folder() / "tensorrt"
                folder.mkdir(parents=True, exist_ok=True)
                options["trt_engine_cache_enable"] = True
                options["trt_engine_cache_path"] = str(folder)
        providers.append((provider, options))
    return providers
