"""Scores with ONNX Runtime, on the processor; it is in every install."""

import numpy as np

from oddframe._types import Pixels
from oddframe.errors import BundleError, SettingsError
from oddframe.extras import require_extra
from oddframe.inference.scorer import CLIPS, PARTS, ClipScores

# Its levels go from 0, verbose, to 4, fatal.
_ERRORS_ONLY = 3


class OnnxScorer:
    """Runs an exported graph in ONNX Runtime, in float32, clip by clip.

    In larger batches its threads divide the work anew and the last bits of a score depend on the
    clip's place; they are no faster on a processor.

    Args:
        graph: The graph, as `oddframe.inference.onnx_export.onnx_graph` makes it.
        batch_size: Clips that it takes at a time.
        threads: Threads that it computes on.

    Raises:
        BundleError: If ONNX Runtime cannot load it.
    """

    def __init__(self, graph: bytes, batch_size: int, threads: int = 1) -> None:
        with require_extra("scoring with ONNX Runtime"):
            import onnxruntime

        if batch_size < 1:
            raise SettingsError(f"batch_size must be at least 1, got {batch_size}")
        self.batch_size = batch_size
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        options.add_free_dimension_override_by_name("batch", 1)
        options.intra_op_num_threads = threads
        # Threads that wait by spinning take the cores from the decoder, which costs a third of the
        # speed on a busy machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            # Its errors have no common class of their own.
            raise BundleError(
                f"ONNX Runtime {onnxruntime.__version__} cannot load the exported network of this "
                f"model: {error}; "
                "export it again with: oddframe export MODEL --to onnx"
            ) from error

    def score(self, clips: Pixels) -> ClipScores:
        """Score clips, uint8 B x 5 x H x W x C."""
        scored = [
            self._session.run(list(PARTS), {CLIPS: np.ascontiguousarray(clip[None])})
            for clip in clips
        ]
        return ClipScores(*(np.concatenate(part) for part in zip(*scored, strict=True)))
