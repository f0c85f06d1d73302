"""How strong a camera's fault must be to be found; the figures of docs/health.md.

A reference is learned from normal recordings of the drawn scene. Then test recordings (other seeds)
run through the watch; the fault sets in after 10 seconds. Frames have the size of the fast preset,
192 x 128, grey; strengths are in its pixels. With Ped2 also the false states on its training and
test footage.

    [ODDFRAME_PED2=/path/to/ped2] python benchmarks/health.py [--seeds 3] [--json]
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from oddframe._types import Pixels
from oddframe.core.health.learning import learn_health
from oddframe.core.health.monitor import HealthMonitor, HealthReference
from oddframe.core.records import Frame, HealthState
from oddframe.synthetic.camera_faults import blacken, cover, darken, defocus, turn
from oddframe.synthetic.scene import SceneSettings, draw

SIZE = (192, 128)
RATE_FPS = 10.0
SETS_IN = 100
AFTER = 200
NOISE = 2.0

Change = Callable[[Pixels, np.random.Generator], Pixels]


def covering(share: float) -> Change:
    """A hand over a share of the picture."""
    return lambda picture, random: cover(picture, share, NOISE, random)


def defocusing(sigma: float) -> Change:
    """A lens out of focus, as a Gaussian of so many pixels."""
    return lambda picture, random: defocus(picture, sigma, NOISE, random)


def turning(shift: int) -> Change:
    """A camera that was turned by so many pixels."""
    return lambda picture, random: turn(picture, shift, shift // 3)


FAULTS: dict[str, dict[str, tuple[HealthState, Change | None]]] = {
    "frozen": {"same picture": ("frozen", None)},
    "black": {
        "sensor noise 2": ("covered", lambda p, r: blacken(p, 2.0, r)),
        "sensor noise 6": ("covered", lambda p, r: blacken(p, 6.0, r)),
    },
    "hand over": {
        f"{share:.0%} of the picture": ("covered", covering(share))
        for share in (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    },
    "defocus, Gaussian": {
        f"sigma {sigma:g} px": ("out of focus", defocusing(sigma))
        for sigma in (0.5, 0.75, 1.0, 1.5, 2.0, 4.0)
    },
    "turned": {f"{shift} px": ("moved", turning(shift)) for shift in (1, 2, 3, 5, 8, 16, 32, 64)},
}
HARMLESS: dict[str, tuple[dict[str, float], Change | None]] = {
    "other recordings": ({}, None),
    "crowd, 4 times as dense": ({"density": 4.0}, None),
    "light changes twice as strong": ({"light": 2.0}, None),
    "nobody there": ({"density": 0.0}, None),
    "sensor noise 8": ({"noise": 8.0}, None),
    "light down to a half": ({}, lambda p, r: darken(p, 0.5, NOISE, r)),
    "light down to a quarter": ({}, lambda p, r: darken(p, 0.25, NOISE, r)),
    "night: light down to a tenth": ({}, lambda p, r: darken(p, 0.1, NOISE, r)),
}


def small(picture: Pixels) -> Pixels:
    """A drawn picture as the network gets it."""
    return np.asarray(
        Image.fromarray(picture).convert("L").resize(SIZE, Image.Resampling.BILINEAR)
    )[..., None]


def drawn(layout: str, seed: int, frames: int, **wishes: float) -> list[Pixels]:
    """Draw a normal recording, frames as the network gets them."""
    settings = SceneSettings(layout=layout, **wishes)  # type: ignore[arg-type]
    return [small(frame.pixels) for frame in draw(seed, frames, settings)]


def learned(recordings: list[list[Pixels]]) -> HealthReference:
    """The reference of normal recordings."""
    flat = [frame for recording in recordings for frame in recording]
    numbers = np.linspace(0, len(flat) - 1, 128).round().astype(int)
    starts = np.cumsum([0, *map(len, recordings)])
    stretches = [
        (int(start), recording) for start, recording in zip(starts, recordings, strict=False)
    ]
    reference, bad = learn_health(
        np.stack([flat[number] for number in numbers]), stretches, RATE_FPS
    )
    assert not bad, bad
    return reference


def states(
    reference: HealthReference, pictures: Iterable[Pixels]
) -> tuple[list[tuple[HealthState, float]], float, float]:
    """States entered and when, the share of frames without a score, and milliseconds a frame."""
    watch = HealthMonitor(reference)
    entered: list[tuple[HealthState, float]] = []
    unusable, took_s, count = 0, 0.0, 0
    for index, picture in enumerate(pictures):
        frame = Frame(index, index / RATE_FPS, picture, SIZE)
        began = time.process_time()
        entered += [(change.state, change.time_s) for change in watch.push(frame)]
        took_s += time.process_time() - began
        unusable += not watch.usable
        count += 1
    return entered, unusable / count, 1e3 * took_s / count


def faulty(pictures: list[Pixels], change: Change | None) -> Iterator[Pixels]:
    """A recording whose fault sets in; without a change it freezes."""
    random = np.random.default_rng(0)
    for number, picture in enumerate(pictures):
        if number < SETS_IN:
            yield picture
        else:
            yield pictures[SETS_IN] if change is None else change(picture, random)


def measure(layout: str, seeds: int) -> dict[str, list[dict[str, object]]]:
    """Both tables for one place."""
    reference = learned([drawn(layout, seed, 450) for seed in range(1, 5)])
    normal = [drawn(layout, 1001 + number, SETS_IN + AFTER) for number in range(seeds)]
    found, harmless = [], []
    for fault, strengths in FAULTS.items():
        for strength, (wanted, change) in strengths.items():
            entered = [states(reference, faulty(pictures, change))[0] for pictures in normal]
            right = [next((t for s, t in changes if s == wanted), None) for changes in entered]
            delays = [t - SETS_IN / RATE_FPS for t in right if t is not None]
            others = sorted({s for changes in entered for s, _ in changes} - {wanted, "ok"})
            found.append(
                {
                    "fault": fault,
                    "strength": strength,
                    "found": len(delays),
                    "of": seeds,
                    "delay_s": round(float(np.median(delays)), 1) if delays else None,
                    "other_states": others,
                }
            )
    for name, (wishes, change) in HARMLESS.items():
        recordings = (
            [drawn(layout, 1001 + n, SETS_IN + AFTER, **wishes) for n in range(seeds)]
            if wishes
            else normal
        )
        random = np.random.default_rng(0)
        results = [
            states(reference, (p if change is None else change(p, random) for p in pictures))
            for pictures in recordings
        ]
        harmless.append(
            {
                "what": name,
                "false_states": sum(len(changes) for changes, _, _ in results),
                "unscored": round(float(np.mean([share for _, share, _ in results])), 4),
                "ms_per_frame": round(float(np.mean([ms for _, _, ms in results])), 3),
            }
        )
    return {"found": found, "harmless": harmless}


def ped2(root: Path) -> dict[str, object]:
    """False states on Ped2, with the reference of its training footage."""

    def read(part: str) -> list[list[Pixels]]:
        folders = sorted((root / part / "frames").iterdir())
        return [
            [small(np.asarray(Image.open(path).convert("RGB"))) for path in sorted(f.glob("*.jpg"))]
            for f in folders
        ]

    training = read("training")
    reference = learned(training)
    counts: dict[str, object] = {
        "bytes": sum(array.nbytes for array in reference.as_arrays().values())
    }
    for part, recordings in (("training", training), ("testing", read("testing"))):
        results = [states(reference, pictures) for pictures in recordings]
        counts[part] = {
            "frames": sum(map(len, recordings)),
            "false_states": sum(len(changes) for changes, _, _ in results),
            "unscored": max(share for _, share, _ in results),
            "ms_per_frame": round(float(np.mean([ms for _, _, ms in results])), 3),
        }
    return counts


def main() -> None:
    """Measure, and print tables or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3, help="test recordings for each row")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object instead of the tables"
    )
    args = parser.parse_args()
    result: dict[str, object] = {
        "about": {
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "python": platform.python_version(),
            "numpy": np.__version__,
        }
    }
    tables = {layout: measure(layout, args.seeds) for layout in ("plaza", "station")}
    result["layouts"] = tables
    if "ODDFRAME_PED2" in os.environ:
        result["ped2"] = ped2(Path(os.environ["ODDFRAME_PED2"]))
    if args.json:
        json.dump(result, sys.stdout, indent=2)
        print()
        return
    print(result["about"])
    for layout, table in tables.items():
        print(f"\n{layout}")
        for row in table["found"]:
            print("  " + "  ".join(f"{value!s:<20}" for value in row.values()))
        for row in table["harmless"]:
            print("  " + "  ".join(f"{value!s:<30}" for value in row.values()))
    print("\nped2", result.get("ped2"))


if __name__ == "__main__":
    main()
