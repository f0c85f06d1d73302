"""The alarms that a model would have raised in the footage that it was learnt from.

They are compared with those of the model that watched the camera meanwhile, in the same seconds:
what both would have done there says whether the new one should take over.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from oddframe.core.calibration import Calibration, NormalScores
from oddframe.core.event_rules import Span, spans
from oddframe.core.recalibration import alarms
from oddframe.web.context import AppContext
from oddframe.web.schemas import Schema
from oddframe.web.serializers import model_name
from oddframe.web.thresholds import score_history, threshold_now

LEAST_S = 60
"""With fewer seconds that both models have scored there is nothing to compare."""

_ROUNDING_S = 1e-6


class ComparedAlarms(Schema):
    """The alarms of two models in the same seconds; times are microseconds since 1970-01-01 UTC."""

    # The model that watches the camera now.
    model: str
    # How many hours both have scored.
    hours: float
    # When the alarms of the model of now and of the new one begin.
    alarms_now_us: list[int]
    alarms_new_us: list[int]


class FootagePiece(NamedTuple):
    """Where an unbroken piece of footage begins that set a threshold.

    Attributes:
        source: Name of its recording.
        start_s: Where in the recording it begins, in seconds.
    """

    source: str
    start_s: float


def find_alarms(
    normal: NormalScores, calibration: Calibration, pieces: Sequence[FootagePiece]
) -> Iterator[tuple[str, float, float, float]]:
    """Find the alarms that a threshold would have raised in normal footage.

    Args:
        normal: Scores of the footage.
        calibration: The threshold, and when scores become an event.
        pieces: Where each piece of the footage begins.

    Yields:
        The source, the start and the end in it in seconds, and the highest score.
    """
    # On the scale on which the calibration counts its events.
    enter, leave = float(np.log(calibration.threshold)), float(np.log(calibration.release))
    raw = normal.raw.astype(np.float64)
    for (source, start_s), piece in zip(pieces, normal.pieces(), strict=True):
        times_s, values = normal.time_s[piece], raw[piece]
        for span in spans(times_s, np.log(values), calibration.rules, enter, leave):
            until_s = span.end_s + _ROUNDING_S
            first, last = np.searchsorted(times_s, [span.start_s, until_s]).tolist()
            peak = calibration.score(float(values[first:last].max()))
            yield source, start_s + span.start_s, start_s + span.end_s, peak


def compare_alarms(
    context: AppContext,
    name: str,
    normal: NormalScores,
    then: Calibration,
    pieces: Sequence[FootagePiece],
    starts_us: Mapping[str, int],
) -> ComparedAlarms | None:
    """Compare a new model of a camera with the one that has watched it.

    Args:
        context: The server's parts.
        name: The camera.
        normal: The new model's scores of its footage.
        then: The threshold that it would have.
        pieces: Where each piece of the footage begins.
        starts_us: When each recording began; those that are missing count for nothing.

    Returns:
        None where the camera is not watched, or the two have too few seconds in common.
    """
    camera = context.supervisor.camera(name)
    known = [(piece, starts_us.get(piece.source)) for piece in pieces]
    covered = [
        round(began_us / 1e6 + piece.start_s) + np.unique(normal.time_s[part].astype(np.int64))
        for (piece, began_us), part in zip(known, normal.pieces(), strict=True)
        if began_us is not None
    ]
    if camera is None or not covered:
        return None
    footage = np.unique(np.concatenate(covered))
    start_us, end_us = int(footage[0]) * 1_000_000, (int(footage[-1]) + 1) * 1_000_000
    history = score_history(context, camera, start_us, end_us)
    in_both = np.isin(history.seconds, footage)
    seconds = history.seconds[in_both]
    if len(seconds) < LEAST_S:
        return None
    now = alarms(seconds, history.raw[in_both], threshold_now(context, camera))
    new = [
        Span(starts_us[source] / 1e6 + start_s, starts_us[source] / 1e6 + end_s)
        for source, start_s, end_s, _ in find_alarms(normal, then, pieces)
        if source in starts_us
    ]
    armed = None if camera.zones is None else camera.zones.armed

    def begins(found: Sequence[Span]) -> list[int]:
        return [
            round(span.start_s * 1e6)
            for span in found
            if _is_within(span, seconds) and (armed is None or armed.armed(span.start_s))
        ]

    return ComparedAlarms(
        model=model_name(context, camera),
        hours=len(seconds) / 3600,
        alarms_now_us=begins(now),
        alarms_new_us=begins(new),
    )


def _is_within(span: Span, seconds: npt.NDArray[np.int64]) -> bool:
    """Whether one of some seconds, in order, lies in a span."""
    first, after = np.searchsorted(seconds, [np.floor(span.start_s), np.floor(span.end_s) + 1])
    return bool(after > first)
