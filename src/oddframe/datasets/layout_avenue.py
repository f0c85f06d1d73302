"""CUHK Avenue as published: recordings, and masks in an archive of their own.

training_videos/01.avi
testing_videos/01.avi
testing_label_mask/1_label.mat
"""

import os
from pathlib import Path

from oddframe.datasets.benchmark import Benchmark
from oddframe.datasets.labels import LabelSource, join_labels, refused_files
from oddframe.datasets.listing import check_length, last_number, recordings, stated_frames
from oddframe.datasets.masks import MaskVolume, labels_of_masks
from oddframe.datasets.published import (
    assemble_benchmark,
    count_parts,
    label_sources,
    note_missing_masks,
)
from oddframe.media.recording import Recording

LAYOUT = "Avenue"


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
    test_root = root / "testing_videos"
    videos = {path.stem: path for path in recordings(test_root)}
    if not videos:
        return None
    notices = refused_files((root, test_root))
    # The second archive unpacks beside the first, so that masks may lie above `root`.
    files = _mask_files(given or root)
    masks: dict[str, MaskVolume | None] = {}
    for name in videos:
        file = files.get(last_number(name))
        masks[name] = None if file is None else MaskVolume(file)
    sources = [
        _labels_by_masks(videos[name], mask) for name, mask in masks.items() if mask is not None
    ]
    missing = {name for name, mask in masks.items() if mask is None}
    if missing:
        # All videos are counted, since label files are paired with all of them.
        frame_counts = {name: Recording(path).count_frames() for name, path in videos.items()}
        sources += [_only(source, missing) for source in label_sources(root, frame_counts)]
        note_missing_masks(masks, notices)
    refused = [*notices, f"no folder testing_label_mask below {given or root}"]
    labels = join_labels(sources, dict.fromkeys(videos, 0), refused)
    training, training_frames = stated_frames(recordings(root / "training_videos"), notices)
    return assemble_benchmark(
        "avenue",
        root,
        "Avenue, as published",
        training,
        count_parts(training, training_frames, labels),
        videos,
        labels,
        masks,
        (root, test_root),
        notices,
    )


def _mask_files(place: Path) -> dict[int | None, Path]:
    """Find mask files by their number, in the first folder `testing_label_mask` that has any."""
    for folder, below, names in os.walk(place):
        # In place: this is the order in which the walk goes on.
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


def _labels_by_masks(path: Path, masks: MaskVolume) -> LabelSource:
    """Label a recording by its masks.

    Raises:
        LayoutError: There are more or fewer masks than frames.
    """
    labels = labels_of_masks(masks)
    check_length(path, labels.size, masks.path)
    return LabelSource(masks.path, {path.stem: labels})


def _only(source: LabelSource, names: set[str]) -> LabelSource:
    """Keep the labels of some videos."""
    kept = {name: values for name, values in source.labels.items() if name in names}
    return LabelSource(source.path, kept)
