"""How often does the true false-alarm rate lie in the interval that a short calibration gives?

Many simulated cameras, with scores of the kinds that benchmarks/false_alarms.py has. Each is
calibrated on a short stretch of its own. Its true rate is counted in many other hours of the same
scores, at its own threshold. Such an interval is to be believed if the true rate lies in 95 of 100.

    python benchmarks/false_alarm_intervals.py [--cameras 100] [--hours 100] [--json]
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from false_alarms import RATE_FPS, WORLDS, gaussian, normal_scores, observed
from oddframe.core.budget import FalseAlarmBudget
from oddframe.core.calibration import calibrate

SHORT = (
    ("1/day", 35 / 3600),
    ("1/day", 5 / 60),
    ("1/day", 1.0),
    ("1/day", 6.0),
    ("6/hour", 5 / 60),
    ("6/hour", 1.0),
)
"""Budgets, and hours of footage that each camera is calibrated on."""


def intervals(cameras: int, hours: float, seed: int) -> Iterator[dict[str, Any]]:
    """Calibrate cameras on short footage and compare each interval with the true rate.

    Args:
        cameras: Simulated cameras for each row.
        hours: Hours of other scores in which the true rate is counted.
        seed: Decides all scores.

    Yields:
        A row for each kind of scores, budget and length.
    """
    for number, (world, (shape, memory_s)) in enumerate(WORLDS.items()):
        random = np.random.default_rng([seed, number])
        later = shape(gaussian(random, int(hours * 3600 * RATE_FPS), memory_s))
        for row, (text, length) in enumerate(SHORT):
            budget = FalseAlarmBudget.parse(text)
            inside, highest, rates, standing = 0, [], [], ""
            for camera in range(cameras):
                own = np.random.default_rng([seed, number, row, camera])
                footage = shape(gaussian(own, int(length * 3600 * RATE_FPS), memory_s))
                found = calibrate(normal_scores([footage]), budget)
                rate = observed([later], found) / hours
                inside += found.rate_low <= rate <= found.rate_high
                highest.append(found.rate_high)
                rates.append(rate)
                standing = found.standing
            unit = budget.count / budget.per_hour
            yield {
                "scores": world,
                "calibrated_hours": round(length, 4),
                "budget": text,
                "standing": standing,
                "true": float(np.median(rates)) * unit,
                "highest_true": max(rates) * unit,
                "highest_given": float(np.median(highest)) * unit,
                "inside": inside / cameras,
            }


def main() -> None:
    """Measure all rows and print a table, or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cameras", type=int, default=100, help="simulated cameras per row")
    parser.add_argument("--hours", type=float, default=100.0, help="hours that show the true rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object instead of the table"
    )
    args = parser.parse_args()
    begin, rows = time.perf_counter(), []
    if not args.json:
        print(
            f"{'scores':<26}{'hours':>8} {'budget':>7}  {'it is':<13}{'true rate':>10}"
            f"{'highest':>10}{'given: below':>14}{'inside':>8}"
        )
    for row in intervals(args.cameras, args.hours, args.seed):
        rows.append(row)
        if not args.json:
            print(_line(row), flush=True)
    seconds = time.perf_counter() - begin
    if args.json:
        json.dump({"seconds": seconds, "rows": rows}, sys.stdout, indent=2)
        print()
    else:
        print(f"{seconds:.0f} s")


def _line(row: dict[str, Any]) -> str:
    return (
        f"{row['scores']:<26}{row['calibrated_hours']:>8.4g} {row['budget']:>7}  "
        f"{row['standing']:<13}{row['true']:>10.3g}{row['highest_true']:>10.3g}"
        f"{row['highest_given']:>14,.4g}{row['inside']:>8.0%}"
    )


if __name__ == "__main__":
    main()
