"""From footage to a trained network: settings, the loop over steps, checkpoints, the run folder."""

from typing import Literal, TypeAlias

GpuSteps: TypeAlias = Literal["auto", "eager", "graph", "compiled"]
"""How training steps are taken on a GPU: kernel by kernel, as a CUDA graph, or as one of compiled
kernels; "auto" is the last where a training is long enough to pay for compiling."""
