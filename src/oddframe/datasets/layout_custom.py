"""One's own test set: recordings or folders of images, labelled by time, by frame or by mask.

    mine/
        training/         normal recordings; may be missing
        testing/          recordings to score; without this folder they lie in mine/ itself
        labels.csv        video,start_s,end_s; see `label_spans`
        frame_labels/     NAME.npy: one 0 / 1 a frame
        masks/NAME/       images of the abnormal frames, named after the frame's number
        tracks/NAME.txt   region tracks

One of `labels.csv`, `frame_labels` and `masks` is needed; labels are taken from the first of them
that is there.

Labels by time wait until somebody asks for them: which frame is at which time is only known when a
recording was decoded, and that of every recording would be minutes before the first thing happens.
They are labels for every decoded frame; a score that is missing because footage is thinned to the
model's rate is a frame left out.
"""

import unicodedata
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np

from oddframe.datasets.benchmark import Benchmark, Counts, TestVideo
from oddframe.datasets.label_spans import (
    LabelSpan,
    is_span_file,
    labels_from_spans,
    read_spans,
    span_files,
)
from oddframe.datasets.labels import Labels, read_label_array
from oddframe.datasets.listing import (
    FrameTimes,
    entries,
    folders,
    images,
    last_number,
    list_names,
    named,
    track_file,
)
from oddframe.datasets.masks import NumberedMasks, mask_size, read_mask
from oddframe.datasets.tables import TABLE_SUFFIXES
from oddframe.errors import LayoutError, OddframeError
from oddframe.media.discovery import FoundSources, find_sources
from oddframe.media.images import ImageFolder
from oddframe.media.source import FrameSource

# Folders with a meaning of their own: recordings in them are not test videos.
_RESERVED = {"training", "testing", "frame_labels", "masks", "tracks"}

_Truth: TypeAlias = Callable[[FrameTimes], Labels]
"""Finds the labels of a video, given when each of its frames is."""


def custom_by_time(root: Path) -> Benchmark | None:
    """Recognise one's own test set by its `labels.csv`; None where there is none.

    Raises:
        LayoutError: It cannot be read, or names recordings that are not there.
        SourceError: There are no recordings.
    """
    tables = [
        path for place in (root, root / "testing") for path in entries(place) if is_span_file(path)
    ]
    if not tables:
        return None
    if len(tables) > 1:
        raise LayoutError(
            f"{root} must hold one file of video,start_s,end_s, found {list_names(tables)}"
        )
    notices: list[str] = []
    sources = _test_sources(root, notices)
    spans = _pair_spans(tables[0], root, sources, notices)
    truths: list[_Truth] = [
        partial(_labels_by_time, spans.get(source.name, ()), tables[0]) for source in sources
    ]
    return _benchmark(root, "your own, labelled by time", sources, truths, notices)


def custom_by_frame(root: Path) -> Benchmark | None:
    """Recognise one's own test set by its folder `frame_labels` or `masks`.

    Returns:
        The benchmark; None where there is neither folder.

    Raises:
        LayoutError: They fit no recording, or there is a `labels.csv` that cannot be read.
        SourceError: There are no recordings.
    """
    # It would come first, so that a folder with one is neither read in another way nor taken for
    # normal footage.
    span_files((root, root / "testing"))
    # Either of them says that somebody has labelled this by frame.
    given = [place for place in (root / "frame_labels", root / "masks") if place.is_dir()]
    if not given:
        return None
    notices: list[str] = []
    sources = _test_sources(root, notices)
    truths: list[_Truth] = []
    fitting = 0
    for source in sources:
        array = named(root / "frame_labels", f"{source.name}.npy")
        files = _mask_files(root, source)
        fitting += array.is_file() or bool(files)
        truths.append(
            partial(_labels_by_array, array) if array.is_file() else partial(_labels_by_mask, files)
        )
    # Nothing that fits is a slip in the names, not a data set without anomalies.
    if not fitting:
        names = list_names([source.name for source in sources])
        raise LayoutError(
            f"{list_names(given)} must hold NAME.npy, or a folder NAME of images, "
            f"for one of {names}"
        )
    if fitting < len(sources):
        notices.append(
            f"labels or masks for {fitting} of {len(sources)} videos; "
            "the others are taken as normal"
        )
    return _benchmark(root, "your own, labelled by frame", sources, truths, notices)


def _benchmark(
    root: Path,
    layout: str,
    sources: tuple[FrameSource, ...],
    truths: list[_Truth],
    notices: list[str],
) -> Benchmark:
    """Put the benchmark together; labels wait until somebody asks a video for them."""
    # Frames without a mask image need a size as well: an empty mask is drawn for them.
    size = _mask_size(root)
    testing = []
    for source, truth in zip(sources, truths, strict=True):
        # One pass for both: labels and masks share what it found.
        times = FrameTimes(source)
        masks = None
        if size:
            files = _mask_files(root, source)
            place = named(root / "masks", source.name)
            masks = NumberedMasks(place, files, times, size)
        tracks = track_file((root, root / "testing"), source.name)
        testing.append(TestVideo(source.name, source.path, partial(truth, times), masks, tracks))
    training = _training_sources(root / "training", notices)
    # Frames are not counted: that would take a pass over every recording.
    counts = Counts(len(training), None, len(testing), None, None)
    paths = tuple(source.path for source in training)
    return Benchmark(
        root.resolve().name,
        root,
        layout,
        paths,
        tuple(testing),
        counts,
        every_frame=False,
        notices=tuple(notices),
    )


def _test_sources(root: Path, notices: list[str]) -> tuple[FrameSource, ...]:
    """Find the recordings to score, in `testing` or else in the folder itself.

    Raises:
        LayoutError: There are none.
    """
    if (root / "testing").is_dir():
        return _note_skipped(find_sources(root / "testing"), notices)
    # Without that folder, whatever has no meaning of its own is looked through.
    places = [
        path
        for path in entries(root)
        if path.name not in _RESERVED and path.suffix.lower() not in TABLE_SUFFIXES
    ]
    if not places:
        raise LayoutError(
            f"{root} must hold recordings or folders of numbered images beside its labels, "
            "found none"
        )
    return _note_skipped(find_sources(places), notices)


def _training_sources(folder: Path, notices: list[str]) -> tuple[FrameSource, ...]:
    """Find the training footage; none where the folder is missing or empty."""
    if not entries(folder):
        return ()
    try:
        return _note_skipped(find_sources(folder), notices)
    except OddframeError as error:
        # Scoring needs no training footage, so that this is no reason to stop.
        notices.append(f"no training footage: {error}")
        return ()


def _note_skipped(found: FoundSources, notices: list[str]) -> tuple[FrameSource, ...]:
    """Add a notice for everything that was left out, and give the rest."""
    notices += [f"left out: {skipped.reason}" for skipped in found.skipped]
    return found.sources


def _pair_spans(
    table: Path, root: Path, sources: tuple[FrameSource, ...], notices: list[str]
) -> dict[str, tuple[LabelSpan, ...]]:
    """Pair the spans of a file with the recordings, by name.

    The file may write a recording's name, its file's name or its path, in any Unicode form and
    with slashes or backslashes.

    Raises:
        LayoutError: A name means several recordings, or looks like a slip of the pen.
    """
    place = root / "testing" if (root / "testing").is_dir() else root
    meanings = _written_names(sources, place)
    spelt: dict[str, set[str]] = {}
    for written, names in meanings.items():
        spelt.setdefault(_spelling(written), set()).update(names)
    paired: dict[str, tuple[LabelSpan, ...]] = {}
    absent = []
    for written, spans in read_spans(table).items():
        names = meanings.get(written) or spelt.get(_spelling(written), set())
        if len(names) > 1:
            candidates = list_names(sorted(names))
            raise LayoutError(
                f"{table}: {written} must name one recording, it could be {candidates}"
            )
        if not names:
            absent.append(written)
        for name in names:
            paired[name] = paired.get(name, ()) + spans
    unlisted = [source.name for source in sources if source.name not in paired]
    # A name without a recording beside a recording without a name is most likely a slip.
    if absent and unlisted:
        raise LayoutError(
            f"{table}: names must be those of recordings in {place}, found {list_names(absent)}, "
            f"while {list_names(unlisted)} is not listed; correct the names, or list what is "
            "normal with empty times"
        )
    if absent:
        verb = "is" if len(absent) == 1 else "are"
        notices.append(
            f"partial copy: {table.name} lists {list_names(absent)}, which {verb} not there"
        )
    if unlisted:
        notices.append(f"not listed in {table.name} and so taken as normal: {list_names(unlisted)}")
    return paired


def _written_names(sources: tuple[FrameSource, ...], place: Path) -> dict[str, set[str]]:
    """Collect all ways to write a recording, each with the sources that it may mean."""
    meanings: dict[str, set[str]] = {}
    for source in sources:
        path = source.path.relative_to(place)
        whole, without_suffix = path.as_posix(), path.with_suffix("").as_posix()
        for written in (source.name, path.name, path.stem, whole, without_suffix):
            meanings.setdefault(written, set()).add(source.name)
    return meanings


def _spelling(written: str) -> str:
    """Give the one form of all ways in which a name or a path is spelt."""
    return unicodedata.normalize("NFC", written.replace("\\", "/").removeprefix("./"))


def _labels_by_time(spans: tuple[LabelSpan, ...], table: Path, times: FrameTimes) -> Labels:
    """Label the frames whose time lies in a span."""
    return labels_from_spans(times.values_s, spans, table)


def _labels_by_array(path: Path, times: FrameTimes) -> Labels:
    """Read one label a frame.

    Raises:
        LayoutError: There are more or fewer labels than frames.
    """
    labels = read_label_array(path)
    if labels.size != len(times):
        raise LayoutError(
            f"{path}: one label per frame is needed, found {labels.size} labels "
            f"for {len(times)} frames"
        )
    return labels


def _labels_by_mask(files: dict[int, Path], times: FrameTimes) -> Labels:
    """Label the frames whose mask is not empty.

    Raises:
        LayoutError: A mask's number is that of no frame.
    """
    labels = np.zeros(len(times), np.uint8)
    for number, path in files.items():
        if not 0 <= number < labels.size:
            raise LayoutError(
                f"{path}: a mask must have the number of a frame, counted from 0, "
                f"of {labels.size} frames"
            )
        labels[number] = read_mask(path).any()
    labels.setflags(write=False)
    return labels


def _mask_files(root: Path, source: FrameSource) -> dict[int, Path]:
    """Find mask images by the index of their frame.

    Those of a folder of images carry the name of the image, or its number, of which the first one
    has index 0.
    """
    masks = images(named(root / "masks", source.name))
    indices = source.indices_by_name() if isinstance(source, ImageFolder) else {}
    if all(path.stem in indices for path in masks):
        return {indices[path.stem]: path for path in masks}
    frames = images(source.path) if source.path.is_dir() else []
    first = last_number(frames[0].stem) if frames else 0
    return {(last_number(path.stem) or 0) - (first or 0): path for path in masks}


def _mask_size(root: Path) -> tuple[int, int] | None:
    """Read (width, height) of the first mask: those of one camera have one size; None without."""
    for folder in folders(root / "masks"):
        for path in images(folder):
            return mask_size(path)
    return None
