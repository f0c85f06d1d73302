"""UCSD Ped1 and Ped2 as published: TIFF frames, masks of some videos, labels in a MATLAB program.

Train/Train001/001.tif
Test/Test001/001.tif
Test/Test001_gt/001.bmp
Test/UCSDped2.m
"""

import re
from pathlib import Path

from oddframe.datasets.benchmark import Benchmark
from oddframe.datasets.label_files import holds_ranges
from oddframe.datasets.labels import (
    LabelSource,
    join_labels,
    labels_from_mat,
    labels_from_ranges,
    refused_files,
)
from oddframe.datasets.listing import entries, folders
from oddframe.datasets.masks import labels_of_masks
from oddframe.datasets.published import (
    assemble_benchmark,
    count_frames,
    count_parts,
    label_mat,
    mask_images,
    note_missing_masks,
    training_folders,
)

LAYOUT = "UCSD"

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
    frame_counts = count_frames(test_folders)
    masks = {
        name: mask_images(test_root / f"{name}_gt", frames, notices)
        for name, frames in frame_counts.items()
    }
    # The .m file lies in Test where it was published, and beside it in some copies.
    sources = [
        labels_from_ranges(path, frame_counts)
        for place in (root, test_root)
        for path in entries(place)
        if path.suffix.lower() == ".m" and holds_ranges(path)
    ]
    if mat := label_mat(root):
        sources.append(labels_from_mat(mat, frame_counts))
    if not sources:
        found = {name: labels_of_masks(mask) for name, mask in masks.items() if mask is not None}
        sources.append(LabelSource(test_root, found))
    labels = join_labels(sources, frame_counts, notices)
    # A copy without any masks is complete: they are an archive of their own.
    if any(mask is not None for mask in masks.values()):
        note_missing_masks(masks, notices)
    training, training_frames = training_folders(root / "Train", notices)
    return assemble_benchmark(
        _name(root, [source.path for source in sources]),
        root,
        "UCSD, as published",
        training,
        count_parts(training, training_frames, labels),
        {folder.name: folder for folder in test_folders},
        labels,
        masks,
        (test_root, root),
        notices,
    )


def _name(root: Path, label_files: list[Path]) -> str:
    """Tell ped1 from ped2 by the name of the label file or of the folder."""
    folder = root.resolve().name
    for text in [*(path.stem for path in label_files), folder]:
        found = re.search(r"ped\s*([12])", text, re.IGNORECASE)
        if found:
            return f"ped{found[1]}"
    return folder.lower()
