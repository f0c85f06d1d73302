"""Learning a camera through the API: recording, training, the footage; also after a kill."""

import json
import subprocess
import sys
import tomllib
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

import pytest

from oddframe.monitoring.footage import footage_folder, list_segments, segment_path
from oddframe.web.context import now_us
from oddframe.web.learning import Learner
from oddframe.web.learning_order import Learning
from tests.support.stream_server import StreamServer, http
from tests.support.stream_server import video as video_answer
from tests.support.tiny import tiny_settings, toml_text, walk

SECRET = "geheim"
GONE = f"rtsp://bob:{SECRET}@127.0.0.1:9/live"


@pytest.fixture
def camera(video):
    """A server that shows the same scene again and again, as a live camera."""
    path = video("live.ts", frames=90, rate_fps=30, draw=walk)
    with StreamServer(video_answer(path)) as server:
        yield server


@pytest.fixture
def quick(data):
    """Has the data folder train as shortly as may be."""
    settings = tiny_settings(pretrain_steps=2, joint_steps=2)
    (data / "learning.toml").write_text(toml_text(settings))


def begun(client, **given):
    answer = client.post("/api/v1/learning", json={"name": "gate", **given})
    assert answer.status_code == 201, answer.text
    return answer.json()


def put_segment(folder, camera, minutes_ago):
    """Write a file that is named like a segment of a minute."""
    path = segment_path(folder, camera, now_us() - minutes_ago * 60_000_000, 60.0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path = path.with_name(f"{path.name}.mp4")
    path.write_bytes(b"x" * 100)
    return path


@pytest.mark.slow
def test_a_camera_without_a_model_is_recorded_learnt_and_watched(
    client, data, camera, quick, until
):
    record = begun(client, source=camera.url(), hours=3 / 3600, false_alarms="2/hour", at_once=True)
    assert (record["state"], record["stage"], record["model"]) == ("recording", "record", None)
    assert client.get("/api/v1/cameras").json()["cameras"] == []
    answer = client.post("/api/v1/learning", json={"name": "gate", "source": camera.url()})
    assert answer.status_code == 409

    def finished():
        record = client.get("/api/v1/learning/gate").json()
        assert record["state"] != "failed", record
        return record if record["state"] == "finished" else None

    # A training is a process of low priority, and this machine may be busy.
    record = until(finished, 900)
    assert record["held_out"]
    found = client.get("/api/v1/cameras/gate").json()
    assert (found["model"], found["budget"]) == (record["model"], "2/hour")
    until(lambda: client.get("/api/v1/cameras/gate").json()["score"] is not None)
    # What was recorded goes after the training, unless it is to be kept.
    until(lambda: client.get("/api/v1/footage/gate").json()["segments"] == [])
    names = [model["name"] for model in client.get("/api/v1/models").json()["models"]]
    assert record["model"] in names


@pytest.mark.slow
def test_a_camera_that_is_watched_gets_a_new_model_and_keeps_the_old_one_at_hand(
    client, data, clip, quick, until
):
    clip(frames=60)
    given = {"name": "gate", "source": "yard.mp4", "model": "models/tiny", "loop": True}
    assert client.post("/api/v1/cameras", json=given).status_code == 201
    record = begun(client, at_once=True)
    assert (record["state"], record["previous"]) == ("training", "models/tiny")
    record = until(
        lambda: (one := client.get("/api/v1/learning/gate").json())["state"] == "finished" and one,
        900,
    )
    assert client.get("/api/v1/cameras/gate").json()["model"] == record["model"]
    (table,) = tomllib.loads((data / "cameras.toml").read_text())["camera"]
    assert table == {**given, "model": record["model"]}
    # The model of before knows another view than this camera shows, which somebody must confirm.
    back = {"model": record["previous"]}
    assert client.put("/api/v1/cameras/gate", json=back).status_code == 409
    answer = client.put("/api/v1/cameras/gate", json={**back, "other_view": True})
    assert answer.json()["model"] == "models/tiny"


@pytest.mark.slow
def test_a_recording_is_paused_goes_on_and_is_cancelled(client, data, camera, until):
    begun(client, source=camera.url(), hours=1)
    until(lambda: client.get("/api/v1/footage/gate").json()["segments"])
    record = client.post("/api/v1/learning/gate/pause").json()
    assert record["state"] == "paused"
    state = data / "footage" / "gate" / "progress.json"
    until(lambda: json.loads(state.read_text())["state"] == "stopped")
    assert json.loads(state.read_text())["stage"] == "record"
    passed_s = json.loads(state.read_text())["seconds"]
    assert client.post("/api/v1/learning/gate/resume").json()["state"] == "recording"
    until(lambda: json.loads(state.read_text())["state"] == "running")
    assert json.loads(state.read_text())["seconds"] >= passed_s
    assert client.delete("/api/v1/learning/gate?footage=true").status_code == 204
    assert client.get("/api/v1/learning").json() == {"learnings": []}
    assert client.get("/api/v1/learning/gate").status_code == 404
    assert list((data / "footage").rglob("*.mp4")) == []


def new_learner(data):
    return Learner(data, address_of=lambda name: None, adopt=lambda *model: None)


def is_alive(pid):
    """Whether a process works; one that has ended and that nobody took note of has no arguments."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except OSError:
        return False


UNTIL_KILLED = """
import sys
from pathlib import Path
from oddframe.web.learning import Learner
from oddframe.web.learning_order import Learning
learner = Learner(Path(sys.argv[1]), address_of=lambda name: None, adopt=lambda *model: None)
learner.begin(Learning(name="gate", source=sys.argv[2], for_s=3600.0))
learner.start()
sys.stdin.read()
"""


def test_a_server_that_was_killed_goes_on_with_what_it_recorded(data, camera, until):
    folder = data / "footage" / "gate"
    command = [sys.executable, "-c", UNTIL_KILLED, str(data), camera.url()]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as server:
        until(lambda: list_segments(folder))
        server.kill()
    second = new_learner(data)
    left = second.learning("gate").pid
    # The recording of before works on, and nobody looks after it.
    assert is_alive(left)
    assert second.learning("gate").state == "recording"
    before = list_segments(folder)
    second.start()
    try:
        until(lambda: second.learning("gate").pid != left)
        assert not is_alive(left)
        until(lambda: len(list_segments(folder)) > len(before) + 1)
        assert set(before) <= set(list_segments(folder))
        assert second.learning("gate").error is None
    finally:
        second.remove("gate", footage=True)
        second.stop()
    assert list_segments(folder) == []


def test_what_a_camera_refuses_is_told_without_its_password(client, data, until):
    with StreamServer(http(status="401 Unauthorized")) as server:
        url = server.url(login=f"bob:{SECRET}@")
        begun(client, source=url, hours=0.5 / 3600)
        record = until(lambda: (one := client.get("/api/v1/learning/gate").json())["error"] and one)
    assert record["state"] == "failed"
    assert "refuses the user name" in record["error"]
    assert SECRET not in client.get("/api/v1/learning").text
    assert SECRET not in (data / "learning" / "gate" / "log.txt").read_text()


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        ({}, 404, "needs its source"),
        ({"source": "/etc/passwd"}, 422, "must lie in the data folder"),
        ({"source": "rtsp://h/${HOME}"}, 422, "variables"),
        ({"source": "gopher://h/a"}, 422, "must begin with rtsp://"),
        ({"source": GONE, "hours": 0}, 422, "nothing was recorded"),
        ({"source": GONE, "hours": -1}, 422, "hours"),
        ({"source": GONE, "false_alarms": "often"}, 422, "must read like"),
        ({"source": GONE, "stretch_minutes": 5}, 422, "given together"),
        ({"source": GONE, "stretch_minutes": 5, "every_minutes": 2}, 422, "at most as long"),
        ({"source": GONE, "armed": ["08:00-18:00"]}, 422, "time zone"),
        ({"source": GONE, "armed": ["late"], "time_zone": "UTC"}, 422, "must read like"),
        ({"source": GONE, "preset": "slow"}, 422, "preset"),
        ({"source": GONE, "name": "a\x00"}, 422, "control characters"),
        ({"source": GONE, "run": "../../x"}, 422, "run"),
        ({"source": GONE, "stream": "stream2"}, 422, "a path that begins with /"),
        ({"source": GONE, "stream": "gopher://h/a"}, 422, "must begin with rtsp://"),
        ({"source": GONE, "stream": "/a?${HOME}"}, 422, "variables"),
    ],
)
def test_what_cannot_be_learnt_begins_nothing(client, data, given, code, says):
    answer = client.post("/api/v1/learning", json={"name": "gate", **given})
    assert answer.status_code == code
    assert says in answer.json()["detail"]
    assert SECRET not in answer.text
    assert not (data / "learning").exists()
    for path in ("learning/gate", "footage/gate"):
        assert client.get(f"/api/v1/{path}").status_code == 404
    for path in ("learning/gate/pause", "learning/gate/resume"):
        assert client.post(f"/api/v1/{path}").status_code == 404


@pytest.mark.parametrize(
    ("stream", "recorded"),
    [
        (None, "rtsp://bob:x@10.0.0.7:554/one?channel=1"),
        ("/two", "rtsp://bob:x@10.0.0.7:554/two"),
        ("/cam?channel=1&subtype=1", "rtsp://bob:x@10.0.0.7:554/cam?channel=1&subtype=1"),
        ("rtsp://10.0.0.8/three", "rtsp://10.0.0.8/three"),
    ],
)
def test_another_stream_of_a_camera_is_recorded_with_the_same_login(stream, recorded):
    learning = Learning(name="gate", stream=stream)
    assert learning.recorded_address("rtsp://bob:x@10.0.0.7:554/one?channel=1") == recorded
    assert stream is None or stream not in repr(learning)


def test_another_stream_is_for_what_is_recorded_from_the_network(client, clip):
    clip()
    given = {"name": "yard", "source": "yard.mp4", "model": "models/tiny"}
    assert client.post("/api/v1/cameras", json=given).status_code == 201
    answer = client.post("/api/v1/learning", json={"name": "yard", "stream": "/two"})
    assert answer.status_code == 422
    assert "stream must be left out" in answer.json()["detail"]


def test_footage_is_listed_as_a_calendar_and_deleted(client, data):
    folder = data / "footage" / "gate"
    paths = [put_segment(folder, "gate", ago) for ago in (300, 200, 100)]
    found = client.get("/api/v1/footage/gate").json()
    assert (len(found["segments"]), found["size_bytes"]) == (3, 300)
    assert found["hours"] == pytest.approx(3 / 60)
    assert sum(share for _, share in found["covered"]) == pytest.approx(3 / 60)
    assert found["free_bytes"] > 0
    assert found["bytes_per_s"] == pytest.approx(300 / 180)
    last_us = found["segments"][-1]["start_us"]
    removed = client.delete(f"/api/v1/footage/gate?to_us={last_us}").json()
    assert removed == {"segments": 2, "size_bytes": 200}
    assert [path for path in paths if path.exists()] == paths[2:]
    assert client.delete("/api/v1/footage/gate").json()["segments"] == 1
    assert client.get("/api/v1/footage/gate").status_code == 404


def test_no_name_of_a_camera_leads_out_of_the_data_folder(client, data, tmp_path):
    segments = [put_segment(place, "gate", 5) for place in (tmp_path / "outside", data)]
    before = set(tmp_path.iterdir())
    for name in ("../../outside", "..", ".", "/etc", "a/../../b", "..\\outside"):
        answer = client.post("/api/v1/learning", json={"name": name, "source": GONE})
        assert (answer.status_code, "without slashes" in answer.json()["detail"]) == (422, True)
        assert client.delete(f"/api/v1/footage/{quote(name, safe='')}").status_code >= 400
    assert set(tmp_path.iterdir()) == before
    assert not any((data / place).exists() for place in ("learning", "footage"))
    assert all(segment.exists() for segment in segments)


def test_what_was_recorded_before_can_be_learnt_from_alone(client, data):
    put_segment(data / "footage" / "gate", "gate", 5)
    record = begun(client, source=GONE, hours=0)
    assert (record["state"], record["stage"], record["hours"]) == ("training", "train", 0)
    assert client.delete("/api/v1/learning/gate").status_code == 204
    assert len(client.get("/api/v1/footage/gate").json()["segments"]) == 1


def test_a_camera_that_is_removed_with_its_data_takes_its_footage_along(client, data, clip):
    clip()
    given = {"name": "yard", "source": "yard.mp4", "model": "models/tiny", "loop": True}
    assert client.post("/api/v1/cameras", json=given).status_code == 201
    path = put_segment(data / "footage" / "yard", "yard", 5)
    assert client.delete("/api/v1/cameras/yard").status_code == 204
    assert path.exists()
    assert client.post("/api/v1/cameras", json=given).status_code == 201
    assert client.delete("/api/v1/cameras/yard?forget=true").status_code == 204
    assert not path.exists()


def test_that_a_process_was_ended_on_purpose_is_no_news(data):
    learner = new_learner(data)
    learner.begin(Learning(name="gate", source=GONE))
    log = data / "learning" / "gate" / "log.txt"
    log.write_text("note: a gap\nerror: interrupted\n 12 %\nerror: the disk is full\n")
    assert learner.notices("gate") == ["a gap", "error: the disk is full"]


def test_what_is_to_be_done_is_kept_and_what_cannot_be_read_is_passed_over(data):
    learning = Learning(
        name="gate / hinten",
        source=GONE,
        stretch_s=60.0,
        every_s=600.0,
        armed=("08:00-18:00",),
        time_zone="UTC",
    )
    new_learner(data).begin(learning)
    (place,) = (data / "learning").iterdir()
    assert place.name == footage_folder("", "gate / hinten").name
    found = new_learner(data).learning("gate / hinten")
    assert {**asdict(found), "run": ""} == asdict(learning)
    assert SECRET not in repr(found)
    (place / "learning.json").write_text("{")
    assert new_learner(data).learnings() == []
