import pytest

from oddframe.core.budget import DEFAULT_BUDGET, Budget
from oddframe.errors import SettingsError


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
    budget = Budget.parse(text)
    assert budget.per_hour == pytest.approx(per_hour)
    assert str(budget) == again
    assert Budget.parse(again) == budget


def test_rates_are_told_in_the_unit_of_the_budget():
    assert Budget.parse("1/day").in_units(0.5) == "12/day"
    assert Budget.parse("6/hour").in_units(0.123) == "0.12/hour"


def test_a_high_rate_is_written_without_an_exponent():
    assert Budget.parse("1/hour").in_units(234.0) == "230/hour"
    assert Budget.parse("1/week").in_units(100.0) == "17,000/week"


@pytest.mark.parametrize(
    "text", ["", "often", "1/fortnight", "-1/day", "0/day", "1/", "/day", "inf/day", "1e9/day", "1/day/2"]
)
def test_what_is_no_budget_is_refused(text):
    with pytest.raises(SettingsError, match="a false-alarm budget must"):
        Budget.parse(text)
