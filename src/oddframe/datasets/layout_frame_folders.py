"""`training/frames/NN/*.jpg` and `testing/frames/NN/*.jpg`, the layout of most research code."""

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
    LabelSource,
    join_labels,
    labels_from_array,
    labels_from_folder,
    labels_from_mat,
    refused_files,
)
from oddframe.datasets.listing import (
    check_masks,
    count_images,
    entries,
    folders,
    images,
    track_file,
)
from oddframe.datasets.masks import MaskImages
from oddframe.errors import LayoutError

LOOKED_FOR = (
    "frame folders (training/frames/NN/*.jpg and testing/frames/NN/*.jpg, labels in <name>.mat, "
    "testing/frame_labels/NN.npy or frame_labels*.npy)"
)


def frame_folders(root: Path) -> Benchmark | None:
    """Recognise frame folders; None where `testing/frames` has no folders.

    Raises:
        LayoutError: Labels are missing, unreadable or contradictory.
    """
    frames_root = root / "testing" / "frames"
    test_folders = folders(frames_root)
    if not test_folders:
        return None
    notices = refused_files((root, root / "testing"))
    frame_counts = frames_of(test_folders)
    labels = join_labels(label_sources(root, frame_counts), frame_counts, notices)
    testing = tuple(
        TestVideo(
            folder.name,
            folder,
            labels[folder.name],
            _masks(
                root / "testing" / "pixel_masks" / folder.name, frame_counts[folder.name], notices
            ),
            track_file((root / "testing", root), folder.name),
        )
        for folder in test_folders
    )
    training, training_frames = training_folders(root / "training" / "frames", notices)
    counts = Counts(
        training_videos=len(training),
        training_frames=training_frames,
        testing_videos=len(testing),
        testing_frames=sum(frame_counts.values()),
        abnormal_frames=sum(int(values.sum()) for values in labels.values()),
    )
    name = _name(root, counts)
    notices += compare_counts(name, counts)
    return Benchmark(name, root, "frame folders", training, testing, counts, notices=tuple(notices))


def frames_of(test_folders: Sequence[Path]) -> dict[str, int]:
    """Frames of each test folder by its name.

    Raises:
        LayoutError: A folder has none.
    """
    counts = {folder.name: count_images(folder) for folder in test_folders}
    empty = [name for name, frames in counts.items() if frames == 0]
    if empty:
        place = test_folders[0].parent
        raise LayoutError(
            f"every folder in {place} must hold numbered images, found none in {', '.join(empty)}"
        )
    return counts


def training_folders(parent: Path, notices: list[str]) -> tuple[tuple[Path, ...], int]:
    """Folders of numbered images and how many images there are; a notice for each folder without any."""
    found = {folder: count_images(folder) for folder in folders(parent)}
    notices += [
        f"training folder without numbered images: {path}"
        for path, frames in found.items()
        if not frames
    ]
    return tuple(path for path, frames in found.items() if frames), sum(found.values())


def label_mat(root: Path) -> Path | None:
    """The `.mat` named after a benchmark, or the only one there is.

    Raises:
        LayoutError: There are several.
    """
    mats = [path for path in entries(root) if path.suffix.lower() == ".mat"]
    candidates = [path for path in mats if path.stem.lower() in OFFICIAL_COUNTS] or mats
    if len(candidates) > 1:
        names = ", ".join(path.name for path in candidates)
        raise LayoutError(
            f"{root} must hold one .mat file with labels, found {names}; keep the one that belongs here"
        )
    return candidates[0] if candidates else None


def label_sources(root: Path, frame_counts: Mapping[str, int]) -> list[LabelSource]:
    """Labels from a `.mat` file, `testing/frame_labels/NN.npy` and `frame_labels*.npy`, as many as there are.

    Raises:
        LayoutError: A file cannot be read or does not fit the frames.
    """
    sources = []
    if mat := label_mat(root):
        sources.append(labels_from_mat(mat, frame_counts))
    if (folder := root / "testing" / "frame_labels").is_dir():
        sources.append(labels_from_folder(folder, frame_counts))
    sources += [labels_from_array(path, frame_counts) for path in _joined_arrays(root)]
    return sources


def _joined_arrays(root: Path) -> list[Path]:
    return sorted([*root.glob("frame_labels*.npy"), *(root / "testing").glob("frame_labels*.npy")])


def _masks(folder: Path, frames: int, notices: list[str]) -> MaskImages | None:
    files = images(folder)
    if not files or not check_masks(folder, len(files), frames, notices):
        return None
    return MaskImages(folder, tuple(files))


def _name(root: Path, counts: Counts) -> str:
    """From the label file's name, else from the counts, else from the folder's name."""
    mat = label_mat(root)
    named = [
        path.stem.lower().rpartition("_")[2]
        for path in [*([mat] if mat else []), *_joined_arrays(root)]
    ]
    for name in named:
        if name in OFFICIAL_COUNTS:
            return name
    for name, official in OFFICIAL_COUNTS.items():
        if (official.training_frames, official.testing_frames) == (
            counts.training_frames,
            counts.testing_frames,
        ):
            return name
    return root.resolve().name.lower()
