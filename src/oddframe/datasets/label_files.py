"""Readers of the four kinds of label file; whatever a file holds, none of it is ever run.

- `.mat` (`read_variable`): MATLAB files up to version 7, read by SciPy in a process of its own.
  SciPy trusts the sizes that a file declares and can crash the process on a file that is made to
  do so. Here it may: the other process has limits of memory and time, and when it dies the file is
  refused as damaged.
- `.npy` (`map_npy`): NumPy's array files; nothing is ever unpickled.
- `.m` (`read_ranges`): the MATLAB programs with which UCSD's data sets say which frames are
  abnormal. One kind of line is all that is understood:
  `TestVideoFile{end+1}.gt_frame = [5:90, 140:200];`
- tracks (`read_tracks`): the true regions of one video, text with a line
  `track_id,frame,x_min,y_min,x_max,y_max` each. Frames are counted from 0, as in the annotations of
  ShanghaiTech that use this form. A box holds the pixels from x_min up to, not including, x_max,
  and so for y.
"""

import importlib.util
import math
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from tokenize import TokenError
from typing import Any, TypeAlias, TypeVar
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from oddframe.datasets.tables import decimal, read_rows
from oddframe.errors import InputError, LayoutError, MissingExtraError
from oddframe.isolation import ProcessServer, limit_memory
from oddframe.metrics.region import Region, TrueRegion

T = TypeVar("T")

MatArray: TypeAlias = npt.NDArray[Any]
"""An array as SciPy gives it: numbers in the type in which they are stored.

A cell array is one of objects, and so are the fields of a struct.
"""

Intervals: TypeAlias = npt.NDArray[np.int64]
"""2 x S: first and last abnormal frame of each stretch, counted from 1, both inclusive."""

MOST_BYTES = 2 << 30
"""Most memory that reading a MATLAB file may take in bytes, several times Avenue's largest masks.

Those take 330 MB, and SciPy needs three times the size of what it unpacks.
"""
MOST_S = 300.0
"""Longest that reading a MATLAB file may take in seconds; Avenue's largest masks take a few."""

TRACK_COLUMNS = ("track_id", "frame", "x_min", "y_min", "x_max", "y_max")
"""What a line of a track file holds."""

# What NumPy's reader has been seen to raise on truncated and altered files.
_NPY_ERRORS = (ArithmeticError, MemoryError, SyntaxError, TokenError, TypeError, ValueError)

# UCSD's own files have a few kilobytes; regular expressions are not let loose on more than this.
_MOST_RANGE_BYTES = 1 << 20
_COMMENT = re.compile(r"%.*")
_CONTINUED = re.compile(r"\.\.\.[^\n]*\n")
_STATEMENT = re.compile(
    r"TestVideoFile\s*\{\s*(?:end\s*\+\s*1|(\d{1,6}))\s*\}\s*\.\s*gt_frame\s*=\s*\[([^\]\[]*)\]"
)
_RANGE = re.compile(r"(\d{1,9})(?:\s*:\s*(\d{1,9}))?")


# SciPy trusts the sizes that a file declares, and a damaged file can crash the process: each file
# is read in one of its own. What they need is imported once for all of them.
_MAT_READER = ProcessServer("scipy.io", "oddframe.datasets.masks")


def read_variable(path: Path, name: str, take: Callable[..., T], *arguments: Any) -> T:
    """Read a variable of a MATLAB file, and return what a function makes of it.

    Args:
        path: The file.
        name: Name of the variable.
        take: A function of a module, called in the other process with the path, the array and the
            arguments. What it returns is sent here, so it should be small; it may write a file.
        arguments: Further arguments for `take`.

    Raises:
        LayoutError: Not a readable MATLAB file of version 5 to 7, no such variable, one that takes
            too much memory or time, or `take` raised it.
        MissingExtraError: If SciPy is not installed.
    """
    _check_version(path)
    if importlib.util.find_spec("scipy") is None:
        raise MissingExtraError("reading MATLAB files", "eval")
    try:
        result: T | LayoutError = _MAT_READER.call(
            _read_mat, path, name, take, arguments, MOST_BYTES, timeout_s=MOST_S
        )
    except InputError as error:
        raise _damaged(path, error) from error
    # Come back as a value: raised over there, it would arrive as an InputError, "damaged" above.
    if isinstance(result, LayoutError):
        raise result
    return result


def is_numeric(value: object) -> bool:
    """Whether something out of a cell is an array of real numbers or booleans."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "biuf"


def _read_mat(
    path: Path,
    name: str,
    take: Callable[..., T],
    arguments: tuple[Any, ...],
    most_bytes: int,
) -> T | LayoutError:
    """Do the work of `read_variable`, in the other process."""
    import scipy.io

    # The limit comes after the import, which is not the file's doing.
    limit_memory(most_bytes)
    warnings.simplefilter("ignore")
    try:
        found = scipy.io.loadmat(path, variable_names=[name], appendmat=False)
        value = found.get(name)
        names = None if name in found else [known for known, *_ in scipy.io.whosmat(path)]
    except MemoryError:
        return _damaged(path, f"it takes more than the {most_bytes:,} bytes that labels may take")
    except Exception as error:  # noqa: BLE001 - a damaged file makes SciPy raise anything
        return _damaged(path, error)
    if names is not None:
        shown = ", ".join(names[:8]) or "nothing"
        return LayoutError(f"{path}: must hold {name}, found {shown}")
    # SciPy gives what it could not read as a sentence; text is an array.
    if isinstance(value, str):
        return _damaged(path, value)
    try:
        return take(path, value, *arguments)
    except LayoutError as error:
        return error


def _damaged(path: Path, why: object) -> LayoutError:
    return LayoutError(
        f"{path}: a MATLAB file that is whole is needed, but reading this one failed ({why}); "
        "fetch it again"
    )


def _check_version(path: Path) -> None:
    """Make sure that the head of a file is that of version 5 to 7.

    Raises:
        LayoutError: It cannot be read, or is that of another version or of no MATLAB file.
    """
    try:
        with path.open("rb") as file:
            head = file.read(128)
    except OSError as error:
        raise LayoutError(f"{path}: cannot be read ({error.strerror or error})") from error
    if head.startswith((b"\x89HDF", b"MATLAB 7.3")):
        raise LayoutError(
            f"{path}: a MATLAB file of version 5 to 7 is needed, this is one of version 7.3 "
            "(HDF5); load it in MATLAB and save it again with save('labels.mat', '-v7')"
        )
    # Version 1.0 and the letters MI or IM, which tell the byte order.
    if head[124:128] not in (b"\x00\x01IM", b"\x01\x00MI"):
        raise LayoutError(
            f"{path}: a MATLAB file of version 5 to 7 is needed, its head is that of none; "
            "fetch it again or save it with MATLAB's save('labels.mat', '-v7')"
        )


def map_npy(path: Path) -> npt.NDArray[Any]:
    """Map the array of a `.npy` file into memory, read-only.

    Raises:
        LayoutError: Not an array file, a pickle, one that holds pickled objects, or damaged.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise LayoutError(f"{path}: cannot be read ({error.strerror or error})") from error
    except EOFError as error:
        raise _no_array_file(path, "empty") from error
    except BadZipFile as error:
        raise _no_array_file(path, "something else") from error
    except _NPY_ERRORS as error:
        # NumPy takes whatever it does not know for a pickle.
        if "allow_pickle" in str(error):
            kind = "a pickle" if is_pickle(path) else "something else"
            raise _no_array_file(path, kind) from error
        if "objects in dtype" in str(error):
            raise LayoutError(
                f"{path}: must hold plain numbers, it holds pickled objects, which are never "
                "opened, since opening them runs code: save one array per video with numpy.save"
            ) from error
        raise LayoutError(
            f"{path}: damaged numpy array file: its header cannot be read, or does not fit the "
            "size of the file; fetch or save it again"
        ) from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise _no_array_file(path, "an archive of arrays (.npz)")
    return array


def _no_array_file(path: Path, kind: str) -> LayoutError:
    return LayoutError(
        f"{path}: must be a numpy array file (.npy), it is {kind}; pickles are never opened, "
        "since opening one runs code: save it again with numpy.save"
    )


def is_pickle(path: Path) -> bool:
    """Whether a file is a pickle, by its name or its first byte."""
    if path.suffix.lower() in (".pkl", ".pickle"):
        return True
    try:
        with path.open("rb") as file:
            return file.read(1) == b"\x80"
    except OSError:
        return False


def holds_ranges(path: Path) -> bool:
    """Whether a `.m` file is one that says which frames are abnormal."""
    return "gt_frame" in _range_text(path)


def read_ranges(path: Path) -> list[Intervals]:
    """Read the abnormal stretches of each video, in order.

    An empty list `[]` is none, a single number is one frame.

    Raises:
        LayoutError: The file cannot be read, or a line with `gt_frame` is none that is understood.
    """
    # Comments go first: three dots within one continue nothing.
    text = _CONTINUED.sub(" ", _COMMENT.sub("", _range_text(path)))
    videos: list[Intervals] = []
    position = 0
    for match in _STATEMENT.finditer(text):
        _refuse_leftover(path, text, position, match.start())
        position = match.end()
        if match[1] is not None and int(match[1]) != len(videos) + 1:
            raise LayoutError(
                f"{path}: videos must come in order, "
                f"found number {match[1]} as the {len(videos) + 1}th"
            )
        videos.append(_intervals(path, match[2]))
    _refuse_leftover(path, text, position, len(text))
    if not videos:
        raise LayoutError(
            f"{path}: must hold lines such as TestVideoFile{{end+1}}.gt_frame = [61:180]; "
            "found none"
        )
    return videos


def _range_text(path: Path) -> str:
    """Read a `.m` file, of a limited length."""
    try:
        if path.stat().st_size > _MOST_RANGE_BYTES:
            raise LayoutError(
                f"{path}: a list of frame ranges has no more than {_MOST_RANGE_BYTES:,} bytes"
            )
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise LayoutError(f"{path}: cannot be read ({error.strerror or error})") from error


def _refuse_leftover(path: Path, text: str, start: int, end: int) -> None:
    """Make sure that nothing between two statements says something of frames.

    Raises:
        LayoutError: Something does: it would otherwise be passed over without a word.
    """
    place = text.find("gt_frame", start, end)
    if place >= 0:
        line = text[text.rfind("\n", 0, place) + 1 :].split("\n", 1)[0].strip()
        raise LayoutError(
            f"{path}: lines must be such as TestVideoFile{{end+1}}.gt_frame = [5:90, 140:200]; "
            f"found {line[:80]!r}"
        )


def _intervals(path: Path, text: str) -> Intervals:
    """Read what stands between the brackets of a statement."""
    # Whatever is left beside ranges and separators is something that nobody here understands.
    rest = _RANGE.sub("", text).replace(",", " ").replace(";", " ").strip()
    if rest:
        raise LayoutError(f"{path}: frame ranges must be such as 5:90, found [{text.strip()[:80]}]")
    stretches = [(int(match[1]), int(match[2] or match[1])) for match in _RANGE.finditer(text)]
    return np.array(stretches, dtype=np.int64).reshape(-1, 2).T


def read_tracks(path: Path, video: str, size: tuple[int, int]) -> dict[int, list[TrueRegion]]:
    """Read the true regions of each frame; boxes that reach beyond it are cut at its edges.

    Args:
        path: The file, with or without a line that names the columns.
        video: Its video's name, which track names begin with.
        size: (height, width) of the video's frames in pixels.

    Raises:
        LayoutError: The file cannot be read, or a line of it cannot be understood.
    """
    frames: dict[int, list[TrueRegion]] = {}
    for row in read_rows(path):
        if not any(row.cells) or (row.line == 1 and row.cells == TRACK_COLUMNS):
            continue
        frame, region = _region(path, row.line, list(row.cells), size)
        frames.setdefault(frame, []).append(TrueRegion(f"{video}/{row.cells[0]}", region))
    return frames


def _region(path: Path, line: int, cells: list[str], size: tuple[int, int]) -> tuple[int, Region]:
    """Read the frame and the box of a line.

    Raises:
        LayoutError: It has other cells, or no pixel of the frame lies in the box.
    """
    try:
        frame, x_min, y_min, x_max, y_max = (decimal(cell) for cell in cells[1:])
    except ValueError:
        # Too few cells, too many, or one that is no number: refused below like any other NaN.
        frame = x_min = y_min = x_max = y_max = math.nan
    if not (
        math.isfinite(x_min + y_min + x_max + y_max)
        and 0 <= frame < math.inf
        and frame.is_integer()
    ):
        raise LayoutError(
            f"{path}: line {line} must be {','.join(TRACK_COLUMNS)}, frames counted from 0, "
            f"found {','.join(cells)[:80]!r}"
        )
    height, width = size
    try:
        box = Region.box(max(0, x_min), max(0, y_min), min(width, x_max), min(height, y_max))
    except InputError as error:
        raise LayoutError(
            f"{path}: line {line}: no pixel of the {width} x {height} frame: {error}"
        ) from error
    return int(frame), box
