"""How long work tells its caller how far it is; the library itself never prints."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

__all__ = ["Progress", "silent"]

Progress: TypeAlias = Callable[[str, int, int, Mapping[str, float]], None]
"""Called as (phase, done, total, values): a phase's name, how many of how many units are done, and figures to show."""


def silent(phase: str, done: int, total: int, values: Mapping[str, float]) -> None:
    """Tell nobody."""
