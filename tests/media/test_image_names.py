"""The order and the times of images by their names."""

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from oddframe.errors import SourceError
from oddframe.media.image_names import order_images

FOLDER = Path("day")
MIDNIGHT = datetime(2023, 12, 31, 23, 59, 58, 250_000)


def named(pattern, start=MIDNIGHT, step_s=1.0, count=9):
    """Names of moments that follow each other; %L in the pattern of strftime is milliseconds."""
    moments = (start + timedelta(seconds=number * step_s) for number in range(count))
    return [
        moment.strftime(pattern.replace("%L", f"{moment.microsecond // 1000:03d}"))
        for moment in moments
    ]


def order(names):
    """Order images of these names, given in another order than that of their list."""
    found = order_images(FOLDER, [FOLDER / f"{name}.jpg" for name in reversed(names)])
    return [path.stem for path in found.paths], found


@pytest.mark.parametrize(
    ("pattern", "step_s"),
    [
        ("%Y-%m-%d_%H-%M-%S", 1),
        ("%Y-%m-%d %H.%M.%S", 1),
        ("%Y-%m-%dT%H:%M:%SZ", 2),
        ("%Y-%m-%dT%H:%M:%S.%f", 0.125),
        ("%Y_%m_%d_%H_%M_%S", 1),
        ("%Y-%m-%d %Hh%Mm%Ss", 1),
        ("%Y%m%d%H%M%S", 1),
        ("%Y%m%dT%H%M%S%L", 0.125),
        ("IMG_%Y%m%d_%H%M%S_%L", 0.125),
        ("192.168.1.64_01_%Y%m%d%H%M%S%L_MOTION_DETECTION", 0.5),
        ("Cam1.%Y%m%d_%H%M%S.%L", 0.5),
        ("MDAlarm_%Y%m%d-%H%M%S", 1),
        ("%Y-%m-%d %I.%M.%S %p", 1),
        ("gate %d-%m-%Y %H-%M-%S", 1),
        ("image%y-%m-%d_%H-%M-%S", 1),
        ("%H-%M-%S_%Y-%m-%d", 1),
        ("%H%M%S %d.%m.%Y", 1),
        ("%y%m%d_%H%M%S", 1),
        ("%Y-%m-%d_%H-%M", 600),
        ("%Y%m%d%H%M", 600),
        ("%Y%m%d%H", 3600),
        ("%Y-%m-%d", 86_400),
        ("%Y%m%d", 86_400),
    ],
)
def test_dates_give_the_order_and_the_times_over_the_turn_of_a_year(pattern, step_s):
    start = MIDNIGHT if step_s < 60 else MIDNIGHT - timedelta(seconds=2.5 * step_s)
    names = named(pattern, start, step_s)
    found, by_time = order(names)
    assert found == names
    assert by_time.indices == tuple(range(9))
    assert by_time.times_s == pytest.approx([number * step_s for number in range(9)])


@pytest.mark.parametrize(
    ("pattern", "unit"),
    [
        ("{}", 1),
        ("cam2-{}", 1),
        ("{}", 1000),
        ("{}", 10**6),
        ("frame_{}_left", 10**9),
    ],
)
def test_whole_numbers_since_1970_are_times(pattern, unit):
    names = [pattern.format(999_999_998 * unit + 10**9 * unit + n * unit) for n in range(5)]
    found, by_time = order(names)
    assert found == names
    assert by_time.times_s == pytest.approx([0, 1, 2, 3, 4])


@pytest.mark.parametrize("pattern", ["{:.6f}", "front-{:.3f}-ab1c", "{:.2f}"])
def test_seconds_since_1970_may_have_a_fraction(pattern):
    names = [pattern.format(1_305_031_098.5 + n / 4) for n in range(9)]
    found, by_time = order(names)
    assert found == names
    assert by_time.times_s == pytest.approx([n / 4 for n in range(9)], abs=0.006)


@pytest.mark.parametrize("pattern", ["%H-%M-%S", "%H.%M.%S[M][0@0][0]", "door %H:%M:%S", "%H%M%S"])
def test_times_of_day_give_the_order_over_the_turn_of_an_hour(pattern):
    names = named(pattern, datetime(2024, 5, 1, 9, 59, 57), count=7)
    found, by_time = order(names)
    assert found == names
    assert by_time.times_s == pytest.approx(range(7))


@pytest.mark.parametrize("pattern", ["{}-{:02d}", "{}_{:d}", "{}-{:03d}"])
def test_pictures_of_one_second_are_counted_and_spread_over_it(pattern):
    seconds = named("%Y-%m-%d_%H-%M-%S", count=4)
    names = [pattern.format(second, shot) for second in seconds for shot in range(12)]
    # Watching began and ended within a second.
    names = names[6:-4]
    found, by_time = order(names)
    assert found == names
    assert by_time.times_s == pytest.approx([n / 12 for n in range(len(names))])


def test_the_number_of_the_event_before_a_time_does_not_matter():
    names = ["07-20240229235959-00", "07-20240229235959-01", "08-20240301000000-00"]
    found, by_time = order(names)
    assert found == names
    assert by_time.times_s == pytest.approx([0, 0.5, 1])


@pytest.mark.parametrize(
    "names",
    [
        [f"{n:03d}" for n in range(12)],
        [f"frame_{n}" for n in (3, 4, 5, 9, 10, 11, 100)],
        [f"01_0014_{n:03d}" for n in range(70)],
        [f"{n:06d}" for n in range(60)],
        [f"{n:06d}" for n in range(0, 500, 100)],
        [f"{n:012d}" for n in range(101, 161)],
        [f"v1_02_{n:02d}" for n in range(100)],
        [f"scene3-01-{n:02d}" for n in range(30)],
        [f"{letter}_{n}" for n, letter in enumerate("abcdef")],
        [f"20240501_120030_{n:06d}" for n in range(80)],
        [f"20240501_{n:04d}" for n in range(50)],
        [f"10.20.30.40_{n:04d}" for n in range(5)],
    ],
    ids=lambda names: names[-1],
)
def test_numbers_stay_numbers(names):
    found, by_number = order(names)
    last = [int(re.split("[-_]", name)[-1]) for name in names]
    assert found == names
    assert by_number.indices == tuple(number - last[0] for number in last)
    assert by_number.times_s is None


def test_numbers_that_begin_anew_each_day_are_ordered_by_day():
    names = [f"2024050{day}_{number:04d}" for day in (1, 2) for number in range(1, 71)]
    found, by_day = order(names)
    assert found == names
    assert by_day.indices == tuple(range(140))
    assert by_day.times_s is None


def test_frames_of_recordings_that_are_named_after_their_start_have_no_times():
    names = [f"20240501_12{minute:02d}00_{n:06d}" for minute in (0, 1) for n in range(100)]
    found, by_start = order(names)
    assert found == names
    assert by_start.times_s is None


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (named("%H-%M-%S"), "go on over midnight"),
        (named("%d %b %Y %H-%M-%S", datetime(2024, 5, 14, 20), 7200), "of several days or cameras"),
        (
            [f"{camera}_{time}" for camera in "ab" for time in named("%H.%M.%S", count=3)],
            "of several days or cameras",
        ),
        (
            [f"{camera}_{time}" for camera in "ab" for time in named("%Y%m%d_%H%M%S")],
            "must have different times",
        ),
        (named("%d-%m-%Y_%H-%M-%S", datetime(2024, 5, 1), 86_400), "day first, month first"),
        ([*named("%Y-%m-%d_%H-%M-%S"), "still7"], "still7.jpg has none"),
        (["3f2a9c1e", "9bc4e07d", "c01dfe88", "07a2b9f4", "e5d4c3b2"], "differ in more than that"),
        (["cat_17", "dog_4", "bird_900", "fish_17"], "differ in more than that"),
        (["a7", "b7"], r"a7.jpg and b7.jpg share one"),
        ([f"20240501_{n:04d}" for n in (3, 4)] * 2, "share one"),
    ],
)
def test_names_that_tell_no_order_are_refused_with_the_reason(names, reason):
    with pytest.raises(SourceError, match=reason):
        order(names)


def test_two_ways_to_read_dates_are_no_trouble_where_they_agree():
    names = named("%d-%m-%Y_%H-%M-%S", datetime(2024, 5, 1, 12, 0, 58))
    assert order(names)[1].times_s == pytest.approx(range(9))
