"""Pictures for UCSD Ped2: score curves, the worst misses and false alarms, distances of codes.

    ODDFRAME_PED2=... python benchmarks/accuracy_pictures.py --model ped2 -o docs/images

Writes `ped2_curves.png`, `ped2_misses.png`, `ped2_false_alarms.png` and `ped2_codes.png`, and
prints the list of worst frames. The test labels serve to find them, nothing is chosen here. The
pictures of mistakes show silhouettes in place of the frames, which are not ours to publish;
`--frames` shows the frames themselves.
"""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt

from oddframe.datasets.benchmark import TestVideo
from oddframe.datasets.layouts import open_benchmark
from oddframe.inference.loading import load
from oddframe.inference.model import Model
from oddframe.media.discovery import open_source

mpl.use("Agg")
from matplotlib import pyplot as plt

Floats = npt.NDArray[np.float64]
SHOWN = 10
FOREGROUND = 24
"""Grey levels by which what is there differs from the empty scene."""
APART = 15
"""Frames of one video that lie closer together than this are one mistake."""
BLUE, RED, GREY = "#1f5fa8", "#c8402a", "#d9d9d9"


@dataclass
class Video:
    """One scored test video; frames without a score hold NaN."""

    name: str
    labels: npt.NDArray[np.uint8]
    raw: Floats
    cluster: Floats
    motion: Floats
    maps: list[npt.NDArray[np.float16] | None]
    pictures: list[npt.NDArray[np.uint8]]
    masks: list[npt.NDArray[np.bool_]]


def main() -> None:
    """Score the test videos and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument(
        "--frames", action="store_true", help="show the frames, for nobody else's eyes"
    )
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    model = load(args.model)
    videos = [scored(model, video) for video in open_benchmark(os.environ["ODDFRAME_PED2"]).testing]
    curves(videos, model.bundle.calibration.threshold, args.out / "ped2_curves.png")
    misses, alarms = worst(videos, missed=True), worst(videos, missed=False)
    mistakes(videos, misses, args.out / "ped2_misses.png", frames=args.frames)
    mistakes(videos, alarms, args.out / "ped2_false_alarms.png", frames=args.frames)
    codes(videos, args.out / "ped2_codes.png")
    for title, found in (("misses", misses), ("false alarms", alarms)):
        print(
            title, ", ".join(f"{videos[v].name}:{frame} ({share:.0%})" for v, frame, share in found)
        )


def scored(model: Model, video: TestVideo) -> Video:
    """Score one test video and keep what is drawn."""
    raw, cluster, motion, maps = [], [], [], []
    pictures: list[npt.NDArray[np.uint8]] = []
    source = open_source(video.path, 10.0)
    for one in model.scores(source, every_frame=True, health=False, maps=True, picture_width=360):
        raw.append(np.nan if one.raw is None else one.raw)
        cluster.append(np.nan if one.cluster is None else one.cluster)
        motion.append(np.nan if one.motion is None else one.motion)
        maps.append(None if one.map is None else np.sqrt(one.map).astype(np.float16))
        if one.picture is not None:
            pictures.append(one.picture)
    if video.masks is None:
        raise SystemExit(f"{video.path} must have pixel masks, but has none")
    masks = list(video.masks.frames())
    name, labels = video.name, video.labels
    return Video(
        name, labels, np.array(raw), np.array(cluster), np.array(motion), maps, pictures, masks
    )


def curves(videos: list[Video], threshold: float, path: Path) -> None:
    """Raw scores over time on a logarithmic scale, true intervals shaded, one panel a video."""
    figure, axes = plt.subplots(4, 3, figsize=(13, 9), sharey=True, layout="constrained")
    for axis, video in zip(axes.flat, videos, strict=False):
        for start, end in runs(video.labels):
            axis.axvspan(start - 0.5, end + 0.5, color=GREY, lw=0)
        axis.semilogy(video.raw, color=BLUE, lw=1.2)
        axis.axhline(threshold, color=RED, lw=0.8, ls="--")
        axis.set_title(f"test {video.name}", fontsize=9, loc="left")
        axis.set_xlim(0, len(video.labels) - 1)
        axis.tick_params(labelsize=7)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    figure.supxlabel(
        "frame (grey: labelled abnormal; dashed: the model's threshold from normal video)",
        fontsize=9,
    )
    figure.supylabel("raw score", fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def runs(labels: npt.NDArray[np.uint8]) -> list[tuple[int, int]]:
    """First and last frame of each abnormal stretch."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], labels, [0]]).astype(int)))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def worst(videos: list[Video], *, missed: bool) -> list[tuple[int, int, float]]:
    """Video, frame and share of the other class that it is on the wrong side of, worst first."""
    other = np.sort(np.concatenate([v.raw[(v.labels == 0) == missed] for v in videos]))
    other = other[np.isfinite(other)]
    found = []
    for number, video in enumerate(videos):
        for frame in np.flatnonzero((video.labels == 1) == missed):
            if np.isfinite(video.raw[frame]):
                below = np.searchsorted(other, video.raw[frame]) / len(other)
                found.append((number, int(frame), float(1 - below if missed else below)))
    found.sort(key=lambda one: -one[2])
    kept: list[tuple[int, int, float]] = []
    for one in found:
        if all(one[0] != k[0] or abs(one[1] - k[1]) >= APART for k in kept):
            kept.append(one)
        if len(kept) == SHOWN:
            break
    return kept


def mistakes(
    videos: list[Video], found: list[tuple[int, int, float]], path: Path, *, frames: bool
) -> None:
    """What is in the picture with the anomaly map laid over it and the true region outlined."""
    hottest = float(
        np.nanquantile(
            np.concatenate([[np.max(m) for m in v.maps if m is not None] for v in videos]), 0.9
        )
    )
    figure, axes = plt.subplots(2, 5, figsize=(17, 5.4), layout="constrained")
    for axis in axes.flat:
        axis.axis("off")
    for axis, (number, frame, share) in zip(axes.flat, found, strict=False):
        video = videos[number]
        picture, heat = video.pictures[frame], video.maps[frame]
        height, width = picture.shape[:2]
        axis.imshow(
            picture if frames else silhouettes(video.pictures, frame), extent=(0, width, height, 0)
        )
        if heat is not None:
            level = np.clip(heat.astype(np.float32) / hottest, 0, 1)
            axis.imshow(
                level, extent=(0, width, height, 0), cmap="Reds", alpha=level, vmin=0, vmax=1
            )
        if video.masks[frame].any():
            axis.contour(
                np.linspace(0, width, video.masks[frame].shape[1]),
                np.linspace(0, height, video.masks[frame].shape[0]),
                video.masks[frame],
                levels=[0.5],
                colors=BLUE,
                linewidths=1.2,
            )
        axis.set_title(f"test {video.name}, frame {frame}: {share:.0%}", fontsize=9, loc="left")
    figure.savefig(path, dpi=80)
    plt.close(figure)


def silhouettes(pictures: list[npt.NDArray[np.uint8]], frame: int) -> npt.NDArray[np.uint8]:
    """Grey where a picture is not the empty scene, the median of its recording; uint8 H x W x 3."""
    empty = np.median(np.stack(pictures), axis=0)
    there = np.abs(pictures[frame].astype(np.float32) - empty).max(axis=2) > FOREGROUND
    shape: npt.NDArray[np.uint8] = (
        np.where(there[..., None], 200, 250).astype(np.uint8).repeat(3, axis=2)
    )
    return shape


def codes(videos: list[Video], path: Path) -> None:
    """Histograms of the cluster distance of normal and abnormal frames."""
    from sklearn.metrics import roc_auc_score

    labels = np.concatenate([v.labels for v in videos])
    figure, axes = plt.subplots(1, 2, figsize=(11, 3.4), layout="constrained")
    for axis, part in zip(axes, ("cluster", "motion"), strict=True):
        values = np.concatenate([getattr(v, part) for v in videos])
        known = np.isfinite(values)
        auc = roc_auc_score(labels[known], values[known])
        bins = np.geomspace(values[known].min(), values[known].max(), 60)
        for kind, colour, name in ((0, BLUE, "normal frames"), (1, RED, "abnormal frames")):
            axis.hist(
                values[known & (labels == kind)],
                bins,
                color=colour,
                alpha=0.55,
                label=name,
                density=True,
            )
        axis.set_xscale("log")
        axis.set_yticks([])
        title = "distance from the clusters" if part == "cluster" else "motion error"
        axis.set_title(f"{title} alone: AUC raw {auc:.3f}", fontsize=10, loc="left")
        axis.legend(frameon=False, fontsize=8)
        print(f"{part} alone: AUC raw {auc:.4f}")
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
