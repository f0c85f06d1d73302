"""The page of one recording.

A recording's results in words: what was found, the figures at the top, and what they came about
with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from oddframe._types import Pixels
from oddframe.core.calibration import FalseAlarmBudget
from oddframe.core.rarity import REASONS
from oddframe.core.records import Event
from oddframe.errors import OddframeError
from oddframe.media.overlay import clock_text
from oddframe.report.charts import packed, vector_path
from oddframe.report.event_viewer import EventPictures, Viewer
from oddframe.report.page import length_text, plural, rendered, resized, within
from oddframe.results.reader import RecordingResults

if TYPE_CHECKING:
    from oddframe.report.nearest_normal import NormalExample, NormalExamples


def verdict(results: RecordingResults) -> str:
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


def tiles(results: RecordingResults) -> list[tuple[str, str, str]]:
    """(name, value, what else) of each figure at the top."""
    known = results.score[np.isfinite(results.score)]
    above = float((known > 0.5).mean()) if known.size else 0.0
    found = [
        ("Events", str(len(results.events)), ""),
        (
            "Highest score",
            f"{results.peak:.2f}",
            f"at {clock_text(results.peak_s)}; the threshold is 0.5",
        ),
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


def settings(results: RecordingResults) -> list[tuple[str, str]]:
    """What the results came about with, as names and values."""
    facts = results.facts
    if facts is None:
        return [("Settings", "not saved: these results were written by an earlier version")]
    found: Mapping[str, Any] = facts.calibration
    rules, budget = found["rules"], FalseAlarmBudget.parse(found["budget"])
    origin = (
        "the training's own clips (too low)" if found["in_sample"] else "held-out normal footage"
    )
    zones = facts.zones
    own_rest = None if zones is None else zones["cool_down_s"]
    parts = (
        []
        if zones is None
        else [plural(len(zones[kind]), f"{kind} zone") for kind in ("watch", "ignore")]
    )
    return [
        ("Recording", facts.recording),
        ("Frame rate", f"{facts.rate_fps:.4g} per second, scored at {facts.model_fps:.4g}"),
        ("Model", facts.model.path or "given as an object"),
        ("Weights", f"sha256 {facts.model.weights[:16]}…" if facts.model.weights else "not known"),
        (
            "Frames seen",
            f"{facts.frame_size[0]} x {facts.frame_size[1]}, interval {facts.interval}",
        ),
        (
            "False alarms",
            found["budget"]
            if budget.unit == "hour"
            else f"{budget}, which is {budget.per_hour:.3g} per hour",
        ),
        (
            "Threshold",
            f"raw {found['threshold']:.4g} ({found['threshold_low']:.4g} to {found['threshold_high']:.4g})",
        ),
        ("Released at", f"raw {found['release']:.4g}"),
        (
            "Calibrated on",
            f"{length_text(3600 * found['hours'])} of {origin}, {found['clips']:,} clips",
        ),
        (
            "An event",
            f"lasts {rules['least_s']:g} s, bridges {rules['merge_gap_s']:g} s, "
            f"then {rules['cool_down_s'] if own_rest is None else own_rest:g} s of rest",
        ),
        ("Zones", " and ".join(parts) if parts else "all of the picture"),
        ("Camera health", "watched" if facts.health else "not watched"),
        (
            "Scored with",
            f"Oddframe {facts.oddframe}{f', {facts.backend}' if facts.backend else ''}",
        ),
    ]


MOST_SHOWN = 10
"""Events with pictures; the most unusual ones."""
_DEEPEST = 6.0
"""Bars are full at one in a million."""
_CROP_WIDTH, _CROP_LENGTH = 240, 9_000
_LEAST_CROP = 0.24
"""Least side of the cut around a place, as a share of the picture's: what is around it says what it is."""
_SIZE = (1000, 200)
_MOST_TICKS = 8
_DEFAULT_GAP_S = 1.0

Spans = Sequence[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Extra:
    """What else is known of a recording.

    Attributes:
        truth: (start, end) in seconds of what is really there, where somebody knows.
        sentence: What to say of it first, in place of the count of events.
    """

    truth: Spans = ()
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class _Shown:
    """An event as the template shows it."""

    number: int
    event: Event
    viewing: EventPictures | None
    missing: str
    top: bool
    where: str
    bars: list[dict[str, Any]]
    nearest: dict[str, Any] | None = field(default=None)


def score_page(
    results: RecordingResults,
    viewer: Viewer | None,
    examples: "NormalExamples | None",
    *,
    extra: Extra | None = None,
    notices: Sequence[str] = (),
    no_examples: str = "",
    most_shown: int = MOST_SHOWN,
) -> str:
    """The page of a recording, as HTML.

    Args:
        results: What was found in it.
        viewer: What shows its events; None where the recording is gone.
        examples: Examples of what is normal; None where there are none.
        extra: What else is known of it.
        notices: What to say beside it, a sentence each.
        no_examples: Why there are no examples.
        most_shown: Events with pictures, the most unusual ones.
    """
    extra = extra or Extra()
    numbered = list(enumerate(results.events, start=1))
    ranked = sorted(numbered, key=lambda pair: (-pair[1].score, pair[0]))[:most_shown]
    shown = [
        _shown(number, event, viewer, examples, top=len(numbered) > 1 and number == ranked[0][0])
        for number, event in sorted(ranked)
    ]
    told = verdict(results)
    facts = results.facts
    gap_s = _DEFAULT_GAP_S if facts is None else max(facts.gap_s, 2.5 / facts.model_fps)
    failed = [one.missing for one in shown if one.missing and viewer is not None]
    return rendered(
        "score.html",
        name=results.name,
        verdict=f"{extra.sentence} {told}".strip() if extra.sentence else told,
        tiles=tiles(results),
        notices=[*notices, *dict.fromkeys(failed), *(facts.notices if facts else ())],
        events=numbered,
        faults=results.faults,
        shown=shown,
        shown_numbers={one.number for one in shown},
        no_examples=no_examples if shown else "",
        curve=_drawn(results, extra.truth, gap_s),
        settings=settings(results),
        data={
            "charts": {"score": _chart(results, extra.truth, gap_s)},
            "viewers": {str(one.number): _frames(one) for one in shown if one.viewing is not None},
        },
    )


def _shown(
    number: int,
    event: Event,
    viewer: Viewer | None,
    examples: "NormalExamples | None",
    *,
    top: bool,
) -> _Shown:
    viewing, missing, nearest = None, "see the note at the top.", None
    if viewer is not None:
        try:
            viewing, missing = viewer.show(event), ""
        except OddframeError as error:
            missing = str(error)
    if (
        viewing is not None
        and examples is not None
        and viewing.map is not None
        and viewing.clip is not None
    ):
        found = examples.nearest(viewing.clip, viewing.map, event.box)
        nearest = _pair(found, viewing, event, examples.typical)
    main = next((part for part, words in REASONS.items() if words == event.reason), "")
    bars = [
        {
            "part": part,
            "label": words.capitalize(),
            "rarity": event.parts[part],
            "width": round(min(100.0, max(1.0, 100 * event.parts[part] / _DEEPEST)), 1),
            "main": part == main,
        }
        for part, words in REASONS.items()
        if part in event.parts
    ]
    return _Shown(number, event, viewing, missing, top, where(event), bars, nearest)


def _pair(
    found: "NormalExample", viewing: EventPictures, event: Event, typical: float
) -> dict[str, Any]:
    """The hottest place and the normal one most like it, cut out at the same scale."""
    box = event.box or (0.0, 0.0, 0.0, 0.0)
    side = min(0.6, max(_LEAST_CROP, 1.3 * (box[2] - box[0]), 1.3 * (box[3] - box[1])))
    height, width = viewing.picture.shape[:2]
    # The network's frames do not keep the aspect ratio: people get it back.
    normal = resized(found.picture, width, height)
    if normal.shape[2] == 1:
        normal = np.repeat(normal, 3, axis=2)
    here, there = (
        _cut(picture, place, side)
        for picture, place in ((viewing.picture, found.here), (normal, found.place))
    )
    usual = "" if np.isnan(typical) else f" Between normal places, {typical:.2g} is typical."
    return {
        "here": within([here], _CROP_LENGTH, 60)[0],
        "there": within([there], _CROP_LENGTH, 60)[0],
        "source": found.source,
        "time_s": found.time_s,
        "sentence": f"Distance between their codes: {found.distance:.2f} (at most 2).{usual}",
    }


def _cut(picture: Pixels, place: tuple[float, float], side: float) -> Pixels:
    """A part of a picture around a place, moved inside where that lies at its border."""
    height, width = picture.shape[:2]
    tall, wide = max(8, round(height * side)), max(8, round(width * side))
    top = int(np.clip(round(place[1] * height) - tall // 2, 0, max(0, height - tall)))
    left = int(np.clip(round(place[0] * width) - wide // 2, 0, max(0, width - wide)))
    return resized(np.ascontiguousarray(picture[top : top + tall, left : left + wide]), _CROP_WIDTH)


def _frames(one: _Shown) -> dict[str, Any]:
    assert one.viewing is not None, "events without pictures are left out"
    frames = one.viewing.frames
    peak = min(range(len(frames)), key=lambda place: abs(frames[place]["t"] - one.event.peak_s))
    return {"frames": frames, "peak": peak}


def _chart(results: RecordingResults, truth: Spans, gap_s: float) -> dict[str, Any]:
    """The curve for the page's script."""
    return {
        **packed(results.time_s, results.score, gap_s),
        "from": 0,
        "to": results.duration_s,
        "threshold": 0.5,
        "hint": "Point at the curve to read its values.",
        "events": [
            {
                "n": number,
                "id": f"event-{number}",
                "start": event.start_s,
                "end": event.end_s,
                "peak": event.peak_s,
                "reason": event.reason,
            }
            for number, event in enumerate(results.events, start=1)
        ],
        "faults": [
            {"start": one.start_s, "end": one.end_s, "reason": one.reason} for one in results.faults
        ],
        "truth": [list(span) for span in truth],
    }


def _drawn(results: RecordingResults, truth: Spans, gap_s: float) -> dict[str, Any]:
    """The curve where there is no script, and on paper."""
    length_s, width = results.duration_s, _SIZE[0]
    return {
        "path": vector_path(results.time_s, results.score, gap_s, length_s, _SIZE),
        "events": bands([(one.start_s, one.end_s) for one in results.events], length_s, width),
        "faults": bands([(one.start_s, one.end_s) for one in results.faults], length_s, width),
        "truth": bands(truth, length_s, width),
        "ticks": _ticks(length_s),
    }


def _ticks(length_s: float) -> list[tuple[float, str]]:
    """Round times along the axis, where they are in per cent of it."""
    steps = (
        0.5,
        1,
        2,
        5,
        10,
        15,
        30,
        60,
        120,
        300,
        600,
        900,
        1800,
        3600,
        7200,
        14400,
        43200,
        86400,
    )
    step = next((one for one in steps if length_s / one <= _MOST_TICKS), length_s / _MOST_TICKS)
    places = np.arange(0.0, 0.97 * length_s, step) if length_s > 0 else np.zeros(1)
    return [(round(100 * at / max(length_s, 1e-9), 2), clock_text(at)) for at in places.tolist()]


def bands(spans: Spans, length_s: float, width: int) -> list[tuple[float, float]]:
    """(left, width) of stretches of time in a picture so wide; none so narrow that it is not seen."""
    scale = width / max(length_s, 1e-9)
    return [
        (round(start * scale, 1), round(max(2.0, (end - start) * scale), 1)) for start, end in spans
    ]
