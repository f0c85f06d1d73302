"""The parity gate: a graph gets into a bundle only if it agrees with the trained network."""

import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import numpy.typing as npt

from oddframe._types import Pixels
from oddframe._version import __version__
from oddframe.bundle.bundle import ONNX, Bundle
from oddframe.core.clips import clip_span
from oddframe.core.records import FRAMES_PER_CLIP
from oddframe.datasets.frame_cache import FrameCache
from oddframe.errors import ParityError, SourceError
from oddframe.extras import require_extra
from oddframe.inference.backends import Backend, make_scorer
from oddframe.inference.onnx_export import MOST_CLIPS
from oddframe.inference.parity import (
    MOST_AUC_LOST,
    Parity,
    clips_of,
    compare_for,
    drawn_frames,
    with_intruder,
)

TRAINED_ON = "normal footage of the training"
BATCH = 8
"""Clips that both networks score at a time."""
STRETCHES, STRETCH_CLIPS = 4, 28
"""Stretches of normal footage that are compared, evenly over it, and clips in each."""
WITH_INTRUDER = 2
"""Stretches that are compared a second time with something odd drawn into them."""

# The packages whose versions may change what a backend computes.
_PACKAGES = {
    "torch": ("torch",),
    "onnx": ("onnxruntime", "onnxruntime-gpu"),
    "openvino": ("openvino",),
}


@dataclass(frozen=True)
class Footage:
    """The footage that is compared, and from which the ranges of whole numbers are taken.

    Attributes:
        stretches: Unbroken frames, normal and odd, each uint8 N x H x W x C.
        ranging: Single clips, uint8 N x 5 x H x W x C: normal ones, evenly over the footage, and
            some with an intruder, since ranges of normal clips alone cut off what makes an odd one
            stand out.
        origin: Where it comes from, as a phrase.
    """

    stretches: tuple[Pixels, ...]
    ranging: Pixels
    origin: str


@dataclass(frozen=True)
class LabelledComparison:
    """AUCs of a labelled set by the trained network and by its export.

    Attributes:
        dataset: The path of the labelled set.
        trained: The AUCs of the trained network, by name.
        exported: The AUCs of the export, by the same names.
    """

    dataset: str
    trained: Mapping[str, float]
    exported: Mapping[str, float]

    @property
    def complaints(self) -> tuple[str, ...]:
        """What the export lost beyond the limit, a phrase for each AUC."""
        return tuple(
            f"{name} AUC on {self.dataset} {self.exported[name]:.4f}, {auc:.4f} before; "
            f"at most {MOST_AUC_LOST} less"
            for name, auc in self.trained.items()
            # Written so that an AUC which is not a number is a loss.
            if not self.exported[name] >= auc - MOST_AUC_LOST
        )


def footage_from_cache(
    cache: FrameCache, interval: int, origin: str, odd: FrameCache | None = None
) -> Footage:
    """Take footage from decoded normal frames, and draw an intruder into copies of some of them.

    Args:
        cache: The normal frames.
        interval: Frames from one frame of a clip to the next.
        origin: Where they come from, as a phrase.
        odd: Frames with something odd in them, where there are any.

    Raises:
        SourceError: If no stretch is long enough for a clip.
    """
    normal = _stretches(cache, interval)
    starts = _starts(cache, clip_span(interval))
    starts = starts[
        np.linspace(0, len(starts) - 1, min(len(starts), MOST_CLIPS)).round().astype(int)
    ]
    clips = cache.take(starts[:, None] + interval * np.arange(FRAMES_PER_CLIP))
    return Footage(
        (*_with_intruders(normal), *([] if odd is None else _stretches(odd, interval))),
        _ranging(clips, normal, interval),
        f"{origin}, with drawn intruders" + ("" if odd is None else " and given odd footage"),
    )


def synthetic_footage(bundle: Bundle) -> Footage:
    """Draw footage where there is none, on what the network has learned of its scene."""
    interval = bundle.network.config.interval
    length = clip_span(interval) - 1 + STRETCH_CLIPS
    normal = [drawn_frames(bundle.network, length, seed) for seed in range(STRETCHES)]
    clips = np.concatenate([clips_of(stretch, interval) for stretch in normal])
    return Footage(_with_intruders(normal), _ranging(clips, normal, interval), "drawn clips")


def _with_intruders(normal: Sequence[Pixels]) -> tuple[Pixels, ...]:
    """The stretches, and copies of the first of them with an intruder."""
    return (
        *normal,
        *(with_intruder(stretch, seed) for seed, stretch in enumerate(normal[:WITH_INTRUDER])),
    )


def _ranging(clips: Pixels, normal: Sequence[Pixels], interval: int) -> Pixels:
    """Normal clips, and clips of stretches with other intruders than those that are compared."""
    # Ranges that were taken from the compared clips themselves would flatter the comparison.
    odd = [
        with_intruder(stretch, WITH_INTRUDER + seed)
        for seed, stretch in enumerate(normal[WITH_INTRUDER:])
    ]
    return np.concatenate([clips, *(clips_of(stretch, interval) for stretch in odd)])


def _starts(cache: FrameCache, span: int) -> npt.NDArray[np.int64]:
    """The numbers of all frames at which ``span`` unbroken frames begin, int64 N.

    Raises:
        SourceError: If there are none.
    """
    begins = [
        np.arange(run.offset, run.offset + run.count - span + 1)
        for run in cache.stretches
        if run.count >= span
    ]
    if not begins:
        raise SourceError(
            f"an export needs {span} unbroken frames of footage, but no part of it has so many"
        )
    return np.concatenate(begins)


def _stretches(cache: FrameCache, interval: int) -> list[Pixels]:
    """Take some stretches of frames, evenly over the footage."""
    span = clip_span(interval)
    starts = _starts(cache, span)
    chosen = np.unique(starts[np.linspace(0, len(starts) - 1, STRETCHES).round().astype(int)])
    taken = []
    for start in map(int, chosen):
        run = cache.stretch_of(start)
        # A stretch that would reach beyond the end of its run of frames begins earlier.
        end = min(start + span - 1 + STRETCH_CLIPS, run.offset + run.count)
        begin = max(run.offset, end - span + 1 - STRETCH_CLIPS)
        taken.append(cache.take(np.arange(begin, end)))
    return taken


def add_onnx(bundle: Bundle, footage: Footage) -> Bundle:
    """Add an ONNX graph of its network to a bundle, if it passes the gate.

    Raises:
        ParityError: If it does not pass.
        MissingExtraError: If torch or its exporter is not installed.
    """
    # Imported here, since the exporter is an extra.
    from oddframe.inference.onnx_export import onnx_graph

    made = replace(bundle, graphs={**bundle.graphs, ONNX: onnx_graph(bundle.network)})
    return check_parity(made, Backend("onnx"), footage)


def check_parity(
    bundle: Bundle,
    backend: Backend,
    footage: Footage,
    labelled: LabelledComparison | None = None,
    *,
    refuse: bool = True,
    device: str = "cpu",
) -> Bundle:
    """Compare one of a bundle's graphs with the trained network, and note the result in the bundle.

    Args:
        bundle: The bundle, with the graph.
        backend: What runs the graph.
        footage: The footage that both score.
        labelled: The AUCs of a labelled set; for int8 they decide in place of the order of the
            scores.
        refuse: Whether a graph beyond the limits is an error; else that is noted as well.
        device: Where torch runs, "cpu" or a GPU; the graphs run on the processor.

    Raises:
        ParityError: If it does not pass.
    """
    # Imported here, since an edge install has no torch.
    with require_extra("scoring with torch"):
        from oddframe.inference.torch_backend import all_digits

    with all_digits():
        parity = compare_for(
            bundle,
            make_scorer(bundle, "torch", "float32", device, BATCH),
            make_scorer(bundle, *backend, device if backend.name == "torch" else "cpu", BATCH),
            footage.stretches,
            backend.precision,
        )
    complaints = _complaints(parity, labelled)
    if complaints and refuse:
        raise ParityError(
            f"{backend} must say what the trained network says, "
            f"but on {parity.clips} clips ({footage.origin}): "
            f"{'; '.join(complaints)}; the model was left as it was"
        )
    entry: dict[str, Any] = {
        "passed": not complaints,
        "complaints": list(complaints),
        **parity.as_dict(),
    }
    # Agreement is a fact of a machine and of versions, so both are kept with it.
    entry |= {"footage": footage.origin, "machine": platform.machine(), "oddframe": __version__}
    for package in ("torch", *_PACKAGES[backend.name]):
        # ONNX Runtime for GPUs stands in the place of the other.
        with suppress(PackageNotFoundError):
            entry[package] = version(package)
    if labelled is not None:
        entry["auc"] = {
            "dataset": labelled.dataset,
            "trained": dict(labelled.trained),
            "exported": dict(labelled.exported),
        }
    return replace(bundle, parity={**bundle.parity, str(backend): entry})


def _complaints(parity: Parity, labelled: LabelledComparison | None) -> tuple[str, ...]:
    """Everything that is beyond the limits, a phrase each."""
    if labelled is None:
        return parity.complaints
    # Whole numbers change every score a little; what counts is whether they cost accuracy.
    if parity.precision == "int8":
        return labelled.complaints
    return (*parity.complaints, *labelled.complaints)
