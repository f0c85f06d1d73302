"""Normal clips made abnormal on purpose, with what a model of normality should say of them.

Not in the paper. An autoencoder generalises: it rebuilds what it never saw. So some training clips get an object
that does not belong, or are played too fast, while the targets stay those of normality: the object is not there, and
nothing moved. Related: "learning not to reconstruct anomalies" and temporal pseudo-anomalies (Astrid et al., 2021).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from oddframe.core.records import Pixels
from oddframe.errors import SettingsError

__all__ = ["CounterExamples", "Kind", "paste"]

Kind = Literal["paste", "speed", "reverse"]


@dataclass(frozen=True, kw_only=True)
class CounterExamples:
    """How many training clips are made abnormal, and how.

    Attributes:
        share: Share of the clips, 0 to below 1; 0 is the published training.
        kinds: "paste" (a piece of another clip, changed in look, standing or moving), "speed" (frames skipped, two
            to four times as fast) and "reverse" (played backwards; only where directions are part of what is
            normal).
    """

    share: float = 0.0
    kinds: tuple[Kind, ...] = ("paste", "speed")

    def __post_init__(self) -> None:
        if not 0.0 <= self.share < 1.0:
            raise SettingsError(f"counter_examples.share must be from 0 to below 1, got {self.share}")
        unknown = set(self.kinds) - set(get_args(Kind))
        if unknown or not self.kinds:
            raise SettingsError(
                f"counter_examples.kinds must be some of {list(get_args(Kind))}, got {list(self.kinds)}"
            )


def paste(clip: Pixels, other: Pixels, random: np.random.Generator) -> Pixels:
    """A copy of ``clip`` with a soft-edged piece of ``other`` in it, both uint8 T x H x W x C.

    The piece is flipped, brightened, darkened or replaced by a texture of its own, stands or drifts, and
    is between a twelfth and a third of the picture's shorter side across.
    """
    frames, height, width, _ = clip.shape
    side = min(height, width)
    piece_h = int(random.integers(max(3, side // 12), max(5, side // 3)))
    piece_w = int(np.clip(piece_h * random.uniform(0.4, 1.8), 3, width // 2))
    alpha = _soft_shape(piece_h, piece_w, random)[..., None]
    content = _content(other, piece_h, piece_w, random)
    # Half of the pieces stand: an object left behind moves nothing and only the spatial stream can see it.
    speed = random.normal(0.0, side / 40, 2) if random.random() < 0.5 else np.zeros(2)
    start = random.uniform((0, 0), (height - piece_h, width - piece_w))
    result = clip.copy()
    for number in range(frames):
        corner = start + speed * number
        top = int(np.clip(corner[0], 0, height - piece_h))
        left = int(np.clip(corner[1], 0, width - piece_w))
        under = result[number, top : top + piece_h, left : left + piece_w]
        under[:] = (alpha * content[number] + (1.0 - alpha) * under).round()
    return result


def _soft_shape(height: int, width: int, random: np.random.Generator) -> npt.NDArray[np.float32]:
    """Opacity, H x W in 0..1, of an ellipse or a rounded box with an edge about one pixel wide."""
    y = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None]
    x = np.linspace(-1.0, 1.0, width, dtype=np.float32)[None, :]
    power = random.choice([2.0, 4.0, 12.0])
    radius = (np.abs(y) ** power + np.abs(x) ** power) ** (1.0 / power)
    alpha: npt.NDArray[np.float32] = np.clip((1.0 - radius) * min(height, width) / 2.0 + 0.5, 0.0, 1.0)
    return alpha.astype(np.float32)


def _content(other: Pixels, height: int, width: int, random: np.random.Generator) -> npt.NDArray[np.float32]:
    """What the piece shows, T x height x width x C in 0..255."""
    _, full_h, full_w, colours = other.shape
    top, left = random.integers(0, full_h - height + 1), random.integers(0, full_w - width + 1)
    piece: npt.NDArray[np.float32] = other[:, top : top + height, left : left + width].astype(np.float32)
    look = random.integers(0, 4)
    if look == 0:
        return piece[:, :, ::-1]
    if look == 1:
        tone = random.uniform(0.0, 255.0, colours)
        grain = random.normal(0.0, random.uniform(0.0, 30.0), (height, width, 1))
        return np.broadcast_to(np.clip(tone + grain, 0.0, 255.0), piece.shape).astype(np.float32)
    gain, offset = random.uniform(0.4, 1.6), random.uniform(-80.0, 80.0)
    if look == 2:
        piece = piece[:, ::-1]
    return np.clip((piece - piece.mean()) * gain + piece.mean() + offset, 0.0, 255.0).astype(np.float32)


def choose_kind(kinds: Sequence[Kind], random: np.random.Generator) -> Kind:
    """One of the kinds, each as likely."""
    return kinds[int(random.integers(len(kinds)))]
