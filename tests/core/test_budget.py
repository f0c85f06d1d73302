"""What a budget rests on, and what a count of events shows of their rate."""

import pytest
from scipy.stats import chi2

from oddframe.core.budget import PROMISED_SHARE, FalseAlarmBudget, rate_bounds, standing


@pytest.mark.parametrize("hours", [35 / 3600, 1.0, 100.0])
def test_quiet_time_bounds_no_rate_below_three_in_it(hours):
    assert rate_bounds(0, hours) == (0.0, 3.0 / hours)


@pytest.mark.parametrize("events", [1, 2, 5, 30, 1000])
def test_a_count_has_the_interval_of_poisson(events):
    low, high = rate_bounds(events, 2.0)
    exact = chi2.ppf(0.025, 2 * events) / 4
    assert 0.5 * exact < low < 1.001 * exact
    assert high == pytest.approx(chi2.ppf(0.975, 2 * events + 2) / 4, rel=0.01)


@pytest.mark.parametrize(
    ("text", "hours", "rests_on", "written"),
    [
        ("1/day", 24.0, "watched", "1/day"),
        ("1/day", 23.9, "extrapolated", "1/day (extrapolated)"),
        ("1/day", 1.0, "extrapolated", "1/day (extrapolated)"),
        ("1/day", 0.99, "not promised", "1/day (aimed at, not promised)"),
        ("6/hour", 1.0, "watched", "6/hour"),
        ("6/hour", 35 / 3600, "extrapolated", "6/hour (extrapolated)"),
        ("1/week", 24 * 7 * PROMISED_SHARE, "extrapolated", "1/week (extrapolated)"),
    ],
)
def test_a_budget_says_what_it_rests_on(text, hours, rests_on, written):
    budget = FalseAlarmBudget.parse(text)
    assert standing(budget, hours) == rests_on
    assert budget.resting_on(hours) == written
