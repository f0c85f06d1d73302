"""A night's events of many cameras in a store, as an operator finds them in the morning."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from oddframe.core.alerts import alert
from oddframe.core.records import Event
from oddframe.store.store import Store, now_us
from oddframe.synthetic.scene import SceneSettings, draw

SCENE = SceneSettings(width=320, height=192, density=0.5, light=0.6)
REASONS = ("looks wrong", "moves wrong", "unlike any known pattern")


def fill_night(folder: Path, names: Sequence[str], groups: int = 3, likes: int = 10) -> int:
    """Write events of some cameras, which came in groups of like ones over the last ten hours.

    Args:
        folder: The folder of the store.
        names: The cameras' names.
        groups: Groups of each camera: each at a place of its own, every second one of one event.
        likes: Events of the other groups.

    Returns:
        How many events there are.
    """
    random = np.random.default_rng(7)
    pictures = [frame.pixels for frame in draw(5, 40, SCENE, ("cart",))][::5]
    written = 0
    with Store(folder) as store:
        for number, name in enumerate(names):
            for group in range(groups):
                count = likes if group % 2 == 0 else 1
                left = 0.1 + 0.3 * (group % 3)
                start_us = now_us() - 36_000_000_000 + int(random.integers(0, 20_000_000_000))
                for one in range(count):
                    at_us = start_us + one * 420_000_000
                    event = made(number, group, one, name, left, random)
                    record = alert(event, lambda time_s, at=at_us: at + round(time_s * 1e6))
                    store.put_event(record)
                    store.put_snapshot(record, pictures[written % len(pictures)])
                    written += 1
            # Few pictures may wait at a time; more would be dropped.
            assert store.flush(120)
    return written


def made(
    number: int, group: int, one: int, name: str, left: float, random: np.random.Generator
) -> Event:
    """An event that has ended, at about the place of its group."""
    left = float(left + random.uniform(-0.02, 0.02))
    rarities = random.uniform(1.0, 5.0, 3).round(2).tolist()
    return Event(
        id=f"{number:06x}{group:04x}{one:06x}",
        kind="anomaly",
        phase="end",
        source=name,
        start_s=0.0,
        end_s=float(random.uniform(2, 30)),
        peak_s=1.0,
        score=float(random.uniform(0.55, 0.95)),
        box=(left, 0.4, left + 0.15, 0.75),
        reason=REASONS[group % 3],
        parts=dict(zip(("appearance", "motion", "cluster"), rarities, strict=True)),
    )
