"""Compiles a network on a GPU, where a run is long enough to pay for it.

Compiling joins many small kernels to few. It takes about a minute, and what comes of it must score
as the network does; else, and where a compiler fails, the network runs as it is.
"""

import math
import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from oddframe._types import Pixels
from oddframe.bundle.bundle import Bundle
from oddframe.core.clips import clip_span
from oddframe.errors import SettingsError
from oddframe.inference.backends import Backend
from oddframe.inference.parity import clips_of, compare_for, drawn_frames, with_intruder
from oddframe.inference.scorer import Scorer

COMPILING_S = 60.0
"""What compiling costs, in seconds: about a minute."""
SAVED = 0.35
"""The share of the network's time that it saves: on an H200, `paper` in bfloat16 and batches of 64
went from 2,492 to 3,833 frames per second (docs/benchmarks.md)."""

_TIMED = 3
"""Batches that are timed; the fastest counts, since what else runs only ever slows a batch."""


@runtime_checkable
class CompilableScorer(Scorer, Protocol):
    """A scorer whose network can be compiled, as `torch_backend.GpuScorer` can."""

    def compiled(self) -> Scorer:
        """Make a scorer with compiled kernels of the same network; this one stays as it is."""
        ...


def pays(clips: float, clip_s: float) -> bool:
    """Say whether compiling pays for itself in a run.

    Args:
        clips: How many clips are to be scored; infinite for a camera that never ends.
        clip_s: What a clip takes the network uncompiled, in seconds.
    """
    return clips * clip_s * SAVED > COMPILING_S


def time_clip(
    bundle: Bundle, scorer: Scorer, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Measure what a clip takes a scorer in full batches, in seconds.

    Args:
        bundle: The model.
        scorer: Runs its network.
        clock: The time in seconds, to measure with.
    """
    interval = bundle.network.config.interval
    length = clip_span(interval) - 1 + scorer.batch_size
    clips: Pixels = clips_of(drawn_frames(bundle.network, length), interval)
    # The first batch is slower, since libraries set up their kernels and memory with it.
    scorer.score(clips)
    fastest = math.inf
    for _ in range(_TIMED):
        began = clock()
        scorer.score(clips)
        fastest = min(fastest, clock() - began)
    return fastest / len(clips)


def compile_scorer(
    bundle: Bundle,
    scorer: Scorer,
    backend: Backend,
    why: str = "",
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[Scorer, str]:
    """Compile the network of a scorer.

    Args:
        bundle: The model.
        scorer: Runs its network.
        backend: What that is called.
        why: Why that is done although nobody asked for it, a phrase; empty where somebody did.
        clock: The time in seconds, to measure with.

    Returns:
        A scorer with a compiled network; or the same one, where compiling fails or the scores
        differ by more than the parity gate allows. Beside it a sentence that says which.

    Raises:
        SettingsError: If it does not run in torch on a GPU.
    """
    if not isinstance(scorer, CompilableScorer):
        raise SettingsError(
            "a compiled network must run in torch on a GPU, but this one runs elsewhere "
            f"({backend}); add --backend torch --device cuda, or leave out --compile"
        )
    length = clip_span(bundle.network.config.interval) - 1 + max(4, scorer.batch_size)
    frames = with_intruder(drawn_frames(bundle.network, length))
    began = clock()
    try:
        compiled = scorer.compiled()
        took_s = clock() - began
        complaints = compare_for(bundle, scorer, compiled, [frames], backend.precision).complaints
    except Exception as error:  # noqa: BLE001 - compilers fail in many ways, and none is needed
        # Their errors fill pages, of which the first line names what is wrong.
        reason = f"{type(error).__name__}: {error}".partition("\n")[0][:200]
        return scorer, f"scoring without a compiled network, which failed to compile: {reason}"
    if complaints:
        return scorer, (
            "scoring without a compiled network, which gives other results: "
            f"{'; '.join(complaints)}"
        )
    notice = f"the network was compiled in {took_s:.0f} s"
    if why:
        notice += f", since {why}; --no-compile leaves that out"
    return compiled, notice
