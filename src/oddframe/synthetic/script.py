"""The anomalies of the drawn scene: what each kind does, and when it comes and goes.

Who walks in the drawn scene: an actor and its path, and the normal crowd.
"""

import heapq
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from oddframe.synthetic.actors import Appearance, Body, random_look, runner, walker
from oddframe.synthetic.objects import BRIGHT, cart, cyclist, porter, suitcase
from oddframe.synthetic.places import SceneCamera
from oddframe.synthetic.raster import Colour, Point

WALK_M_S = 1.15
"""Mean walking speed, metres a second."""

CARRYING = 0.08
"""Share of the walkers who carry a suitcase."""

STAY_S = 20.0
"""About how long a walker is on the scene, seconds."""


@dataclass(slots=True)
class Actor:
    """Somebody or something on the ground, on a straight path with a little weaving.

    Attributes:
        body: How it looks.
        start: Where its path begins, metres on the ground (x, z).
        ahead: Unit vector along the path.
        length_m: How long the path is; beyond it the actor is gone.
        speed_m_s: Speed while it moves.
        stride_m: Distance in which its gait repeats.
        pauses: (distance, seconds) at which it stops for a while, nearest first.
        weave_m: How far it sways from its path.
        phase: Where its gait and weaving begin, radians.
        lives_s: Seconds after which it is gone wherever it is.
        height_m: For its shadow.
        width_m: For its shadow.
        track: Track number of an anomaly, 0 for normal ones.
        kind: Kind of an anomaly, "" for normal ones.
    """

    body: Body
    start: Point
    ahead: Point
    length_m: float
    speed_m_s: float
    stride_m: float = 1.45
    pauses: list[tuple[float, float]] = field(default_factory=list)
    weave_m: float = 0.0
    phase: float = 0.0
    lives_s: float = math.inf
    height_m: float = 1.7
    width_m: float = 0.24
    track: int = 0
    kind: str = ""
    age_s: float = 0.0
    gone_m: float = 0.0
    pace: float = 1.0
    rested_s: float = 0.0

    def step(self, seconds: float) -> bool:
        """Move on; False once it has left."""
        self.age_s += seconds
        resting = bool(self.pauses) and self.gone_m >= self.pauses[0][0]
        if resting:
            self.rested_s += seconds
            if self.rested_s >= self.pauses[0][1]:
                self.pauses.pop(0)
                self.rested_s = 0.0
        # Speed follows with a delay, as people do: stopping and starting take about a second.
        self.pace += ((0.0 if resting else 1.0) - self.pace) * min(seconds * 3.0, 1.0)
        self.gone_m += self.speed_m_s * self.pace * seconds
        return self.gone_m < self.length_m and self.age_s < self.lives_s

    @property
    def place(self) -> Point:
        """Where it stands, metres on the ground."""
        sway = self.weave_m * math.sin(self.gone_m * 0.6 + self.phase)
        return (
            self.start[0] + self.ahead[0] * self.gone_m + self.ahead[1] * sway,
            self.start[1] + self.ahead[1] * self.gone_m - self.ahead[0] * sway,
        )

    @property
    def gait(self) -> float:
        """Phase of its gait, radians."""
        return self.gone_m / self.stride_m * math.tau + self.phase


def between(line: tuple[Point, Point], share: float) -> Point:
    """A point on a line between two points."""
    (ax, ay), (bx, by) = line
    return ax + (bx - ax) * share, ay + (by - ay) * share


def path(
    camera: SceneCamera, start: Point, end: Point, margin_m: float = 0.0
) -> tuple[Point, Point, float]:
    """Start on the ground, unit vector and length of the way between two places on the screen."""
    a, b = camera.ground(start), camera.ground(end)
    dx, dz = b[0] - a[0], b[1] - a[1]
    length = math.hypot(dx, dz)
    ahead = dx / length, dz / length
    return (a[0] - ahead[0] * margin_m, a[1] - ahead[1] * margin_m), ahead, length + 2 * margin_m


def beside(start: Point, ahead: Point, forward_m: float, right_m: float) -> Point:
    """A place relative to another one, for somebody heading ahead."""
    return (
        start[0] + forward_m * ahead[0] + right_m * ahead[1],
        start[1] + forward_m * ahead[1] - right_m * ahead[0],
    )


class Crowd:
    """The normal walkers, from nearly none to a crowd, all going one way on the paving."""

    def __init__(self, camera: SceneCamera, rng: np.random.Generator, density: float) -> None:
        self.camera = camera
        self.rng = rng
        self.density = density
        # A recording of half a minute sees about half a swell: it fills, or it empties.
        self.swells = [
            (float(rng.uniform(low, high)), float(rng.uniform(0.0, math.tau)), height)
            for low, high, height in ((42.0, 64.0, 1.5), (90.0, 150.0, 0.8))
        ]

    def wanted(self, time_s: float) -> float:
        """How many walkers the place would hold if it stayed like that: about 0.4 to 6."""
        swell = sum(
            high * math.sin(math.tau * time_s / period + phase)
            for period, phase, high in self.swells
        )
        return self.density * (0.4 + 6.0 / (1.0 + math.exp(-1.8 * swell)))

    def arrivals(self, time_s: float, seconds: float) -> list[Actor]:
        """Who comes in during the next seconds."""
        groups = int(self.rng.poisson(self.wanted(time_s) * seconds / (STAY_S * 1.5)))
        return [actor for _ in range(groups) for actor in self._group()]

    def _group(self) -> list[Actor]:
        rng, layout = self.rng, self.camera.layout
        lane = float(rng.uniform(0.06, 0.90))
        lane_out = float(np.clip(lane + rng.normal(0.0, 0.22), 0.06, 0.90))
        start, ahead, length = path(
            self.camera, between(layout.entry, lane), between(layout.exit, lane_out)
        )
        speed = WALK_M_S * float(rng.uniform(0.72, 1.35))
        pauses = []
        if rng.random() < 0.15:
            pauses = [(length * float(rng.uniform(0.2, 0.8)), float(rng.uniform(2.0, 5.0)))]
        size = (1, 1, 1, 1, 1, 1, 2, 2, 2, 3)[int(rng.integers(10))]
        actors = []
        for number in range(size):
            look = random_look(rng)
            actors.append(
                Actor(
                    body=self._body(look),
                    # Companions keep to the far side of the first, which the lanes leave room for.
                    start=beside(
                        start,
                        ahead,
                        float(rng.normal(0.0, 0.25)),
                        -number * 0.62 * camera_side(ahead),
                    ),
                    ahead=ahead,
                    length_m=length,
                    speed_m_s=speed,
                    stride_m=0.83 * look.height_m,
                    pauses=list(pauses),
                    weave_m=0.0 if size > 1 else float(rng.uniform(0.0, 0.22)),
                    phase=float(rng.uniform(0.0, math.tau)),
                    height_m=look.height_m,
                )
            )
        return actors

    def _body(self, look: Appearance) -> Body:
        """A walker, now and then one with a suitcase: carrying one is normal, leaving it is not."""
        if self.rng.random() >= CARRYING:
            return walker(look)
        return porter(look, BRIGHT[int(self.rng.integers(len(BRIGHT)))], lambda: True)


def camera_side(ahead: Point) -> float:
    """+1 when the right of somebody heading ahead is the side of the camera, else -1."""
    return 1.0 if ahead[0] > 0.0 else -1.0


KINDS = ("cyclist", "cart", "runner", "wrong_way", "abandoned", "on_grass")
"""The kinds of anomaly."""

PREWARM_S = 45.0
"""How long the scene has lived before its first frame: long enough for whoever brings a suitcase early on."""

BLOCK_S = 30.0
"""Anomalies are planned for about this many seconds at a time."""

BUSY = 0.44
"""Share of a block in which something abnormal is to be seen."""

Episode: TypeAlias = tuple[float, list[tuple[float, Actor]]]
"""Seconds that an anomaly is to be seen, and its actors, each with the seconds between its start and theirs."""


class Story:
    """The anomalies: which come when. Planned a block at a time, so that hours of footage cost no memory."""

    def __init__(
        self, camera: SceneCamera, rng: np.random.Generator, kinds: Sequence[str], length_s: float
    ) -> None:
        self.camera = camera
        self.rng = rng
        self.tracks = itertools.count(1)
        self.waiting: list[tuple[float, int, Actor]] = []
        self.serial = itertools.count()
        self.blocks = self._blocks(tuple(kinds), length_s) if kinds else iter(())
        self.planned_s = 0.0

    def arrivals(self, time_s: float) -> list[Actor]:
        """Who comes in now."""
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
        """Plan block after block; gives the end of each."""
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
        """When in the block each episode begins: apart where they fit, overlapping where they do not."""
        lengths = [length for length, _ in episodes]
        total = sum(lengths)
        if total <= 0.52 * block_s or len(lengths) == 1:
            free = max(block_s - total, 0.15 * block_s)
            weights = self.rng.uniform(0.6, 1.4, len(lengths) + 1)
            gaps = (free * weights / weights.sum()).tolist()
            return [sum(gaps[: k + 1]) + sum(lengths[:k]) for k in range(len(lengths))]
        overlap = (total - BUSY * block_s) / (len(lengths) - 1)
        begin = (1.0 - BUSY) * block_s * float(self.rng.uniform(0.3, 0.7))
        begins = []
        for length in lengths:
            begins.append(min(begin, 0.85 * block_s))
            begin += max(length - overlap, 0.15 * length)
        return begins

    def _episode(self, kind: str) -> Episode:
        """How long an anomaly is to be seen, and its actors, each with its offset in seconds."""
        if kind == "wrong_way":
            return self._wrong_way()
        if kind == "abandoned":
            return self._abandoned()
        if kind == "on_grass":
            return self._on_grass()
        return self._passing(kind)

    def _passing(self, kind: str) -> Episode:
        """Cyclist, cart or runner: with the flow, but faster and of another shape."""
        rng, layout = self.rng, self.camera.layout
        lane = float(rng.uniform(0.25, 0.85))
        lane_out = float(np.clip(lane + rng.normal(0.0, 0.1), 0.2, 0.85))
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
                cyclist(_dressed(look, bright), (196.0, 44.0, 40.0)),
                3.2,
                (1.8, 0.35),
            )
        elif kind == "cart":
            paint = ((236.0, 196.0, 60.0), (240.0, 240.0, 236.0), (226.0, 110.0, 40.0))[
                int(rng.integers(3))
            ]
            body, stride, size = cart(look, paint, (236.0, 236.0, 230.0)), 1.7, (1.9, 0.9)
        else:
            body, stride, size = runner(_dressed(look, bright)), 2.2, (1.7, 0.26)
        actor = Actor(
            body, start, ahead, length, speed, stride, phase=float(rng.uniform(0.0, math.tau)),
            height_m=size[0], width_m=size[1], track=next(self.tracks), kind=kind,
        )  # fmt: skip
        return length / speed, [(0.0, actor)]

    def _wrong_way(self) -> Episode:
        """A group that walks against the flow."""
        rng, layout = self.rng, self.camera.layout
        lane = float(rng.uniform(0.40, 0.80))
        start, ahead, length = path(
            self.camera, between(layout.exit, lane), between(layout.entry, lane), 0.5
        )
        speed = WALK_M_S * float(rng.uniform(1.20, 1.40))
        actors = []
        for number in range(int(rng.integers(4, 7))):
            look = random_look(rng)
            forward, right = (
                -0.75 * (number // 2) + float(rng.normal(0, 0.12)),
                0.75 * (number % 2) - 0.35,
            )
            actors.append(
                Actor(
                    walker(look), beside(start, ahead, forward, right), ahead, length - forward, speed,
                    0.83 * look.height_m, phase=float(rng.uniform(0.0, math.tau)), height_m=look.height_m,
                    track=next(self.tracks), kind="wrong_way",
                )
            )  # fmt: skip
        return length / speed, [(0.0, actor) for actor in actors]

    def _on_grass(self) -> Episode:
        """One or two people who cut across the lawn."""
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
            actors.append(
                Actor(
                    walker(look), place, ahead, length + number, speed, 0.83 * look.height_m,
                    phase=float(rng.uniform(0.0, math.tau)), height_m=look.height_m,
                    track=next(self.tracks), kind="on_grass",
                )
            )  # fmt: skip
        return (length + 0.9 * (len(actors) - 1)) / speed, [(0.0, actor) for actor in actors]

    def _abandoned(self) -> Episode:
        """A suitcase: somebody walks in with it and leaves it, later somebody takes it along."""
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
            suitcase(colour), place, ahead, math.inf, 0.0, lives_s=stands_s, height_m=0.9, width_m=0.42,
            track=next(self.tracks), kind="abandoned",
        )  # fmt: skip
        actors = [(0.0, case)]
        for takes in (False, True):
            look, speed = random_look(rng), WALK_M_S * float(rng.uniform(0.95, 1.2))
            pause_s, walk_s = 1.4, reached / speed
            # The case changes hands in the middle of the pause.
            begin = (stands_s if takes else 0.0) - walk_s - 0.5 * pause_s
            actors.append(
                (
                    begin,
                    self._porter(
                        look, colour, start, ahead, length, speed, reached, pause_s, takes
                    ),
                )
            )
        return stands_s, actors

    def _porter(
        self, look: Appearance, colour: Colour, start: Point, ahead: Point, length: float, speed: float,
        reached: float, pause_s: float, takes: bool,
    ) -> Actor:  # fmt: skip
        """Who brings the suitcase, or takes it away; a normal walker."""
        handover_s = reached / speed + 0.5 * pause_s

        def carries() -> bool:
            return (actor.age_s >= handover_s) == takes

        actor = Actor(
            porter(look, colour, carries), start, ahead, length, speed, 0.83 * look.height_m,
            pauses=[(reached, pause_s)], phase=float(self.rng.uniform(0.0, math.tau)), height_m=look.height_m,
        )  # fmt: skip
        return actor


def _dressed(look: Appearance, top: Colour) -> Appearance:
    """The same person in sports clothes."""
    return replace(
        look, top=top, legs=(30.0, 32.0, 44.0), hair=(236.0, 236.0, 232.0), coat=False, bag=None
    )
