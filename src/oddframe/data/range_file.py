"""The `.m` files with which UCSD's data sets say which frames are abnormal.

They are MATLAB programs of one kind of line, which is all that is understood here; nothing is run:

    TestVideoFile{end+1}.gt_frame = [5:90, 140:200];
"""

import re
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from oddframe.errors import LayoutError

__all__ = ["Intervals", "holds_ranges", "read_ranges"]

Intervals: TypeAlias = npt.NDArray[np.int64]
"""2 x S: first and last abnormal frame of each stretch, counted from 1, both inclusive."""

_MOST_BYTES = 1 << 20
_COMMENT = re.compile(r"%.*")
_CONTINUED = re.compile(r"\.\.\.[^\n]*\n")
_STATEMENT = re.compile(r"TestVideoFile\s*\{\s*(?:end\s*\+\s*1|(\d{1,6}))\s*\}\s*\.\s*gt_frame\s*=\s*\[([^\]\[]*)\]")
_RANGE = re.compile(r"(\d{1,9})(?:\s*:\s*(\d{1,9}))?")


def holds_ranges(path: Path) -> bool:
    """Whether a `.m` file is one of these."""
    return "gt_frame" in _text(path)


def read_ranges(path: Path) -> list[Intervals]:
    """The abnormal stretches of each video, in order; `[]` is none, a single number is a frame.

    Raises:
        LayoutError: The file cannot be read, or a line with `gt_frame` is none that is understood.
    """
    text = _CONTINUED.sub(" ", _COMMENT.sub("", _text(path)))
    videos: list[Intervals] = []
    position = 0
    for match in _STATEMENT.finditer(text):
        _refuse_leftover(path, text, position, match.start())
        position = match.end()
        if match[1] is not None and int(match[1]) != len(videos) + 1:
            raise LayoutError(f"{path}: videos must come in order, found number {match[1]} as the {len(videos) + 1}th")
        videos.append(_intervals(path, match[2]))
    _refuse_leftover(path, text, position, len(text))
    if not videos:
        raise LayoutError(f"{path}: must hold lines such as TestVideoFile{{end+1}}.gt_frame = [61:180]; found none")
    return videos


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise LayoutError(f"{path}: a list of frame ranges has no more than {_MOST_BYTES:,} bytes")
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise LayoutError(f"{path}: cannot be read ({error.strerror or error})") from error


def _refuse_leftover(path: Path, text: str, start: int, end: int) -> None:
    """Nothing that says something of frames may be passed over."""
    place = text.find("gt_frame", start, end)
    if place >= 0:
        line = text[text.rfind("\n", 0, place) + 1 :].split("\n", 1)[0].strip()
        raise LayoutError(
            f"{path}: lines must be such as TestVideoFile{{end+1}}.gt_frame = [5:90, 140:200]; found {line[:80]!r}"
        )


def _intervals(path: Path, text: str) -> Intervals:
    rest = _RANGE.sub("", text).replace(",", " ").replace(";", " ").strip()
    if rest:
        raise LayoutError(f"{path}: frame ranges must be such as 5:90, found [{text.strip()[:80]}]")
    stretches = [(int(match[1]), int(match[2] or match[1])) for match in _RANGE.finditer(text)]
    return np.array(stretches, dtype=np.int64).reshape(-1, 2).T
