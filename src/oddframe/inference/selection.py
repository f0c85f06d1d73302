"""The fastest backend on this machine that says what the trained network says; tried once, then remembered."""

import hashlib
import json
import math
import os
import platform
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, NamedTuple

from oddframe._types import Pixels
from oddframe.bundle.bundle import Bundle
from oddframe.core.clips import clip_span
from oddframe.errors import InputError, MissingExtraError, OddframeError
from oddframe.files import write_json
from oddframe.inference.backends import Backend, available, make_scorer, sees_gpu
from oddframe.inference.parity import Parity, clips_of, compare, drawn_frames, with_intruder
from oddframe.inference.scorer import BackendName, Precision, Scorer

BackendChoice = BackendName | Literal["auto"]
PrecisionChoice = Precision | Literal["auto"]

CLEARLY_FASTER = 1.1
"""A backend with coarser numbers must be this many times as fast to be preferred."""
MOST_ROUNDS, TRIED_S = 8, 3.0
"""How often each backend is timed; after so many seconds no other round begins."""
MOST_INT8_ERROR = 0.25
"""Most that whole numbers may be off in the median on drawn clips: a processor that reckons wrongly is off by far more.

Whether they are good enough at all was seen on real clips when they were exported."""
MOST_REMEMBERED = 100
_PACKAGES = ("torch", "onnxruntime", "openvino", "numpy")


class SelectedBackend(NamedTuple):
    """What runs a model.

    Attributes:
        backend: It.
        scorer: It, ready to score.
        notice: How it was found, a sentence; None where there was no choice or it was remembered.
    """

    backend: Backend
    scorer: Scorer
    notice: str | None = None


def select_backend(
    bundle: Bundle,
    backend: BackendChoice = "auto",
    precision: PrecisionChoice = "auto",
    device: str = "auto",
    batch_size: int = 8,
) -> SelectedBackend:
    """What is asked for, or where that leaves a choice the fastest of it that passes parity here.

    Args:
        bundle: The model.
        backend: What runs it.
        precision: What it computes in.
        device: "auto", "cpu" or a GPU such as "cuda:0".
        batch_size: Clips that run at a time.

    Raises:
        MissingExtraError: If what is asked for is not installed.
        InputError: If the bundle lacks the graph for it, or a setting is wrong.
        BundleError: If the model cannot be loaded.
    """
    if backend != "auto" and precision != "auto":
        return _load(bundle, Backend(backend, precision), device, batch_size)
    able = [
        one
        for one in available(bundle, device)
        if backend in ("auto", one.name) and precision in ("auto", one.precision)
    ]
    if len(able) <= 1:
        if not able and backend == "auto" and precision == "auto":
            what = "a model without an exported graph (oddframe export MODEL --to onnx adds it)"
            raise MissingExtraError(what, "train")
        fallback = Backend(
            "torch" if backend == "auto" else backend,
            "float32" if precision == "auto" else precision,
        )
        return _load(bundle, able[0] if able else fallback, device, batch_size)
    key = _key(bundle, able, device, batch_size)
    known = _cached_choice().get(key)
    if known is not None:
        with suppress(OddframeError, KeyError, TypeError):
            return _load(bundle, Backend(known["backend"], known["precision"]), device, batch_size)
    return _measure_and_select(bundle, able, device, batch_size, key)


def _load(
    bundle: Bundle, backend: Backend, device: str, batch_size: int, notice: str | None = None
) -> SelectedBackend:
    return SelectedBackend(backend, make_scorer(bundle, *backend, device, batch_size), notice)


def _measure_and_select(
    bundle: Bundle, able: list[Backend], device: str, batch_size: int, key: str
) -> SelectedBackend:
    """Time them all on drawn clips; each must say what the first, the most exact one, says."""
    interval = bundle.network.config.interval
    frames = with_intruder(
        drawn_frames(bundle.network, clip_span(interval) - 1 + max(4, batch_size))
    )
    scorers: dict[Backend, Scorer] = {}
    told: dict[str, Any] = {}
    for backend in able:
        try:
            scorer = make_scorer(bundle, *backend, device, batch_size)
            reference = next(iter(scorers.values()), scorer)
            found = compare(
                reference,
                scorer,
                [frames],
                precision=backend.precision,
                interval=interval,
                rate_fps=bundle.rate_fps,
                calibration=bundle.calibration,
                neighbours=bundle.network.config.neighbours,
            )
        except (OddframeError, RuntimeError) as error:
            told[str(backend)] = f"does not run: {str(error)[:200]}"
            continue
        if _differs(found):
            told[str(backend)] = "differs"
        else:
            scorers[backend] = scorer
    speeds = _clips_per_s(scorers, clips_of(frames, interval)[:batch_size])
    if not speeds:
        why = "; ".join(f"{name} {what}" for name, what in told.items())
        raise InputError(
            f"a backend on this machine must be able to run this model, but none is: {why}"
        )
    chosen, fastest = next(iter(speeds.items()))
    for backend, speed in speeds.items():
        told[str(backend)] = round(speed, 1)
        if speed > fastest * (1.0 if backend.precision == chosen.precision else CLEARLY_FASTER):
            chosen, fastest = backend, speed
    _remember(key, {"backend": chosen.name, "precision": chosen.precision, "tried": told})
    heard = ", ".join(f"{name} {what}" for name, what in told.items())
    return SelectedBackend(
        chosen,
        scorers[chosen],
        f"scoring with {chosen}, the fastest here (clips per second: {heard})",
    )


def _differs(found: Parity) -> bool:
    """Whether a backend says something else than the trained network on this machine."""
    if found.precision == "int8":
        return not found.raw_error_median <= MOST_INT8_ERROR
    return bool(found.complaints)


def _clips_per_s(scorers: Mapping[Backend, Scorer], clips: Pixels) -> dict[Backend, float]:
    """Clips per second of each, by its best batch; in turn, so that what else goes on slows all of them alike."""
    best = dict.fromkeys(scorers, math.inf)
    began = time.perf_counter()
    for _ in range(MOST_ROUNDS):
        for backend, scorer in scorers.items():
            start = time.perf_counter()
            scorer.score(clips)
            best[backend] = min(best[backend], time.perf_counter() - start)
        if time.perf_counter() - began > TRIED_S:
            break
    return {backend: len(clips) / seconds for backend, seconds in best.items()}


def _key(bundle: Bundle, able: list[Backend], device: str, batch_size: int) -> str:
    """Changes with whatever may change which backend is the fastest."""
    facts = [
        bundle.fingerprint,
        [str(one) for one in able],
        device,
        batch_size,
        sees_gpu(),
        _processor(),
        os.cpu_count(),
    ]
    return hashlib.sha256(
        json.dumps([*facts, [_version(name) for name in _PACKAGES]]).encode()
    ).hexdigest()


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "flags", "Features")):
                return f"{platform.machine()} {line}"
    return f"{platform.machine()} {platform.processor()}"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _place() -> Path:
    return (
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        / "oddframe"
        / "backends.json"
    )


def _cached_choice() -> Mapping[str, Any]:
    """What earlier trials found; nothing where that cannot be read."""
    try:
        found = json.loads(_place().read_text())
    except (OSError, ValueError, RuntimeError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(key: str, found: Mapping[str, Any]) -> None:
    """Note what a trial found; where that is not possible it is tried again next time."""
    with suppress(OSError, RuntimeError):
        path = _place()
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in _cached_choice().items() if name != key}
        write_json(path, {**dict(list(kept.items())[-MOST_REMEMBERED + 1 :]), key: found})
