"""Selects what runs a model: the fastest backend on this machine that agrees with the network.

Backends are compared once, on drawn clips; what was found is remembered in the user's cache folder.
"""

import hashlib
import json
import math
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from oddframe._types import Pixels
from oddframe.bundle.bundle import Bundle
from oddframe.core.clips import clip_span
from oddframe.errors import InputError, MissingExtraError, OddframeError, SettingsError
from oddframe.files import cache_folder, write_json
from oddframe.inference import BackendName, Precision
from oddframe.inference.backends import Backend, available, make_scorer, names_gpu, sees_gpu
from oddframe.inference.cores import check_threads, default_threads
from oddframe.inference.parity import Parity, clips_of, compare_for, drawn_frames, with_intruder
from oddframe.inference.scorer import Scorer

BackendChoice = BackendName | Literal["auto"]
PrecisionChoice = Precision | Literal["auto"]

DEFAULT_BATCH, GPU_BATCH = 8, 64
"""Clips that run through the network at a time where nobody says how many: on a processor, and on a
GPU that was asked for."""
CLEARLY_FASTER = 1.1
"""A backend with coarser numbers must be this many times as fast to be preferred."""
MOST_ROUNDS, TRIED_S = 8, 3.0
"""How often each backend is timed at most; after so many seconds no other round begins."""
MOST_INT8_ERROR = 0.25
"""Greatest median error of raw scores in whole numbers on drawn clips, relative.

It finds a processor that computes wrongly, which is off by far more. Whether whole numbers are good
enough was decided on real clips when they were exported."""
MOST_REMEMBERED = 100
"""Selections kept in the cache; the oldest are dropped first."""

# A new version of any of these may be faster or slower than the one that was measured.
_PACKAGES = ("torch", "onnxruntime", "onnxruntime-gpu", "openvino", "numpy")


@dataclass(frozen=True, slots=True)
class InferenceOptions:
    """Where and how a network runs, as the caller asks for it.

    Attributes:
        device: "auto", "cpu" or a GPU such as "cuda:0".
        backend: What runs the network; "auto" for the fastest.
        precision: What it computes in; "auto" for that of the fastest.
        batch_size: Clips that run through the network at a time; None for `clips_at_a_time`.
        threads: Threads that the network computes on; None for `default_threads`.
        compiled: Whether the network is compiled, which only torch does, on a GPU; None leaves that
            to `oddframe.inference.loading.compile_if_long`.
    """

    device: str = "auto"
    backend: BackendChoice = "auto"
    precision: PrecisionChoice = "auto"
    batch_size: int | None = None
    threads: int | None = None
    compiled: bool | None = None

    def __post_init__(self) -> None:
        check_threads(self.threads)

    @property
    def thread_count(self) -> int:
        """The number of threads that it comes to on this machine."""
        return self.threads or default_threads()

    @property
    def clips_at_a_time(self) -> int:
        """The batch size that it comes to: `DEFAULT_BATCH`, `GPU_BATCH`, or what was asked for."""
        if self.batch_size is not None:
            return self.batch_size
        return GPU_BATCH if names_gpu(self.device) else DEFAULT_BATCH

    def allows(self, backend: Backend) -> bool:
        """Whether a backend with its precision is among what was asked for."""
        return self.backend in ("auto", backend.name) and self.precision in (
            "auto",
            backend.precision,
        )


class SelectedBackend(NamedTuple):
    """The backend that will run a model.

    Attributes:
        backend: Its name and precision.
        scorer: The model in it, ready to score.
        notice: How it was found, a sentence; None where there was no choice or it was remembered.
    """

    backend: Backend
    scorer: Scorer
    notice: str | None = None


class MakeScorer(Protocol):
    """Makes what scores clips with a bundle's network, as `make_scorer` does."""

    def __call__(
        self,
        bundle: Bundle,
        name: BackendName,
        precision: Precision,
        device: str,
        batch_size: int,
        threads: int,
    ) -> Scorer:
        """Make the scorer, or raise an error of `OddframeError` where that is not possible."""
        ...


def select_backend(
    bundle: Bundle,
    options: InferenceOptions,
    *,
    list_available: Callable[[Bundle, str], tuple[Backend, ...]] = available,
    make: MakeScorer = make_scorer,
    clock: Callable[[], float] = time.perf_counter,
) -> SelectedBackend:
    """Select what is asked for, or the fastest of what that allows and that passes parity here.

    Args:
        bundle: The model.
        options: What is asked for.
        list_available: Lists what can run a bundle on a device, the most exact first.
        make: Makes a scorer of a bundle.
        clock: The time in seconds, to measure with.

    Raises:
        MissingExtraError: If what is asked for is not installed.
        InputError: If the bundle lacks the graph for it, or a setting is wrong.
        BundleError: If the model cannot be loaded.
    """

    def load(backend: Backend) -> SelectedBackend:
        scorer = make(
            bundle, *backend, options.device, options.clips_at_a_time, options.thread_count
        )
        return SelectedBackend(backend, scorer)

    if options.backend != "auto" and options.precision != "auto":
        return load(Backend(options.backend, options.precision))
    able = [
        backend for backend in list_available(bundle, options.device) if options.allows(backend)
    ]
    if len(able) == 1:
        return load(able[0])
    if not able:
        return load(_fallback(options))
    key = _key(bundle, able, options)
    known = _cached_choices().get(key)
    if known is not None:
        # What was remembered may have been uninstalled since; then it is measured again.
        with suppress(OddframeError, KeyError, TypeError):
            return load(Backend(known["backend"], known["precision"]))
    return _measure_and_select(bundle, able, options, key, make, clock)


def _fallback(options: InferenceOptions) -> Backend:
    """The backend whose own error says what is missing, where nothing available is asked for."""
    if options.backend == options.precision == "auto":
        what = "a model without an exported graph (oddframe export MODEL --to onnx adds it)"
        raise MissingExtraError(what, "train")
    return Backend(
        "torch" if options.backend == "auto" else options.backend,
        "float32" if options.precision == "auto" else options.precision,
    )


def _measure_and_select(
    bundle: Bundle,
    able: list[Backend],
    options: InferenceOptions,
    key: str,
    make: MakeScorer,
    clock: Callable[[], float],
) -> SelectedBackend:
    """Time all backends on drawn clips; each must agree with the first, the most exact one."""
    network = bundle.network.config
    # Few clips: who starts a camera waits for this.
    length = clip_span(network.interval) - 1 + max(4, options.clips_at_a_time)
    frames = with_intruder(drawn_frames(bundle.network, length))
    scorers: dict[Backend, Scorer] = {}
    tried: dict[str, Any] = {}
    for backend in able:
        try:
            scorer = make(
                bundle, *backend, options.device, options.clips_at_a_time, options.thread_count
            )
            reference = next(iter(scorers.values()), scorer)
            parity = compare_for(bundle, reference, scorer, [frames], backend.precision)
        except SettingsError:
            # A device that is not there: no other backend mends that.
            raise
        except (OddframeError, RuntimeError) as error:
            # The errors of some libraries fill pages.
            tried[str(backend)] = f"does not run: {str(error)[:200]}"
            continue
        if _differs(parity):
            tried[str(backend)] = "differs"
        else:
            scorers[backend] = scorer
    clips = clips_of(frames, network.interval)[: options.clips_at_a_time]
    speeds = _clips_per_s(scorers, clips, clock)
    if not speeds:
        why = "; ".join(f"{name} {what}" for name, what in tried.items())
        raise InputError(
            f"a backend on this machine must be able to run this model, but none is: {why}"
        )
    selected, fastest = next(iter(speeds.items()))
    for backend, speed in speeds.items():
        tried[str(backend)] = round(speed, 1)
        # Coarser numbers cost a little of the result, so a small gain in speed is not worth them.
        margin = 1.0 if backend.precision == selected.precision else CLEARLY_FASTER
        if speed > fastest * margin:
            selected, fastest = backend, speed
    _remember(key, {"backend": selected.name, "precision": selected.precision, "tried": tried})
    figures = ", ".join(f"{name} {what}" for name, what in tried.items())
    return SelectedBackend(
        selected,
        scorers[selected],
        f"scoring with {selected}, the fastest here (clips per second: {figures})",
    )


def _differs(parity: Parity) -> bool:
    """Whether a backend gives other results than the trained network on this machine."""
    if parity.precision == "int8":
        return not parity.raw_error_median <= MOST_INT8_ERROR
    return bool(parity.complaints)


def _clips_per_s(
    scorers: Mapping[Backend, Scorer], clips: Pixels, clock: Callable[[], float]
) -> dict[Backend, float]:
    """Measure the clips per second of each backend, by its best batch."""
    best = dict.fromkeys(scorers, math.inf)
    began = clock()
    # The backends take turns, so that what else runs on the machine slows all of them alike.
    for _ in range(MOST_ROUNDS):
        for backend, scorer in scorers.items():
            start = clock()
            scorer.score(clips)
            # The best of all rounds: what else runs on the machine only ever slows a batch.
            best[backend] = min(best[backend], clock() - start)
        if clock() - began > TRIED_S:
            break
    return {backend: len(clips) / seconds for backend, seconds in best.items()}


def _key(bundle: Bundle, able: list[Backend], options: InferenceOptions) -> str:
    """A hash of everything that may change which backend is the fastest."""
    facts = [
        bundle.fingerprint,
        [str(backend) for backend in able],
        options.device,
        options.clips_at_a_time,
        sees_gpu(),
        _processor(),
        options.thread_count,
    ]
    return hashlib.sha256(
        json.dumps([*facts, [_version(name) for name in _PACKAGES]]).encode()
    ).hexdigest()


def _processor() -> str:
    """The processor's model, or its instructions where the model is not named."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            # x86 names its model first; many ARM boards give only a list of features.
            if line.startswith(("model name", "flags", "Features")):
                return f"{platform.machine()} {line}"
    return f"{platform.machine()} {platform.processor()}"


def _version(name: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cache_path() -> Path:
    """The file in the user's cache folder that remembers selections."""
    return cache_folder() / "backends.json"


def _cached_choices() -> Mapping[str, Any]:
    """The selections of earlier runs by key; none where they cannot be read."""
    try:
        cached = json.loads(_cache_path().read_text())
    except (OSError, ValueError, RuntimeError):  # RuntimeError: nobody is at home
        return {}
    return cached if isinstance(cached, dict) else {}


def _remember(key: str, choice: Mapping[str, Any]) -> None:
    """Keep a selection; where it cannot be written, the next run measures again."""
    with suppress(OSError, RuntimeError):
        path = _cache_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in _cached_choices().items() if name != key}
        write_json(path, {**dict(list(kept.items())[-MOST_REMEMBERED + 1 :]), key: choice})
