"""False alarms promised against observed: does a calibrated threshold keep its budget?

Simulated scores: many cameras, each calibrated on footage of its own and then watched for longer;
autocorrelated, with light and heavy tails. Drawn scores: hours of the demo's plaza, drawn small,
normal people only; the score is the plain frame difference (highest hundredth of |x4 - x0|), the
noisiest that a model may have to live with. One half of the recordings calibrates, the other half
is watched. Ped2: the seconds that a model held out must come with the warning.

The interval is the 95 % interval of the observed rate: Poisson for the count that was seen, with
the threshold's own error beside it (for simulated cameras the spread between them; for drawn scores
the count behind the threshold).

    python benchmarks/false_alarms.py simulated [--cameras 30] [--json]
    python benchmarks/false_alarms.py drawn [--hours 10] [--width 48 --height 32] [--workers 2]
    python benchmarks/false_alarms.py ped2 --model runs/ped2 [--json]
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter
from scipy.stats import norm, t

from oddframe.core.budget import FalseAlarmBudget
from oddframe.core.calibration import Calibration, NormalScores, calibrate
from oddframe.core.event_rules import EventRules, spans

RATE_FPS = 10.0
MINUTES = 5
"""Length of a drawn recording in minutes; each has a seed of its own."""
FIRST_SEED = 100_000
Floats = npt.NDArray[np.float64]


def normal_scores(pieces: Sequence[Floats], rate_fps: float = RATE_FPS) -> NormalScores:
    """Raw scores of pieces of footage as a calibration wants them; parts are not looked at here."""
    raw = np.concatenate(pieces).astype(np.float32)
    counts = [len(piece) for piece in pieces]
    return NormalScores(
        recording=np.repeat(np.arange(len(pieces), dtype=np.int32), counts),
        time_s=np.concatenate([np.arange(count) / rate_fps for count in counts]),
        **dict.fromkeys(("raw", "appearance", "motion", "cluster", "map_peak"), raw),
        rate_fps=rate_fps,
        in_sample=False,
    )


def observed(pieces: Sequence[Floats], calibration: Calibration, rate_fps: float = RATE_FPS) -> int:
    """Events in pieces of footage."""
    ends = calibration.threshold, calibration.release
    return sum(
        len(spans(np.arange(len(one)) / rate_fps, one, calibration.rules, *ends)) for one in pieces
    )


def gaussian(random: np.random.Generator, count: int, memory_s: float) -> Floats:
    """An autoregressive series of unit variance."""
    keep = float(np.exp(-1 / (RATE_FPS * memory_s)))
    noise = random.standard_normal(count) * np.sqrt(1 - keep**2)
    noise[0] /= np.sqrt(1 - keep**2)
    series: Floats = lfilter([1.0], [1.0, -keep], noise)
    return series


def _log_normal(series: Floats) -> Floats:
    return np.exp(0.3 * series)


def _pareto(series: Floats) -> Floats:
    """The same series with exponential levels: raw scores with a power-law tail."""
    levels: Floats = np.exp(-0.3 * norm.logsf(series))
    return levels


def _student(series: Floats) -> Floats:
    """Levels of Student's t with 8 degrees of freedom: heavier still."""
    levels: Floats = np.exp(0.3 * t.isf(norm.sf(series), 8))
    return levels


WORLDS: dict[str, tuple[Callable[[Floats], Floats], float]] = {
    "log-normal, memory 1 s": (_log_normal, 1.0),
    "log-normal, memory 5 s": (_log_normal, 5.0),
    "power law, memory 1 s": (_pareto, 1.0),
    "log Student-t, memory 1 s": (_student, 1.0),
}
PROMISES = (
    ("6/hour", 10.0),
    ("1/hour", 10.0),
    ("1/hour", 2.0),
    ("1/day", 24.0),
    ("1/day", 6.0),
    ("1/week", 24.0),
)
"""Budgets, and hours of footage that each camera is calibrated on."""


def simulated(cameras: int, seed: int) -> Iterator[dict[str, Any]]:
    """Rows of the table for simulated cameras."""
    for number, (world, (shape, memory_s)) in enumerate(WORLDS.items()):
        for row, (budget, hours) in enumerate(PROMISES):
            wanted = FalseAlarmBudget.parse(budget)
            watched_hours = min(max(hours, 10 / wanted.per_hour), 240.0)
            counts, warned = [], 0
            for camera in range(cameras):
                random = np.random.default_rng([seed, number, row, camera])
                footage = [shape(gaussian(random, int(hours * 3600 * RATE_FPS), memory_s))]
                calibration = calibrate(normal_scores(footage), wanted)
                warned += bool(calibration.notices)
                later = [
                    shape(gaussian(random, int(24 * 3600 * RATE_FPS), memory_s))
                    for _ in range(int(watched_hours / 24))
                ] or [shape(gaussian(random, int(watched_hours * 3600 * RATE_FPS), memory_s))]
                counts.append(observed(later, calibration))
                seen_hours = sum(map(len, later)) / RATE_FPS / 3600
            mean = float(np.mean(counts))
            # The spread between cameras holds both errors, that of the threshold and that of
            # counting.
            spread = max(float(np.std(counts, ddof=1)), mean**0.5)
            if calibration.method == "empirical":
                # Known there: the watched count and the count that the threshold stands on, each as
                # a Poisson one.
                spread = max(
                    spread, float(np.hypot(mean**0.5, mean / (wanted.per_hour * hours) ** 0.5))
                )
            error = spread / cameras**0.5 * 1.96
            yield _row(
                world,
                wanted,
                hours,
                calibration.method,
                mean / seen_hours,
                error / seen_hours,
                warned == cameras,
            )


def _row(
    what: str,
    budget: FalseAlarmBudget,
    hours: float,
    method: str,
    rate: float,
    error: float,
    warned: bool,
) -> dict[str, Any]:
    per_unit = budget.count / budget.per_hour
    low, high = max(rate - error, 0.0) * per_unit, (rate + error) * per_unit
    return {
        "scores": what,
        "calibrated_hours": round(hours, 3),
        "method": method,
        "promised": str(budget),
        "observed": rate * per_unit,
        "interval": [low, high],
        "kept": low <= budget.count,
        "contains": low <= budget.count <= high,
        "warned": warned,
    }


def _drawn_recording(task: tuple[int, int, int]) -> tuple[int, Floats]:
    """Frame differences of one drawn normal recording."""
    from oddframe.synthetic.scene import SceneSettings, draw
    from oddframe.tasks.demo import FrameDifference

    seed, width, height = task
    difference = FrameDifference()
    frames = draw(seed, int(MINUTES * 60 * RATE_FPS), SceneSettings(width=width, height=height))
    return seed, np.array([difference.add(frame.pixels)[1] for frame in frames])[4:]


def drawn(hours: float, width: int, height: int, workers: int) -> Iterator[dict[str, Any]]:
    """Rows of the table for drawn footage: ``hours`` to calibrate on and as many to watch."""
    count = max(1, round(hours * 60 / MINUTES))
    tasks = [(FIRST_SEED + number, width, height) for number in range(2 * count)]
    with ProcessPoolExecutor(workers) as pool:
        scores = [one for _, one in pool.map(_drawn_recording, tasks, chunksize=4)]
    footage, later = scores[:count], scores[count:]
    seen_hours = sum(map(len, later)) / RATE_FPS / 3600
    for budget in ("6/hour", "1/hour"):
        wanted = FalseAlarmBudget.parse(budget)
        calibration = calibrate(normal_scores(footage), wanted)
        seen = observed(later, calibration)
        # A relative error of each: the count that was seen, and the count that the threshold stands
        # on.
        apart = 1.96 * np.hypot(max(seen, 1) ** -0.5, (wanted.per_hour * calibration.hours) ** -0.5)
        rate = max(seen, 1) / seen_hours
        row = _row(
            f"drawn plaza {width} x {height}",
            wanted,
            calibration.hours,
            calibration.method,
            seen / seen_hours,
            rate * float(apart),
            bool(calibration.notices),
        )
        yield {**row, "events_seen": seen, "watched_hours": round(seen_hours, 2)}


def ped2(model: str) -> Iterator[dict[str, Any]]:
    """The warning that a model of a few minutes carries; nothing is observed."""
    from oddframe.inference.loading import load

    calibration = load(model).bundle.calibration
    yield {
        "scores": "Ped2, held out",
        "calibrated_hours": round(calibration.hours, 4),
        "method": calibration.method,
        "promised": calibration.budget,
        "warned": bool(calibration.notices),
        "notices": list(calibration.notices),
    }


def main() -> None:
    """Measure one part and print a table, or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=("simulated", "drawn", "ped2"))
    parser.add_argument("--cameras", type=int, default=30, help="simulated cameras per row")
    parser.add_argument(
        "--hours",
        type=float,
        default=10.0,
        help="drawn hours to calibrate on, and as many to watch",
    )
    parser.add_argument("--width", type=int, default=48)
    parser.add_argument("--height", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", help="for ped2: a run folder or bundle")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object instead of the table"
    )
    args = parser.parse_args()
    if args.part == "ped2" and args.model is None:
        parser.error("ped2 needs --model")
    begin = time.perf_counter()
    parts = {
        "simulated": lambda: simulated(args.cameras, args.seed),
        "drawn": lambda: drawn(args.hours, args.width, args.height, args.workers),
        "ped2": lambda: ped2(args.model),
    }
    about = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "numpy": np.__version__,
        "rules": repr(EventRules()),
    }
    rows = []
    if not args.json:
        print(", ".join(f"{name} {value}" for name, value in about.items()))
        print(
            f"{'scores':<26}{'hours':>7} {'method':<10}{'promised':>10}{'observed':>10}  "
            "95 % interval   holds  warned"
        )
    for row in parts[args.part]():
        rows.append(row)
        if not args.json:
            print(_line(row), flush=True)
    seconds = time.perf_counter() - begin
    if args.json:
        json.dump({"about": about, "seconds": seconds, "rows": rows}, sys.stdout, indent=2)
        print()
    else:
        print(f"{seconds:.0f} s")


def _line(row: dict[str, Any]) -> str:
    start = (
        f"{row['scores']:<26}{row['calibrated_hours']:>7.4g} "
        f"{row['method']:<10}{row['promised']:>10}"
    )
    warned = "yes" if row["warned"] else "no"
    if "observed" not in row:
        return f"{start}{'':>33}  {warned}: {' '.join(row['notices'])}"
    low, high = row["interval"]
    holds = "yes" if row["contains"] else "NO"
    return f"{start}{row['observed']:>10.2f}  [{low:5.2f}, {high:5.2f}]  {holds:<5}  {warned}"


if __name__ == "__main__":
    main()
