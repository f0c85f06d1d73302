"""UCSD Ped1 and Ped2 as published: `Test/Test001/001.tif`, masks `Test001_gt/001.bmp`, labels in `UCSDped2.m`."""

import re
from pathlib import Path

from oddframe.datasets.benchmark import Benchmark, Counts, TestVideo, compare_counts
from oddframe.datasets.label_files import holds_ranges
from oddframe.datasets.labels import (
    LabelSource,
    join_labels,
    labels_from_mat,
    labels_from_ranges,
    refused_files,
)
from oddframe.datasets.layout_frame_folders import frames_of, label_mat, training_folders
from oddframe.datasets.listing import check_masks, entries, folders, images, named, track_file
from oddframe.datasets.masks import MaskImages, labels_of_masks

LOOKED_FOR = "UCSD's own (Train/Train001/001.tif and Test/Test001/001.tif, labels in UCSDped2.m or Test001_gt/001.bmp)"

_TEST_FOLDER = re.compile(r"test\d+", re.IGNORECASE)


def ucsd(root: Path) -> Benchmark | None:
    """Recognise a copy as UCSD published it; None where `Test` has no folder such as `Test001`.

    Labels come from the `.m` file, from a `.mat` where there is one, and only without both from the
    masks, which Ped1 has for some videos only.

    Raises:
        LayoutError: Labels are missing, unreadable or contradictory.
    """
    test_root = root / "Test"
    test_folders = [path for path in folders(test_root) if _TEST_FOLDER.fullmatch(path.name)]
    if not test_folders:
        return None
    notices = refused_files((root, test_root))
    frame_counts = frames_of(test_folders)
    masks = {
        folder.name: _masks(folder, frame_counts[folder.name], notices) for folder in test_folders
    }
    sources = [
        labels_from_ranges(path, frame_counts)
        for place in (root, test_root)
        for path in entries(place)
        if path.suffix.lower() == ".m" and holds_ranges(path)
    ]
    if mat := label_mat(root):
        sources.append(labels_from_mat(mat, frame_counts))
    if not sources:
        from_masks = {name: labels_of_masks(one) for name, one in masks.items() if one is not None}
        sources.append(LabelSource(test_root, from_masks))
    labels = join_labels(sources, frame_counts, notices)
    without = [name for name, one in masks.items() if one is None]
    if without and len(without) < len(masks):
        notices.append(
            f"pixel masks for {len(masks) - len(without)} of {len(masks)} videos, none for {named(without)}"
        )
    training, training_frames = training_folders(root / "Train", notices)
    counts = Counts(
        training_videos=len(training),
        training_frames=training_frames,
        testing_videos=len(test_folders),
        testing_frames=sum(frame_counts.values()),
        abnormal_frames=sum(int(values.sum()) for values in labels.values()),
    )
    name = _name(root, [source.path for source in sources])
    notices += compare_counts(name, counts)
    testing = tuple(
        TestVideo(
            folder.name,
            folder,
            labels[folder.name],
            masks[folder.name],
            track_file((test_root, root), folder.name),
        )
        for folder in test_folders
    )
    return Benchmark(
        name, root, "UCSD, as published", training, testing, counts, notices=tuple(notices)
    )


def _masks(folder: Path, frames: int, notices: list[str]) -> MaskImages | None:
    place = folder.with_name(f"{folder.name}_gt")
    files = images(place)
    if not files or not check_masks(place, len(files), frames, notices):
        return None
    return MaskImages(place, tuple(files))


def _name(root: Path, label_files: list[Path]) -> str:
    """ped1 or ped2, from the name of the label file or of the folder."""
    for told in [path.stem for path in label_files] + [root.resolve().name]:
        found = re.search(r"ped\s*([12])", told, re.IGNORECASE)
        if found:
            return f"ped{found[1]}"
    return root.resolve().name.lower()
