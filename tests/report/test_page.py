"""Words on pages."""

import jinja2
import pytest

from oddframe.report.page import length_text, plural, rarity, rendered


@pytest.mark.parametrize(
    ("surprise", "words"),
    [(0.0, "as usual"), (0.29, "as usual"), (1.0, "1 in 10"), (2.531, "1 in 340"), (3.21, "1 in 1,600"),
     (5.99, "1 in 980,000"), (6.0, "beyond 1 in a million"), (31.0, "beyond 1 in a million")],
)  # fmt: skip
def test_rarity_in_words(surprise, words):
    assert rarity(surprise) == words


def test_numbers_with_their_nouns():
    assert [plural(count, "event") for count in (0, 1, 2, 1200)] == ["no events", "1 event", "2 events", "1,200 events"]
    assert plural(0, "stretch", "stretches") == "no stretches"


def test_lengths_as_people_say_them():
    assert [length_text(seconds) for seconds in (0.5, 29.9, 60, 754.2, 3600, 7322)] == [
        *("0.5 s", "29.9 s", "1 min 0 s", "12 min 34 s", "1 h 0 min", "2 h 2 min")
    ]


def test_a_fact_that_a_template_lacks_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        rendered("index.html", title="x")
