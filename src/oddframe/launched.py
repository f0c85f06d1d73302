"""Which of several processes of one training this is, as torchrun and accelerate tell each of those that they start."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from oddframe.errors import SettingsError

__all__ = ["Launch"]

_TOLD = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True, slots=True)
class Launch:
    """A process among those that were started together.

    Attributes:
        rank: Its number, from 0.
        size: How many there are.
        local_rank: Its number among those on its machine, which is that of its GPU.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.size or self.local_rank < 0:
            raise SettingsError(
                f"RANK must be from 0 to below WORLD_SIZE and LOCAL_RANK 0 or more, got {self.rank} of {self.size}, "
                f"{self.local_rank}; let torchrun set them"
            )

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """What the environment says; a process of its own where it does not say all of it.

        Raises:
            SettingsError: If what it says is no number, or none that can be.
        """
        if not all(name in environment for name in _TOLD):
            return cls()
        told = {name: environment.get(name, "0") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
        if odd := [f"{name}={text!r}" for name, text in told.items() if not text.isdecimal()]:
            raise SettingsError(f"what torchrun sets must be whole numbers, got {', '.join(odd)}; let torchrun set it")
        return cls(*(int(told[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes and talks."""
        return self.rank == 0
