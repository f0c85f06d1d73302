"""Decoded frames that wait for the network, and what it answers; clips that repeat each other share an answer."""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from oddframe.core.records import Clip, Frame, HealthChange, HealthState, Score

__all__ = ["Answer", "Waiting"]


class Answer:
    """What the network says of a clip, once it was asked; clips in a row with the same pixels share one.

    Attributes:
        score: It, with the map; None before.
    """

    score: Score | None = None

    def keep(self) -> None:
        """It is needed for longer than the others of its batch: hold its own map, not all of theirs."""
        if self.score is not None and self.score.map is not None and self.score.map.base is not None:
            own = self.score.map.copy()
            own.flags.writeable = False
            self.score = replace(self.score, map=own)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A decoded frame and what is known of it before the network has seen it.

    Attributes:
        frame: The frame.
        clip: The clip that scores it, if any.
        health: The camera's state, or the fault that is seen in the frame before it is certain.
        changes: Changes of that state that came with it.
        watched: What counts in the picture, bool H x W; None where all of it does.
        answer: Where the network's answer on the clip will be, or is.
    """

    frame: Frame
    clip: Clip | None
    health: HealthState = "ok"
    changes: tuple[HealthChange, ...] = ()
    watched: npt.NDArray[np.bool_] | None = None
    answer: Answer = field(default_factory=Answer)

    @property
    def is_new(self) -> bool:
        """Whether it takes a place in a batch: its clip is none that repeats the one before."""
        return self.clip is not None and not self.clip.repeats
