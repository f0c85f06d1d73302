import json

import numpy as np
import pytest
from dying import full_at

from oddframe.core.records import Event
from oddframe.errors import OutputError
from oddframe.sinks.event_lines import event_line, event_lines

PARTS = {"appearance": 3.25, "motion": 0.5, "cluster": 1.0}
MASK = np.ones((2, 2), bool)
START = Event("a1", "anomaly", "start", "Tür", 1.0, 1.3, 1.1, 0.8, (0.1, 0.2, 0.3, 0.4), "looks wrong", PARTS, MASK)
END = Event("a1", "anomaly", "end", "Tür", 1.0, 2.5, 1.5, 0.9, None, "looks wrong", PARTS)


def written(path, *some):
    with event_lines(path) as lines:
        for event in some:
            lines.write(event)


def test_each_phase_is_an_object_on_a_line_of_its_own(tmp_path):
    written(tmp_path / "a.jsonl", START, END)
    text = (tmp_path / "a.jsonl").read_text(encoding="utf-8")
    assert text == event_line(START) + event_line(END)
    assert [json.loads(line) for line in text.splitlines()] == [START.as_dict(), END.as_dict()]


def test_the_line_is_this_and_nothing_else():
    assert event_line(START) == (
        '{"id": "a1", "kind": "anomaly", "phase": "start", "source": "Tür", "start_s": 1.0, "end_s": 1.3, '
        '"peak_s": 1.1, "score": 0.8, "box": [0.1, 0.2, 0.3, 0.4], "reason": "looks wrong", '
        '"parts": {"appearance": 3.25, "motion": 0.5, "cluster": 1.0}}\n'
    )


def test_no_events_are_an_empty_file(tmp_path):
    written(tmp_path / "a.jsonl")
    assert (tmp_path / "a.jsonl").read_bytes() == b""


def test_a_full_disk_leaves_the_old_lines(tmp_path):
    written(tmp_path / "a.jsonl", START)
    before = (tmp_path / "a.jsonl").read_bytes()
    with full_at(0, tmp_path), pytest.raises(OutputError, match="the disk is full"):
        written(tmp_path / "a.jsonl")
    assert (tmp_path / "a.jsonl").read_bytes() == before
