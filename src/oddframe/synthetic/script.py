"""The anomalies of the drawn scene: what each kind does, and when it comes and goes."""

import heapq
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from oddframe.synthetic.actors import Appearance, random_look, runner, walker
from oddframe.synthetic.crowd import WALK_M_S, Actor, beside, between, camera_side, path
from oddframe.synthetic.objects import BRIGHT, cart, cyclist, porter, suitcase
from oddframe.synthetic.places import SceneCamera
from oddframe.synthetic.raster import Colour, Point

KINDS = ("cyclist", "cart", "runner", "wrong_way", "abandoned", "on_grass")
"""The kinds of anomaly that a script may show, by the names that labels give them."""

PREWARM_S = 45.0
"""How long the scene has lived before its first frame, in seconds.

It is long enough for whoever brings a suitcase early on to walk in first.
"""

BLOCK_S = 30.0
"""Anomalies are planned for about this many seconds at a time."""

BUSY = 0.44
"""Share of a block in which something abnormal is to be seen."""

CART_COLOURS: tuple[Colour, ...] = (
    (236.0, 196.0, 60.0),
    (240.0, 240.0, 236.0),
    (226.0, 110.0, 40.0),
)


Episode: TypeAlias = tuple[float, list[tuple[float, Actor]]]
"""Seconds that an anomaly is to be seen, and its actors.

Each actor comes with the seconds between the start of the anomaly and the actor's own.
"""


class Story:
    """The anomalies: which come when.

    They are planned a block at a time, so that hours of footage cost no memory.
    """

    def __init__(
        self, camera: SceneCamera, rng: np.random.Generator, kinds: Sequence[str], length_s: float
    ) -> None:
        self.camera = camera
        self.rng = rng
        self.tracks = itertools.count(1)
        # The serial number decides between actors of the same time, which cannot be compared.
        self.waiting: list[tuple[float, int, Actor]] = []
        self.serial = itertools.count()
        self.blocks = self._blocks(tuple(kinds), length_s) if kinds else iter(())
        self.planned_s = 0.0

    def arrivals(self, time_s: float) -> list[Actor]:
        """Give the actors whose time has come."""
        # One block ahead and more: whoever brings a suitcase comes long before it is left.
        while self.planned_s < time_s + PREWARM_S + BLOCK_S:
            block = next(self.blocks, None)
            if block is None:
                self.planned_s = math.inf
                break
            self.planned_s = block
        actors = []
        while self.waiting and self.waiting[0][0] <= time_s:
            actors.append(heapq.heappop(self.waiting)[2])
        return actors

    def _blocks(self, kinds: tuple[str, ...], length_s: float) -> Iterator[float]:
        """Plan block after block; yields the end of each in seconds."""
        # Whole blocks of about 30 s, and at least as many kinds in each as it takes to show all.
        count = max(round(length_s / BLOCK_S), 1)
        block_s = length_s / count
        fewest = math.ceil(len(kinds) / count)
        turn = itertools.cycle(kinds)
        for number in range(count):
            episodes = [self._episode(next(turn)) for _ in range(fewest)]
            while sum(length for length, _ in episodes) < 0.34 * block_s:
                episodes.append(self._episode(next(turn)))
            for begin, (_, actors) in zip(self._places(episodes, block_s), episodes, strict=True):
                for offset, actor in actors:
                    time_s = number * block_s + begin + offset
                    heapq.heappush(self.waiting, (time_s, next(self.serial), actor))
            yield (number + 1) * block_s

    def _places(self, episodes: Sequence[Episode], block_s: float) -> list[float]:
        """Choose when in the block each episode begins, in seconds.

        They lie apart where they fit, and overlap where they do not.
        """
        lengths = [length for length, _ in episodes]
        total = sum(lengths)
        # Short enough for normal time between them: random gaps around each episode.
        if total <= 0.52 * block_s or len(lengths) == 1:
            free = max(block_s - total, 0.15 * block_s)
            weights = self.rng.uniform(0.6, 1.4, len(lengths) + 1)
            gaps = (free * weights / weights.sum()).tolist()
            return [sum(gaps[: k + 1]) + sum(lengths[:k]) for k in range(len(lengths))]
        # Else each begins before the last one ends, so that normal time is left at both ends.
        overlap = (total - BUSY * block_s) / (len(lengths) - 1)
        begin = (1.0 - BUSY) * block_s * float(self.rng.uniform(0.3, 0.7))
        begins = []
        for length in lengths:
            begins.append(min(begin, 0.85 * block_s))
            begin += max(length - overlap, 0.15 * length)
        return begins

    def _episode(self, kind: str) -> Episode:
        """Plan an anomaly of a kind."""
        if kind == "wrong_way":
            return self._wrong_way()
        if kind == "abandoned":
            return self._abandoned()
        if kind == "on_grass":
            return self._on_grass()
        return self._passing(kind)

    def _passing(self, kind: str) -> Episode:
        """Plan a cyclist, cart or runner: with the flow, but faster and of another shape."""
        rng, layout = self.rng, self.camera.layout
        lane = float(rng.uniform(0.25, 0.85))
        lane_out = float(np.clip(lane + rng.normal(0.0, 0.1), 0.2, 0.85))
        # Long things start further out, so that they do not appear all at once.
        margin = {"cyclist": 0.6, "cart": 0.9, "runner": 0.0}[kind]
        start, ahead, length = path(
            self.camera, between(layout.entry, lane), between(layout.exit, lane_out), margin
        )
        look = random_look(rng)
        pace = {"cyclist": (2.8, 3.6), "cart": (1.7, 2.2), "runner": (2.4, 3.0)}[kind]
        speed = WALK_M_S * float(rng.uniform(*pace))
        bright = BRIGHT[int(rng.integers(len(BRIGHT)))]
        if kind == "cyclist":
            body, stride, size = (
                cyclist(_dress(look, bright), (196.0, 44.0, 40.0)),
                3.2,
                (1.8, 0.35),
            )
        elif kind == "cart":
            paint = CART_COLOURS[int(rng.integers(len(CART_COLOURS)))]
            body, stride, size = cart(look, paint, (236.0, 236.0, 230.0)), 1.7, (1.9, 0.9)
        else:
            body, stride, size = runner(_dress(look, bright)), 2.2, (1.7, 0.26)
        actor = Actor(
            body,
            start,
            ahead,
            length,
            speed,
            stride,
            phase=float(rng.uniform(0.0, math.tau)),
            height_m=size[0],
            width_m=size[1],
            track=next(self.tracks),
            kind=kind,
        )
        return length / speed, [(0.0, actor)]

    def _wrong_way(self) -> Episode:
        """Plan a group that walks against the flow."""
        rng, layout = self.rng, self.camera.layout
        lane = float(rng.uniform(0.40, 0.80))
        start, ahead, length = path(
            self.camera, between(layout.exit, lane), between(layout.entry, lane), 0.5
        )
        speed = WALK_M_S * float(rng.uniform(1.20, 1.40))
        actors = []
        for number in range(int(rng.integers(4, 7))):
            look = random_look(rng)
            # Two by two, close behind each other.
            forward, right = (
                -0.75 * (number // 2) + float(rng.normal(0, 0.12)),
                0.75 * (number % 2) - 0.35,
            )
            place = beside(start, ahead, forward, right)
            walk = place, ahead, length - forward
            actors.append(self._abnormal_walker(look, walk, speed, "wrong_way"))
        return length / speed, [(0.0, actor) for actor in actors]

    def _on_grass(self) -> Episode:
        """Plan one or two people who cut across the lawn."""
        rng, layout = self.rng, self.camera.layout
        lane, lane_out = float(rng.uniform(0.1, 0.9)), float(rng.uniform(0.0, 1.0))
        start, ahead, length = path(
            self.camera, between(layout.lawn_entry, lane), between(layout.lawn_exit, lane_out)
        )
        speed = WALK_M_S * float(rng.uniform(0.75, 1.0))
        actors = []
        for number in range(int(rng.integers(1, 3))):
            look = random_look(rng)
            place = beside(start, ahead, -0.9 * number, 0.4 * number * camera_side(ahead))
            walk = place, ahead, length + number
            actors.append(self._abnormal_walker(look, walk, speed, "on_grass"))
        return (length + 0.9 * (len(actors) - 1)) / speed, [(0.0, actor) for actor in actors]

    def _abandoned(self) -> Episode:
        """Plan a suitcase that somebody brings and leaves, and that somebody takes along later."""
        rng, layout = self.rng, self.camera.layout
        lane, share = float(rng.uniform(0.45, 0.85)), float(rng.uniform(0.3, 0.7))
        start, ahead, length = path(
            self.camera, between(layout.entry, lane), between(layout.exit, lane)
        )
        stands_s = float(rng.uniform(6.0, 9.0))
        colour = BRIGHT[int(rng.integers(len(BRIGHT)))]
        reached = length * share
        place = beside(start, ahead, reached, 0.45 * camera_side(ahead))
        case = Actor(
            suitcase(colour),
            place,
            ahead,
            math.inf,
            0.0,
            lives_s=stands_s,
            height_m=0.9,
            width_m=0.42,
            track=next(self.tracks),
            kind="abandoned",
        )
        actors = [(0.0, case)]
        for takes in (False, True):
            look, speed = random_look(rng), WALK_M_S * float(rng.uniform(0.95, 1.2))
            pause_s, walk_s = 1.4, reached / speed
            # The case changes hands in the middle of the pause.
            begin = (stands_s if takes else 0.0) - walk_s - 0.5 * pause_s
            walk = start, ahead, length
            actors.append(
                (begin, self._porter(look, colour, walk, speed, (reached, pause_s), takes=takes))
            )
        return stands_s, actors

    def _abnormal_walker(
        self, look: Appearance, walk: tuple[Point, Point, float], speed_m_s: float, kind: str
    ) -> Actor:
        """Make somebody who walks where or how nobody should, on a way as `path` gives it."""
        return Actor(
            walker(look),
            *walk,
            speed_m_s,
            0.83 * look.height_m,
            phase=float(self.rng.uniform(0.0, math.tau)),
            height_m=look.height_m,
            track=next(self.tracks),
            kind=kind,
        )

    def _porter(
        self,
        look: Appearance,
        colour: Colour,
        walk: tuple[Point, Point, float],
        speed_m_s: float,
        pause: tuple[float, float],
        *,
        takes: bool,
    ) -> Actor:
        """Make a normal walker who brings the suitcase, or takes it away.

        Args:
            look: Who it is.
            colour: Colour of the suitcase.
            walk: Start, direction and length of the way.
            speed_m_s: Speed on the way.
            pause: Metres at which the suitcase changes hands, and seconds that this takes.
            takes: Whether the suitcase is taken away, else brought.
        """
        reached_m, pause_s = pause
        # The case itself appears, and disappears, in the middle of the pause.
        handover_s = reached_m / speed_m_s + 0.5 * pause_s

        # Whoever brings it carries it before the handover, whoever takes it after.
        def carries() -> bool:
            return (actor.age_s >= handover_s) == takes

        actor = Actor(
            porter(look, colour, carries),
            *walk,
            speed_m_s,
            0.83 * look.height_m,
            pauses=[pause],
            phase=float(self.rng.uniform(0.0, math.tau)),
            height_m=look.height_m,
        )
        return actor


def _dress(look: Appearance, top: Colour) -> Appearance:
    """Give the same person in sports clothes."""
    return replace(
        look, top=top, legs=(30.0, 32.0, 44.0), hair=(236.0, 236.0, 232.0), coat=False, bag=None
    )
