import json

import pytest
from alerting import made_alert, made_event
from dying import full_at

from oddframe.core.alerts import CameraStatus
from oddframe.errors import DeliveryError
from oddframe.sinks.alert_sink import message_of
from oddframe.sinks.delivery import Delivery
from oddframe.sinks.event_files import EventFiles
from oddframe.sinks.event_lines import event_line, event_lines

PHASES = ("start", "update", "end")


def test_a_cameras_file_has_the_lines_that_a_scored_recording_has(tmp_path):
    with event_lines(tmp_path / "scored.jsonl") as lines:
        for phase in PHASES:
            lines.write(made_event(3, phase, "Tür 1", parts={"motion": 1e-7, "appearance": 1 / 3}, box=None))
    sink = EventFiles(tmp_path / "out", ["Tür 1"])
    for phase in PHASES:
        alert = made_alert(3, phase, source="Tür 1", parts={"motion": 1e-7, "appearance": 1 / 3}, box=None)
        # As it comes back from the queue on disk.
        sink.deliver(json.loads(json.dumps(message_of(alert))))
    assert (tmp_path / "out" / "Tür 1.events.jsonl").read_bytes() == (tmp_path / "scored.jsonl").read_bytes()


def test_each_camera_has_a_file_and_others_have_none(tmp_path):
    sink = EventFiles(tmp_path, {"yard", "a.b"})
    for name in ("yard", "a.b", "recording", "../yard"):
        sink.deliver(message_of(made_alert(1, source=name)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.b.events.jsonl", "yard.events.jsonl"]
    assert (tmp_path / "yard.events.jsonl").read_text() == event_line(made_event(1))


def test_an_alert_that_is_sent_again_after_a_kill_is_there_once(tmp_path):
    sink = EventFiles(tmp_path, {"yard"})
    for phase in PHASES:
        sink.deliver(message_of(made_alert(1, phase)))
    EventFiles(tmp_path, {"yard"}).deliver(message_of(made_alert(1, "end")))
    assert len((tmp_path / "yard.events.jsonl").read_text().splitlines()) == 3


def test_a_full_disk_is_an_error_to_try_again_after(tmp_path):
    sink = EventFiles(tmp_path / "out", {"yard"})
    with full_at(0, tmp_path), pytest.raises(DeliveryError, match=r"yard\.events\.jsonl could not .* disk is full"):
        sink.deliver(message_of(made_alert()))
    sink.deliver(message_of(made_alert()))
    assert (tmp_path / "out" / "yard.events.jsonl").read_text() == event_line(made_event())


def test_what_waits_is_written_after_a_restart(tmp_path):
    (tmp_path / "out").write_text("in the way")
    with Delivery({"events": EventFiles(tmp_path / "out", {"yard"})}, tmp_path / "queue") as delivery:
        delivery.report(CameraStatus(camera="yard", at_us=0, online=True, state="live"))
        delivery.offer_all(made_alert(1, phase) for phase in PHASES)
    (tmp_path / "out").unlink()
    with Delivery({"events": EventFiles(tmp_path / "out", {"yard"})}, tmp_path / "queue") as delivery:
        assert delivery.flush(120)
    written = (tmp_path / "out" / "yard.events.jsonl").read_text()
    assert written == "".join(event_line(made_event(1, phase)) for phase in PHASES)
