"""Benchmark folders as found in the wild (method section 10): recognised, counted, paired with labels.

Nothing is decoded here; a layout is recognised and its frames are counted by listing folders. To add a
layout, write one function that returns None where its folders are missing, and add it to `_LAYOUTS`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from oddframe.data.labels import (
    Labels,
    LabelSource,
    join_labels,
    labels_from_array,
    labels_from_folder,
    labels_from_mat,
)
from oddframe.errors import LayoutError, SourceNotFoundError

__all__ = ["OFFICIAL_COUNTS", "Benchmark", "Counts", "TestVideo", "open_benchmark"]

_IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"})


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a benchmark holds; None where the sources do not say."""

    training_videos: int
    training_frames: int
    testing_videos: int
    testing_frames: int
    abnormal_frames: int | None


OFFICIAL_COUNTS: Mapping[str, Counts] = {
    "avenue": Counts(16, 15_328, 21, 15_324, 3_712),
    "ped1": Counts(34, 6_800, 36, 7_200, None),
    "ped2": Counts(16, 2_550, 12, 2_010, 1_648),
    "shanghaitech": Counts(330, 274_515, 107, 40_791, 17_326),
}
"""Method section 9, rule 4; Avenue's abnormal frames by its pixel masks."""

_OTHER_LABELS = {("avenue", 3_867): "the widely used label file, not the pixel masks"}


@dataclass(frozen=True, slots=True)
class TestVideo:
    """One labelled recording.

    Attributes:
        name: Its name in the benchmark, such as "01".
        path: The folder of frames, or the file.
        labels: uint8, one 0 / 1 per frame in order, read-only.
        masks: The folder of its pixel masks, one file per frame, where there is one.
    """

    name: str
    path: Path
    labels: Labels = field(repr=False, compare=False)
    masks: Path | None = None


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A recognised benchmark.

    Attributes:
        name: A key of `OFFICIAL_COUNTS` where it is known, else the folder's name.
        root: The folder that was given.
        training: Normal recordings, in order.
        testing: Labelled recordings, in order.
        counts: What was found.
        notices: One sentence for everything that is not as the benchmark should be, a partial copy for one.
    """

    name: str
    root: Path
    training: tuple[Path, ...]
    testing: tuple[TestVideo, ...]
    counts: Counts
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Layout:
    looked_for: str
    recognise: Callable[[Path], Benchmark | None]


def open_benchmark(root: str | Path) -> Benchmark:
    """Recognise a benchmark folder and read its frame labels.

    Raises:
        SourceNotFoundError: Nothing is at that path.
        LayoutError: No known layout fits (says what was looked for and found), or labels are missing,
            unreadable, of the wrong length or contradict each other.
    """
    folder = Path(root)
    if not folder.exists():
        raise SourceNotFoundError(f"no benchmark at {folder}: give the folder that the data set was unpacked to")
    if not folder.is_dir():
        raise LayoutError(f"a benchmark is a folder, {folder} is a file")
    for layout in _LAYOUTS:
        benchmark = layout.recognise(folder)
        if benchmark is not None:
            return benchmark
    found = [f"{path.name}/" if path.is_dir() else path.name for path in _sorted(folder)]
    shown = ", ".join(found[:8]) + (f" and {len(found) - 8} more" if len(found) > 8 else "")
    looked_for = "; ".join(layout.looked_for for layout in _LAYOUTS)
    raise LayoutError(f"{folder} has no known benchmark layout: looked for {looked_for}; found {shown or 'nothing'}")


def _frame_folders(root: Path) -> Benchmark | None:
    """`training/frames/NN/*.jpg` and `testing/frames/NN/*.jpg`, the layout of most research code."""
    frames_root = root / "testing" / "frames"
    test_folders = _folders(frames_root)
    if not test_folders:
        return None
    frame_counts = {folder.name: _count_images(folder) for folder in test_folders}
    empty = [name for name, frames in frame_counts.items() if frames == 0]
    if empty:
        raise LayoutError(f"every folder in {frames_root} must hold numbered images, found none in {', '.join(empty)}")
    labels = join_labels(_label_sources(root, frame_counts), frame_counts)
    testing = tuple(
        TestVideo(
            folder.name,
            folder,
            labels[folder.name],
            _mask_folder(root, folder.name, labels[folder.name].size),
        )
        for folder in test_folders
    )
    training = {folder: _count_images(folder) for folder in _folders(root / "training" / "frames")}
    used = tuple(folder for folder, frames in training.items() if frames > 0)
    counts = Counts(
        training_videos=len(used),
        training_frames=sum(training.values()),
        testing_videos=len(testing),
        testing_frames=sum(frame_counts.values()),
        abnormal_frames=sum(int(values.sum()) for values in labels.values()),
    )
    name = _name(root, counts)
    skipped = [f"training folder without numbered images: {path}" for path in training if path not in used]
    return Benchmark(name, root, used, testing, counts, (*skipped, *_compare(name, counts)))


_LAYOUTS = (
    _Layout(
        "frame folders (training/frames/NN/*.jpg and testing/frames/NN/*.jpg, labels in <name>.mat, "
        "testing/frame_labels/NN.npy or frame_labels*.npy)",
        _frame_folders,
    ),
)


def _label_sources(root: Path, frame_counts: Mapping[str, int]) -> list[LabelSource]:
    sources = []
    if mat := _label_mat(root):
        sources.append(labels_from_mat(mat, frame_counts))
    if (folder := root / "testing" / "frame_labels").is_dir():
        sources.append(labels_from_folder(folder, frame_counts))
    sources += [labels_from_array(path, frame_counts) for path in _joined_arrays(root)]
    return sources


def _label_mat(root: Path) -> Path | None:
    """The `.mat` named after a benchmark, or the only one there is."""
    mats = [path for path in _sorted(root) if path.suffix.lower() == ".mat" and not path.name.startswith(".")]
    candidates = [path for path in mats if path.stem.lower() in OFFICIAL_COUNTS] or mats
    if len(candidates) > 1:
        names = ", ".join(path.name for path in candidates)
        raise LayoutError(f"{root} must hold one .mat file with labels, found {names}; keep the one that belongs here")
    return candidates[0] if candidates else None


def _joined_arrays(root: Path) -> list[Path]:
    return sorted([*root.glob("frame_labels*.npy"), *(root / "testing").glob("frame_labels*.npy")])


def _mask_folder(root: Path, name: str, frames: int) -> Path | None:
    folder = root / "testing" / "pixel_masks" / name
    if not folder.is_dir():
        return None
    masks = _count_images(folder)
    if masks != frames:
        raise LayoutError(f"{folder}: one mask per frame is needed, found {masks} masks for {frames} frames")
    return folder


def _name(root: Path, counts: Counts) -> str:
    """From the label file's name, else from the counts, else from the folder's name."""
    mat = _label_mat(root)
    named = [path.stem.lower().rpartition("_")[2] for path in [*([mat] if mat else []), *_joined_arrays(root)]]
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


def _compare(name: str, counts: Counts) -> list[str]:
    official = OFFICIAL_COUNTS.get(name)
    if official is None:
        return []
    notices = []
    for part in ("training", "testing"):
        found = (getattr(counts, f"{part}_videos"), getattr(counts, f"{part}_frames"))
        expected = (getattr(official, f"{part}_videos"), getattr(official, f"{part}_frames"))
        if found != expected:
            kind = "partial copy" if found <= expected and found[1] <= expected[1] else "not the official copy"
            notices.append(
                f"{kind}: {part} has {found[0]} videos and {found[1]:,} frames, "
                f"{name} officially has {expected[0]} and {expected[1]:,}"
            )
    abnormal = counts.abnormal_frames
    complete = counts.testing_frames == official.testing_frames
    if complete and official.abnormal_frames is not None and abnormal != official.abnormal_frames:
        known = _OTHER_LABELS.get((name, abnormal or 0))
        which = f" ({known})" if known else ""
        notices.append(
            f"labels differ from the official ones: {abnormal:,} abnormal frames{which}, "
            f"{name} officially has {official.abnormal_frames:,}"
        )
    return notices


def _folders(parent: Path) -> list[Path]:
    if not parent.is_dir():
        return []
    return [path for path in _sorted(parent) if path.is_dir() and not path.name.startswith(".")]


def _sorted(parent: Path) -> list[Path]:
    """By name, numbers by their value: 2 before 10."""
    parts = re.compile(r"(\d+)")
    return sorted(
        parent.iterdir(),
        key=lambda path: [(int(p), "") if p.isdigit() else (-1, p) for p in parts.split(path.name)],
    )


def _count_images(folder: Path) -> int:
    """Files that count as frames: an image's suffix and a number in the name."""
    return sum(
        1
        for path in folder.iterdir()
        if path.suffix.lower() in _IMAGE_SUFFIXES
        and not path.name.startswith(".")
        and any(character.isdigit() for character in path.stem)
    )
