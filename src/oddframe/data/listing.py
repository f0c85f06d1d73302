"""What lies in a benchmark's folders: only names are read; what systems leave behind is passed over."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from oddframe.errors import LayoutError
from oddframe.media.images import is_numbered_image

__all__ = [
    "check_masks",
    "count_images",
    "entries",
    "folders",
    "images",
    "last_number",
    "named",
    "track_file",
]

_NUMBERS = re.compile(r"(\d+)")


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key by name in which 2 comes before 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in _NUMBERS.split(path.name)]


def entries(parent: Path) -> list[Path]:
    """Files and folders of a folder in natural order, none where there is no such folder.

    Hidden ones, AppleDouble files (`._001.tif`) and `.DS_Store` among them, are left out.
    """
    if not parent.is_dir():
        return []
    return sorted((path for path in parent.iterdir() if not path.name.startswith(".")), key=_natural)


def folders(parent: Path) -> list[Path]:
    """Folders of a folder in natural order."""
    return [path for path in entries(parent) if path.is_dir()]


def images(folder: Path) -> list[Path]:
    """Numbered images of a folder in the order of their numbers; none where there is no such folder."""
    return sorted((path for path in entries(folder) if is_numbered_image(path)), key=_by_number)


def count_images(folder: Path) -> int:
    """How many numbered images a folder holds."""
    return sum(1 for path in entries(folder) if is_numbered_image(path))


def last_number(name: str) -> int | None:
    """The number that a name ends with, such as 14 of "01_0014" and 3 of "Test003"; None without one."""
    found = re.search(r"(\d+)\D*$", name)
    return int(found[1]) if found else None


def track_file(places: Iterable[Path], name: str) -> Path | None:
    """The file of region tracks of a video: `tracks/<name>.txt` in one of some folders."""
    for place in places:
        for suffix in (".txt", ".csv"):
            path = place / "tracks" / f"{name}{suffix}"
            if path.is_file():
                return path
    return None


def check_masks(place: Path, masks: int, frames: int, notices: list[str]) -> bool:
    """Whether masks can be paired with the frames of their video; a notice where some are missing.

    Raises:
        LayoutError: There are more masks than frames.
    """
    if masks > frames:
        raise LayoutError(f"{place}: at most one mask a frame can be, found {masks} masks for {frames} frames")
    if masks < frames:
        notices.append(f"partial copy: {place} has {masks} masks for {frames} frames and is not used")
    return masks == frames


def named(paths: Sequence[Path | str], most: int = 5) -> str:
    """The first few of some names, and how many there are beyond."""
    shown = ", ".join(str(path) for path in paths[:most])
    return shown + (f" and {len(paths) - most} more" if len(paths) > most else "")


def _by_number(path: Path) -> tuple[int, Path]:
    return last_number(path.stem) or 0, path
