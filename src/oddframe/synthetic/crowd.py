"""Who walks in the drawn scene: an actor, the path it walks, and the normal crowd."""

import math
from dataclasses import dataclass, field

import numpy as np

from oddframe.synthetic.actors import Appearance, Body, random_look, walker
from oddframe.synthetic.objects import BRIGHT, porter
from oddframe.synthetic.places import SceneCamera
from oddframe.synthetic.raster import Point

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
        age_s: Seconds since it came.
        gone_m: Metres that it has gone on its path.
        pace: Share of its full speed at which it moves now, 0 to 1.
        rested_s: Seconds of the present pause that are over.
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
        """Move on by some seconds; False once it has left."""
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
        """Where the actor stands, in metres on the ground."""
        sway = self.weave_m * math.sin(self.gone_m * 0.6 + self.phase)
        return (
            self.start[0] + self.ahead[0] * self.gone_m + self.ahead[1] * sway,
            self.start[1] + self.ahead[1] * self.gone_m - self.ahead[0] * sway,
        )

    @property
    def gait(self) -> float:
        """Phase of the actor's gait in radians; it goes with the distance and stops with it."""
        return self.gone_m / self.stride_m * math.tau + self.phase


def between(line: tuple[Point, Point], share: float) -> Point:
    """Find the point at a share, 0 to 1, of a line between two points."""
    (ax, ay), (bx, by) = line
    return ax + (bx - ax) * share, ay + (by - ay) * share


def path(
    camera: SceneCamera, start: Point, end: Point, margin_m: float = 0.0
) -> tuple[Point, Point, float]:
    """Find the way between two places on the screen.

    Returns:
        Start on the ground in metres, unit vector along the way, and its length in metres; a margin
        makes the way longer at both ends.
    """
    a, b = camera.ground(start), camera.ground(end)
    dx, dz = b[0] - a[0], b[1] - a[1]
    length = math.hypot(dx, dz)
    ahead = dx / length, dz / length
    return (a[0] - ahead[0] * margin_m, a[1] - ahead[1] * margin_m), ahead, length + 2 * margin_m


def beside(start: Point, ahead: Point, forward_m: float, right_m: float) -> Point:
    """Find the place at some metres forward and to the right of somebody heading ahead."""
    return (
        start[0] + forward_m * ahead[0] + right_m * ahead[1],
        start[1] + forward_m * ahead[1] - right_m * ahead[0],
    )


def camera_side(ahead: Point) -> float:
    """Give +1 when the right of somebody heading ahead is the side of the camera, else -1."""
    return 1.0 if ahead[0] > 0.0 else -1.0


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
        # A sigmoid of two slow waves: mostly few or many, seldom in between.
        swell = sum(
            high * math.sin(math.tau * time_s / period + phase)
            for period, phase, high in self.swells
        )
        return self.density * (0.4 + 6.0 / (1.0 + math.exp(-1.8 * swell)))

    def arrivals(self, time_s: float, seconds: float) -> list[Actor]:
        """Choose who comes in during the next seconds."""
        # 1.5 is the mean size of a group, so that the mean number of walkers is the wanted one.
        groups = int(self.rng.poisson(self.wanted(time_s) * seconds / (STAY_S * 1.5)))
        return [actor for _ in range(groups) for actor in self._group()]

    def _group(self) -> list[Actor]:
        """Make one to three walkers who go together."""
        rng, layout = self.rng, self.camera.layout
        lane = float(rng.uniform(0.06, 0.90))
        lane_out = float(np.clip(lane + rng.normal(0.0, 0.22), 0.06, 0.90))
        start, ahead, length = path(
            self.camera, between(layout.entry, lane), between(layout.exit, lane_out)
        )
        speed = WALK_M_S * float(rng.uniform(0.72, 1.35))
        pauses = []
        # Standing for a moment is normal, too.
        if rng.random() < 0.15:
            pauses = [(length * float(rng.uniform(0.2, 0.8)), float(rng.uniform(2.0, 5.0)))]
        # Six in ten walk alone, three in ten are two, one in ten are three.
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
        """Make a walker, now and then one with a suitcase: only leaving it behind is abnormal."""
        if self.rng.random() >= CARRYING:
            return walker(look)
        return porter(look, BRIGHT[int(self.rng.integers(len(BRIGHT)))], lambda: True)
