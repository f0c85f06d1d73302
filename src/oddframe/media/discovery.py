"""From what a user names, a file, a folder or a pattern, to the sources there.

`open_source` opens one that is known, be it a path, a camera's address or frames in memory.
`find_sources` searches folders and patterns, names what it had to skip, and gives every source a
name of its own.
"""

import glob
import os
import re
import shutil
import tempfile
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

from oddframe.core.records import Frame
from oddframe.errors import InputError, OddframeError, SourceError, SourceNotFoundError
from oddframe.files import name_for_files
from oddframe.media.arrays import ArraySource, ColourOrder, VideoCapture
from oddframe.media.image_names import natural_order
from oddframe.media.images import DEFAULT_FPS, IMAGE_SUFFIXES, ImageFolder, is_numbered_image
from oddframe.media.live_config import is_device, stream_address
from oddframe.media.recording import Recording
from oddframe.media.source import FrameFormat, FrameSource
from oddframe.media.stream_set import CameraSource

AnySource: TypeAlias = (
    FrameSource | str | Path | int | bytes | BinaryIO | VideoCapture | Iterable[Any]
)
"""What `open_source` takes."""

_NOT_VIDEO = frozenset(
    suffix
    for kind in (
        ".txt .md .rst .csv .tsv .log .pdf .doc .docx .xls .xlsx .ppt .pptx .html .htm .nfo",
        ".json .jsonl .ndjson .yaml .yml .toml .ini .cfg .xml",
        ".py .m .sh .bat .exe",
        ".mat .npy .npz .parquet .pkl .pt .pth .onnx .safetensors .h5 .hdf5 .db .sqlite",
        ".zip .gz .bz2 .xz .zst .tar .tgz .7z .rar .part .tmp .md5 .sha256",
        ".srt .vtt .ass .ssa .sub .idx",
    )
    for suffix in kind.split()
)
"""Suffixes that are passed over without a word in folders and patterns."""

_MOST_REASONS = 3
"""Reasons that an error names when nothing can be used."""


@dataclass(frozen=True, slots=True)
class SkippedPath:
    """Something found that cannot be used.

    Attributes:
        path: The file or folder.
        reason: Why, as a sentence.
    """

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class FoundSources:
    """What was found where a user pointed.

    Attributes:
        sources: At least one, in natural order, with names that differ.
        skipped: What was passed over.
    """

    sources: tuple[FrameSource, ...]
    skipped: tuple[SkippedPath, ...]


class MemoryRecording(Recording):
    """A recording that a caller has as bytes or as a file object.

    FFmpeg must be able to go back in it, so it is copied into a temporary file that nobody else can
    read, which is deleted with this object.

    Args:
        content: The bytes of the recording, or a binary file that is read from where it stands.
        fps: As in `Recording`.

    Raises:
        InputError: If the file gives something else than bytes.
        SourceError: If it is not a recording with video in it.
    """

    def __init__(self, content: Any, fps: float | None = None) -> None:
        self._file = tempfile.NamedTemporaryFile(prefix="oddframe-")  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        if hasattr(content, "read"):
            try:
                shutil.copyfileobj(content, self._file)
            except TypeError as error:
                raise InputError(
                    "a file object must be opened for reading bytes and must not be asynchronous; "
                    "give the file itself, as `open(path, 'rb')` returns it"
                ) from error
        else:
            self._file.write(content)
        self._file.flush()
        # What was copied just now must not be taken for a recording that is still being written.
        os.utime(self._file.name, (0, 0))
        with self._named():
            super().__init__(self._file.name, "memory", fps)

    def frames(self, wanted: FrameFormat) -> Iterator[Frame]:
        """Yield all frames in a fresh pass; see `FrameSource.frames`."""
        with self._named():
            yield from super().frames(wanted)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Let errors speak of what the caller gave, not of a file that he never saw."""
        try:
            yield
        except SourceError as error:
            what = "the recording in memory"
            raise SourceError(str(error).replace(self._file.name, what)) from error


def open_source(
    source: AnySource,
    fps: float | None = None,
    default_fps: float = DEFAULT_FPS,
    colour: ColourOrder = "rgb",
) -> FrameSource:
    """Open what a caller wants to be read.

    Args:
        source: A recording or a folder of numbered images, by path; a camera's address as text, or
            its number; the bytes of a recording, or a file object; an array of frames, T x H x W x
            C; an iterable of frames, or of pairs of a time in seconds and a frame; an opened
            ``cv2.VideoCapture``; or a source that is open already, which is returned as it is.
        fps: Frames per second of what has no times of its own: a folder of images, a raw stream,
            frames without times.
        default_fps: That of a folder of images where nobody states one and the names of the images
            tell no times.
        colour: The order of the colours in arrays.

    Raises:
        SourceNotFoundError: If nothing is there.
        SourceError: If it cannot be used.
        InputError: If it is none of these.
        SettingsError: If frames come without times and without ``fps``.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        if path.exists() and not path.is_char_device():
            return _open(path, path.is_dir(), None, (fps, default_fps))
        # A path with a double slash in it loses one, so it can never be taken for an address.
        if isinstance(source, str) and ("://" in source or is_device(source)):
            return CameraSource(stream_address(source), default_fps)
        raise _nothing_there(path, "a recording or a folder of numbered images")
    if isinstance(source, int):
        return CameraSource(stream_address(str(source)), default_fps)
    # Captures and files both can be read, and pictures can be iterated over: the order matters.
    if isinstance(source, VideoCapture):
        return ArraySource(source, fps, colour)
    if isinstance(source, bytes | bytearray | memoryview) or hasattr(source, "read"):
        return MemoryRecording(source, fps)
    if hasattr(source, "frames") and hasattr(source, "rate_fps"):
        return cast(FrameSource, source)
    if hasattr(source, "__array__") or hasattr(source, "__iter__"):
        return ArraySource(source, fps, colour)
    raise InputError(
        "a source must be a path, a camera's address, bytes, a file object, an opened VideoCapture "
        f"or frames (an array or an iterable), got {type(source).__name__}"
    )


def find_sources(
    what: str | Path | Sequence[str | Path],
    fps: float | None = None,
    default_fps: float = DEFAULT_FPS,
) -> FoundSources:
    """Find every source in a file, a folder of recordings or of numbered images, or a pattern.

    Folders are searched with all that is in them. Only headers are read. Files that are plainly
    something else (text, tables, archives, hidden files) are passed over silently; what looks like
    video but is not is named in `skipped`.

    Args:
        what: A path, a glob pattern, or several of them.
        fps: As in `open_source`.
        default_fps: As in `open_source`.

    Returns:
        The sources, and what was skipped.

    Raises:
        SourceNotFoundError: If nothing is there.
        SourceError: If nothing there can be used; the sentence lists the reasons.
    """
    wanted = [what] if isinstance(what, str | Path) else list(what)
    sources: dict[Path, FrameSource] = {}
    skipped: dict[Path, SkippedPath] = {}
    places = (place for path_or_pattern in wanted for place in _places(path_or_pattern))
    for place in places:
        for candidate in _candidates(place):
            # Two ways to one file, as by a link, are one source.
            key = candidate.path.resolve()
            if key in sources or key in skipped:
                continue
            try:
                sources[key] = _open(
                    candidate.path, candidate.is_folder, candidate.files, (fps, default_fps)
                )
            except (SourceError, SourceNotFoundError) as error:
                skipped[key] = SkippedPath(candidate.path, str(error))
    if not sources:
        raise _nothing_found(wanted, list(skipped.values()))
    _make_names_unique(list(sources.values()))
    return FoundSources(tuple(sources.values()), tuple(skipped.values()))


def list_candidates(folder: Path) -> list[Path]:
    """List what may be recordings or folders of numbered images in a folder, without opening it.

    Returns:
        Their paths in natural order, in which 2 comes before 10.

    Raises:
        SourceError: If a folder cannot be read.
    """
    return [candidate.path for candidate in _in_folder(folder, set())]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A path that may be a source; `files` are the images of a folder that a pattern matched."""

    path: Path
    is_folder: bool
    files: tuple[Path, ...] | None = None


def _open(
    path: Path, is_folder: bool, files: Sequence[Path] | None, rates_fps: tuple[float | None, float]
) -> FrameSource:
    source: FrameSource
    stated_fps, default_fps = rates_fps
    if is_folder:
        source = folder = ImageFolder(path, stated_fps, files, default_fps=default_fps)
        # A recording is checked by opening it; of images only the names were looked at so far.
        folder.check()
    else:
        source = Recording(path, fps=stated_fps)
    source.name = name_for_files(source.name)
    return source


def _nothing_there(what: str | Path, wanted: str) -> OddframeError:
    """Make the error for a path at which nothing is; a camera's address is told what to do."""
    # A Path has one of the two slashes left.
    address = re.match(r"([a-z][a-z0-9+.-]+):/", str(what), re.IGNORECASE)
    if address is None:
        return SourceNotFoundError(f"{what} must be {wanted}, but nothing is there")
    # The address is not repeated: it may hold a password.
    return SourceError(
        f"the source must be {wanted}, but is an address ({address[1]}://...); to watch a "
        "camera use oddframe watch or oddframe serve, and to keep what it sends oddframe record"
    )


def _places(what: str | Path) -> Iterator[Path | list[Path]]:
    """Yield the path that is meant, or the list of what a pattern matches."""
    path = Path(what)
    if path.exists() or path.is_symlink():
        yield path
    elif glob.has_magic(str(what)):
        # Not Path.glob: like a shell, this one leaves hidden files out and takes absolute patterns.
        matches = [Path(match) for match in glob.glob(str(what), recursive=True)]  # noqa: PTH207
        if not matches:
            raise SourceNotFoundError(
                f"{what} must match recordings or folders of images, but matches nothing"
            )
        yield sorted(matches, key=_natural_order)
    else:
        raise _nothing_there(what, "a recording, a folder or a pattern")


def _candidates(place: Path | list[Path]) -> Iterator[_Candidate]:
    """Yield the candidates at a path, or among the matches of a pattern."""
    if isinstance(place, Path):
        # A file that is named by itself is always tried, whatever its suffix says.
        yield from (
            _in_folder(place, set()) if place.is_dir() else [_Candidate(place, is_folder=False)]
        )
        return
    images: dict[Path, list[Path]] = {}
    for path in place:
        if path.is_dir():
            yield from _in_folder(path, set())
        elif is_numbered_image(path):
            images.setdefault(path.parent, []).append(path)
        elif _may_be_video(path):
            yield _Candidate(path, is_folder=False)
    for folder, files in images.items():
        yield _Candidate(folder, is_folder=True, files=tuple(files))


def _in_folder(folder: Path, seen: set[Path]) -> Iterator[_Candidate]:
    """Yield the candidates of a folder and the folders in it.

    Images beside recordings are taken for thumbnails.
    """
    # A link may lead back up; without this the search would never end.
    if folder.resolve() in seen:
        return
    seen.add(folder.resolve())
    try:
        entries = sorted(
            (path for path in folder.iterdir() if not path.name.startswith(".")), key=_natural_order
        )
    except OSError as error:
        raise SourceError(f"{folder} cannot be read: {error.strerror}") from error
    recordings = [path for path in entries if _may_be_video(path)]
    # One numbered image is enough: whether the others can be read is checked when it is opened.
    if not recordings and any(is_numbered_image(path) for path in entries):
        yield _Candidate(folder, is_folder=True)
    for path in recordings:
        yield _Candidate(path, is_folder=False)
    for path in entries:
        if path.is_dir():
            yield from _in_folder(path, seen)


def _may_be_video(path: Path) -> bool:
    # Suffixes of video are too many to list, so all but the known others may be video.
    suffix = path.suffix.lower()
    known_other = (
        not suffix or suffix in _NOT_VIDEO or suffix in IMAGE_SUFFIXES or path.name.startswith(".")
    )
    return not known_other and path.is_file()


def _nothing_found(wanted: Iterable[str | Path], skipped: Sequence[SkippedPath]) -> InputError:
    where = ", ".join(str(what) for what in wanted)
    if not skipped:
        return SourceError(
            f"{where} must hold recordings or numbered images such as 000.jpg "
            f"({', '.join(sorted(IMAGE_SUFFIXES))}), but holds neither"
        )
    if len(skipped) == 1:
        return SourceError(skipped[0].reason)
    reasons = "; ".join(path.reason for path in skipped[:_MOST_REASONS])
    more = f"; and {len(skipped) - _MOST_REASONS} more" if len(skipped) > _MOST_REASONS else ""
    return SourceError(f"nothing in {where} can be used: {reasons}{more}")


def _make_names_unique(sources: Sequence[FrameSource]) -> None:
    """Rename sources of one name: by the folders above, then by the suffix, then by a number."""
    _rename_shared(sources, _names_with_folders(sources))
    _rename_shared(
        sources,
        [f"{source.name}-{source.path.suffix.lstrip('.')}".rstrip("-") for source in sources],
    )
    counts: Counter[str] = Counter()
    for source, is_shared in zip(sources, _have_shared_names(sources), strict=True):
        if is_shared:
            counts[source.name] += 1
            source.name = f"{source.name}-{counts[source.name]}"


def _names_with_folders(sources: Sequence[FrameSource]) -> list[str]:
    """Put the folders that the sources do not have in common before their names."""
    parts = [source.path.resolve().parent.parts for source in sources]
    common = 0
    while all(len(p) > common for p in parts) and len({p[common] for p in parts}) == 1:
        common += 1
    return ["-".join((*p[common:], source.name)) for p, source in zip(parts, sources, strict=True)]


def _rename_shared(sources: Sequence[FrameSource], names: Sequence[str]) -> None:
    """Give these names to the sources whose present names are shared."""
    for source, name, is_shared in zip(sources, names, _have_shared_names(sources), strict=True):
        if is_shared:
            source.name = name_for_files(name)


def _have_shared_names(sources: Sequence[FrameSource]) -> list[bool]:
    # Without regard to case, since results are filed under these names on disks that ignore it.
    counts = Counter(source.name.casefold() for source in sources)
    return [counts[source.name.casefold()] > 1 for source in sources]


def _natural_order(path: Path) -> list[list[tuple[int, str]]]:
    return [natural_order(part) for part in path.parts]
