"""What the published layouts share: frame folders, label files, masks, and how they are joined."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from oddframe.datasets.benchmark import (
    OFFICIAL_COUNTS,
    Benchmark,
    Counts,
    TestVideo,
    compare_counts,
)
from oddframe.datasets.labels import (
    Labels,
    LabelSource,
    labels_from_array,
    labels_from_folder,
    labels_from_mat,
)
from oddframe.datasets.listing import (
    check_masks,
    count_images,
    entries,
    folders,
    images,
    list_names,
    track_file,
)
from oddframe.datasets.masks import MaskImages, Masks
from oddframe.errors import LayoutError


def count_frames(test_folders: Sequence[Path]) -> dict[str, int]:
    """Count the frames of each test folder, by its name.

    Raises:
        LayoutError: A folder has none.
    """
    # By name only: a folder of ten thousand images is counted without opening one.
    counts = {folder.name: count_images(folder) for folder in test_folders}
    empty = [name for name, frames in counts.items() if frames == 0]
    if empty:
        place = test_folders[0].parent
        raise LayoutError(
            f"every folder in {place} must hold numbered images, found none in {', '.join(empty)}"
        )
    return counts


def training_folders(parent: Path, notices: list[str]) -> tuple[tuple[Path, ...], int]:
    """Find the folders of numbered images, and how many images they hold together.

    A notice is added for each folder without any.
    """
    found = {folder: count_images(folder) for folder in folders(parent)}
    notices += [
        f"training folder without numbered images: {path}"
        for path, frames in found.items()
        if not frames
    ]
    return tuple(path for path, frames in found.items() if frames), sum(found.values())


def label_mat(root: Path) -> Path | None:
    """Find the `.mat` named after a benchmark, or the only one there is.

    Raises:
        LayoutError: There are several.
    """
    # Features and masks are saved as .mat too: a known name decides where there are several.
    mats = [path for path in entries(root) if path.suffix.lower() == ".mat"]
    candidates = [path for path in mats if path.stem.lower() in OFFICIAL_COUNTS] or mats
    if len(candidates) > 1:
        names = ", ".join(path.name for path in candidates)
        raise LayoutError(
            f"{root} must hold one .mat file with labels, found {names}; "
            "keep the one that belongs here"
        )
    return candidates[0] if candidates else None


def joined_arrays(root: Path) -> list[Path]:
    """Find the arrays in which the labels of all videos follow each other."""
    return sorted([*root.glob("frame_labels*.npy"), *(root / "testing").glob("frame_labels*.npy")])


def label_sources(root: Path, frame_counts: Mapping[str, int]) -> list[LabelSource]:
    """Read every label file that research code leaves beside the frames.

    These are a `.mat` file, `testing/frame_labels/NN.npy` and `frame_labels*.npy`, as many of them
    as there are.

    Raises:
        LayoutError: A file cannot be read or does not fit the frames.
    """
    # All that there are, not the first: where they disagree, `join_labels` says so.
    sources = []
    if mat := label_mat(root):
        sources.append(labels_from_mat(mat, frame_counts))
    if (folder := root / "testing" / "frame_labels").is_dir():
        sources.append(labels_from_folder(folder, frame_counts))
    sources += [labels_from_array(path, frame_counts) for path in joined_arrays(root)]
    return sources


def mask_images(folder: Path, frames: int, notices: list[str]) -> MaskImages | None:
    """Pair a folder of mask images with a video; None where it is missing or not complete.

    Raises:
        LayoutError: There are more masks than frames.
    """
    files = images(folder)
    # Masks of another number cannot be told apart from those of other frames.
    if not files or not check_masks(folder, len(files), frames, notices):
        return None
    return MaskImages(folder, tuple(files))


def note_missing_masks(masks: Mapping[str, Masks | None], notices: list[str]) -> None:
    """Add a notice that names the videos without pixel masks, where there are such."""
    missing = [name for name, found in masks.items() if found is None]
    if missing:
        notices.append(
            f"pixel masks for {len(masks) - len(missing)} of {len(masks)} videos, "
            f"none for {list_names(missing)}"
        )


def count_parts(
    training: Sequence[Path], training_frames: int, labels: Mapping[str, Labels]
) -> Counts:
    """Count what was found; there is one label for each test frame."""
    return Counts(
        training_videos=len(training),
        training_frames=training_frames,
        testing_videos=len(labels),
        testing_frames=sum(values.size for values in labels.values()),
        abnormal_frames=sum(int(values.sum()) for values in labels.values()),
    )


def assemble_benchmark(
    name: str,
    root: Path,
    layout: str,
    training: tuple[Path, ...],
    counts: Counts,
    videos: Mapping[str, Path],
    labels: Mapping[str, Labels],
    masks: Mapping[str, Masks | None],
    track_places: Sequence[Path],
    notices: Sequence[str],
) -> Benchmark:
    """Put a published benchmark together, and compare it with the official copy.

    Args:
        name: The benchmark's name; it decides which official copy is meant.
        root: The folder that holds it.
        layout: What it was recognised as, in words.
        training: Normal recordings and folders of images.
        counts: How much was found.
        videos: Folder or file of each test video by its name, in order.
        labels: Labels of each of them.
        masks: Pixel masks of each of them.
        track_places: Folders in which a folder `tracks` is looked for, first things first.
        notices: What is to be said of the copy so far.
    """
    testing = tuple(
        TestVideo(video, path, labels[video], masks[video], track_file(track_places, video))
        for video, path in videos.items()
    )
    return Benchmark(
        name,
        root,
        layout,
        training,
        testing,
        counts,
        notices=(*notices, *compare_counts(name, counts)),
    )
