"""The page of stored events: one file with their pictures, which loads nothing and runs nothing."""

import re
from datetime import UTC, datetime

import numpy as np
import pytest

from oddframe.core.alerts import alert
from oddframe.report.events_page import MOST_STACKS, events_page
from oddframe.store.events import Review
from oddframe.store.stacks import StackPage
from oddframe.store.store import Store
from tests.support.alerting import NOON_US, made_event, wall

MADE = datetime(2026, 9, 22, 6, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    """A store with a stack of three events with pictures, and one of another camera without."""
    # Of the time of the events: they are older than is kept.
    with Store(tmp_path, clock=lambda: NOON_US) as store:
        for number in range(3):
            record = alert(made_event(number, "end", score=0.7 + number / 10), wall)
            store.put_event(record)
            store.put_snapshot(record, np.full((96, 160, 3), 60 + 40 * number, np.uint8))
        store.put_event(
            alert(made_event(9, "end", source="<b>door</b>", reason="looks wrong", box=None), wall)
        )
        assert store.flush(120)
        yield store


def page_of(store, **filters):
    page = store.reader.stacks(**filters)
    return events_page(page, store.folder, {"camera": "<yard>"}, MADE)


def test_a_stack_stands_with_its_pictures_verdict_note_and_description(store):
    store.review_event(3, Review("important", "ask <Anna>", 1, "bob"))
    store.put_description(store.reader.events(row=3)[0].alert, "A cart & a dog.")
    store.flush()
    html = page_of(store)
    assert "4 events of 2 cameras: 1 important." in html
    assert html.count("<article") == 3
    assert html.count("data:image/webp;base64,") == 2 + 1
    for text in ("important by bob", "ask &lt;Anna&gt;", "A cart &amp; a dog.", "&lt;yard&gt;"):
        assert text in html, text
    assert "2026-09-21 14:13:40" in html
    assert "Moves wrong" in html
    assert "No picture is kept of this event." in html


def test_like_events_are_counted_and_shown_small(store):
    html = page_of(store)
    assert re.search(r">\W3</span>", html)
    assert "3 similar events, from 2026-09-21 14:13:20 to 2026-09-21 14:13:40." in html
    assert html.count("data:image/webp;base64,") == 3


def test_the_page_loads_nothing_and_text_of_others_runs_nowhere(store):
    html = page_of(store)
    assert "default-src &#39;none&#39;" in html or "default-src 'none'" in html
    assert "<b>door" not in html
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', html) == []


def test_a_page_says_what_it_leaves_out(store, tmp_path):
    found = store.reader.stacks()
    many = StackPage(found.stacks, MOST_STACKS + 7, 9_999, is_cut=True)
    html = events_page(many, tmp_path, {}, MADE)
    assert "205 further stacks of events are left out" in html
    assert "Older events are left out" in html
    nothing = events_page(StackPage((), 0, 0, is_cut=False), tmp_path, {}, MADE)
    assert "No event fits these filters." in nothing


def test_a_changed_database_puts_no_other_file_into_the_page(store, tmp_path):
    outside = tmp_path.parent / f"{tmp_path.name}-outside.jpg"
    source = next((tmp_path / "events").rglob("*.jpg"))
    outside.write_bytes(source.read_bytes())
    source.unlink()
    source.symlink_to(outside)
    assert page_of(store).count("data:image/webp;base64,") == 2
