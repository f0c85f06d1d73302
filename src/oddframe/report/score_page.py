"""The page of one recording: its score over time, its events with pictures, and the settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from oddframe._types import Pixels
from oddframe.core.budget import FalseAlarmBudget, standing
from oddframe.core.recalibration import raw_score_text
from oddframe.core.records import Event
from oddframe.errors import OddframeError
from oddframe.media.overlay import clock_text
from oddframe.report.charts import pack_scores, part_bars, vector_path
from oddframe.report.event_viewer import EventPictures, Viewer
from oddframe.report.page import data_uris_within, length_text, plural, render, resize
from oddframe.results.reader import RecordingResults

if TYPE_CHECKING:
    from oddframe.report.nearest_normal import NormalExample, NormalExamples


MOST_SHOWN = 10
"""Most events with pictures: the most unusual ones."""

_CROP_WIDTH, _CROP_LENGTH = 240, 9_000
"""Width of a crop in pixels, and most characters of it in the page."""

_LEAST_CROP = 0.24
"""Least side of a crop as a share of the picture's: a place needs its surroundings."""

_SIZE = (1000, 200)
_MOST_TICKS = 8
_TICK_STEPS_S = (
    *(0.5, 1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 14400, 43200, 86400),
)
"""Distances between two times on an axis that people find round, in seconds."""

# Results of an earlier version do not state the gap of their source.
_DEFAULT_GAP_S = 1.0

Spans = Sequence[tuple[float, float]]
"""(start, end) of stretches of time, in seconds."""


@dataclass(frozen=True, kw_only=True)
class Extra:
    """What is known of a recording beside its results.

    Attributes:
        truth: (start, end) in seconds of what is really unusual, where that is known.
        sentence: A sentence to begin the page with.
    """

    truth: Spans = ()
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class _ShownEvent:
    """An event as the template shows it."""

    number: int
    event: Event
    pictures: EventPictures | None
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
    """Render the page of a recording as HTML.

    Args:
        results: The results of the recording.
        viewer: Shows its events; None where the recording is gone.
        examples: Examples of what is normal; None where there are none.
        extra: What is known of it beside its results.
        notices: Sentences to show under the head.
        no_examples: Why there are no examples, as a sentence.
        most_shown: Most events with pictures: the most unusual ones.
    """
    extra = extra or Extra()
    numbered = list(enumerate(results.events, start=1))
    ranked = sorted(numbered, key=lambda pair: (-pair[1].score, pair[0]))[:most_shown]
    shown = [
        _show_event(
            number, event, viewer, examples, top=len(numbered) > 1 and number == ranked[0][0]
        )
        for number, event in sorted(ranked)
    ]
    facts = results.facts
    # The source's gap, but never so short that frames dropped for the model's rate interrupt it.
    gap_s = _DEFAULT_GAP_S if facts is None else max(facts.gap_s, 2.5 / facts.model_fps)
    failures = [event.missing for event in shown if event.missing and viewer is not None]
    return render(
        "score.html",
        name=results.name,
        verdict=f"{extra.sentence} {verdict(results)}".strip(),
        tiles=tiles(results),
        notices=[*notices, *dict.fromkeys(failures), *(facts.notices if facts else ())],
        events=numbered,
        faults=results.faults,
        shown=shown,
        shown_numbers={event.number for event in shown},
        no_examples=no_examples if shown else "",
        curve=_drawn(results, extra.truth, gap_s),
        settings=settings(results),
        data={
            "charts": {"score": _chart(results, extra.truth, gap_s)},
            "viewers": {
                str(event.number): _frames(event) for event in shown if event.pictures is not None
            },
        },
    )


def _show_event(
    number: int,
    event: Event,
    viewer: Viewer | None,
    examples: "NormalExamples | None",
    *,
    top: bool,
) -> _ShownEvent:
    pictures, missing, nearest = None, "see the note at the top.", None
    if viewer is not None:
        try:
            pictures, missing = viewer.show(event), ""
        except OddframeError as error:
            missing = str(error)
    if (
        pictures is not None
        and examples is not None
        and pictures.map is not None
        and pictures.clip is not None
    ):
        example = examples.nearest(pictures.clip, pictures.map, event.box)
        nearest = _comparison(example, pictures, event, examples.typical)
    return _ShownEvent(
        number, event, pictures, missing, top, where(event), part_bars(event), nearest
    )


def _comparison(
    example: "NormalExample", pictures: EventPictures, event: Event, typical: float
) -> dict[str, Any]:
    """Show the most unusual place and the normal one most like it, at the same scale."""
    box = event.box or (0.0, 0.0, 0.0, 0.0)
    side = min(0.6, max(_LEAST_CROP, 1.3 * (box[2] - box[0]), 1.3 * (box[3] - box[1])))
    height, width = pictures.picture.shape[:2]
    # The network's frames do not keep the aspect ratio: people get it back.
    normal = resize(example.picture, width, height)
    if normal.shape[2] == 1:
        normal = np.repeat(normal, 3, axis=2)
    here, there = (
        _cut(picture, place, side)
        for picture, place in ((pictures.picture, example.here), (normal, example.place))
    )
    usual = "" if np.isnan(typical) else f" Between normal places, {typical:.2g} is typical."
    return {
        "here": data_uris_within([here], _CROP_LENGTH, 60)[0],
        "there": data_uris_within([there], _CROP_LENGTH, 60)[0],
        "source": example.source,
        "time_s": example.time_s,
        "sentence": f"Distance between their codes: {example.distance:.2f} (at most 2).{usual}",
    }


def _cut(picture: Pixels, place: tuple[float, float], side: float) -> Pixels:
    """Cut out a part of a picture around a place, moved inside where that lies at the border."""
    height, width = picture.shape[:2]
    tall, wide = max(8, round(height * side)), max(8, round(width * side))
    top = int(np.clip(round(place[1] * height) - tall // 2, 0, max(0, height - tall)))
    left = int(np.clip(round(place[0] * width) - wide // 2, 0, max(0, width - wide)))
    return resize(np.ascontiguousarray(picture[top : top + tall, left : left + wide]), _CROP_WIDTH)


def _frames(shown: _ShownEvent) -> dict[str, Any]:
    """Return the frames of an event for the script, and which of them is the peak."""
    assert shown.pictures is not None, "events without pictures are left out"
    frames = shown.pictures.frames
    peak_s = shown.event.peak_s
    peak = min(range(len(frames)), key=lambda index: abs(frames[index]["t"] - peak_s))
    return {"frames": frames, "peak": peak}


def _chart(results: RecordingResults, truth: Spans, gap_s: float) -> dict[str, Any]:
    """Return the curve for the page's script, which draws it so that one can zoom."""
    return {
        **pack_scores(results.time_s, results.score, gap_s),
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
            {"start": fault.start_s, "end": fault.end_s, "reason": fault.reason}
            for fault in results.faults
        ],
        "truth": [list(span) for span in truth],
    }


def _drawn(results: RecordingResults, truth: Spans, gap_s: float) -> dict[str, Any]:
    """Return the curve as SVG, for paper and where there is no script."""
    length_s, width = results.duration_s, _SIZE[0]
    return {
        "path": vector_path(results.time_s, results.score, gap_s, length_s, _SIZE),
        "events": bands(
            [(event.start_s, event.end_s) for event in results.events], length_s, width
        ),
        "faults": bands(
            [(fault.start_s, fault.end_s) for fault in results.faults], length_s, width
        ),
        "truth": bands(truth, length_s, width),
        "ticks": _time_ticks(length_s),
    }


def _time_ticks(length_s: float) -> list[tuple[float, str]]:
    """Return (left in per cent, text) of round times along the axis."""
    fitting = (step for step in _TICK_STEPS_S if length_s / step <= _MOST_TICKS)
    step_s = next(fitting, length_s / _MOST_TICKS)
    # A time at the very end would be cut off.
    places = np.arange(0.0, 0.97 * length_s, step_s) if length_s > 0 else np.zeros(1)
    return [(round(100 * at / max(length_s, 1e-9), 2), clock_text(at)) for at in places.tolist()]


def bands(spans: Spans, length_s: float, width: int) -> list[tuple[float, float]]:
    """Return (left, width) of stretches of time in a picture; each is wide enough to see."""
    scale = width / max(length_s, 1e-9)
    return [
        (round(start * scale, 1), round(max(2.0, (end - start) * scale), 1)) for start, end in spans
    ]


def verdict(results: RecordingResults) -> str:
    """Say what was found, as a sentence."""
    if not results.events:
        return f"Nothing unusual in {length_text(results.duration_s)}."
    top = max(results.events, key=lambda event: event.score)
    count = len(results.events)
    if count == 1:
        length, peak = length_text(results.duration_s), clock_text(top.peak_s)
        return f"One unusual event in {length}, at {peak}: {top.reason}."
    return (
        f"{plural(count, 'unusual event')} in {length_text(results.duration_s)}, "
        f"the most unusual at {clock_text(top.peak_s)}: {top.reason}."
    )


def tiles(results: RecordingResults) -> list[tuple[str, str, str]]:
    """Return (name, value, remark) of each figure at the top."""
    known = results.score[np.isfinite(results.score)]
    above = float((known > 0.5).mean()) if known.size else 0.0
    figures = [
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
        rests_on = standing(FalseAlarmBudget.parse(calibration["budget"]), calibration["hours"])
        beside = "on normal footage" if rests_on == "watched" else rests_on
        figures.append(("Allowed false alarms", str(calibration["budget"]), beside))
    if results.faults:
        figures.append(("Camera", plural(len(results.faults), "fault"), results.faults[0].reason))
    return figures


def where(event: Event) -> str:
    """Say where in the picture an event is; empty where that is not known."""
    if event.box is None:
        return ""
    x, y = (event.box[0] + event.box[2]) / 2, (event.box[1] + event.box[3]) / 2
    across = "on the left" if x < 1 / 3 else "on the right" if x > 2 / 3 else "in the middle"
    return f"{across}{', at the top' if y < 1 / 3 else ', at the bottom' if y > 2 / 3 else ''}"


def settings(results: RecordingResults) -> list[tuple[str, str]]:
    """Return what the results were made with, as names and values."""
    facts = results.facts
    if facts is None:
        return [("Settings", "not saved: these results were written by an earlier version")]
    calibration: Mapping[str, Any] = facts.calibration
    rules, budget = calibration["rules"], FalseAlarmBudget.parse(calibration["budget"])
    origin = (
        "the training's own clips (too low)"
        if calibration["in_sample"]
        else "held-out normal footage"
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
            budget.resting_on(calibration["hours"])
            if budget.unit == "hour"
            else f"{budget.resting_on(calibration['hours'])}: {budget.per_hour:.3g} per hour",
        ),
        (
            "Threshold",
            f"raw {raw_score_text(calibration['threshold'])} "
            f"({raw_score_text(calibration['threshold_low'])} to "
            f"{raw_score_text(calibration['threshold_high'])})",
        ),
        ("Released at", f"raw {raw_score_text(calibration['release'])}"),
        (
            "Calibrated on",
            f"{length_text(3600 * calibration['hours'])} of {origin}, "
            f"{calibration['clips']:,} clips",
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
