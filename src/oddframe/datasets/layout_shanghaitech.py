"""ShanghaiTech Campus as published: `training/videos/01_001.avi`, `testing/frames/01_0014/000.jpg`, masks as `.npy`."""

from pathlib import Path

from oddframe.datasets.benchmark import Benchmark, Counts, TestVideo, compare_counts
from oddframe.datasets.labels import join_labels, labels_from_folder, refused_files
from oddframe.datasets.layout_frame_folders import frames_of, training_folders
from oddframe.datasets.listing import (
    check_masks,
    folders,
    named,
    recordings,
    stated_frames,
    track_file,
)
from oddframe.datasets.masks import MaskArray

LOOKED_FOR = (
    "ShanghaiTech's own (training/videos/01_001.avi, testing/frames/01_0014/000.jpg, "
    "testing/test_frame_mask/01_0014.npy)"
)


def shanghaitech(root: Path) -> Benchmark | None:
    """Recognise a copy as ShanghaiTech published it; None without `testing/frames` and `testing/test_frame_mask`.

    The training part may also be frames already (`training/frames/01_001/000.jpg`).

    Raises:
        LayoutError: Labels are missing, unreadable or do not fit the frames.
    """
    test_root = root / "testing"
    test_folders = folders(test_root / "frames")
    if not test_folders or not (test_root / "test_frame_mask").is_dir():
        return None
    notices = refused_files((root, test_root))
    frame_counts = frames_of(test_folders)
    labels = join_labels(
        [labels_from_folder(test_root / "test_frame_mask", frame_counts)], frame_counts, notices
    )
    masks = {
        name: _masks(test_root / "test_pixel_mask" / f"{name}.npy", frames, notices)
        for name, frames in frame_counts.items()
    }
    without = [name for name, one in masks.items() if one is None]
    if without:
        notices.append(
            f"pixel masks for {len(masks) - len(without)} of {len(masks)} videos, none for {named(without)}"
        )
    training, training_frames = training_folders(root / "training" / "frames", notices)
    if not training:
        training, training_frames = stated_frames(recordings(root / "training" / "videos"), notices)
    counts = Counts(
        training_videos=len(training),
        training_frames=training_frames,
        testing_videos=len(test_folders),
        testing_frames=sum(frame_counts.values()),
        abnormal_frames=sum(int(values.sum()) for values in labels.values()),
    )
    notices += compare_counts("shanghaitech", counts)
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
        "shanghaitech",
        root,
        "ShanghaiTech, as published",
        training,
        testing,
        counts,
        notices=tuple(notices),
    )


def _masks(path: Path, frames: int, notices: list[str]) -> MaskArray | None:
    if not path.is_file():
        return None
    masks = MaskArray(path)
    return masks if check_masks(path, len(masks), frames, notices) else None
