"""Measure how fast this machine scores and trains: the verb `oddframe bench`."""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, get_args

from oddframe._types import Progress, silent
from oddframe.bundle.bundle import find_bundle, read_bundle
from oddframe.errors import InputError, MissingExtraError, SettingsError
from oddframe.inference import BackendName
from oddframe.inference.backends import installed
from oddframe.inference.selection import DEFAULT_BATCH, BackendChoice
from oddframe.isolation import run_in_process
from oddframe.model.config import NetworkConfig
from oddframe.speed.fixtures import draw_recording
from oddframe.speed.instruments import busy, machine
from oddframe.speed.measure import measure_bounds, measure_row
from oddframe.speed.plan import Bounds, Numbers, Setup, SpeedRow, TrainingRow, plan_rows
from oddframe.training.settings import PRESETS, Settings

SECONDS = 12.0
"""About how long a row is measured, without its start."""
MOST_S, GPU_MOST_S = 540.0, 270.0
"""After so many seconds no other row begins: a table takes less than ten minutes, on a GPU less
than five."""
GPU_START_S, LEAST_ROW_S = 5.0, 1.0
"""Seconds that the budget of a GPU reckons for the start of a row, and the least that a row is
measured for where many share the budget."""
GPU_BATCHES = (1, 64)
"""Batch sizes on a GPU: one live camera, and an archive."""
GRAPHS = ("onnx", "int8")
"""Exported networks of an untrained preset; int8 runs with OpenVINO only."""

Measured: TypeAlias = SpeedRow | Bounds | TrainingRow


@dataclass(frozen=True, kw_only=True)
class BenchReport:
    """The speeds of a machine.

    Example:
        >>> report = oddframe.bench("runs/door", backend="onnx", seconds=0.1)
        >>> report.seconds > 0
        True

    Attributes:
        machine: Its processor, memory, GPU and versions; see `oddframe.speed.instruments.machine`.
        rows: A row for each preset, backend and precision.
        bounds: Speed of what comes before the network, for each preset.
        training: Speed of training, where that was measured.
        notices: What is left out and why, and what the figures depend on, a sentence each.
        seconds: Wall-clock time.
    """

    machine: Mapping[str, Any]
    rows: tuple[SpeedRow, ...]
    bounds: tuple[Bounds, ...]
    training: tuple[TrainingRow, ...]
    notices: tuple[str, ...]
    seconds: float


def bench(
    model: str | Path | None = None,
    *,
    presets: Mapping[str, Settings] | None = None,
    backend: BackendChoice = "auto",
    device: str = "auto",
    batch_sizes: Sequence[int] = (),
    seconds: float = SECONDS,
    compiled: bool = False,
    training: bool | None = None,
    on_progress: Progress = silent,
) -> BenchReport:
    """Measure how fast this machine scores, on drawn footage, each row in a process of its own.

    Example:
        >>> report = oddframe.bench("runs/door", backend="onnx", seconds=0.1)
        >>> len(report.rows) > 0
        True

    Args:
        model: A run folder, a model bundle or the name of a shipped model; when None, randomly
            initialised presets, for which torch must be installed.
        presets: Which presets, by name, where there is no model; fast and paper when None.
        backend: What runs the network; "auto" measures all that are installed.
        device: "auto", "cpu" or a GPU such as "cuda:0", which only torch knows; auto is a GPU where
            torch sees one.
        batch_sizes: Clips at a time, a row for each; when empty 8, on a GPU 1 and 64.
        seconds: About how long each row is measured.
        compiled: Whether torch has rows with a compiled network, too.
        training: Whether the speed of training is measured; when None on a GPU only. With a model
            it is not.
        on_progress: Called with the phases "prepare" and "bench".

    Raises:
        MissingExtraError: If there is no model and torch is not installed.
        SettingsError: If the device is not there or a setting is out of range.
        BundleError: If the model is unusable.
        InputError: If nothing can run it here.
    """
    began = time.monotonic()
    if not 0.0 < seconds < float("inf"):
        raise SettingsError(f"seconds must be above 0 and finite, got {seconds}")
    if model is None and not installed("torch"):
        raise MissingExtraError("bench without --model", "train")
    backends = get_args(BackendName) if backend == "auto" else (backend,)
    where, precisions, gpu = _ability(device, backends)
    sizes = tuple(batch_sizes) or (GPU_BATCHES if gpu else (DEFAULT_BATCH,))
    found = machine(gpu)
    notices = list(busy(found))
    chosen = (
        {} if model is not None else presets or {name: PRESETS[name] for name in ("fast", "paper")}
    )
    # The recording and untrained bundles are only there while rows are measured.
    with tempfile.TemporaryDirectory(prefix="oddframe-bench-") as place:
        recording = Path(place) / "drawn.mp4"
        draw_recording(recording)
        graphs = (
            ()
            if where != "cpu" or backends == ("torch",)
            else GRAPHS[: 1 + ("openvino" in backends)]
        )
        folders = _folders(model, chosen, Path(place), graphs, on_progress)
        setups: list[Setup] = []
        for name, (folder, lacking) in folders.items():
            plan = plan_rows(
                name,
                folder,
                read_bundle(folder),
                lacking=lacking,
                backends=backends,
                device=where,
                torch_precisions=precisions,
                batch_sizes=sizes,
                compiled=compiled,
            )
            setups += plan.setups
            notices += [text for text in plan.notices if text not in notices]
        if not setups:
            raise InputError(
                "a backend on this machine must be able to run the network, but none is: "
                f"{'; '.join(notices)}"
            )
        trained = gpu is not None if training is None else training
        if gpu is not None:
            most = row_seconds(
                len(folders) + len(setups) + (2 * len(chosen) * len(precisions) if trained else 0)
            )
            if seconds > most:
                seconds = most
                notices.append(
                    f"each row is measured for {most:.1f} s, so that there is time for all"
                )
        counted = installed("torch")
        works = [
            _Work(
                f"decoding for {name}",
                measure_bounds,
                (name, folder, recording, seconds / 2, counted),
            )
            for name, (folder, _) in folders.items()
        ]
        works += [_Work(str(setup), measure_row, (setup, recording, seconds)) for setup in setups]
        if trained:
            works += [
                _Work(
                    f"training {name} in {numbers}",
                    _training,
                    (name, settings, where, numbers, seconds / 2),
                )
                for name, settings in chosen.items()
                for numbers in precisions
                # Nobody trains in float16: its gradients would need a scale.
                if numbers != "float16"
            ]
        # Bounds come first: without them a row cannot say how near it comes.
        most_s = MOST_S if gpu is None else GPU_MOST_S
        measured = _measure_all(works, began + most_s, notices, on_progress)
    bounds = {result.preset: result for result in measured if isinstance(result, Bounds)}
    return BenchReport(
        machine=found,
        rows=tuple(
            _add_bounds(result, bounds.get(result.preset))
            for result in measured
            if isinstance(result, SpeedRow)
        ),
        bounds=tuple(bounds.values()),
        training=tuple(result for result in measured if isinstance(result, TrainingRow)),
        notices=tuple(notices),
        seconds=time.monotonic() - began,
    )


def row_seconds(rows: int) -> float:
    """Say how long each of so many rows on a GPU may be measured to fit into `GPU_MOST_S`."""
    return max(LEAST_ROW_S, GPU_MOST_S / max(1, rows) - GPU_START_S)


class _Work(NamedTuple):
    """A measurement in a process of its own, so that none has the memory of another."""

    name: str
    function: Callable[..., Measured]
    arguments: tuple[Any, ...]


def _ability(device: str, backends: Sequence[str]) -> tuple[str, tuple[Numbers, ...], str | None]:
    """The device, what torch computes in there, and the name of the GPU."""
    if "torch" in backends and installed("torch"):
        return run_in_process(_torch_ability, device)
    if device not in ("auto", "cpu"):
        raise SettingsError(
            f"device must be auto or cpu without torch, got {device!r}; torch runs on a GPU"
        )
    return "cpu", ("float32",), None


def _folders(
    model: str | Path | None,
    presets: Mapping[str, Settings],
    place: Path,
    graphs: Sequence[str],
    on_progress: Progress,
) -> dict[str, tuple[Path, str | None]]:
    """The bundle of the model by its name, or an untrained bundle for each preset.

    Beside each stands why it lacks a graph, None if it lacks none.
    """
    if model is not None:
        return {Path(model).name or str(model): (find_bundle(model), None)}
    folders: dict[str, tuple[Path, str | None]] = {}
    for number, (name, settings) in enumerate(presets.items()):
        on_progress("prepare", number, len(presets), {})
        lacking = run_in_process(_untrained, place / name, settings.network, graphs)
        folders[name] = place / name, lacking
    on_progress("prepare", len(presets), len(presets), {})
    return folders


def _measure_all(
    works: Sequence[_Work], end: float, notices: list[str], on_progress: Progress
) -> list[Measured]:
    """Results of the measurements that began before ``end``; the others get a notice."""
    found: list[Measured] = []
    for number, work in enumerate(works):
        on_progress("bench", number, len(works), {})
        if time.monotonic() > end:
            late = ", ".join(left_out.name for left_out in works[number:])
            notices.append(
                f"there was no time left for {late}; "
                "take fewer --seconds, or one --preset or --backend"
            )
            break
        try:
            found.append(run_in_process(work.function, *work.arguments))
        except InputError as error:
            # A backend that cannot run here is a line of the report; the other rows are measured.
            notices.append(f"{work.name} is left out: {error}")
    on_progress("bench", len(works), len(works), {})
    return found


def _add_bounds(row: SpeedRow, bounds: Bounds | None) -> SpeedRow:
    """Add to a row how near it comes to the slower of decoding and the network alone."""
    if bounds is None:
        return row
    counted = bounds.gflop_per_frame
    return replace(
        row,
        share_of_bound=row.fps_end_to_end / min(bounds.fps_decode_convert, row.fps_inference),
        tflop_s=None if counted is None else row.fps_inference * counted / 1e3,
    )


# Called in other processes, since this one may have no torch; they are functions of this module so
# that the other process finds them by name.
def _torch_ability(device: str) -> tuple[str, tuple[Numbers, ...], str | None]:
    from oddframe.speed.torch_rows import torch_ability

    return torch_ability(device)


def _untrained(folder: Path, network: NetworkConfig, graphs: Sequence[str]) -> str | None:
    from oddframe.speed.torch_rows import write_untrained

    return write_untrained(folder, network, graphs)


def _training(
    preset: str, settings: Settings, device: str, precision: Numbers, seconds: float
) -> TrainingRow:
    from oddframe.speed.torch_rows import measure_training

    return measure_training(preset, settings, device, precision, seconds)
