"""Benchmark folders as found in the wild (method section 10): recognised, counted, paired with labels.

No footage of a published benchmark is decoded here: frames are counted by listing folders and by
reading headers. To add a layout, write a file `layout_<name>.py` with a function that returns None
where its folders are missing, and add it to `_LAYOUTS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from oddframe.datasets import layout_avenue, layout_frame_folders, layout_shanghaitech, layout_ucsd
from oddframe.datasets import layout_custom as layout_own
from oddframe.datasets.benchmark import Benchmark
from oddframe.datasets.listing import entries, folders, named
from oddframe.errors import LayoutError, SourceNotFoundError


@dataclass(frozen=True, slots=True)
class _Layout:
    looked_for: str
    recognise: Callable[[Path, Path], Benchmark | None]
    """Given the folder that may be the benchmark, and the one that the user named."""


_LAYOUTS = (
    # First, since nobody else's data set has a file of this form.
    _Layout(layout_own.LOOKED_FOR, lambda folder, _: layout_own.own_by_time(folder)),
    _Layout(layout_ucsd.LOOKED_FOR, lambda folder, _: layout_ucsd.ucsd(folder)),
    # Before the frame folders, which it has too.
    _Layout(
        layout_shanghaitech.LOOKED_FOR, lambda folder, _: layout_shanghaitech.shanghaitech(folder)
    ),
    _Layout(
        layout_frame_folders.LOOKED_FOR,
        lambda folder, _: layout_frame_folders.frame_folders(folder),
    ),
    _Layout(layout_avenue.LOOKED_FOR, layout_avenue.avenue),
    _Layout(layout_own.LOOKED_FOR, lambda folder, _: layout_own.own_by_frame(folder)),
)


def open_benchmark(root: str | Path) -> Benchmark:
    """Recognise a benchmark folder and read its frame labels.

    The benchmark may also be the only one in a folder of the one that is given, as archives unpack
    to.

    Raises:
        SourceNotFoundError: Nothing is at that path.
        LayoutError: No known layout fits (says what was looked for and found), or labels are
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
    found = named(
        [f"{path.name}/" if path.is_dir() else path.name for path in entries(folder)], most=8
    )
    looked_for = "; ".join(dict.fromkeys(layout.looked_for for layout in _LAYOUTS))
    raise LayoutError(
        f"{folder} has no known benchmark layout: looked for {looked_for}; found {found or 'nothing'}"
    )


def recognise(folder: Path) -> Benchmark | None:
    """The benchmark in a folder, or in the only one of its folders that holds one; None where there is none.

    Raises:
        LayoutError: There are several, or labels are unusable as in `open_benchmark`.
        SourceError: A recording that needs labels cannot be read.
    """
    if benchmark := _in(folder, folder):
        return benchmark
    below = [benchmark for one in folders(folder) if (benchmark := _in(one, folder)) is not None]
    if len(below) > 1:
        raise LayoutError(
            f"{folder} holds several benchmarks, name one: {named([one.root for one in below])}"
        )
    return below[0] if below else None


def _in(folder: Path, given: Path) -> Benchmark | None:
    for layout in _LAYOUTS:
        benchmark = layout.recognise(folder, given)
        if benchmark is not None:
            return benchmark
    return None
