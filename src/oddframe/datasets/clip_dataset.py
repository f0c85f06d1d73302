"""Which clips are trained on and which are held out, and the batches made of them."""

from collections.abc import Iterator
from dataclasses import field
from functools import cached_property
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from oddframe._types import BoolMask, Float64, Pixels
from oddframe.core.clips import clip_span
from oddframe.core.records import FRAMES_PER_CLIP, NO_CROP, CropOffset
from oddframe.datasets.frame_cache import FrameCache, FrameRun, Positions
from oddframe.datasets.pseudo_anomalies import Kind, PseudoAnomalyConfig, PseudoAnomalyGenerator
from oddframe.errors import SettingsError, SourceError
from oddframe.media.enlarge import WHOLE
from oddframe.settings import ListOf, settings_dataclass

SCENE_FRAMES = 128
"""Frames from which the empty scene is taken: their median must be free of passers-by."""

MOST_HELD_OUT = 0.5
"""Greatest share of the footage that can be held out."""

CROP_STEP = 32
"""Corners and sides of crops are multiples of this many pixels.

So the places of the codes lie in a crop as they lie in the whole frame.
"""

ANYWHERE = 0.15
"""Share of the crops that lie anywhere, not around a place where somebody passes."""

RELEASE_STEPS = 32
"""Steps of a training after which the pages that were read go back to the system."""

MOST_FORWARD = 5
"""Most times as fast as filmed that a whole clip is played."""

MOST_SPEED = 4
"""Most times as fast as filmed that somebody who is cut out moves."""


@settings_dataclass("data")
class DataConfig:
    """What is trained on.

    Attributes:
        hold_out: Share of the normal footage kept for validation and calibration, 0 to 0.5: whole
            recordings where there are enough of them, else the end of each stretch; never shuffled
            frames. With 0, calibration uses the training clips and is marked in-sample.
        crop: Height and width in pixels of the part of the frame that a training step looks at,
            mostly around a place where somebody passes now and then, multiples of 32; a smaller
            frame is seen whole. Empty is the whole frame, as published. The streams are
            convolutional: they learn from a part what they then see in the whole.
        counter_examples: Pseudo-anomalies: clips made abnormal on purpose.
    """

    hold_out: Annotated[float, Field(ge=0, le=MOST_HELD_OUT)] = 0.15
    crop: ListOf[int] = ()
    counter_examples: PseudoAnomalyConfig = field(default_factory=PseudoAnomalyConfig)

    def __post_init__(self) -> None:
        if self.crop and (
            len(self.crop) != 2 or any(side < 32 or side % CROP_STEP for side in self.crop)
        ):
            raise SettingsError(
                f"data.crop must be a height and a width, multiples of {CROP_STEP}, or empty, "
                f"got {list(self.crop)}"
            )


class Batch(NamedTuple):
    """Clips of a training step, and what the network should make of them.

    Attributes:
        clips: uint8 B x 5 x H x W x C, what the network sees.
        first: uint8 B x H x W x C, x0 of the clip as it should be.
        last: uint8 B x H x W x C, x4 of the clip as it should be.
        rebuilt: uint8 B x H x W x C, the frame that the spatial stream should give.
        abnormal: bool B x H x W, where the clip was made abnormal on purpose; false where it is as
            filmed.
        part: Which part of the frame all of these show.
    """

    clips: Pixels
    first: Pixels
    last: Pixels
    rebuilt: Pixels
    abnormal: BoolMask
    part: CropOffset = NO_CROP


def split(
    stretches: tuple[FrameRun, ...], hold_out: float, span: int
) -> tuple[list[FrameRun], list[FrameRun]]:
    """Divide footage into a part to train on and a part held out.

    With at least 1 / hold_out recordings, whole recordings, evenly spaced, are held out; with fewer
    the end of every stretch, with no frame in clips of both parts.

    Args:
        stretches: Unbroken runs of frames.
        hold_out: Share to hold out.
        span: Frames that a clip reaches over.
    """
    if not hold_out:
        return list(stretches), []
    # Only recordings with a clip count: without one, nothing could be validated on it.
    names = list(dict.fromkeys(stretch.source for stretch in stretches if stretch.count >= span))
    if len(names) * hold_out >= 1:
        count = round(len(names) * hold_out)
        chosen = {names[int((number + 0.5) * len(names) / count)] for number in range(count)}
        rest = [stretch for stretch in stretches if stretch.source not in chosen]
        return rest, [stretch for stretch in stretches if stretch.source in chosen]
    trained: list[FrameRun] = []
    held_out: list[FrameRun] = []
    for stretch in stretches:
        begin, end = _cut(stretch, round(stretch.count * (1 - hold_out)))
        # A stretch whose end cannot hold a clip would be lost at both ends: it is trained on whole.
        if end.count < span:
            trained.append(stretch)
        else:
            trained.append(begin)
            held_out.append(end)
    return trained, held_out


def too_short(stretches: tuple[FrameRun, ...], span: int) -> list[str]:
    """Write a sentence for each recording whose unbroken stretches are all shorter than a clip."""
    longest: dict[str, int] = {}
    for stretch in stretches:
        longest[stretch.source] = max(stretch.count, longest.get(stretch.source, 0))
    return [
        f"{source}: not used: a clip needs {span} unbroken frames, the longest stretch has {count}"
        for source, count in longest.items()
        if count < span
    ]


def _cut(stretch: FrameRun, at: int) -> tuple[FrameRun, FrameRun]:
    """Cut a stretch in two before its frame `at`, counted from 0."""
    begin = FrameRun(stretch.source, stretch.offset, at)
    return begin, FrameRun(stretch.source, stretch.offset + at, stretch.count - at)


class ClipDataset:
    """Clips over some stretches of a cache.

    A batch depends on the seed and the step alone, so that a resumed training goes on exactly.

    Args:
        cache: The frames.
        stretches: Where clips may lie.
        interval: Frames from one frame of a clip to the next.
        rebuilt_index: Position in the clip of the frame that the spatial stream rebuilds.

    Raises:
        SourceError: If no stretch is long enough for a clip.
    """

    def __init__(
        self, cache: FrameCache, stretches: list[FrameRun], interval: int, rebuilt_index: int
    ) -> None:
        self.cache = cache
        self.interval = interval
        self.rebuilt_index = rebuilt_index
        span = clip_span(interval)
        starts: list[Positions] = []
        ends: list[Positions] = []
        for stretch in stretches:
            end = stretch.offset + stretch.count
            first = np.arange(stretch.offset, end - span + 1)
            starts.append(first)
            ends.append(np.full(len(first), end))
        if not any(map(len, starts)):
            longest = max((stretch.count for stretch in stretches), default=0)
            raise SourceError(
                f"a clip needs {span} unbroken frames and the longest stretch of footage "
                f"has {longest}; give more or longer normal video"
            )
        # Per clip: the position of its first frame, and where its stretch ends, for fast clips.
        self.starts: Positions = np.concatenate(starts)
        self.ends: Positions = np.concatenate(ends)

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def generator(self) -> PseudoAnomalyGenerator:
        """Generator of pseudo-anomalies, made from frames evenly over these clips."""
        return PseudoAnomalyGenerator(self.cache.take(self.starts[self.evenly(SCENE_FRAMES)]))

    def clips(self, numbers: Positions, part: tuple[slice, slice] = WHOLE) -> Pixels:
        """Read clips by number, or some rows and columns, uint8 len(numbers) x 5 x H x W x C."""
        offsets = np.arange(FRAMES_PER_CLIP) * self.interval
        return self.cache.take(self.starts[numbers][:, None] + offsets, part)

    def evenly(self, most: int) -> Positions:
        """Choose the numbers of at most ``most`` clips, evenly over the footage."""
        return np.unique(
            np.linspace(0, len(self) - 1, min(most, len(self))).round().astype(np.int64)
        )

    def in_order(self, numbers: Positions, size: int) -> Iterator[Pixels]:
        """Read the clips ``numbers`` in batches of at most ``size``."""
        for begin in range(0, len(numbers), size):
            yield self.clips(numbers[begin : begin + size])
            self.cache.release()

    def batch(
        self,
        step: int,
        size: int,
        seed: int,
        counter_examples: PseudoAnomalyConfig,
        crop: tuple[int, ...] = (),
        rows: slice | None = None,
    ) -> Batch:
        """Make the batch of a training step.

        Epochs are shuffled anew; the last few clips of each, too few for a batch, are left over.

        Args:
            step: Which step of the training it is, from 0.
            size: Clips in a batch; fewer where there are not so many.
            seed: The training's seed.
            counter_examples: How many pseudo-anomalies there are, and which.
            crop: Height and width of the part that is looked at; empty is the whole frame.
            rows: The clips of the batch to make, where others make the rest of it. The chance of a
                clip is then its own, so that it does not depend on which clips are made beside it;
                when None, one sequence goes through the whole batch, as it did in version 0.1.0.
        """
        size = min(size, len(self))
        per_epoch = len(self) // size
        # Sequences by seed, purpose and step: a resumed training draws what it would have drawn.
        order = np.random.default_rng([seed, 1, step // per_epoch]).permutation(len(self))
        begin = step % per_epoch * size
        numbers = order[begin : begin + size]
        random = np.random.default_rng([seed, 2, step])
        part = _choose_part(self, crop, random)
        if rows is None:
            chances = [random] * size
        else:
            numbers = numbers[rows]
            chances = [np.random.default_rng([seed, 2, step, row]) for row in range(size)[rows]]
        view = _View(self, part, crop)
        clips = view.clips(numbers)
        abnormal = np.zeros(clips.shape[:1] + clips.shape[2:4], dtype=np.bool_)
        fast = _draw(chances) < counter_examples.fast_forward
        for row in np.flatnonzero(fast):
            forwarded = view.fast_clip(chances[row], MOST_FORWARD)
            if forwarded is not None:
                clips[row] = forwarded
                abnormal[row] = view.generator.moving(forwarded)
        for row in np.flatnonzero(~fast & (_draw(chances) < counter_examples.company)):
            joined = view.generator.paste_person(
                clips[row], view.any_clip(chances[row]), chances[row], misplaced=False
            )
            clips[row] = clips[row] if joined is None else joined[0]
        # Targets are taken before anything abnormal comes in: normality does not know of it.
        first, last, rebuilt = (
            clips[:, 0].copy(),
            clips[:, 4].copy(),
            clips[:, self.rebuilt_index].copy(),
        )
        # What moved too fast should have stayed where it was.
        last[abnormal] = first[abnormal]
        for row in np.flatnonzero(_draw(chances) < counter_examples.share):
            chance = chances[row]
            for _ in range(int(chance.integers(counter_examples.most)) + 1):
                kind = counter_examples.kinds[int(chance.integers(len(counter_examples.kinds)))]
                pseudo_anomaly = view.pseudo_anomaly(clips[row], kind, chance)
                if pseudo_anomaly is not None:
                    clips[row], changed = pseudo_anomaly
                    abnormal[row] |= changed
        if step % RELEASE_STEPS == 0:
            self.cache.release()
        return Batch(clips, first, last, rebuilt, abnormal, part)


class _View:
    """The part of the frames that a training step looks at, as if there were nothing else."""

    def __init__(self, whole: ClipDataset, part: CropOffset, crop: tuple[int, ...]) -> None:
        self.whole = whole
        if crop:
            rows, columns = (slice(at, at + side) for at, side in zip(part, crop, strict=True))
            self.part = rows, columns
            self.generator = whole.generator.window(rows, columns)
        else:
            self.part = WHOLE
            self.generator = whole.generator

    def clips(self, numbers: Positions) -> Pixels:
        """Read the part of some clips."""
        return self.whole.clips(numbers, self.part)

    def any_clip(self, random: np.random.Generator) -> Pixels:
        """Read the part of a random clip."""
        clip: Pixels = self.clips(random.integers(0, len(self.whole), 1))[0]
        return clip

    def fast_clip(self, random: np.random.Generator, most: int) -> Pixels | None:
        """Read a random clip, two to ``most`` times as fast; None where the footage ends first."""
        whole = self.whole
        number = int(random.integers(len(whole)))
        start, room = whole.starts[number], whole.ends[number] - 1 - whole.starts[number]
        # As fast as the rest of the stretch has room for.
        factor = min(
            int(random.integers(2, most + 1)), int(room // ((FRAMES_PER_CLIP - 1) * whole.interval))
        )
        if factor < 2:
            return None
        positions = start + np.arange(FRAMES_PER_CLIP) * whole.interval * factor
        return whole.cache.take(positions, self.part)

    def pseudo_anomaly(
        self, clip: Pixels, kind: Kind, random: np.random.Generator
    ) -> tuple[Pixels, BoolMask] | None:
        """Make a pseudo-anomaly of a clip and a random other one.

        Returns:
            The changed clip, and bool H x W: where it was changed; None where the other clip has
            nothing to give.
        """
        if kind == "foreign":
            return self.generator.foreign(clip, self.any_clip(random), random)
        if kind == "carried":
            return self.generator.carried(clip, random)
        other = self.fast_clip(random, MOST_SPEED) if kind == "speed" else self.any_clip(random)
        if other is None:
            return None
        if kind == "reverse":
            other = other[::-1]
        return self.generator.paste_person(clip, other, random, misplaced=kind == "misplaced")


def _draw(chances: list[np.random.Generator]) -> Float64:
    """Draw a number in [0, 1) for each clip."""
    return np.array([chance.random() for chance in chances])


def _choose_part(
    whole: ClipDataset, crop: tuple[int, ...], random: np.random.Generator
) -> CropOffset:
    """Choose where a crop lies: mostly around a place where somebody passes."""
    if not crop:
        return NO_CROP
    generator = whole.generator
    # Quiet places must be seen too, or their codes are anything.
    place = (
        random.integers((0, 0), generator.quiet.shape)
        if random.random() < ANYWHERE
        else generator.busy_place(random)
    )
    # Passers-by are not always in the middle of the crop, so that its edges see them as well.
    shifts = random.uniform(0.2, 0.8, 2)
    corner = [
        int(np.clip(at - side * shift, 0, max(0, full - side))) // CROP_STEP * CROP_STEP
        for at, side, shift, full in zip(place, crop, shifts, generator.quiet.shape, strict=True)
    ]
    return CropOffset(corner[0], corner[1])
