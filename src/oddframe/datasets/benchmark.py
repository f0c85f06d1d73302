"""What a recognised benchmark is, and how much the official copies hold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from oddframe.datasets.labels import Labels
from oddframe.datasets.masks import Masks


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a benchmark holds.

    A number is None where the sources do not say it, or where counting would take a pass over the
    video.
    """

    training_videos: int
    training_frames: int | None
    testing_videos: int
    testing_frames: int | None
    abnormal_frames: int | None


# Ped1's abnormal frames are stated nowhere that we know of.
OFFICIAL_COUNTS: Mapping[str, Counts] = {
    "avenue": Counts(16, 15_328, 21, 15_324, 3_712),
    "ped1": Counts(34, 6_800, 36, 7_200, None),
    "ped2": Counts(16, 2_550, 12, 2_010, 1_648),
    "shanghaitech": Counts(330, 274_515, 107, 40_791, 17_326),
}
"""Method section 9, rule 4; Avenue's abnormal frames by its pixel masks."""

OTHER_LABELS = {("avenue", 3_867): "those of the widely used label file, not of the pixel masks"}
"""What is known of another count of abnormal frames, by the benchmark's name and the count."""


@dataclass(frozen=True)
class TestVideo:
    """A labelled recording.

    Attributes:
        name: Its name in the benchmark, such as "01".
        path: The folder of frames, or the file.
        truth: Its labels, or what finds them when they are first asked for.
        masks: Its pixel masks, one a frame, where there are any.
        tracks: Its track file (`track_id,frame,x_min,y_min,x_max,y_max`), where there is one.
    """

    name: str
    path: Path
    truth: Labels | Callable[[], Labels] = field(repr=False, compare=False)
    masks: Masks | None = None
    tracks: Path | None = None

    @cached_property
    def labels(self) -> Labels:
        """One label a frame, 0 or 1 in order, uint8, read-only.

        Those of a recording that is labelled by time are found in a pass over it.

        Raises:
            LayoutError: The labels do not fit the frames.
            SourceError: The recording cannot be read.
        """
        # Kept once found: the pass over a recording may take minutes.
        return self.truth() if callable(self.truth) else self.truth


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A recognised benchmark.

    Attributes:
        name: A key of `OFFICIAL_COUNTS` where it is known, else the folder's name.
        root: The folder that holds it.
        layout: What it was recognised as, in words.
        training: Normal recordings and folders of images, in order.
        testing: Labelled recordings, in order.
        counts: How much was found.
        every_frame: Whether every frame is scored whatever the model's rate, as in published
            benchmarks; else footage is thinned to the model's rate by time.
        notices: One sentence for everything that is not as the benchmark should be, a partial copy
            for one.
    """

    name: str
    root: Path
    layout: str
    training: tuple[Path, ...]
    testing: tuple[TestVideo, ...]
    counts: Counts
    every_frame: bool = True
    notices: tuple[str, ...] = ()


def compare_counts(name: str, counts: Counts) -> tuple[str, ...]:
    """Say what differs from the official copy; nothing for a benchmark that has none."""
    official = OFFICIAL_COUNTS.get(name)
    if official is None:
        return ()
    notices = []
    for part in ("training", "testing"):
        found = (getattr(counts, f"{part}_videos"), getattr(counts, f"{part}_frames"))
        expected = (getattr(official, f"{part}_videos"), getattr(official, f"{part}_frames"))
        if found != expected:
            # More of either than there should be cannot be a part of the official copy.
            partial = found[0] <= expected[0] and found[1] <= expected[1]
            kind = "partial copy" if partial else "not the official copy"
            notices.append(
                f"{kind}: {part} has {found[0]} videos and {found[1]:,} frames, "
                f"{name} officially has {expected[0]} and {expected[1]:,}"
            )
    abnormal, expected_abnormal = counts.abnormal_frames, official.abnormal_frames
    # Only a complete test part can be expected to have as many abnormal frames.
    complete = counts.testing_frames == official.testing_frames
    if complete and None not in (abnormal, expected_abnormal) and abnormal != expected_abnormal:
        known = OTHER_LABELS.get((name, abnormal or 0))
        which = f" ({known})" if known else ""
        notices.append(
            f"labels differ from the official ones: {abnormal:,} abnormal frames{which}, "
            f"{name} officially has {expected_abnormal:,}"
        )
    return tuple(notices)
