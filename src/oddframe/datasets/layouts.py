"""The registry of benchmark layouts (method section 10): folders as they are found in the wild.

No footage of a published benchmark is decoded here: frames are counted by listing folders and by
reading headers. To add a layout, write a file `layout_<name>.py` with a function that returns None
where its folders are missing, and add it to `_LAYOUTS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from oddframe.datasets import (
    layout_avenue,
    layout_custom,
    layout_frame_folders,
    layout_shanghaitech,
    layout_ucsd,
)
from oddframe.datasets.benchmark import Benchmark
from oddframe.datasets.listing import entries, folders, list_names
from oddframe.errors import LayoutError, SourceNotFoundError


@dataclass(frozen=True, slots=True)
class _Layout:
    """A layout that folders are compared with.

    Attributes:
        name: What people call it, for the error of a folder that has none; empty for their own.
        recognise: Called with the folder that may be the benchmark, and the one that the user
            named; gives None where it is not of this layout.
    """

    name: str
    recognise: Callable[[Path, Path], Benchmark | None]


# The first that recognises a folder wins, so that their order is part of what they mean.
_LAYOUTS = (
    # First, since nobody else's data set has a file of this form.
    _Layout("", lambda folder, _: layout_custom.custom_by_time(folder)),
    _Layout(layout_ucsd.LAYOUT, lambda folder, _: layout_ucsd.ucsd(folder)),
    # Before the frame folders, which it has too.
    _Layout(layout_shanghaitech.LAYOUT, lambda folder, _: layout_shanghaitech.shanghaitech(folder)),
    _Layout(
        layout_frame_folders.LAYOUT,
        lambda folder, _: layout_frame_folders.frame_folders(folder),
    ),
    _Layout(layout_avenue.LAYOUT, layout_avenue.avenue),
    # Last, since folders named `masks` and `frame_labels` are found in many data sets.
    _Layout("", lambda folder, _: layout_custom.custom_by_frame(folder)),
)


def open_benchmark(root: str | Path) -> Benchmark:
    """Recognise a benchmark folder and read its frame labels.

    The benchmark may also be the only one in a folder of the one that is given, as archives unpack
    to.

    Raises:
        SourceNotFoundError: Nothing is at that path.
        LayoutError: No known layout fits (says what was found), or labels are
            missing, unreadable, of the wrong length or contradict each other.
        SourceError: A recording that needs labels cannot be read.
    """
    folder = Path(root)
    if not folder.exists():
        raise SourceNotFoundError(
            f"no benchmark at {folder}: give the folder that the data set was unpacked to"
        )
    if not folder.is_dir():
        raise LayoutError(f"a benchmark is a folder, {folder} is a file")
    benchmark = recognise(folder)
    if benchmark is not None:
        return benchmark
    names = [f"{path.name}/" if path.is_dir() else path.name for path in entries(folder)]
    found = list_names(names, most=8) or "nothing"
    published = ", ".join(layout.name for layout in _LAYOUTS if layout.name)
    raise LayoutError(
        f"{folder} must be a benchmark ({published}) or labelled recordings of your own, but no "
        f"labels were recognised; found {found}; for your own, add a file labels.csv with the "
        "columns video,start_s,end_s"
    )


def recognise(folder: Path) -> Benchmark | None:
    """Find the benchmark in a folder, or in the only one of its folders that holds one.

    Returns:
        The benchmark; None where there is none.

    Raises:
        LayoutError: There are several, or labels are unusable as in `open_benchmark`.
        SourceError: A recording that needs labels cannot be read.
    """
    if benchmark := _recognise_folder(folder, folder):
        return benchmark
    candidates = [_recognise_folder(place, folder) for place in folders(folder)]
    below = [benchmark for benchmark in candidates if benchmark is not None]
    if len(below) > 1:
        roots = list_names([benchmark.root for benchmark in below])
        raise LayoutError(f"{folder} holds several benchmarks, name one: {roots}")
    return below[0] if below else None


def _recognise_folder(folder: Path, given: Path) -> Benchmark | None:
    """Try the layouts on one folder, which is, or lies in, the one that the user named."""
    for layout in _LAYOUTS:
        benchmark = layout.recognise(folder, given)
        if benchmark is not None:
            return benchmark
    return None
