import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.health.measures import Average
from oddframe.core.health.monitor import (
    SETTLES_S,
    HealthEvents,
    HealthMonitor,
    HealthReference,
    HealthTimes,
    find_other_view,
)
from oddframe.core.records import Frame, HealthChange
from oddframe.errors import InputError, SettingsError
from oddframe.synthetic.camera_faults import blacken, cover, darken, defocus, turn
from tests.support.health_scene import RATE_FPS, drawn, reference, watched

SETS_IN, ENDS = 60, 160
"""Frames between which a fault lasts: seconds 6 to 16 of 22."""


def faulty(change):
    """A recording with a fault in the middle."""
    random = np.random.default_rng(0)
    for number in range(220):
        picture = drawn(1001, 110)[number % 110]
        yield change(picture, random) if SETS_IN <= number < ENDS else picture


def test_one_picture_tells_another_view_from_the_same_one():
    picture = drawn(1001, 110)[50]
    assert find_other_view(reference(), picture) is None
    assert find_other_view(reference(), (0.7 * picture).astype(np.uint8)) is None
    assert find_other_view(reference(), drawn(3, 20, "station")[10]) is not None
    assert find_other_view(reference(), turn(picture, 45, 5)) is not None
    # A view without structure is another one, too.
    assert find_other_view(reference(), np.full_like(picture, 240)) is not None


FAULTS = {
    "black": ("covered", lambda p, r: blacken(p, 2.0, r)),
    "a hand": ("covered", lambda p, r: cover(p, 1.0, 2.0, r)),
    "most of a hand": ("covered", lambda p, r: cover(p, 0.9, 2.0, r)),
    "white": ("covered", lambda p, r: np.full_like(p, 240)),
    "defocus": ("out of focus", lambda p, r: defocus(p, 1.5, 2.0, r)),
    "strong defocus": ("out of focus", lambda p, r: defocus(p, 3.0, 2.0, r)),
    "turned a little": ("moved", lambda p, r: turn(p, 3, 1)),
    "turned": ("moved", lambda p, r: turn(p, -10)),
    "turned a lot": ("moved", lambda p, r: turn(p, 45, 5)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_its_end_too(fault):
    state, change = FAULTS[fault]
    changes, usable = watched(faulty(change))
    assert [one.state for one in changes] == [state, "ok"]
    assert [one.before for one in changes] == ["ok", state]
    entered, left = changes
    assert SETS_IN / RATE_FPS <= entered.since_s <= SETS_IN / RATE_FPS + 4.0
    assert entered.since_s < entered.time_s <= SETS_IN / RATE_FPS + 9.0
    assert ENDS / RATE_FPS < left.time_s <= ENDS / RATE_FPS + 6.0
    assert entered.reason
    # Nothing before it and nothing well after it is touched, and nothing while the state holds is
    # usable.
    assert all(usable[:SETS_IN])
    assert not any(usable[round(entered.time_s * RATE_FPS) : ENDS])
    assert all(usable[round(left.time_s * RATE_FPS) :])


HARMLESS = {
    "another recording": ({}, None),
    "a dense crowd": ({"density": 4.0}, None),
    "nobody": ({"density": 0.0}, None),
    "changing light": ({"light": 2.0}, None),
    "noise": ({"noise": 8.0}, None),
    "dusk": ({}, lambda p, r: darken(p, 0.4, 2.0, r)),
    "night": ({}, lambda p, r: darken(p, 0.12, 2.0, r)),
    "a little of a hand": ({}, lambda p, r: cover(p, 0.25, 2.0, r)),
}


@pytest.mark.parametrize(
    "what",
    # A dense crowd takes seconds to draw.
    [pytest.param(what, marks=[pytest.mark.slow] * (what == "a dense crowd")) for what in HARMLESS],
)
def test_what_is_no_fault_is_none(what):
    options, change = HARMLESS[what]
    random = np.random.default_rng(0)
    pictures = drawn(1002, 90, **options)
    changes, usable = watched(p if change is None else change(p, random) for p in pictures)
    assert changes == []
    assert all(usable)


def test_black_frames_are_kept_from_scoring_at_once():
    _, usable = watched(faulty(FAULTS["black"][1]))
    assert usable.index(False) == SETS_IN


def test_a_light_that_is_switched_is_no_fault_and_not_scored():
    def switched(number, picture):
        return darken(picture, 0.3, 2.0, random) if SETS_IN <= number < 80 else picture

    random = np.random.default_rng(0)
    pictures = [switched(number, picture) for number, picture in enumerate(drawn(1001, 110))]
    changes, usable = watched(pictures)
    assert changes == []
    settles = round(SETTLES_S * RATE_FPS)
    left_out = [*range(SETS_IN, SETS_IN + settles), *range(80, 80 + settles)]
    assert [number for number, is_usable in enumerate(usable) if not is_usable] == left_out


def test_somebody_who_steps_close_to_the_camera_is_scored():
    """As large as a person at a door: a quarter of the picture, in white."""

    def close(number, picture):
        if number < SETS_IN:
            return picture
        picture = picture.copy()
        picture[30:, 66:126] = 250
        return picture

    pictures = [close(number, picture) for number, picture in enumerate(drawn(1001, 110))]
    average = Average(reference().jump)
    jumped = []
    for picture in pictures:
        average.add(picture[..., 0], 1 / RATE_FPS)
        jumped.append(average.jumped)
    assert any(jumped[SETS_IN:])
    _, usable = watched(pictures)
    assert all(usable)


def test_a_frozen_picture_is_found_after_its_time():
    pictures = drawn(1001, 110)[:100]
    changes, _ = watched([*pictures, *[pictures[-1]] * 150, *drawn(1002, 90)])
    assert [one.state for one in changes] == ["frozen", "ok"]
    assert changes[0].since_s == pytest.approx(10.0)
    assert changes[0].time_s == pytest.approx(10.0 + reference().frozen_after_s)
    assert 25.0 < changes[1].time_s < 28.0


def test_a_frozen_picture_is_found_when_it_is_encoded_anew_and_a_clock_runs_in_it():
    random = np.random.default_rng(0)
    still = drawn(1001, 110)[0]

    def frozen(number):
        picture = still.copy()
        picture[2:8, 2 + 4 * (number // 10 % 6) : 8 + 4 * (number // 10 % 6)] = 250
        if number % 40 == 0:  # a key frame
            picture = np.clip(picture + random.integers(-3, 4, picture.shape), 0, 255).astype(
                np.uint8
            )
        return picture

    changes, _ = watched(map(frozen, range(300)))
    assert [one.state for one in changes] == ["frozen"]


def test_a_still_scene_with_noise_is_not_frozen():
    changes, _ = watched(
        darken(drawn(1, 200)[0], 0.3, 1.0, np.random.default_rng(n)) for n in range(300)
    )
    assert changes == []


def test_one_long_freeze_counts_from_its_first_repeat():
    ours = replace(reference(), frozen_after_s=20.0)
    changes, _ = watched([drawn(1, 200)[0]] * 250, ours)
    assert [(one.state, round(one.since_s, 1), round(one.time_s, 1)) for one in changes] == [
        ("frozen", 0.1, 20.1)
    ]


def push(watch, time_s, picture=None):
    return watch.push(
        Frame(0, time_s, drawn(1, 200)[0] if picture is None else picture, (192, 128))
    )


def test_no_signal_needs_somebody_to_tell_the_time():
    watch = HealthMonitor(reference())
    assert watch.tick(100.0) == ()
    push(watch, 5.0)
    assert watch.tick(14.9) == ()
    (change,) = watch.tick(15.3)
    assert change == HealthChange(15.0, "no signal", "ok", 5.0, "no signal: no frame for 10 s")
    assert watch.tick(60.0) == ()
    assert not watch.usable
    (back,) = push(watch, 70.0)
    assert (back.state, back.before, back.time_s) == ("ok", "no signal", 70.0)
    assert watch.usable


def test_a_gap_in_a_recording_says_what_a_silent_stream_does():
    told, live = HealthMonitor(reference()), HealthMonitor(reference())
    push(told, 5.0)
    push(live, 5.0)
    first = live.tick(15.2)
    assert push(told, 40.0) == (*first, *push(live, 40.0))


def test_repeats_on_both_sides_of_a_gap_are_no_freeze():
    watch = HealthMonitor(reference())
    changes = [change for n in range(60) for change in push(watch, n / 10)]
    changes += [change for n in range(60) for change in push(watch, 30 + n / 10)]
    assert [one.state for one in changes] == ["no signal", "ok"]


def test_time_that_goes_back_starts_anew():
    watch = HealthMonitor(reference())
    for time_s in (0.0, 0.1, 9_000.0, 3.0, 3.1):
        push(watch, time_s)
    assert watch.state == "ok"


def test_cover_wins_over_the_freeze_that_comes_with_it():
    black = np.zeros_like(drawn(1, 200)[0])
    changes, _ = watched([*drawn(1001, 110)[:40], *[black] * 200])
    assert [one.state for one in changes] == ["covered"]


def test_nothing_that_comes_later_has_a_part_in_a_change():
    pictures = list(faulty(FAULTS["defocus"][1]))
    whole, _ = watched(pictures)
    for length in (70, 120, 150, 200):
        part, _ = watched(pictures[:length])
        assert part == [one for one in whole if one.time_s <= (length - 1) / RATE_FPS]


@pytest.mark.parametrize("rate_fps", [2.0, 5.0, 25.0])
def test_times_are_those_of_the_frames_whatever_their_rate(rate_fps):
    pictures = drawn(1001, 110)
    random = np.random.default_rng(0)
    count = round(8 * rate_fps)
    changes, _ = watched(
        [pictures[n % 60] for n in range(count)]
        + [blacken(pictures[0], 2.0, random) for _ in range(count)],
        rate_fps=rate_fps,
    )
    assert [one.state for one in changes] == ["covered"]
    assert 3.0 <= changes[0].time_s - 8.0 <= 3.0 + 1.0 + 1 / rate_fps


def test_another_size_is_refused():
    with pytest.raises(InputError, match=r"learned from, \(128, 192\)"):
        push(HealthMonitor(reference()), 0.0, np.zeros((64, 64, 1), np.uint8))


@pytest.mark.parametrize(
    ("name", "value"), [("leave_s", -1.0), ("no_signal_s", math.inf), ("covered_s", math.nan)]
)
def test_times_are_checked(name, value):
    with pytest.raises(SettingsError, match=name):
        HealthTimes(**{name: value})


@given(
    st.lists(
        st.tuples(
            st.floats(0.1, 5), st.sampled_from(["ok", "covered", "moved", "frozen", "no signal"])
        )
    )
)
def test_events_start_and_end_in_turns(steps):
    machine = HealthEvents("door", "door")
    told, time_s, state = [], 0.0, "ok"
    for step_s, entered in steps:
        time_s += step_s
        change = HealthChange(time_s, entered, state, time_s - 0.05, "why")
        told += machine.push(time_s, (change,) if entered != state else ())
        state = entered
    told += machine.finish()
    assert [one.phase for one in told] == ["start", "end"] * (len(told) // 2)
    for start, end in zip(told[::2], told[1::2], strict=True):
        assert (start.id, start.start_s, start.reason) == (end.id, end.start_s, end.reason)
        assert start.start_s <= start.end_s <= end.end_s
    assert {(one.kind, one.source) for one in told} <= {("health", "door")}
    assert len({one.id for one in told}) == len(told) // 2
    assert machine.finish() == []


def test_it_is_small_and_comes_back_from_its_arrays():
    arrays = reference().as_arrays()
    assert sum(array.nbytes for array in arrays.values()) < 200_000
    again = HealthReference.from_arrays(arrays)
    for item in fields(HealthReference):
        assert np.array_equal(getattr(again, item.name), getattr(reference(), item.name))


@pytest.mark.parametrize(
    "damage",
    [
        {"scene": np.zeros((3, 3))},
        {"scene": np.zeros((0, 3), np.uint8)},
        {"jump": np.array(np.nan)},
        {"most_lost": np.array([1.0, 2.0])},
        {"unknown": np.array(1.0)},
    ],
    ids=str,
)
def test_arrays_that_are_none_are_refused(damage):
    with pytest.raises(InputError, match="health"):
        HealthReference.from_arrays({**reference().as_arrays(), **damage})
