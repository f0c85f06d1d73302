"""What `oddframe watch` of 0.1.0 left is gone on with: database, pictures, lines and queues."""

import json
import os
import sqlite3
import subprocess
import sys

import pytest

from oddframe.store.reader import StoreReader
from tests.support.alerting import hook
from tests.support.old_version import copy_stored
from tests.support.surface import FOUND_OTHERWISE, missing

EVENTS = (
    "SELECT events.*, cameras.name FROM events JOIN cameras USING (camera) ORDER BY events.row",
    "SELECT * FROM seconds ORDER BY camera, second",
    "SELECT * FROM states ORDER BY camera, at_us",
    "SELECT * FROM thresholds ORDER BY camera, at_us",
    "SELECT * FROM reviews ORDER BY event",
    "SELECT * FROM feedback ORDER BY camera, start_us",
    "SELECT * FROM revisions ORDER BY number",
)


def rows(folder):
    """All that the database holds, as it was made: a table of columns for each row."""
    database = sqlite3.connect(folder / "oddframe.sqlite")
    database.row_factory = sqlite3.Row
    try:
        return [[dict(row) for row in database.execute(query)] for query in EVENTS]
    finally:
        database.close()


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def watched_on(left, tmp_path_factory):
    """The folder after this version watched again, what the receiver took, and the report."""
    place = copy_stored(tmp_path_factory.mktemp("on") / "v0_1_0")
    out = place / "watched"
    with hook() as receiver:
        command = [
            sys.executable,
            "-m",
            "oddframe",
            "watch",
            "-c",
            out / "cameras.toml",
            "-o",
            out,
            "--fast",
            "--json",
        ]
        environment = {**os.environ, "HOOK": receiver.url}
        done = subprocess.run(
            [str(one) for one in command], env=environment, check=True, capture_output=True
        )
        taken = [json.loads(body) for body in receiver.taken]
    return out, taken, json.loads(done.stdout)


def test_every_row_is_still_there(left, watched_on):
    before, now = rows(left / "watched"), rows(watched_on[0])
    assert [len(one) > 0 for one in before] == [True, True, True, True, False, False, False]
    for old, new in zip(before, now, strict=True):
        # What is newer has come behind or between.
        assert [one for one in old if not any(missing(one, other) == [] for other in new)] == []
    assert len(now[0]) == 2 * len(before[0])


def test_the_events_are_read_from_the_database_as_the_lines_tell_them(watched_on, left):
    reader = StoreReader(watched_on[0])
    try:
        assert reader.cameras() == ["door"]
        stored = reader.events()[-1].alert
    finally:
        reader.close()
    end = lines(left / "watched/lines.jsonl")[-1]
    event = stored.event
    assert (event.id, event.phase, event.reason, event.score) == (
        end["id"],
        "end",
        end["reason"],
        end["score"],
    )
    assert (list(event.box), dict(event.parts)) == (end["box"], end["parts"])
    assert (event.start_s, event.end_s) == (end["start_s"], end["end_s"])
    assert stored.key == end["key"]


def test_pictures_and_clips_are_still_there(left, watched_on):
    files = [
        path.relative_to(left) for path in (left / "watched/events").rglob("*") if path.is_file()
    ]
    assert len(files) == 2
    for path in files:
        assert (watched_on[0].parent / path).read_bytes() == (left / path).read_bytes()


def test_waiting_messages_are_delivered_first_and_in_order(left, watched_on):
    waited = [
        json.loads(path.read_text())
        for path in sorted((left / "watched/queue/hook").glob("*.json"))
    ]
    assert [one["phase"] for one in waited] == ["update", "end"]
    assert watched_on[1][:2] == waited
    assert list(watched_on[0].glob("queue/hook/0*.json")) == []
    refused = (left / "watched/queue/hook/refused.jsonl").read_text()
    assert (watched_on[0] / "queue/hook/refused.jsonl").read_text() == refused


def test_new_messages_have_the_keys_of_old_ones_and_lines_follow_lines(left, watched_on):
    out, taken, _ = watched_on
    before = lines(left / "watched/lines.jsonl")
    now = lines(out / "lines.jsonl")
    assert now[: len(before)] == before
    assert [one["phase"] for one in now[len(before) :]] == ["start", "update", "end"]
    assert all(set(before[0]) <= set(one) for one in [*now, *taken])
    moments = ("key", "id", "start", "peak", "end", "snapshot", "clip", FOUND_OTHERWISE)
    assert missing(before, now[len(before) :], nearly=5e-2, but=moments) == []


def test_the_report_of_watch_is_as_it_was(watched_on, told):
    """Every key; speed is of the machine, and so is a notice of what was found to be fast."""
    before, now = told("watch"), watched_on[2]
    speed = (
        "notices",
        "seconds",
        "rate_fps",
        "silent_s",
        "inference_ms",
        "recent",
        "score",
        "dropped",
        "retry_s",
        "out",
        "snapshot",
        "clip",
        FOUND_OTHERWISE,
    )
    assert missing(before, now, nearly=5e-2, but=speed) == []


def test_events_of_a_file_are_lines_as_they_were(left, watched_on):
    before, now = (
        lines(left / "watched/door.events.jsonl"),
        lines(watched_on[0] / "door.events.jsonl"),
    )
    assert missing(before, now[-3:], nearly=5e-2, but=["id", FOUND_OTHERWISE]) == []
