import json
from dataclasses import asdict

import pytest
from dying import full_at

from oddframe.core.records import Event
from oddframe.errors import OutputError
from oddframe.sinks.event_lines import write_event_lines

EVENTS = [Event("a1", "Tür", 1.0, 2.5, 1.5, 0.9), Event("b2", "Tür", 7.0, 7.0, 7.0, 0.6)]


def test_each_event_is_an_object_on_a_line_of_its_own(tmp_path):
    write_event_lines(tmp_path / "a.jsonl", EVENTS)
    text = (tmp_path / "a.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line) for line in text.splitlines()] == [asdict(event) for event in EVENTS]
    assert text.endswith("}\n")
    assert "Tür" in text


def test_no_events_are_an_empty_file(tmp_path):
    write_event_lines(tmp_path / "a.jsonl", [])
    assert (tmp_path / "a.jsonl").read_bytes() == b""


def test_a_full_disk_leaves_the_old_lines(tmp_path):
    write_event_lines(tmp_path / "a.jsonl", EVENTS)
    before = (tmp_path / "a.jsonl").read_bytes()
    with full_at(0, tmp_path), pytest.raises(OutputError, match="the disk is full"):
        write_event_lines(tmp_path / "a.jsonl", [])
    assert (tmp_path / "a.jsonl").read_bytes() == before
