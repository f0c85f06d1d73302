import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.events import EventDetector, events
from oddframe.core.records import Score
from tests.support.tiny import tiny_calibration

CALIBRATION = tiny_calibration(least_s=0.1, merge_gap_s=0.3, update_s=0.5)
VALUES = st.lists(st.one_of(st.none(), st.sampled_from([0.1, 0.46, 0.5, 0.6, 0.9])), max_size=60)


def scores(values, start_s=0.0, maps=None, **parts):
    known = {"appearance": 1.0, "motion": 2.0, "cluster": 3.0, **parts}
    return [
        Score(
            number,
            round(start_s + number / 10, 6),
            value,
            map=maps,
            **(known if value is not None else {}),
        )
        for number, value in enumerate(values)
    ]


def all_events(values, calibration=CALIBRATION, **more):
    return list(events(scores(values, **more), "door", calibration))


def finished_events(values, **more):
    return [one for one in all_events(values, **more) if one.phase == "end"]


def test_an_event_is_reported_at_its_start_while_it_lasts_and_at_its_end():
    lines = all_events([0.1, *[0.6] * 4, 0.9, *[0.6] * 8, *[0.1] * 5])
    assert [(one.phase, one.end_s, one.peak_s) for one in lines] == [
        ("start", 0.2, 0.1),
        ("update", 0.7, 0.5),
        ("update", 1.2, 0.5),
        ("end", 1.3, 0.5),
    ]
    assert {(one.id, one.source, one.start_s, one.kind) for one in lines} == {
        (lines[0].id, "door", 0.1, "anomaly")
    }
    assert [one.score for one in lines] == [0.6, 0.9, 0.9, 0.9]


def test_each_phase_is_reported_on_the_frame_that_makes_it_known():
    detector = EventDetector("door", CALIBRATION)
    heard = [
        [one.phase for one in detector.push(score)]
        for score in scores([0.6, 0.6, 0.1, 0.1, 0.1, 0.1])
    ]
    assert heard == [[], ["start"], [], [], [], ["end"]]
    assert detector.finish() == []


def test_the_end_of_the_source_is_the_end_of_its_event():
    assert [one.phase for one in all_events([0.6] * 3)] == ["start", "end"]
    assert finished_events([0.6] * 3)[0].end_s == 0.2


@given(VALUES)
def test_every_event_starts_once_ends_once_and_goes_on_in_between(values):
    phases = {}
    for one in all_events(values):
        phases.setdefault(one.id, []).append(one)
    for lines in phases.values():
        assert [one.phase for one in lines] == ["start", *["update"] * (len(lines) - 2), "end"]
        assert [one.end_s for one in lines] == sorted(one.end_s for one in lines)
        assert [one.score for one in lines] == sorted(one.score for one in lines)
        known = {round(n / 10, 6): value for n, value in enumerate(values)}
        inside = [
            v
            for t, v in known.items()
            if v is not None and lines[-1].start_s <= t <= lines[-1].end_s
        ]
        assert lines[-1].score == max(inside) == known[lines[-1].peak_s]


@given(VALUES, st.integers(0, 60))
def test_the_events_of_a_beginning_are_the_beginning_of_the_events(values, length):
    """Nothing that comes later has a part in it."""

    def pushed(few):
        detector = EventDetector("door", CALIBRATION)
        return [one for score in few for one in detector.push(score)]

    whole, part = pushed(scores(values)), pushed(scores(values)[:length])
    assert whole[: len(part)] == part


def test_a_new_stretch_has_a_peak_of_its_own():
    values = [0.9, 0.1, 0.6, 0.6, *[0.1] * 5, 0.7, 0.7]  # the first is too short for an event
    assert [(one.start_s, one.peak_s, one.score) for one in finished_events(values)] == [
        (0.2, 0.2, 0.6),
        (0.9, 0.9, 0.7),
    ]


def test_the_peak_may_come_after_a_calm_within_the_event():
    assert [(one.peak_s, one.score) for one in finished_events([0.6, 0.6, 0.1, 0.1, 0.9])] == [
        (0.4, 0.9)
    ]


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"appearance": 2.0, "motion": 2.0, "cluster": 3.0}, "looks wrong"),
        ({"appearance": 1.5, "motion": 4.0, "cluster": 3.0}, "moves wrong"),
        ({"appearance": 1.0, "motion": 3.0, "cluster": 6.6}, "unlike any known pattern"),
    ],
)
def test_the_reason_is_the_part_that_lies_farthest_in_its_own_tail(parts, reason):
    (event,) = finished_events([0.6, 0.6], **parts)
    assert event.reason == reason
    assert list(event.parts) == ["appearance", "motion", "cluster"]
    assert max(event.parts.values()) >= 3.0


def test_the_region_is_that_of_the_peak():
    quiet, hot = np.zeros((32, 64), np.float32), np.zeros((32, 64), np.float32)
    hot[8:16, 16:32] = 9.0
    detector = EventDetector("door", CALIBRATION)
    for number, (value, anomaly_map) in enumerate([(0.6, quiet), (0.9, hot), (0.6, quiet)]):
        detector.push(Score(number, number / 10, value, map=anomaly_map))
    (event,) = detector.finish()
    assert event.box == pytest.approx((0.25, 0.25, 0.5, 0.5), abs=1 / 32)
    assert event.mask.shape == (32, 64)
    assert event.mask[12, 24]
    assert not event.mask[24, 48]


def test_without_maps_there_is_no_region():
    (event,) = finished_events([0.6, 0.6])
    assert (event.box, event.mask) == (None, None)


def test_the_cool_down_of_a_camera_takes_the_place_of_the_rules():
    detector = EventDetector("door", CALIBRATION, cool_down_s=60.0)
    heard = [
        one for score in scores([0.6, 0.6, *[0.1] * 5, 0.6, 0.6]) for one in detector.push(score)
    ]
    assert [one.phase for one in heard] == ["start", "end"]


def test_hysteresis_comes_from_the_calibration():
    # The release is 0.8 of the threshold: a score of 0.444.
    assert [(one.start_s, one.end_s) for one in finished_events([0.6, 0.45, 0.45, 0.44])] == [
        (0.0, 0.2)
    ]


def test_id_depends_on_the_source_and_the_start_only():
    def identity(values, source="a.mp4", start_s=5.0):
        return next(events(scores(values, start_s), source, CALIBRATION)).id

    assert identity([0.6, 0.6]) == identity([0.9, 0.7, 0.1, 0.6])
    assert identity([0.6, 0.6]) != identity([0.6, 0.6], source="b.mp4")
    assert identity([0.6, 0.6]) != identity([0.6, 0.6], start_s=5.1)
    # And in every process.
    assert identity([0.6, 0.6], start_s=0.0) == "3264c6058f6f6e84"


def test_what_is_written_is_plain_and_in_order():
    (event,) = finished_events([0.6, 0.6], maps=np.ones((32, 32), np.float32))
    written = json.loads(json.dumps(event.as_dict()))
    names = "id kind phase source start_s end_s peak_s score box reason parts"
    assert list(written) == names.split()
    assert written["box"] == [0.0, 0.0, 1.0, 1.0]
