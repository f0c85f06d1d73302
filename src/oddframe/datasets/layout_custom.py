"""One's own test set: recordings or folders of images, and what is abnormal in them by time, by frame or by mask.

    mine/
        training/         normal recordings; may be missing
        testing/          recordings to score; without this folder they lie in mine/ itself
        labels.csv        video,start_s,end_s
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

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from oddframe.datasets.benchmark import Benchmark, Counts, TestVideo
from oddframe.datasets.labels import (
    Labels,
    LabelSpan,
    is_stretch_file,
    labels_of_stretches,
    read_label_array,
    read_stretches,
)
from oddframe.datasets.listing import (
    FrameTimes,
    entries,
    folders,
    images,
    last_number,
    named,
    track_file,
)
from oddframe.datasets.masks import NumberedMasks, mask_size, read_mask
from oddframe.errors import LayoutError, OddframeError
from oddframe.media.discovery import FoundSources, find_sources
from oddframe.media.source import Source

LOOKED_FOR = (
    "your own (recordings, or a folder testing/ of them, with a file labels.csv of video,start_s,end_s, or with "
    "frame_labels/NAME.npy or masks/NAME/000.png)"
)

_RESERVED = {"training", "testing", "frame_labels", "masks", "tracks"}


def own_by_time(root: Path) -> Benchmark | None:
    """Recognise one's own test set by its `labels.csv`; None where there is none.

    Raises:
        LayoutError: It cannot be read, or names recordings that are not there.
        SourceError: There are no recordings.
    """
    tables = [
        path
        for place in (root, root / "testing")
        for path in entries(place)
        if path.suffix.lower() == ".csv" and is_stretch_file(path)
    ]
    if not tables:
        return None
    if len(tables) > 1:
        raise LayoutError(
            f"{root} must hold one file of video,start_s,end_s, found {named(tables)}"
        )
    notices: list[str] = []
    sources = _testing(root, notices)
    stretches = _paired(tables[0], root, sources, notices)
    truths: list[Callable[[FrameTimes], Labels]] = [
        partial(_labels_by_time, stretches.get(source.name, ()), tables[0]) for source in sources
    ]
    return _benchmark(root, "your own, labelled by time", sources, truths, notices)


def own_by_frame(root: Path) -> Benchmark | None:
    """Recognise one's own test set by its folder `frame_labels` or `masks`; None where it has neither.

    Raises:
        LayoutError: They fit no recording.
        SourceError: There are no recordings.
    """
    given = [place for place in (root / "frame_labels", root / "masks") if place.is_dir()]
    if not given:
        return None
    notices: list[str] = []
    sources = _testing(root, notices)
    truths: list[Callable[[FrameTimes], Labels]] = []
    fitting = 0
    for source in sources:
        array = root / "frame_labels" / f"{source.name}.npy"
        files = _numbered(root, source)
        fitting += array.is_file() or bool(files)
        truths.append(
            partial(_labels_of_array, array) if array.is_file() else partial(_labels_by_mask, files)
        )
    if not fitting:
        names = named([source.name for source in sources])
        raise LayoutError(
            f"{named(given)} must hold NAME.npy, or a folder NAME of images, for one of {names}"
        )
    if fitting < len(sources):
        notices.append(
            f"labels or masks for {fitting} of {len(sources)} videos; the others are taken as normal"
        )
    return _benchmark(root, "your own, labelled by frame", sources, truths, notices)


def _benchmark(
    root: Path,
    layout: str,
    sources: tuple[Source, ...],
    truths: list[Callable[[FrameTimes], Labels]],
    notices: list[str],
) -> Benchmark:
    times = [FrameTimes(source) for source in sources]
    size = _mask_size(root)
    testing = tuple(
        TestVideo(
            source.name,
            source.path,
            partial(truth, time),
            NumberedMasks(root / "masks" / source.name, _numbered(root, source), time, size)
            if size
            else None,
            track_file((root, root / "testing"), source.name),
        )
        for source, truth, time in zip(sources, truths, times, strict=True)
    )
    training = (
        _found(root / "training", notices)
        if folders(root / "training") or entries(root / "training")
        else ()
    )
    counts = Counts(len(training), None, len(testing), None, None)
    paths = tuple(source.path for source in training)
    return Benchmark(
        root.resolve().name,
        root,
        layout,
        paths,
        testing,
        counts,
        every_frame=False,
        notices=tuple(notices),
    )


def _testing(root: Path, notices: list[str]) -> tuple[Source, ...]:
    if (root / "testing").is_dir():
        return _told(find_sources(root / "testing"), notices)
    places = [
        path
        for path in entries(root)
        if path.name not in _RESERVED and path.suffix.lower() != ".csv"
    ]
    if not places:
        raise LayoutError(
            f"{root} must hold recordings or folders of numbered images beside its labels, found none"
        )
    return _told(find_sources(places), notices)


def _found(folder: Path, notices: list[str]) -> tuple[Source, ...]:
    try:
        return _told(find_sources(folder), notices)
    except OddframeError as error:
        notices.append(f"no training footage: {error}")
        return ()


def _told(found: FoundSources, notices: list[str]) -> tuple[Source, ...]:
    notices += [f"left out: {skipped.reason}" for skipped in found.skipped]
    return found.sources


def _paired(
    table: Path, root: Path, sources: tuple[Source, ...], notices: list[str]
) -> dict[str, tuple[LabelSpan, ...]]:
    """Stretches by the name of their source; the file may write the name, the file's name or the path."""
    place = root / "testing" if (root / "testing").is_dir() else root
    meant: dict[str, set[str]] = {}
    for source in sources:
        path = source.path.relative_to(place)
        for written in (
            source.name,
            path.name,
            path.stem,
            path.as_posix(),
            path.with_suffix("").as_posix(),
        ):
            meant.setdefault(written, set()).add(source.name)
    paired: dict[str, tuple[LabelSpan, ...]] = {}
    absent = []
    for written, stretches in read_stretches(table).items():
        names = meant.get(written.removeprefix("./"), set())
        if len(names) > 1:
            raise LayoutError(
                f"{table}: {written} must name one recording, it could be {named(sorted(names))}"
            )
        if not names:
            absent.append(written)
        for name in names:
            paired[name] = paired.get(name, ()) + stretches
    unlisted = [source.name for source in sources if source.name not in paired]
    if absent and unlisted:
        raise LayoutError(
            f"{table}: names must be those of recordings in {place}, found {named(absent)}, while {named(unlisted)} "
            "is not listed; correct the names, or list what is normal with empty times"
        )
    if absent:
        notices.append(
            f"partial copy: {table.name} lists {named(absent)}, which {'is' if len(absent) == 1 else 'are'} not there"
        )
    if unlisted:
        notices.append(f"not listed in {table.name} and so taken as normal: {named(unlisted)}")
    return paired


def _labels_by_time(stretches: tuple[LabelSpan, ...], table: Path, times: FrameTimes) -> Labels:
    return labels_of_stretches(times.values_s, stretches, table)


def _labels_of_array(path: Path, times: FrameTimes) -> Labels:
    labels = read_label_array(path)
    if labels.size != len(times):
        raise LayoutError(
            f"{path}: one label per frame is needed, found {labels.size} labels for {len(times)} frames"
        )
    return labels


def _labels_by_mask(files: dict[int, Path], times: FrameTimes) -> Labels:
    labels = np.zeros(len(times), np.uint8)
    for number, path in files.items():
        if not 0 <= number < labels.size:
            raise LayoutError(
                f"{path}: a mask must have the number of a frame, counted from 0, of {labels.size} frames"
            )
        labels[number] = read_mask(path).any()
    labels.setflags(write=False)
    return labels


def _numbered(root: Path, source: Source) -> dict[int, Path]:
    """Mask images by the index of their frame; those of a folder of images carry the number of the image."""
    of_images = images(source.path) if source.path.is_dir() else []
    first = last_number(of_images[0].stem) if of_images else 0
    return {
        (last_number(path.stem) or 0) - (first or 0): path
        for path in images(root / "masks" / source.name)
    }


def _mask_size(root: Path) -> tuple[int, int] | None:
    """Size of the first mask there is: masks of one camera have one size; None without any."""
    for folder in folders(root / "masks"):
        for path in images(folder):
            return mask_size(path)
    return None
