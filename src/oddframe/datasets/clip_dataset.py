"""Which clips are trained on and which are held out, and the batches made of them."""

from collections.abc import Iterator
from dataclasses import field
from functools import cached_property
from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from oddframe._types import Pixels
from oddframe.core.clips import clip_span
from oddframe.core.records import FRAMES_PER_CLIP, NO_CROP, CropOffset
from oddframe.datasets.frame_cache import FrameCache, FrameRun
from oddframe.datasets.pseudo_anomalies import Kind, PseudoAnomalyConfig, PseudoAnomalyGenerator
from oddframe.errors import SettingsError, SourceError
from oddframe.settings import ListOf, settings_dataclass

FORGER_FRAMES = 128
"""Frames from which the empty scene is taken: their median must be free of passers-by."""

CROP_STEP = 32
"""Corners and sides of crops are multiples of this, so that places of the codes lie in them as in the whole frame."""

ANYWHERE = 0.15
"""Share of the crops that lie anywhere."""

Positions = npt.NDArray[np.int64]


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
        counter_examples: Clips made abnormal on purpose.
    """

    hold_out: Annotated[float, Field(ge=0, le=0.5)] = 0.15
    crop: ListOf[int] = ()
    counter_examples: PseudoAnomalyConfig = field(default_factory=PseudoAnomalyConfig)

    def __post_init__(self) -> None:
        if self.crop and (
            len(self.crop) != 2 or any(side < 32 or side % CROP_STEP for side in self.crop)
        ):
            raise SettingsError(
                f"data.crop must be a height and a width, multiples of {CROP_STEP}, or empty, got {list(self.crop)}"
            )


class Batch(NamedTuple):
    """Clips and what the network should say of them.

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
    abnormal: npt.NDArray[np.bool_]
    part: CropOffset = NO_CROP

    def rows(self, rows: slice) -> "Batch":
        """Take some of the clips, with what belongs to them."""
        return Batch(
            self.clips[rows],
            self.first[rows],
            self.last[rows],
            self.rebuilt[rows],
            self.abnormal[rows],
            self.part,
        )


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
    # A recording without a clip can be held out for nothing.
    names = list(dict.fromkeys(stretch.source for stretch in stretches if stretch.count >= span))
    if len(names) * hold_out >= 1:
        count = round(len(names) * hold_out)
        chosen = {names[int((number + 0.5) * len(names) / count)] for number in range(count)}
        return [s for s in stretches if s.source not in chosen], [
            s for s in stretches if s.source in chosen
        ]
    parts = [_cut(stretch, round(stretch.count * (1 - hold_out))) for stretch in stretches]
    # A stretch whose end cannot hold a clip would be lost at both ends: it is trained on whole.
    whole = [end.count < span for _, end in parts]
    trained = [s if w else begin for s, w, (begin, _) in zip(stretches, whole, parts, strict=True)]
    return trained, [end for w, (_, end) in zip(whole, parts, strict=True) if not w]


def too_short(stretches: tuple[FrameRun, ...], span: int) -> list[str]:
    """A sentence for each recording whose unbroken stretches are all shorter than a clip."""
    longest: dict[str, int] = {}
    for stretch in stretches:
        longest[stretch.source] = max(stretch.count, longest.get(stretch.source, 0))
    return [
        f"{source}: not used: a clip needs {span} unbroken frames, the longest stretch has {count}"
        for source, count in longest.items()
        if count < span
    ]


def _cut(stretch: FrameRun, at: int) -> tuple[FrameRun, FrameRun]:
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
        pieces = [
            (np.arange(s.offset, s.offset + s.count - span + 1), s.offset + s.count)
            for s in stretches
            if s.count >= span
        ]
        if not pieces:
            longest = max((s.count for s in stretches), default=0)
            raise SourceError(
                f"a clip needs {span} unbroken frames and the longest stretch of footage has {longest}; "
                "give more or longer normal video"
            )
        self.starts: Positions = np.concatenate([starts for starts, _ in pieces])
        self.ends: Positions = np.concatenate([np.full(len(starts), end) for starts, end in pieces])

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def forger(self) -> PseudoAnomalyGenerator:
        """Maker of counter-examples, from frames evenly over these clips."""
        return PseudoAnomalyGenerator(self.cache.take(self.starts[self.evenly(FORGER_FRAMES)]))

    def clips(self, numbers: Positions) -> Pixels:
        """Clips by number, uint8 len(numbers) x 5 x H x W x C."""
        offsets = np.arange(FRAMES_PER_CLIP) * self.interval
        return self.cache.take(self.starts[numbers][:, None] + offsets)

    def evenly(self, most: int) -> Positions:
        """Numbers of at most ``most`` clips, evenly over the footage."""
        return np.unique(
            np.linspace(0, len(self) - 1, min(most, len(self))).round().astype(np.int64)
        )

    def in_order(self, numbers: Positions, size: int) -> Iterator[Pixels]:
        """The clips ``numbers`` in batches of at most ``size``."""
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
    ) -> Batch:
        """The batch of a training step: epochs are shuffled anew, the last few clips of each are left over."""
        size = min(size, len(self))
        per_epoch = len(self) // size
        order = np.random.default_rng([seed, 1, step // per_epoch]).permutation(len(self))
        begin = step % per_epoch * size
        numbers = order[begin : begin + size]
        random = np.random.default_rng([seed, 2, step])
        part = _part(self, crop, random)
        view = _View(self, part, crop)
        clips = view.clips(numbers)
        abnormal = np.zeros(clips.shape[:1] + clips.shape[2:4], dtype=np.bool_)
        fast = random.random(size) < counter_examples.fast_forward
        for row in np.flatnonzero(fast):
            forwarded = view.sped_up(random, 5)
            if forwarded is not None:
                clips[row] = forwarded
                abnormal[row] = view.forger.moving(forwarded)
        for row in np.flatnonzero(~fast & (random.random(size) < counter_examples.company)):
            joined = view.forger.paste_person(
                clips[row], view.any_clip(random), random, misplaced=False
            )
            clips[row] = clips[row] if joined is None else joined[0]
        first, last, rebuilt = (
            clips[:, 0].copy(),
            clips[:, 4].copy(),
            clips[:, self.rebuilt_index].copy(),
        )
        last[abnormal] = first[abnormal]
        for row in np.flatnonzero(random.random(size) < counter_examples.share):
            for _ in range(int(random.integers(counter_examples.most)) + 1):
                kind = counter_examples.kinds[int(random.integers(len(counter_examples.kinds)))]
                forged = view.forged(clips[row], kind, random)
                if forged is not None:
                    clips[row] = forged[0]
                    abnormal[row] |= forged[1]
        if step % 32 == 0:
            self.cache.release()
        return Batch(clips, first, last, rebuilt, abnormal, part)


class _View:
    """The part of the frames that a training step looks at."""

    def __init__(self, whole: ClipDataset, part: CropOffset, crop: tuple[int, ...]) -> None:
        self.whole = whole
        if crop:
            self.rows, self.columns = (
                slice(at, at + side) for at, side in zip(part, crop, strict=True)
            )
            self.forger = whole.forger.window(self.rows, self.columns)
        else:
            self.rows = self.columns = slice(None)
            self.forger = whole.forger

    def clips(self, numbers: Positions) -> Pixels:
        return self._part(self.whole.clips(numbers))

    def any_clip(self, random: np.random.Generator) -> Pixels:
        clip: Pixels = self.clips(random.integers(0, len(self.whole), 1))[0]
        return clip

    def sped_up(self, random: np.random.Generator, most: int) -> Pixels | None:
        """Any clip, two to ``most`` times as fast; None where the footage ends too soon."""
        whole = self.whole
        number = int(random.integers(len(whole)))
        start, room = whole.starts[number], whole.ends[number] - 1 - whole.starts[number]
        factor = min(
            int(random.integers(2, most + 1)), int(room // ((FRAMES_PER_CLIP - 1) * whole.interval))
        )
        if factor < 2:
            return None
        return self._part(
            whole.cache.take(start + np.arange(FRAMES_PER_CLIP) * whole.interval * factor)
        )

    def forged(
        self, clip: Pixels, kind: Kind, random: np.random.Generator
    ) -> tuple[Pixels, npt.NDArray[np.bool_]] | None:
        """A counter-example made of a clip and a random other one; None where that one has nothing to give."""
        if kind == "foreign":
            return self.forger.foreign(clip, self.any_clip(random), random)
        if kind == "carried":
            return self.forger.carried(clip, random)
        other = self.sped_up(random, 4) if kind == "speed" else self.any_clip(random)
        if other is None:
            return None
        if kind == "reverse":
            other = other[::-1]
        return self.forger.paste_person(clip, other, random, misplaced=kind == "misplaced")

    def _part(self, pixels: Pixels) -> Pixels:
        return pixels[..., self.rows, self.columns, :]


def _part(whole: ClipDataset, crop: tuple[int, ...], random: np.random.Generator) -> CropOffset:
    """Where a crop lies: mostly around a place where somebody passes."""
    if not crop:
        return NO_CROP
    forger = whole.forger
    # Quiet places must be seen too, or their codes are anything.
    place = (
        random.integers((0, 0), forger.quiet.shape)
        if random.random() < ANYWHERE
        else forger.busy_place(random)
    )
    shifts = random.uniform(0.2, 0.8, 2)
    corner = [
        int(np.clip(at - side * shift, 0, max(0, full - side))) // CROP_STEP * CROP_STEP
        for at, side, shift, full in zip(place, crop, shifts, forger.quiet.shape, strict=True)
    ]
    return CropOffset(corner[0], corner[1])
