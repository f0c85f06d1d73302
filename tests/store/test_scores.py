from itertools import pairwise

import pytest

from oddframe.errors import InputError
from oddframe.store.store import Store
from tests.support.alerting import NOON_US

SECOND = 1_000_000


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path, clock=lambda: NOON_US) as opened:
        yield opened


def test_a_second_has_the_peak_and_the_mean_of_its_scores(store):
    for number, score in enumerate([0.1, 0.7, 0.4, 0.2, 0.6, 0.9]):
        store.put_score("yard", NOON_US + number * SECOND // 3, score)
    store.put_score("gate", NOON_US, 0.3)
    store.flush(120)
    spans = store.reader.scores("yard", NOON_US, NOON_US + 10 * SECOND)
    assert [(span.start_us - NOON_US, span.peak, span.mean) for span in spans] == [
        (0, 0.7, 0.4),
        (SECOND, 0.9, pytest.approx(1.7 / 3, abs=1e-4)),
    ]
    assert len(store.reader.scores("gate", NOON_US, NOON_US + 10 * SECOND)) == 1
    assert store.reader.scores("none", NOON_US, NOON_US + 10 * SECOND) == []


def fill(store, count, score=lambda second: 0.5, start=NOON_US // SECOND):
    for second in range(start, start + count):
        store.put_score("yard", second * SECOND, score(second))
    assert store.flush(120)


@pytest.mark.parametrize(
    ("length", "most"), [(300, 1000), (300, 7), (7_300, 50), (7_300, 3), (3_600, 60)]
)
def test_coarse_spans_keep_every_peak_and_the_mean(store, length, most):
    start = NOON_US // SECOND
    scores = [(31 * number % 97) / 100 for number in range(length)]
    fill(store, length, lambda second: scores[second - start])
    spans = store.reader.scores("yard", NOON_US, NOON_US + length * SECOND, most)
    assert len(spans) <= most
    assert len(spans) > most / 3 or len(spans) == length
    widths = {later.start_us - earlier.start_us for earlier, later in pairwise(spans)}
    assert len(widths) == 1
    (width,) = widths
    for span in spans:
        inside = [
            scores[second]
            for second in range(length)
            if 0 <= (start + second) * SECOND - span.start_us < width
        ]
        assert span.peak == max(inside)
        assert span.mean == pytest.approx(sum(inside) / len(inside), abs=1e-4)


def test_gaps_are_left_out(store):
    fill(store, 10)
    fill(store, 10, start=NOON_US // SECOND + 50)
    spans = store.reader.scores("yard", NOON_US, NOON_US + 60 * SECOND, 6)
    assert [(span.start_us - NOON_US) // SECOND for span in spans] == [0, 50]


def test_a_second_that_comes_again_keeps_the_peak_and_its_minute_is_right(store):
    fill(store, 120, lambda _: 0.8)
    fill(store, 120, lambda _: 0.2)
    seconds = store.reader.scores("yard", NOON_US, NOON_US + 120 * SECOND)
    assert [(span.peak, span.mean) for span in seconds] == 120 * [(0.8, 0.2)]
    hour = store.reader.scores("yard", NOON_US, NOON_US + 3600 * SECOND, 1)
    assert [(span.peak, span.mean) for span in hour] == [(0.8, 0.2)]


@pytest.mark.parametrize("most", [1, 2, 5, 40, 400])
def test_the_scores_of_many_cameras_are_those_of_each(store, most):
    start = NOON_US // SECOND
    for second in range(start, start + 4 * 3_600, 37):
        store.put_score("yard", second * SECOND, second % 89 / 100)
        if second % 3:
            store.put_score("gate", second * SECOND, second % 53 / 100)
    store.put_score("vault", NOON_US, 0.9)
    assert store.flush(120)
    stretch = (NOON_US, NOON_US + 4 * 3_600 * SECOND, most)
    found = store.reader.score_columns(["yard", "gate", "empty"], *stretch)
    assert sorted(found) == ["gate", "yard"]
    for name, columns in found.items():
        spans = store.reader.scores(name, *stretch)
        assert 0 < len(spans) <= most
        rows = [(span.start_us, span.peak, span.mean) for span in spans]
        assert list(zip(*columns, strict=True)) == rows


def test_spans_of_hours_have_the_highest_score_and_the_mean_of_their_seconds(store):
    start = NOON_US // SECOND
    scores = {second: second % 89 / 100 for second in range(start, start + 4 * 3_600, 37)}
    for second, score in scores.items():
        store.put_score("yard", second * SECOND, score)
    assert store.flush(120)
    spans = store.reader.scores("yard", NOON_US, NOON_US + 4 * 3_600 * SECOND, 3)
    width = spans[1].start_us - spans[0].start_us
    assert width % (3_600 * SECOND) == 0
    for span in spans:
        inside = [
            score
            for second, score in scores.items()
            if 0 <= second * SECOND - span.start_us < width
        ]
        assert span.peak == max(inside)
        assert span.mean == pytest.approx(sum(inside) / len(inside), abs=1e-4)


def test_an_empty_stretch_is_an_error(store):
    with pytest.raises(InputError, match="from an earlier to a later time"):
        store.reader.scores("yard", NOON_US, NOON_US)
    with pytest.raises(InputError, match="at least 1 span"):
        store.reader.scores("yard", NOON_US, NOON_US + 1, 0)
