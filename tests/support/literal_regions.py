"""Slow, literal references for regions, tracks and their criteria.

Regions are sets of pixels, walked one by one.
"""

import itertools
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import strategies as st

from oddframe.metrics.region import MIN_IOU, Region, Tally

H, W = 4, 5
MASKS = st.lists(st.booleans(), min_size=H * W, max_size=H * W).map(
    lambda v: np.array(v).reshape(H, W)
)
MAPS = st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0]), min_size=H * W, max_size=H * W).map(
    lambda v: np.array(v).reshape(H, W)
)
BOXES = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 3), st.integers(1, 3)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
TRACKED = st.lists(st.tuples(st.sampled_from("ab"), BOXES), max_size=3)
INSIDE = TRACKED.map(
    lambda tracked: [
        (track, (x, y, min(x_max, W), min(y_max, H))) for track, (x, y, x_max, y_max) in tracked
    ]
)
SCORED = st.lists(st.tuples(st.sampled_from([1.0, 2.0, 3.0]), BOXES), max_size=4)


def places(region):
    rows, columns = np.nonzero(region.pixels)
    return {(int(r) + region.top, int(c) + region.left) for r, c in zip(rows, columns, strict=True)}


def box_places(box):
    x_min, y_min, x_max, y_max = box
    return {(y, x) for y in range(y_min, y_max) for x in range(x_min, x_max)}


def flood(mask):
    """Connected parts over 8 neighbours, by walking."""
    left = {(r, c) for r in range(mask.shape[0]) for c in range(mask.shape[1]) if mask[r, c]}
    parts = []
    while left:
        part, front = set(), [min(left)]
        while front:
            place = front.pop()
            if place in left:
                left.discard(place)
                part.add(place)
                front += [(place[0] + r, place[1] + c) for r in (-1, 0, 1) for c in (-1, 0, 1)]
        parts.append(part)
    return parts


def iou(first, second):
    return len(first & second) / len(first | second)


class Detection(NamedTuple):
    """A detected region with its score, higher = more anomalous."""

    score: float
    region: Region


class RegionMetrics:
    """Counts lists of scored detections at thresholds fixed beforehand, as papers describe it.

    The library counts maps only. This one feeds the same `Tally` and shows what it makes of
    detections that overlap, come with any score or find nothing.
    """

    def __init__(self, thresholds):
        self._thresholds = sorted(thresholds, reverse=True)
        self._tally = Tally(len(thresholds))

    def add(self, detections, truth):
        self._tally.frames += 1
        found = [self._tally.regions_of(true.track) for true in truth]
        for step, threshold in enumerate(self._thresholds):
            detected = [places(one.region) for one in detections if one.score >= threshold]
            trues = [places(true.region) for true in truth]
            for counts, true in zip(found, trues, strict=True):
                counts[step] += any(iou(true, part) >= MIN_IOU for part in detected)
            for part in detected:
                is_false = all(iou(true, part) < MIN_IOU for true in trues)
                self._tally.false_positives[step] += is_false

    def result(self):
        return self._tally.result()


def literal_area(points):
    """Area between 0 and 1 under straight lines from (0, 0) through the best points so far.

    It is level at the end.
    """
    curve, best = [(0.0, 0.0)], 0.0
    for x, y in sorted(points):
        best = max(best, y)
        curve.append((x, best))
    curve.append((max(1.0, curve[-1][0]), best))
    area = 0.0
    for (x0, y0), (x1, y1) in itertools.pairwise(curve):
        if x0 >= 1.0 or x0 == x1:
            continue
        end = min(x1, 1.0)
        y_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
        area += (end - x0) * (y0 + y_end) / 2
    return area


def literal_criteria(frames, thresholds):
    """Frames as (detections at a threshold, [(track, places)]); counts as rule 5 reads.

    Thresholds fall; the first with more than one false positive per frame is the last one.
    """
    tracks = {track for _, truth in frames for track, _ in truth}
    region_points, track_points = [], []
    for threshold in thresholds:
        false_positives, outcome = 0, {track: [] for track in tracks}
        for detect, truth in frames:
            detected = detect(threshold)
            for track, true in truth:
                outcome[track].append(any(iou(true, one) >= 0.1 for one in detected))
            false_positives += sum(
                all(iou(true, one) < 0.1 for _, true in truth) for one in detected
            )
        x = false_positives / len(frames)
        everything = [hit for hits in outcome.values() for hit in hits]
        if everything:
            region_points.append((x, sum(everything) / len(everything)))
            track_points.append(
                (x, sum(sum(h) / len(h) >= 0.1 for h in outcome.values()) / len(tracks))
            )
        if x > 1:
            break
    if not tracks:
        return None, None
    return literal_area(region_points), literal_area(track_points)


def assert_criteria(result, expected):
    for found, value in zip((result.rbdc, result.tbdc), expected, strict=True):
        assert found == value if value is None else found == pytest.approx(value)


def literal_tracks(masks):
    """Track number of each part of each mask.

    Parts that share a pixel with one a frame later are one track.
    """
    nodes = [(t, frozenset(part)) for t, mask in enumerate(masks) for part in flood(mask)]
    group = {node: number for number, node in enumerate(nodes)}
    for _ in nodes:
        for one in nodes:
            for other in nodes:
                if other[0] == one[0] + 1 and one[1] & other[1]:
                    group[one] = group[other] = min(group[one], group[other])
    return group
