"""Whether a picture repeats the one before: a camera that is frozen sends the same one for ever.

Three things are told apart where next to nothing changes from one picture to the next:

- a disturbance, all over the picture: an encoder's key frame and the return from it, which a freeze
  survives;
- movement, in a few tiles: somebody far away, who alone shows that the camera is alive;
- writing, in a few tiles too: what a camera or a recorder writes into its pictures goes on while
  they are frozen, such as a clock that ticks and a dot that blinks. It stands near the upper or the
  lower edge, and stays in its place, which somebody who walks there leaves.
"""

import math
from typing import NamedTuple

import numpy as np

from oddframe._types import Pixels

BRIDGED = 2
"""So many changed frames in a row do not end a run of repeats.

An encoder's key frame changes the picture a little, and so does the return from it.
"""
BRIDGING = 10
"""Repeats that must come between two such interruptions."""
MOST_STILL = 0.5
"""Most change of a repeat in grey levels, whatever the footage says."""

EDGE = 0.2
"""Share of the height, at the upper and at the lower edge, in which writing may stand."""
MOVED = 3.0
"""Mean change of a tile, in grey levels, from which something moves in it."""
MOST_MOVED = 0.1
"""Most share of the tiles in which something moves where the change is a local one."""
_NEAR = 2
"""A change within so many tiles of an earlier one is at the same place.

The strokes of a large digit are so far from each other.
"""
_MOST_PLACES = 3
"""Places with writing of its own, such as a clock, a blinking dot and a counter."""
_FOUND_S = 3.0
"""All of these have changed within so many seconds of a run: a clock ticks, and a dot blinks."""


class TileBox(NamedTuple):
    """Some tiles of the picture: the first row and column, and those after the last."""

    top: int
    left: int
    bottom: int
    right: int

    def meet(self, other: "TileBox") -> "TileBox | None":
        """Give the tiles that both have; None where they have none."""
        met = TileBox(*map(max, self[:2], other[:2]), *map(min, self[2:], other[2:]))
        return met if met.top < met.bottom and met.left < met.right else None

    def grow(self, by: int) -> "TileBox":
        """Give the box with so many tiles more on each side, some of which may not exist."""
        return TileBox(self.top - by, self.left - by, self.bottom + by, self.right + by)


class Change(NamedTuple):
    """How a picture differs from the one before.

    Attributes:
        whole: Mean absolute difference in grey levels.
        rest: The same outside of the tiles in which something moves, and those beside them.
        local: The tiles in which something moves, where they are few; None where there are none.
        at_edge: Whether all of them lie where writing may stand.
    """

    whole: float
    rest: float
    local: TileBox | None = None
    at_edge: bool = False


def change(before: Pixels, after: Pixels) -> Change:
    """Compare two grey pictures, uint8 H x W."""
    # Bytes wrap around below 0: the larger minus the smaller never does.
    difference = np.maximum(before, after) - np.minimum(before, after)
    height, total = len(before), int(difference.sum(dtype=np.uint64))
    tile = 8 if min(before.shape) >= 96 else 4
    edge = math.ceil(EDGE * height / tile)
    middle = difference[edge * tile : height - edge * tile]
    whole = total / before.size
    # In nearly every frame of a camera there is movement or noise, and this is all that it costs.
    if not total or int(middle.sum(dtype=np.uint64)) > MOST_STILL * middle.size:
        return Change(whole, whole)
    rows, columns = np.arange(0, height, tile), np.arange(0, before.shape[1], tile)
    down = np.add.reduceat(difference, rows, axis=0, dtype=np.uint32)
    sums = np.add.reduceat(down, columns, axis=1)
    # The last tiles of a picture may be smaller.
    sides = np.minimum(tile, height - rows), np.minimum(tile, before.shape[1] - columns)
    pixels = np.outer(*sides)
    moved = sums > MOVED * pixels
    if not 0 < moved.sum() <= MOST_MOVED * moved.size:
        return Change(whole, whole)
    found_rows, found_columns = np.flatnonzero(moved.any(axis=1)), np.flatnonzero(moved.any(axis=0))
    box = TileBox(found_rows[0], found_columns[0], found_rows[-1] + 1, found_columns[-1] + 1)
    # An encoder changes what lies beside a change too.
    beside = np.zeros_like(moved)
    for row, column in np.argwhere(moved):
        beside[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = True
    rest = (total - int(sums[beside].sum())) / max(1, difference.size - int(pixels[beside].sum()))
    return Change(whole, rest, box, not moved[edge : len(rows) - edge].any())


class StillRun:
    """Measures for how long every frame has repeated the one before it, but for its writing.

    Args:
        still_change: Most change of a repeat, in grey levels.
    """

    def __init__(self, still_change: float) -> None:
        self._still_change = still_change
        self._since_s = math.nan
        self._repeats = self._changes = 0
        # Where writing has changed in this run, and when it did first.
        self._places: list[TileBox] = []
        self._written_s = math.nan

    def push(self, time_s: float, changed: Change) -> float:
        """Take the change from the frame before to the one at a time in seconds.

        Returns:
            The length of the run of repeats so far in seconds; 0 where there is none.
        """
        if changed.local is not None and changed.rest <= self._still_change:
            is_repeat = changed.at_edge and self._is_in_place(time_s, changed.local)
            # A frozen picture may be disturbed, but nothing moves in it.
            most = 0
        else:
            is_repeat, most = changed.whole <= self._still_change, BRIDGED
        if is_repeat:
            self._repeats += 1
            if self._repeats >= BRIDGING:
                self._changes = 0
            # At the start of a run no interruption has been earned yet.
            if math.isnan(self._since_s):
                self._since_s, self._changes = time_s, BRIDGED
        else:
            self._repeats, self._changes = 0, self._changes + 1
            if self._changes > most:
                self._since_s = self._written_s = math.nan
                self._places.clear()
        return 0.0 if math.isnan(self._since_s) else time_s - self._since_s

    def _is_in_place(self, time_s: float, moved: TileBox) -> bool:
        """Whether writing stands where it stood before in this run; new places are noted at first.

        A place becomes what all changes at it have in common, so that it does not move along with
        what moves.
        """
        near = moved.grow(_NEAR)
        met = [near.meet(place) for place in self._places]
        self._places = [common or place for common, place in zip(met, self._places, strict=True)]
        if any(met):
            return True
        if math.isnan(self._written_s):
            self._written_s = time_s
        if time_s - self._written_s > _FOUND_S or len(self._places) == _MOST_PLACES:
            return False
        self._places.append(moved)
        return True
