"""A recording's results in words: what was found, the figures at the top, and what they came about with."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from oddframe.core.budget import Budget
from oddframe.core.records import Event
from oddframe.media.overlay import clock_text
from oddframe.report.page import length_text, plural
from oddframe.report.results import Results

__all__ = ["settings", "tiles", "verdict", "where"]


def verdict(results: Results) -> str:
    """What was found, as a sentence."""
    if not results.events:
        return f"Nothing unusual in {length_text(results.duration_s)}."
    top = max(results.events, key=lambda event: event.score)
    count = len(results.events)
    if count == 1:
        return f"One unusual event in {length_text(results.duration_s)}, at {clock_text(top.peak_s)}: {top.reason}."
    return (
        f"{plural(count, 'unusual event')} in {length_text(results.duration_s)}, the most unusual at "
        f"{clock_text(top.peak_s)}: {top.reason}."
    )


def tiles(results: Results) -> list[tuple[str, str, str]]:
    """(name, value, what else) of each figure at the top."""
    known = results.score[np.isfinite(results.score)]
    above = float((known > 0.5).mean()) if known.size else 0.0
    found = [
        ("Events", str(len(results.events)), ""),
        ("Highest score", f"{results.peak:.2f}", f"at {clock_text(results.peak_s)}; the threshold is 0.5"),
        ("Above the threshold", f"{above:.1%}", f"of {known.size:,} scored frames"),
        ("Length", length_text(results.duration_s), plural(len(results.frame), "frame")),
    ]
    if results.facts is not None:
        calibration = results.facts.calibration
        found.append(("Allowed false alarms", str(calibration["budget"]), "on normal footage"))
    if results.faults:
        found.append(("Camera", plural(len(results.faults), "fault"), results.faults[0].reason))
    return found


def where(event: Event) -> str:
    """Where in the picture, in words."""
    if event.box is None:
        return ""
    x, y = (event.box[0] + event.box[2]) / 2, (event.box[1] + event.box[3]) / 2
    across = "on the left" if x < 1 / 3 else "on the right" if x > 2 / 3 else "in the middle"
    return f"{across}{', at the top' if y < 1 / 3 else ', at the bottom' if y > 2 / 3 else ''}"


def settings(results: Results) -> list[tuple[str, str]]:
    """What the results came about with, as names and values."""
    facts = results.facts
    if facts is None:
        return [("Settings", "not saved: these results were written by an earlier version")]
    found: Mapping[str, Any] = facts.calibration
    rules, budget = found["rules"], Budget.parse(found["budget"])
    origin = "the training's own clips (too low)" if found["in_sample"] else "held-out normal footage"
    zones = facts.zones
    own_rest = None if zones is None else zones["cool_down_s"]
    parts = [] if zones is None else [plural(len(zones[kind]), f"{kind} zone") for kind in ("watch", "ignore")]
    return [
        ("Recording", facts.recording),
        ("Frame rate", f"{facts.rate_fps:.4g} per second, scored at {facts.model_fps:.4g}"),
        ("Model", facts.model.path or "given as an object"),
        ("Weights", f"sha256 {facts.model.weights[:16]}…" if facts.model.weights else "not known"),
        ("Frames seen", f"{facts.frame_size[0]} x {facts.frame_size[1]}, interval {facts.interval}"),
        (
            "False alarms",
            found["budget"] if budget.unit == "hour" else f"{budget}, which is {budget.per_hour:.3g} per hour",
        ),
        (
            "Threshold",
            f"raw {found['threshold']:.4g} ({found['threshold_low']:.4g} to {found['threshold_high']:.4g})",
        ),
        ("Released at", f"raw {found['release']:.4g}"),
        ("Calibrated on", f"{length_text(3600 * found['hours'])} of {origin}, {found['clips']:,} clips"),
        (
            "An event",
            f"lasts {rules['least_s']:g} s, bridges {rules['merge_gap_s']:g} s, "
            f"then {rules['cool_down_s'] if own_rest is None else own_rest:g} s of rest",
        ),
        ("Zones", " and ".join(parts) if parts else "all of the picture"),
        ("Camera health", "watched" if facts.health else "not watched"),
        ("Scored with", f"Oddframe {facts.oddframe}{f', {facts.backend}' if facts.backend else ''}"),
    ]
