"""Lines of JSON at the end of a file: one line, all alerts in a file, the events of each camera."""

import json
import os

import pytest

from oddframe.core.alerts import CameraStatus
from oddframe.errors import DeliveryError
from oddframe.results.event_files import event_line, event_lines
from oddframe.sinks.delivery import Delivery
from oddframe.sinks.jsonl import EventFiles, JsonLines, JsonLinesConfig, append_line
from oddframe.sinks.sink import message_of
from tests.support.alerting import made_alert, made_event
from tests.support.dying import full_at

PHASES = ("start", "update", "end")


def test_lines_go_to_the_end_of_a_file_that_is_made_where_there_is_none(tmp_path):
    path = tmp_path / "new" / "a.jsonl"
    for line in ("one\n", "two\n", "ü three\n"):
        append_line(path, line)
    assert path.read_text() == "one\ntwo\nü three\n"


def test_half_a_line_is_ended_and_the_next_one_is_whole(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("one\ntw")
    append_line(path, "two\n")
    assert path.read_text() == "one\ntw\ntwo\n"


def test_a_line_that_is_the_last_one_already_is_not_written_again(tmp_path):
    path = tmp_path / "a.jsonl"
    for line in ("one\n", "one\n", "two\n", "two\n", "one\n"):
        append_line(path, line)
    assert path.read_text() == "one\ntwo\none\n"


def test_a_line_that_only_ends_as_another_does_is_written(tmp_path):
    path = tmp_path / "a.jsonl"
    append_line(path, "twenty-one\n")
    append_line(path, "one\n")
    assert path.read_text() == "twenty-one\none\n"


def test_a_disk_that_takes_half_of_a_line_is_left_without_it(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    append_line(path, "one\n")

    class HalfWritten:
        """A file that takes half of what it is given, as a disk that is nearly full does."""

        def __init__(self, file):
            self.file = file

        def __getattr__(self, name):
            return getattr(self.file, name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, data):
            return self.file.write(data[: len(data) // 2])

    opening = type(path).open
    with monkeypatch.context() as patched:
        patched.setattr(
            type(path), "open", lambda *args, **options: HalfWritten(opening(*args, **options))
        )
        with pytest.raises(OSError, match="No space left"):
            append_line(path, "twenty-two\n")
    assert path.read_text() == "one\n"


def test_a_full_disk_is_an_error(tmp_path):
    with full_at(0, tmp_path), pytest.raises(OSError, match=os.strerror(28)):
        append_line(tmp_path / "a.jsonl", "one\n")


@pytest.fixture
def sink(tmp_path):
    return JsonLines(JsonLinesConfig(path=tmp_path / "new" / "events.jsonl"))


def written(tmp_path):
    return [
        json.loads(line) for line in (tmp_path / "new" / "events.jsonl").read_text().splitlines()
    ]


def test_each_alert_is_a_line_at_the_end(sink, tmp_path):
    for number in range(3):
        sink.deliver(message_of(made_alert(number, source="Tür")))
    assert written(tmp_path) == [
        message_of(made_alert(number, source="Tür")) for number in range(3)
    ]


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
    assert [line["id"][-1] for line in written(tmp_path)] == ["1"]


def test_a_full_disk_is_a_failure_after_which_an_alert_is_delivered(sink, tmp_path):
    with full_at(0, tmp_path), pytest.raises(DeliveryError, match="the disk is full"):
        sink.deliver(message_of(made_alert()))
    sink.deliver(message_of(made_alert()))
    assert len(written(tmp_path)) == 1


def test_a_cameras_file_has_the_lines_that_a_scored_recording_has(tmp_path):
    with event_lines(tmp_path / "scored.jsonl") as lines:
        for phase in PHASES:
            lines.write(
                made_event(3, phase, "Tür 1", parts={"motion": 1e-7, "appearance": 1 / 3}, box=None)
            )
    sink = EventFiles(tmp_path / "out", ["Tür 1"])
    for phase in PHASES:
        alert = made_alert(
            3, phase, source="Tür 1", parts={"motion": 1e-7, "appearance": 1 / 3}, box=None
        )
        # As it comes back from the queue on disk.
        sink.deliver(json.loads(json.dumps(message_of(alert))))
    assert (tmp_path / "out" / "Tür 1.events.jsonl").read_bytes() == (
        tmp_path / "scored.jsonl"
    ).read_bytes()


def test_each_camera_has_a_file_and_others_have_none(tmp_path):
    sink = EventFiles(tmp_path, {"yard", "a.b"})
    for name in ("yard", "a.b", "recording", "../yard"):
        sink.deliver(message_of(made_alert(1, source=name)))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.b.events.jsonl",
        "yard.events.jsonl",
    ]
    assert (tmp_path / "yard.events.jsonl").read_text() == event_line(made_event(1))


def test_an_alert_that_is_sent_again_after_a_kill_is_there_once(tmp_path):
    sink = EventFiles(tmp_path, {"yard"})
    for phase in PHASES:
        sink.deliver(message_of(made_alert(1, phase)))
    EventFiles(tmp_path, {"yard"}).deliver(message_of(made_alert(1, "end")))
    assert len((tmp_path / "yard.events.jsonl").read_text().splitlines()) == 3


def test_a_full_disk_is_a_failure_after_which_an_event_is_delivered(tmp_path):
    sink = EventFiles(tmp_path / "out", {"yard"})
    with (
        full_at(0, tmp_path),
        pytest.raises(DeliveryError, match=r"yard\.events\.jsonl could not .* disk is full"),
    ):
        sink.deliver(message_of(made_alert()))
    sink.deliver(message_of(made_alert()))
    assert (tmp_path / "out" / "yard.events.jsonl").read_text() == event_line(made_event())


def test_what_waits_is_written_after_a_restart(tmp_path):
    (tmp_path / "out").write_text("in the way")
    with Delivery(
        {"events": EventFiles(tmp_path / "out", {"yard"})}, tmp_path / "queue"
    ) as delivery:
        delivery.report(CameraStatus(camera="yard", at_us=0, online=True, state="live"))
        delivery.offer_all(made_alert(1, phase) for phase in PHASES)
    (tmp_path / "out").unlink()
    with Delivery(
        {"events": EventFiles(tmp_path / "out", {"yard"})}, tmp_path / "queue"
    ) as delivery:
        assert delivery.flush(120)
    written = (tmp_path / "out" / "yard.events.jsonl").read_text()
    assert written == "".join(event_line(made_event(1, phase)) for phase in PHASES)
