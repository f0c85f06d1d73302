"""ShanghaiTech Campus as published: training recordings, test frames, masks as `.npy`.

training/videos/01_001.avi
testing/frames/01_0014/000.jpg
testing/test_frame_mask/01_0014.npy
testing/test_pixel_mask/01_0014.npy
"""

from pathlib import Path

from oddframe.datasets.benchmark import Benchmark
from oddframe.datasets.labels import join_labels, labels_from_folder, refused_files
from oddframe.datasets.listing import check_masks, folders, recordings, stated_frames
from oddframe.datasets.masks import MaskArray
from oddframe.datasets.published import (
    assemble_benchmark,
    count_frames,
    count_parts,
    note_missing_masks,
    training_folders,
)

LAYOUT = "ShanghaiTech"


def shanghaitech(root: Path) -> Benchmark | None:
    """Recognise a copy as ShanghaiTech published it.

    The training part may also be frames already (`training/frames/01_001/000.jpg`).

    Returns:
        The benchmark; None without `testing/frames` and `testing/test_frame_mask`.

    Raises:
        LayoutError: Labels are missing, unreadable or do not fit the frames.
    """
    test_root = root / "testing"
    test_folders = folders(test_root / "frames")
    if not test_folders or not (test_root / "test_frame_mask").is_dir():
        return None
    notices = refused_files((root, test_root))
    frame_counts = count_frames(test_folders)
    # "Frame mask" is ShanghaiTech's word for one label a frame.
    source = labels_from_folder(test_root / "test_frame_mask", frame_counts)
    labels = join_labels([source], frame_counts, notices)
    masks = {
        name: _mask_array(test_root / "test_pixel_mask" / f"{name}.npy", frames, notices)
        for name, frames in frame_counts.items()
    }
    note_missing_masks(masks, notices)
    # Frames that somebody has extracted are read faster than the recordings beside them.
    training, training_frames = training_folders(root / "training" / "frames", notices)
    if not training:
        training, training_frames = stated_frames(recordings(root / "training" / "videos"), notices)
    return assemble_benchmark(
        "shanghaitech",
        root,
        "ShanghaiTech, as published",
        training,
        count_parts(training, training_frames, labels),
        {folder.name: folder for folder in test_folders},
        labels,
        masks,
        (test_root, root),
        notices,
    )


def _mask_array(path: Path, frames: int, notices: list[str]) -> MaskArray | None:
    """Pair an array of masks with a video; None where it is missing or not complete."""
    if not path.is_file():
        return None
    masks = MaskArray(path)
    return masks if check_masks(path, len(masks), frames, notices) else None
