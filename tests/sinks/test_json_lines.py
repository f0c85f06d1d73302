import json

import pytest
from alerting import made_alert
from dying import full_at

from oddframe.errors import DeliveryError
from oddframe.sinks.alert_sink import message_of
from oddframe.sinks.json_lines import JsonLines, JsonLinesConfig


@pytest.fixture
def sink(tmp_path):
    return JsonLines(JsonLinesConfig(path=tmp_path / "new" / "events.jsonl"))


def lines(tmp_path):
    return [json.loads(line) for line in (tmp_path / "new" / "events.jsonl").read_text().splitlines()]


def test_each_alert_is_a_line_at_the_end(sink, tmp_path):
    for number in range(3):
        sink.deliver(message_of(made_alert(number, source="Tür")))
    assert lines(tmp_path) == [message_of(made_alert(number, source="Tür")) for number in range(3)]


def test_half_a_line_that_a_kill_left_spoils_no_other(sink, tmp_path):
    sink.deliver(message_of(made_alert(0)))
    path = tmp_path / "new" / "events.jsonl"
    path.write_text(path.read_text() + '{"id": ')
    sink.deliver(message_of(made_alert(1)))
    first, half, second = path.read_text().splitlines()
    assert half == '{"id": '
    assert [json.loads(line)["id"][-1] for line in (first, second)] == ["0", "1"]


def test_a_file_that_was_moved_away_is_begun_anew(sink, tmp_path):
    sink.deliver(message_of(made_alert(0)))
    path = tmp_path / "new" / "events.jsonl"
    path.rename(path.with_suffix(".1"))
    sink.deliver(message_of(made_alert(1)))
    assert [line["id"][-1] for line in lines(tmp_path)] == ["1"]


def test_a_full_disk_is_an_error_to_try_again_after(sink, tmp_path):
    with full_at(0, tmp_path), pytest.raises(DeliveryError, match="the disk is full"):
        sink.deliver(message_of(made_alert()))
    sink.deliver(message_of(made_alert()))
    assert len(lines(tmp_path)) == 1
