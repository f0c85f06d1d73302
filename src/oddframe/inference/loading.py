"""From the place of a model to a model that is ready to score, in this process or in another one.

A model is pickled as its place, its hash and its threshold. So `multiprocessing`, Ray and Dask can
send one: it is loaded again where it arrives, once in each process, and no weights travel.
"""

import copyreg
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from oddframe.bundle.bundle import Bundle, find_bundle, read_bundle
from oddframe.core.calibration import Calibration
from oddframe.errors import BundleError, InputError
from oddframe.inference.backends import Backend
from oddframe.inference.compiling import CompilableScorer, compile_scorer, pays, time_clip
from oddframe.inference.model import Model
from oddframe.inference.selection import (
    BackendChoice,
    InferenceOptions,
    PrecisionChoice,
    select_backend,
)

_MOST_ARRIVED = 4
"""Models that arrived in this process and stay loaded, since each task brings its model again."""


def load(
    model: str | Path | Bundle,
    *,
    device: str = "auto",
    batch_size: int | None = None,
    backend: BackendChoice = "auto",
    precision: PrecisionChoice = "auto",
    threads: int | None = None,
    false_alarms: str | None = None,
    compiled: bool = False,
) -> Model:
    """Load a trained model.

    Example:
        >>> model = oddframe.load("runs/door", false_alarms="6/hour")
        >>> 0 < model.threshold
        True

    Args:
        model: A run folder, a model bundle, the name of a shipped model, or what was read of one.
        device: "auto", "cpu" or a GPU such as "cuda:0".
        batch_size: Clips that run through the network at a time; 8 when None, and 64 on a GPU that
            ``device`` names.
        backend: What runs the network: "torch", "onnx", "openvino", or "auto": the fastest on this
            machine that says what the trained network says. What is the fastest is tried once and
            remembered.
        precision: "float32", "bfloat16", "float16", "int8" or "auto": what the fastest computes in.
        threads: Threads that the network computes on; all cores that this process may use, or
            ``OMP_NUM_THREADS``, when None.
        false_alarms: A budget such as "6/hour" for the threshold, which the bundle on disk does not
            learn of; the bundle's threshold when None. See `Model.with_threshold`.
        compiled: Whether the network is compiled, which takes about a minute and needs torch on a
            GPU; `Model.notices` says if it is not after all. `oddframe.score` and `oddframe.watch`
            decide by themselves.

    Raises:
        SourceNotFoundError: If there is no model.
        BundleError: If it is truncated, altered or of another format.
        SettingsError: If the device is not there, the batch size or the number of threads is below
            1, the backend has no such precision, nothing can be compiled or the budget is none.
        InputError: If the model has no graph for the backend, or no scores for a budget.
        MissingExtraError: If the backend is not installed.
    """
    options = InferenceOptions(device, backend, precision, batch_size, threads, compiled)
    loaded = load_model(model, options)
    return loaded if false_alarms is None else loaded.with_threshold(false_alarms)


def load_model(model: str | Path | Bundle, options: InferenceOptions) -> Model:
    """Load a trained model, as `load` does, with the options in one record."""
    path: Path | None = None
    if isinstance(model, Bundle):
        bundle = model
    else:
        path = find_bundle(model)
        bundle = read_bundle(path)
    # Which is the fastest depends on the machine, so a bundle cannot say it.
    selected = select_backend(bundle, options)
    notices: tuple[str, ...] = () if selected.notice is None else (selected.notice,)
    scorer = selected.scorer
    if options.compiled:
        scorer, notice = compile_scorer(bundle, scorer, selected.backend)
        notices += (notice,)
    return Model(bundle, scorer, str(selected.backend), notices, path, options)


def compile_if_long(
    model: Model,
    count_clips: Callable[[], float],
    *,
    can_compile: Callable[[], bool] = lambda: find_spec("triton") is not None,
    clock: Callable[[], float] = time.perf_counter,
) -> Model:
    """Compile the network of a model where nobody has decided that, and where it pays.

    Args:
        model: The model; where `InferenceOptions.compiled` is not None, it stays as it is.
        count_clips: Counts the clips that are to be scored, infinite for live cameras; called only
            where the network could be compiled.
        can_compile: Tells whether a compiler for GPUs is installed.
        clock: The time in seconds, to measure with.

    Returns:
        The model, or one with a compiled network; its notices say what was done.
    """
    scorer = model.scorer
    if (
        model.options.compiled is not None
        or not isinstance(scorer, CompilableScorer)
        or not can_compile()
    ):
        return model
    clips = count_clips()
    if not pays(clips, time_clip(model.bundle, scorer, clock)):
        return model
    endless = math.isinf(clips)
    why = "live cameras have no end" if endless else f"{clips:,.0f} clips are to come"
    backend = Backend.parse(model.backend)
    return model.with_scorer(*compile_scorer(model.bundle, scorer, backend, why, clock))


@lru_cache(maxsize=_MOST_ARRIVED)
def _load_again(path: Path, fingerprint: str, options: InferenceOptions) -> Model:
    """Load the model of a place, and make sure that it is the one that was sent."""
    loaded = load_model(path, options)
    # Somebody may have trained anew in between, and scores of two models do not compare.
    if loaded.bundle.fingerprint != fingerprint:
        raise BundleError(
            f"{path} must hold the model that was sent to this process, but holds another one: "
            "its hash differs; load the model again and send that, or copy the same run here"
        )
    return loaded


def _arrive(
    path: str, fingerprint: str, options: InferenceOptions, calibration: Mapping[str, Any]
) -> Model:
    """Make the model again that `_send` took apart."""
    loaded = _load_again(Path(path), fingerprint, options)
    return loaded.with_calibration(Calibration.from_dict(calibration))


def _send(model: Model) -> tuple[Any, ...]:
    """Take a model apart into what is pickled of it, all plain values.

    Raises:
        InputError: If it was not loaded from a folder, so that nobody could load it again.
    """
    if model.path is None or not model.backend:
        raise InputError(
            "a model must have been loaded from a folder to be sent to another process, but this "
            "one was made of a bundle in memory; use oddframe.load with its path"
        )
    # What was found to be the fastest here, so that all processes give the same scores.
    backend = Backend.parse(model.backend)
    options = replace(model.options, backend=backend.name, precision=backend.precision)
    # The other process may run in another folder.
    place = str(model.path.resolve())
    return _arrive, (place, model.bundle.fingerprint, options, model.bundle.calibration.as_dict())


copyreg.pickle(Model, _send)
