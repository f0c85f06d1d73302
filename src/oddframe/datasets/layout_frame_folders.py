"""`training/frames/NN/*.jpg` and `testing/frames/NN/*.jpg`, the layout of most research code."""

from pathlib import Path

from oddframe.datasets.benchmark import OFFICIAL_COUNTS, Benchmark, Counts
from oddframe.datasets.labels import join_labels, refused_files
from oddframe.datasets.listing import folders
from oddframe.datasets.published import (
    assemble_benchmark,
    count_frames,
    count_parts,
    joined_arrays,
    label_mat,
    label_sources,
    mask_images,
    training_folders,
)

LAYOUT = "frame folders"


def frame_folders(root: Path) -> Benchmark | None:
    """Recognise frame folders; None where `testing/frames` has no folders.

    Raises:
        LayoutError: Labels are missing, unreadable or contradictory.
    """
    test_root = root / "testing"
    test_folders = folders(test_root / "frames")
    if not test_folders:
        return None
    notices = refused_files((root, test_root))
    frame_counts = count_frames(test_folders)
    labels = join_labels(label_sources(root, frame_counts), frame_counts, notices)
    masks = {
        name: mask_images(test_root / "pixel_masks" / name, frames, notices)
        for name, frames in frame_counts.items()
    }
    training, training_frames = training_folders(root / "training" / "frames", notices)
    counts = count_parts(training, training_frames, labels)
    return assemble_benchmark(
        _name(root, counts),
        root,
        "frame folders",
        training,
        counts,
        {folder.name: folder for folder in test_folders},
        labels,
        masks,
        (test_root, root),
        notices,
    )


def _name(root: Path, counts: Counts) -> str:
    """Name the benchmark by its label file, else by its counts, else by its folder."""
    mat = label_mat(root)
    # frame_labels_ped2.npy and ped2.mat alike: the name is what follows the last underscore.
    for path in [*([mat] if mat else []), *joined_arrays(root)]:
        name = path.stem.lower().rpartition("_")[2]
        if name in OFFICIAL_COUNTS:
            return name
    # Two numbers of thousands of frames do not agree by chance.
    frames = (counts.training_frames, counts.testing_frames)
    for name, official in OFFICIAL_COUNTS.items():
        if (official.training_frames, official.testing_frames) == frames:
            return name
    return root.resolve().name.lower()
