"""CUHK Avenue as published: `training_videos/01.avi`, `testing_videos/01.avi`, `testing_label_mask/1_label.mat`."""

import os
from pathlib import Path

from oddframe.datasets.benchmark import Benchmark, Counts, TestVideo, compare_counts
from oddframe.datasets.labels import LabelSource, join_labels, refused_files
from oddframe.datasets.layout_frame_folders import label_sources
from oddframe.datasets.listing import (
    check_length,
    last_number,
    named,
    recordings,
    stated_frames,
    track_file,
)
from oddframe.datasets.masks import MaskVolume, labels_of_masks
from oddframe.media.recording import Recording

LOOKED_FOR = (
    "Avenue's own (training_videos/01.avi and testing_videos/01.avi, masks 1_label.mat in a folder testing_label_mask "
    "anywhere below)"
)


def avenue(root: Path, given: Path | None = None) -> Benchmark | None:
    """Recognise a copy as CUHK published it; None where `testing_videos` has no recordings.

    Labels come from the masks: a frame is abnormal where its mask is not empty. Every mask is
    unpacked for that, which takes some seconds. Label files beside them (`avenue.mat`) are only
    used for want of masks: the widely used one marks 155 frames more.

    Args:
        root: The folder with `testing_videos`.
        given: The folder below which the masks are looked for, ``root`` when None.

    Raises:
        LayoutError: Labels are missing, unreadable or do not fit the recordings.
        SourceError: A test recording cannot be read.
    """
    paths = recordings(root / "testing_videos")
    if not paths:
        return None
    notices = refused_files((root, root / "testing_videos"))
    files = _mask_files(given or root)
    masks = {
        path: MaskVolume(files[number])
        for path in paths
        if (number := last_number(path.stem)) in files
    }
    sources = [_labels(path, one) for path, one in masks.items()]
    without = [path.stem for path in paths if path not in masks]
    if without:
        frame_counts = {path.stem: Recording(path).count_frames() for path in paths}
        missing = {name: frame_counts[name] for name in without}
        sources += [_only(source, missing) for source in label_sources(root, frame_counts)]
        notices.append(
            f"pixel masks for {len(masks)} of {len(paths)} videos, none for {named(without)}"
        )
    names = {path.stem: 0 for path in paths}
    labels = join_labels(
        sources, names, [*notices, f"no folder testing_label_mask below {given or root}"]
    )
    training, training_frames = stated_frames(recordings(root / "training_videos"), notices)
    counts = Counts(
        training_videos=len(training),
        training_frames=training_frames,
        testing_videos=len(paths),
        testing_frames=sum(values.size for values in labels.values()),
        abnormal_frames=sum(int(values.sum()) for values in labels.values()),
    )
    notices += compare_counts("avenue", counts)
    testing = tuple(
        TestVideo(
            path.stem,
            path,
            labels[path.stem],
            masks.get(path),
            track_file((root, root / "testing_videos"), path.stem),
        )
        for path in paths
    )
    return Benchmark(
        "avenue", root, "Avenue, as published", training, testing, counts, notices=tuple(notices)
    )


def _mask_files(place: Path) -> dict[int | None, Path]:
    """Mask files by their number, from the first folder `testing_label_mask` below a place that has any."""
    for folder, below, names in os.walk(place):
        below.sort()
        if Path(folder).name == "testing_label_mask":
            files = {
                last_number(name): Path(folder) / name
                for name in sorted(names)
                if name.lower().endswith("_label.mat") and not name.startswith(".")
            }
            if files:
                return files
    return {}


def _labels(path: Path, masks: MaskVolume) -> LabelSource:
    labels = labels_of_masks(masks)
    check_length(path, labels.size, masks.path)
    return LabelSource(masks.path, {path.stem: labels})


def _only(source: LabelSource, names: dict[str, int]) -> LabelSource:
    return LabelSource(
        source.path, {name: values for name, values in source.labels.items() if name in names}
    )
