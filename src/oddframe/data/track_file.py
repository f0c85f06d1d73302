"""Region tracks of one video: text with a line `track_id,frame,x_min,y_min,x_max,y_max` per true region.

Frames are counted from 0, as in the annotations of ShanghaiTech that use this form. A box holds the pixels from x_min
up to, not including, x_max, and so for y.
"""

import csv
import math
from pathlib import Path

from oddframe.errors import InputError, LayoutError
from oddframe.metrics.region import Region, TrueRegion

__all__ = ["read_tracks"]

_COLUMNS = ("track_id", "frame", "x_min", "y_min", "x_max", "y_max")


def read_tracks(path: Path, video: str, size: tuple[int, int]) -> dict[int, list[TrueRegion]]:
    """True regions per frame; boxes that reach beyond the frame are cut at its edges.

    Args:
        path: The file, with or without a line that names the columns.
        video: Its video's name, which track names begin with.
        size: (height, width) of the video's frames in pixels.

    Raises:
        LayoutError: The file cannot be read, or a line of it cannot be understood.
    """
    frames: dict[int, list[TrueRegion]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for line, row in enumerate(csv.reader(file), start=1):
                cells = [cell.strip() for cell in row]
                if not any(cells) or (line == 1 and tuple(cells) == _COLUMNS):
                    continue
                frame, region = _region(path, line, cells, size)
                frames.setdefault(frame, []).append(TrueRegion(f"{video}/{cells[0]}", region))
    except OSError as error:
        raise LayoutError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise LayoutError(f"{path}: must be a text file of {','.join(_COLUMNS)} ({error})") from error
    return frames


def _region(path: Path, line: int, cells: list[str], size: tuple[int, int]) -> tuple[int, Region]:
    try:
        frame, x_min, y_min, x_max, y_max = (float(cell) for cell in cells[1:])
    except ValueError:
        frame = x_min = y_min = x_max = y_max = math.nan
    if not (math.isfinite(x_min + y_min + x_max + y_max) and 0 <= frame < math.inf and frame.is_integer()):
        raise LayoutError(
            f"{path}: line {line} must be {','.join(_COLUMNS)}, frames counted from 0, found {','.join(cells)[:80]!r}"
        )
    height, width = size
    try:
        box = Region.box(max(0, x_min), max(0, y_min), min(width, x_max), min(height, y_max))
    except InputError as error:
        raise LayoutError(f"{path}: line {line}: no pixel of the {width} x {height} frame: {error}") from error
    return int(frame), box
