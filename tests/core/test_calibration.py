import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.budget import DEFAULT_BUDGET, FalseAlarmBudget
from oddframe.core.calibration import Calibration, NormalScores, calibrate, placeholder_calibration
from oddframe.core.event_rules import EventRules, spans
from oddframe.errors import InputError, SettingsError
from tests.support.tiny import tiny_calibration


@pytest.mark.parametrize(
    ("text", "per_hour", "again"),
    [
        ("1/day", 1 / 24, "1/day"),
        ("6/hour", 6.0, "6/hour"),
        ("2/week", 2 / 168, "2/week"),
        (" 0.5 per month ", 0.5 / 720, "0.5/month"),
        (DEFAULT_BUDGET, 1 / 24, "1/day"),
    ],
)
def test_a_budget_is_a_number_per_unit(text, per_hour, again):
    budget = FalseAlarmBudget.parse(text)
    assert budget.per_hour == pytest.approx(per_hour)
    assert str(budget) == again
    assert FalseAlarmBudget.parse(again) == budget


def test_rates_are_told_in_the_unit_of_the_budget():
    assert FalseAlarmBudget.parse("1/day").in_units(0.5) == "12/day"
    assert FalseAlarmBudget.parse("6/hour").in_units(0.123) == "0.12/hour"


def test_a_high_rate_is_written_without_an_exponent():
    assert FalseAlarmBudget.parse("1/hour").in_units(234.0) == "230/hour"
    assert FalseAlarmBudget.parse("1/week").in_units(100.0) == "17,000/week"


@pytest.mark.parametrize(
    "text",
    ["", "often", "1/fortnight", "-1/day", "0/day", "1/", "/day", "inf/day", "1e9/day", "1/day/2"],
)
def test_what_is_no_budget_is_refused(text):
    with pytest.raises(SettingsError, match="a false-alarm budget must"):
        FalseAlarmBudget.parse(text)


RAW = st.floats(1e-9, 1e3)
PARTS = ("raw", "appearance", "motion", "cluster", "map_peak")


def normal(*pieces, rate_fps=10.0, in_sample=False, **parts):
    raw = np.concatenate(pieces).astype(np.float32)
    counts = [len(piece) for piece in pieces]
    return NormalScores(
        recording=np.repeat(np.arange(len(pieces), dtype=np.int32), counts),
        time_s=np.concatenate([np.arange(count) / rate_fps for count in counts]),
        **{**dict.fromkeys(PARTS, raw), **parts},
        rate_fps=rate_fps,
        in_sample=in_sample,
    )


def footage(seed, minutes, memory=10):
    """Log-normal scores that change within a second, 10 per second."""
    noise = np.random.default_rng(seed).standard_normal(int(minutes * 600) + memory)
    sums = np.cumsum(np.append(0.0, noise))
    return np.exp(0.3 * (sums[memory:] - sums[:-memory]) / memory**0.5)[: int(minutes * 600)]


def events_in(raw, found):
    times_s = np.arange(len(raw)) / 10
    return len(spans(times_s, raw, found.rules, found.threshold, found.release))


@given(raw=RAW, threshold=RAW)
def test_score_is_r_over_r_plus_t(raw, threshold):
    assert tiny_calibration(threshold=threshold).score(raw) == pytest.approx(
        raw / (raw + threshold)
    )


@given(raw=RAW, threshold=RAW, factor=st.floats(1.001, 100.0))
def test_score_rises_strictly_and_stays_between_0_and_1(raw, threshold, factor):
    found = tiny_calibration(threshold=threshold)
    assert 0 < found.score(raw) < found.score(raw * factor) < 1


@given(threshold=RAW)
def test_score_is_one_half_exactly_at_the_threshold(threshold):
    found = tiny_calibration(threshold=threshold)
    assert found.score(threshold) == 0.5
    assert found.score(threshold * 1.001) > 0.5 > found.score(threshold * 0.999)


def test_with_enough_footage_the_threshold_is_read_off_the_events():
    raw = footage(0, minutes=60)
    found = calibrate(normal(raw), FalseAlarmBudget.parse("60/hour"))
    assert found.method == "empirical"
    assert events_in(raw.astype(np.float32).astype(float), found) in (59, 60)
    assert found.threshold_low < found.threshold < found.threshold_high
    assert found.rate_low < 60 < found.rate_high
    assert (found.hours, found.budget, found.notices) == (pytest.approx(1.0), "60/hour", ())


@pytest.mark.parametrize(
    ("budget", "hours"), [("8/hour", 2), pytest.param("2/hour", 1, marks=pytest.mark.slow)]
)
def test_with_little_footage_the_tail_keeps_the_budget_on_average(budget, hours):
    """Over cameras, each with its own footage; the error of the mean is about a fifth."""
    promised = FalseAlarmBudget.parse(budget).per_hour
    rates = []
    later = [footage(1000 + number, minutes=360) for number in range(3)]
    for seed in range(10):
        found = calibrate(normal(footage(seed, minutes=60 * hours)), FalseAlarmBudget.parse(budget))
        assert found.method == "tail"
        rates.append(sum(events_in(one, found) for one in later) / 18)
    assert 0.6 * promised < np.mean(rates) < 1.6 * promised


def test_events_are_counted_not_frames():
    """The same scores ten times as slow: as many events, ten times the frames above it."""
    quick = footage(0, minutes=60)
    slow = np.repeat(quick, 10)
    rules = EventRules(least_s=0.0, merge_gap_s=0.0)
    one = calibrate(normal(quick), FalseAlarmBudget.parse("60/hour"), rules)
    ten = calibrate(normal(slow), FalseAlarmBudget.parse("6/hour"), rules)
    assert ten.threshold == pytest.approx(one.threshold, rel=1e-3)


def test_longer_events_are_rarer_and_a_wider_gap_merges_them():
    raw, budget = normal(footage(0, minutes=60)), FalseAlarmBudget.parse("60/hour")
    plain = calibrate(raw, budget, EventRules(least_s=0.0, merge_gap_s=0.5)).threshold
    assert calibrate(raw, budget, EventRules(least_s=0.5, merge_gap_s=0.5)).threshold < plain
    assert calibrate(raw, budget, EventRules(least_s=0.0, merge_gap_s=20.0)).threshold < plain


def test_spikes_shorter_than_the_least_length_do_not_move_the_tail():
    """Single frames thirty times as high, also within events, which do not get longer by them."""
    raw = footage(0, minutes=60)
    spiked = raw.copy()
    spiked[::97] *= 30
    budget = FalseAlarmBudget.parse("1/hour")
    assert calibrate(normal(spiked), budget).threshold == pytest.approx(
        calibrate(normal(raw), budget).threshold, rel=0.3
    )


def test_half_a_minute_of_footage_asks_for_no_wonders():
    """Its threshold for one alarm a day must be within reach: a few times the spread beyond all."""
    for seed in range(5):
        raw = footage(seed, minutes=0.6)
        found = calibrate(normal(raw), FalseAlarmBudget.parse("1/day"))
        assert 1.0 < np.log(found.threshold / raw.max()) / 0.3 + 1.0 < 8.0


def test_a_smaller_budget_is_a_higher_threshold():
    series = normal(footage(0, minutes=30))
    budgets = ("200/hour", "80/hour", "50/hour", "6/hour", "1/hour", "1/day", "1/week", "1/month")
    thresholds = [calibrate(series, FalseAlarmBudget.parse(budget)).threshold for budget in budgets]
    assert thresholds == sorted(thresholds)
    assert len(set(thresholds)) == len(thresholds)


@pytest.mark.parametrize("factor", [1e-6, 1e3])
def test_the_unit_of_the_scores_does_not_matter(factor):
    raw = footage(0, minutes=10)
    one, other = calibrate(normal(raw)), calibrate(normal(raw * factor))
    assert other.threshold == pytest.approx(factor * one.threshold, rel=1e-4)
    assert other.release == pytest.approx(factor * one.release, rel=1e-4)


def test_recordings_are_not_one_stretch():
    """High scores at the end of a recording and at the beginning of the next are two events."""
    peaks = 3 + np.random.default_rng(0).random((60, 2))
    pieces = [
        np.concatenate([np.full(10, a), np.linspace(1, 1.1, 600), np.full(10, b)]) for a, b in peaks
    ]
    apart = calibrate(normal(*pieces), FalseAlarmBudget.parse("40/hour"))
    joined = calibrate(normal(np.concatenate(pieces)), FalseAlarmBudget.parse("40/hour"))
    assert apart.threshold == pytest.approx(np.sort(peaks.ravel())[-42], rel=0.01)
    assert 3.0 < joined.threshold < apart.threshold


def test_too_short_footage_says_how_much_is_needed():
    found = calibrate(normal(footage(0, minutes=4)), FalseAlarmBudget.parse("1/day"))
    (notice,) = found.notices
    assert notice.startswith("4 minutes of normal footage are too short for 1/day: ")
    assert notice.endswith("calibrate on 24 hours or more")
    # Three in 4 minutes are 1,080 in a day, written with two digits.
    assert "they show only that the true rate is below 1,100/day (95 %), " in notice
    assert "the threshold is extrapolated and 1/day is not promised, " in notice
    assert "which takes 60 minutes at least; " in notice
    assert found.allowance == "1/day (aimed at, not promised)"
    assert (found.rate_low, found.rate_high) == (0.0, pytest.approx(3 * 15))
    assert found.threshold_low <= found.threshold <= found.threshold_high
    assert calibrate(normal(footage(0, minutes=4)), FalseAlarmBudget.parse("15/hour")).notices == ()


def test_from_a_24th_of_what_the_budget_takes_on_it_is_extrapolated():
    raw = np.exp(0.1 * np.random.default_rng(0).standard_normal(7200))
    (notice,) = calibrate(normal(raw, rate_fps=1.0), FalseAlarmBudget.parse("1/day")).notices
    assert "below 36/day (95 %), the threshold is extrapolated; calibrate on" in notice


def test_footage_that_was_trained_on_bounds_no_rate():
    found = calibrate(normal(footage(0, minutes=4)), FalseAlarmBudget.parse("1/day"))
    (notice,) = replace(found, in_sample=True).notices
    assert "was trained on them, so they bound no rate, the threshold is extrapolated" in notice


def test_a_calibration_of_an_earlier_version_claims_no_more_than_was_watched():
    found = calibrate(normal(footage(0, minutes=4)), FalseAlarmBudget.parse("1/day"))
    (notice,) = replace(found, rate_high=9.9 / 24).notices
    assert "below 1,100/day (95 %)" in notice


@pytest.mark.parametrize("budget", ["1/day", "6/hour", "60/hour"])
@pytest.mark.parametrize("minutes", [1, 5, 60])
def test_no_interval_is_narrower_than_the_time_watched_allows(minutes, budget):
    found = calibrate(normal(footage(1, minutes=minutes)), FalseAlarmBudget.parse(budget))
    assert found.rate_high >= 3 / found.hours * (1 - 1e-9)
    assert found.rate_low < found.rate_high


@pytest.mark.parametrize(
    ("seconds", "budget", "said"),
    [
        (45, "1/week", r"45 seconds.* on 7 days"),
        (150, "1/hour", r"2\.5 minutes.* on 60 minutes"),
        (8000, "1/day", r"2\.22 hours"),
    ],
)
def test_lengths_are_told_in_units_of_their_size(seconds, budget, said):
    raw = np.exp(0.1 * np.random.default_rng(0).standard_normal(seconds))
    (notice,) = calibrate(normal(raw, rate_fps=1.0), FalseAlarmBudget.parse(budget)).notices
    assert re.search(said, notice)


@pytest.mark.parametrize("count", [1, 2, 5, 36])
@pytest.mark.parametrize("spread", [0.0, 0.2])
def test_however_little_there_is_a_threshold_lies_above_all_of_it(count, spread):
    raw = 0.25 * np.exp(spread * np.sin(np.arange(count)))
    found = calibrate(normal(raw, in_sample=True), FalseAlarmBudget.parse("1/day"))
    assert found.threshold > raw.max()
    assert found.threshold < 100 * raw.max()
    assert (found.clips, found.in_sample, found.method) == (count, True, "tail")
    assert len(found.notices) == 1


def test_a_budget_beyond_all_events_is_given_what_there_is():
    raw = footage(0, minutes=10)
    found = calibrate(normal(raw), FalseAlarmBudget.parse("100000/hour"))
    assert raw.min() < found.threshold < raw.max()
    assert events_in(raw, found) > 20


def test_the_same_scores_give_the_same_calibration():
    assert calibrate(normal(footage(3, 5))) == calibrate(normal(footage(3, 5)))


def test_the_level_of_maps_is_the_999th_thousandth():
    raw = np.ones(1001)
    peaks = np.random.default_rng(0).permutation(np.arange(1001, dtype=np.float32))
    assert calibrate(normal(raw, map_peak=peaks)).map_level == pytest.approx(999.0)
    assert calibrate(normal(raw, map_peak=np.zeros(1001, np.float32))).map_level > 0


def test_tails_are_those_of_the_parts():
    parts = {
        name: np.arange(1, 1002, dtype=np.float32) * factor
        for name, factor in zip(PARTS[1:4], (1, 10, 100), strict=True)
    }
    found = calibrate(normal(np.ones(1001), **parts))
    for name, factor in zip(PARTS[1:4], (1, 10, 100), strict=True):
        assert found.tails[name].rarity(factor * 901.0) == pytest.approx(1.0, abs=0.01)


def test_a_calibration_comes_back_from_json():
    found = calibrate(
        normal(footage(0, 10)), FalseAlarmBudget.parse("2/week"), EventRules(cool_down_s=7.0)
    )
    assert Calibration.from_dict(json.loads(json.dumps(found.as_dict()))) == found
    # The name that rarities have had in files from the start.
    assert set(found.as_dict()["tails"]["motion"]) == {"values", "surprises", "scale"}


@pytest.mark.parametrize("name", ["threshold", "map_level", "release"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_a_calibration_checks_itself(name, value):
    with pytest.raises(InputError, match=name):
        replace(tiny_calibration(), **{name: value})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"release": 3.0}, "at most the threshold"),
        ({"tails": {}}, "appearance"),
        ({"budget": "often"}, "budget"),
    ],
)
def test_a_calibration_that_makes_no_sense_is_refused(changes, named):
    with pytest.raises(InputError, match=named):
        tiny_calibration(**changes)


def test_a_stand_in_says_that_it_is_none():
    assert placeholder_calibration().clips == 0


def scores(raw=(1.0, 2.0, 3.0), **changes):
    raw = np.asarray(raw, np.float32)
    values = {
        "recording": np.zeros(len(raw), np.int32),
        "time_s": np.arange(len(raw), dtype=float),
        **dict.fromkeys(("raw", "appearance", "motion", "cluster", "map_peak"), raw),
        "rate_fps": 10.0,
        "in_sample": False,
    }
    return NormalScores(**{**values, **changes})


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ([], "got none"),
        ([1.0, 0.0], "1 of 2"),
        ([np.nan], "such as nan"),
        ([1.0, np.inf], "inf"),
        ([-3.0], "-3.0"),
    ],
)
def test_scores_that_are_no_scores_are_refused(raw, found):
    with pytest.raises(InputError, match=found):
        scores(raw)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"motion": np.ones(2, np.float32)}, "of one length"),
        ({"rate_fps": 0.0}, "rate_fps"),
        ({"time_s": np.array([0.0, 2.0, 1.0])}, "in order"),
        ({"recording": np.array([1, 0, 0], np.int32)}, "in order"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes, named):
    with pytest.raises(InputError, match=named):
        scores(**changes)


def test_pieces_are_the_recordings():
    found = scores(recording=np.array([0, 0, 7], np.int32), time_s=np.array([0.0, 1.0, 0.0]))
    assert [(piece.start, piece.stop) for piece in found.pieces()] == [(0, 2), (2, 3)]
    assert found.hours == pytest.approx(3 / 36_000)
    assert replace(found, rate_fps=1.0).hours == pytest.approx(3 / 3_600)
