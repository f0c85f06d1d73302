"""The one fake scorer of the tests, in place of a network: its scores are known beforehand."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from oddframe._types import Float32, Pixels
from oddframe.inference.scorer import ClipScores

DrawMaps: TypeAlias = Callable[[Pixels, Float32], Float32]
"""From clips and their raw scores to anomaly maps, float32 B x H x W."""


def brightness(clips: Pixels) -> Float32:
    """The mean of each clip's last frame, plus 1 so that no raw score is 0."""
    return clips[:, 4].mean(axis=(1, 2, 3)).astype(np.float32) + 1


def flat_maps(height: int, width: int) -> DrawMaps:
    """Make a function that draws maps of H x W, which hold the clip's raw score everywhere."""
    return lambda clips, raw: np.full((len(clips), height, width), raw[:, None, None], np.float32)


SMALL_MAPS = flat_maps(2, 3)


class FakeScorer:
    """Scores clips by a function of their pixels.

    Args:
        raw: From clips, uint8 B x 5 x H x W x C, to raw scores, float32 B.
        maps: From clips and raw scores to anomaly maps, float32 B x H x W.
        parts: Appearance, motion and cluster as multiples of the raw score, so that a test sees
            which is which.
        batch_size: Clips that it takes at a time.

    Attributes:
        batches: The clips of every call, in order.
    """

    def __init__(
        self,
        raw: Callable[[Pixels], Float32] = brightness,
        *,
        maps: DrawMaps = SMALL_MAPS,
        parts: tuple[float, float, float] = (2.0, 3.0, 4.0),
        batch_size: int = 4,
    ) -> None:
        self.batch_size, self.batches = batch_size, list[Pixels]()
        self._raw, self._maps, self._parts = raw, maps, parts

    def score(self, clips: Pixels) -> ClipScores:
        """Score clips; a real scorer refuses other numbers of clips or frames too."""
        assert clips.shape[1] == 5
        assert 1 <= len(clips) <= self.batch_size
        self.batches.append(clips)
        raw = self._raw(clips)
        appearance, motion, cluster = (np.float32(factor) * raw for factor in self._parts)
        return ClipScores(raw, appearance, motion, cluster, self._maps(clips, raw))


class FakeGpu(FakeScorer):
    """A fake that answers later, as a GPU does.

    Attributes:
        log: What happened in order: "begin", with "maps" where they were wanted, and "finish".
    """

    log: list[str]

    def begin(self, clips: Pixels, *, maps: bool) -> Callable[[], ClipScores]:
        """Start on clips; they are copied, since their memory may be used again."""
        self.log = [*getattr(self, "log", []), "begin maps" if maps else "begin"]
        scored = self.score(clips.copy())

        def finish() -> ClipScores:
            self.log.append("finish")
            return scored if maps else replace(scored, maps=scored.maps[:, :0, :0])

        return finish


class CompilableFake(FakeScorer):
    """A fake that is compiled to another scorer, or cannot be.

    Args:
        becomes: What it is compiled to, or the error that compiling ends with.
    """

    def __init__(self, becomes: FakeScorer | Exception) -> None:
        super().__init__()
        self.becomes = becomes

    def compiled(self) -> FakeScorer:
        """Give what it is compiled to."""
        if isinstance(self.becomes, Exception):
            raise self.becomes
        return self.becomes


def bright_is_unusual(threshold: float, batch_size: int = 1) -> FakeScorer:
    """Make a scorer that calls a clip unusual where its last frame is bright.

    Args:
        threshold: The model's; a bright frame scores three times as high, a dark one half of it.
        batch_size: Clips that the scorer takes at a time.
    """

    def raw(clips: Pixels) -> Float32:
        bright = clips[:, 4].mean(axis=(1, 2, 3))
        # A little more for brighter frames, so that an event has one highest score.
        return (threshold * np.where(bright > 128, 3.0 + bright / 1000, 0.5)).astype(np.float32)

    def maps(clips: Pixels, scores: Float32) -> Float32:
        drawn = np.ones((len(clips), 32, 32), np.float32)
        drawn[:, 8:16, 16:24] = 100 * scores[:, None, None]
        return drawn

    return FakeScorer(raw, maps=maps, parts=(1.0, 1.0, 1.0), batch_size=batch_size)
