"""Graphs of a trained network and the gate that they must pass: who does not say what it says does not get in."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from oddframe._types import Pixels
from oddframe._version import __version__
from oddframe.bundle.bundle import ONNX, Bundle, write_graphs
from oddframe.core.clips import clip_span
from oddframe.core.records import FRAMES_PER_CLIP
from oddframe.datasets.frame_cache import FrameCache
from oddframe.errors import MissingExtraError, ParityError, SourceError
from oddframe.inference.backends import Backend, make_scorer
from oddframe.inference.onnx_export import MOST_CLIPS
from oddframe.inference.parity import (
    MOST_AUC_LOST,
    Parity,
    clips_of,
    compare,
    drawn_frames,
    with_intruder,
)

TRAINED_ON = "normal footage of the training"
BATCH = 8
STRETCHES, STRETCH_CLIPS = 4, 28
"""Pieces of normal footage that are compared, evenly over it, and clips in each."""
WITH_INTRUDER = 2
"""In so many of them something odd is drawn, and compared too."""
_PACKAGES = {"torch": ("torch",), "onnx": ("onnxruntime",), "openvino": ("openvino",)}


@dataclass(frozen=True)
class Footage:
    """What is compared, and what the ranges of whole numbers are taken from.

    Attributes:
        stretches: Unbroken frames, normal and odd, each uint8 N x H x W x C.
        ranging: Single clips, uint8 N x 5 x H x W x C: normal ones, evenly over the footage, and
            some with an intruder, since ranges of normal clips alone cut off what makes an odd one
            stand out.
        origin: What it is, as a phrase.
    """

    stretches: tuple[Pixels, ...]
    ranging: Pixels
    origin: str


@dataclass(frozen=True)
class LabelledComparison:
    """AUCs of a labelled set by the trained network and by what was made of it, by name.

    Attributes:
        dataset: What it is.
        trained: Of the trained network.
        exported: Of the other.
    """

    dataset: str
    trained: Mapping[str, float]
    exported: Mapping[str, float]

    @property
    def complaints(self) -> tuple[str, ...]:
        """What was lost, a phrase each."""
        return tuple(
            f"{name} AUC on {self.dataset} {self.exported[name]:.4f}, {auc:.4f} before; at most {MOST_AUC_LOST} less"
            for name, auc in self.trained.items()
            if not self.exported[name] >= auc - MOST_AUC_LOST
        )


def footage_from_cache(
    cache: FrameCache, interval: int, origin: str, odd: FrameCache | None = None
) -> Footage:
    """Footage out of decoded normal frames; an intruder is drawn into copies of some of them.

    Args:
        cache: The normal frames.
        interval: Frames from one frame of a clip to the next.
        origin: What they are, as a phrase.
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
    """Footage where there is none: drawn on what the network knows of its scene."""
    interval = bundle.network.config.interval
    length = clip_span(interval) - 1 + STRETCH_CLIPS
    normal = [drawn_frames(bundle.network, length, seed) for seed in range(STRETCHES)]
    clips = np.concatenate([clips_of(stretch, interval) for stretch in normal])
    return Footage(_with_intruders(normal), _ranging(clips, normal, interval), "drawn clips")


def _with_intruders(normal: Sequence[Pixels]) -> tuple[Pixels, ...]:
    return (
        *normal,
        *(with_intruder(stretch, seed) for seed, stretch in enumerate(normal[:WITH_INTRUDER])),
    )


def _ranging(clips: Pixels, normal: Sequence[Pixels], interval: int) -> Pixels:
    """Normal clips, and clips of stretches with other intruders than those that are compared."""
    odd = [
        with_intruder(stretch, WITH_INTRUDER + seed)
        for seed, stretch in enumerate(normal[WITH_INTRUDER:])
    ]
    return np.concatenate([clips, *(clips_of(stretch, interval) for stretch in odd)])


def _starts(cache: FrameCache, span: int) -> npt.NDArray[np.int64]:
    """Where ``span`` unbroken frames begin."""
    begins = [
        np.arange(one.offset, one.offset + one.count - span + 1)
        for one in cache.stretches
        if one.count >= span
    ]
    if not begins:
        raise SourceError(
            f"an export needs {span} unbroken frames of footage, but no part of it has so many"
        )
    return np.concatenate(begins)


def _stretches(cache: FrameCache, interval: int) -> list[Pixels]:
    """Some stretches of frames, evenly over the footage."""
    span = clip_span(interval)
    starts = _starts(cache, span)
    chosen = np.unique(starts[np.linspace(0, len(starts) - 1, STRETCHES).round().astype(int)])
    found = []
    for start in map(int, chosen):
        stretch = cache.stretch_of(start)
        # One that begins near the end of its stretch begins earlier.
        end = min(start + span - 1 + STRETCH_CLIPS, stretch.offset + stretch.count)
        begin = max(stretch.offset, end - span + 1 - STRETCH_CLIPS)
        found.append(cache.take(np.arange(begin, end)))
    return found


def add_onnx(bundle: Bundle, footage: Footage) -> Bundle:
    """The bundle with an ONNX graph of its network that passed the gate.

    Raises:
        ParityError: If it does not pass.
        MissingExtraError: If torch or its exporter is not installed.
    """
    from oddframe.inference.onnx_export import onnx_graph

    made = replace(bundle, graphs={**bundle.graphs, ONNX: onnx_graph(bundle.network)})
    return check_parity(made, Backend("onnx"), footage)


def add_graph(folder: Path, bundle: Bundle, cache: FrameCache) -> tuple[str, ...]:
    """Add the ONNX graph to a bundle that was just trained; where that fails, a sentence says why.

    Args:
        folder: Where the bundle is.
        bundle: What is in it.
        cache: The normal frames that it was trained on.

    Raises:
        OutputError: If it cannot be written.
    """
    try:
        footage = footage_from_cache(cache, bundle.network.config.interval, TRAINED_ON)
        made = add_onnx(bundle, footage)
    except (ParityError, MissingExtraError) as error:
        return (f"the model needs torch: {error}",)
    write_graphs(folder, made.graphs, made.parity)
    return ()


def check_parity(
    bundle: Bundle,
    backend: Backend,
    footage: Footage,
    labelled: LabelledComparison | None = None,
    *,
    refuse: bool = True,
) -> Bundle:
    """The bundle with the parity of one of its graphs noted.

    Args:
        bundle: The bundle, with the graph.
        backend: What runs the graph.
        footage: What is compared.
        labelled: What came of a labelled set; for int8 it decides in place of the order of the
            scores.
        refuse: Whether a graph beyond the limits is an error; else that is noted as well.

    Raises:
        ParityError: If it does not pass.
    """
    config = bundle.network.config
    found = compare(
        make_scorer(bundle, "torch", "float32", "cpu", BATCH),
        make_scorer(bundle, *backend, "cpu", BATCH),
        footage.stretches,
        precision=backend.precision,
        interval=config.interval,
        rate_fps=bundle.rate_fps,
        calibration=bundle.calibration,
        neighbours=config.neighbours,
    )
    complaints = _complaints(found, labelled)
    if complaints and refuse:
        raise ParityError(
            f"{backend} must say what the trained network says, but on {found.clips} clips ({footage.origin}): "
            f"{'; '.join(complaints)}; the model was left as it was"
        )
    entry: dict[str, Any] = {
        "passed": not complaints,
        "complaints": list(complaints),
        **found.as_dict(),
    }
    entry |= {"footage": footage.origin, "machine": platform.machine(), "oddframe": __version__}
    entry |= {package: version(package) for package in ("torch", *_PACKAGES[backend.name])}
    if labelled is not None:
        entry["auc"] = {
            "dataset": labelled.dataset,
            "trained": dict(labelled.trained),
            "exported": dict(labelled.exported),
        }
    return replace(bundle, parity={**bundle.parity, str(backend): entry})


def _complaints(found: Parity, labelled: LabelledComparison | None) -> tuple[str, ...]:
    if labelled is None:
        return found.complaints
    return (
        labelled.complaints
        if found.precision == "int8"
        else (*found.complaints, *labelled.complaints)
    )
