"""Recordings that a browser sends: in parts, after breaks, and never out of the data folder."""

import os
import shutil
from collections import namedtuple

import pytest

from oddframe.errors import InputError, OutputError
from oddframe.web import uploads
from oddframe.web.people import needed_role
from oddframe.web.security import UPLOAD_BYTES
from oddframe.web.uploads import KEPT_FREE_BYTES, Uploads
from tests.support.tiny import walk

FILE = "/api/v1/uploads/file"


@pytest.fixture
def recording(video):
    """The bytes of a recording."""
    return video("own.mp4", frames=20, draw=walk).read_bytes()


def begin(client, content, name="own.mp4", camera="gate"):
    given = {"camera": camera, "name": name, "size_bytes": len(content)}
    return client.post("/api/v1/uploads", json=given)


def send(client, content, start, end, name="own.mp4", camera="gate"):
    given = {"camera": camera, "name": name, "size_bytes": len(content), "offset": start}
    return client.put(FILE, params=given, content=content[start:end])


def listed(client, camera="gate"):
    found = client.get("/api/v1/uploads", params={"camera": camera}).json()["uploads"]
    return {one["name"]: (one["received_bytes"], one["size_bytes"]) for one in found}


def test_a_recording_comes_in_parts_and_goes_on_after_a_restart(served, data, recording):
    half, size = len(recording) // 2, len(recording)
    with served() as (client, _):
        answer = begin(client, recording)
        assert (answer.status_code, answer.json()["received_bytes"]) == (201, 0)
        assert send(client, recording, 0, half).json()["received_bytes"] == half
        # Nothing is a recording before all of it is there.
        assert not list((data / "uploads").glob("*/own.mp4"))
        answer = client.post(
            "/api/v1/learning", json={"name": "gate", "source": "rtsp://h/a", "uploads": True}
        )
        assert (answer.status_code, "not complete" in answer.json()["detail"]) == (422, True)
    with served() as (client, _):
        assert begin(client, recording).json()["received_bytes"] == half
        wrong = send(client, recording, 0, half)
        assert (wrong.status_code, f"at byte {half:,}" in wrong.json()["detail"]) == (409, True)
        assert send(client, recording, half, size).json()["received_bytes"] == size
        assert (data / "uploads" / "gate" / "own.mp4").read_bytes() == recording
        assert listed(client) == {"own.mp4": (size, size)}
        # Who begins it again has nothing left to send.
        assert begin(client, recording).json()["received_bytes"] == size
        assert begin(client, recording + b"x").status_code == 409


def test_a_camera_is_learnt_from_what_was_sent(client, data, recording):
    given = {"name": "gate", "source": "rtsp://127.0.0.1:9/a", "uploads": True}
    answer = client.post("/api/v1/learning", json=given)
    assert (answer.status_code, "must be sent" in answer.json()["detail"]) == (422, True)
    begin(client, recording)
    send(client, recording, 0, len(recording))
    answer = client.post("/api/v1/learning", json=given)
    assert (answer.status_code, answer.json()["stage"]) == (201, "train")
    assert client.delete("/api/v1/learning/gate").status_code == 204
    # What was sent stays until somebody deletes it, or the camera with its data.
    assert "own.mp4" in listed(client)
    assert client.delete("/api/v1/uploads?camera=gate&name=other.mp4").status_code == 204
    assert "own.mp4" in listed(client)
    assert client.delete("/api/v1/uploads?camera=gate").status_code == 204
    assert not (data / "uploads" / "gate").exists()


def test_what_is_no_recording_is_refused_and_removed(client, data):
    text = b"this is no video " * 100
    assert begin(client, text).status_code == 201
    answer = send(client, text, 0, len(text))
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("own.mp4 must be a recording")
    assert str(data) not in answer.text
    assert listed(client) == {}


def test_no_name_leads_out_of_the_data_folder_or_is_no_video(client, data, recording, tmp_path):
    names = ["../own.mp4", "..", ".mp4", ".hidden.mp4", "a/b.mp4", "/etc/x.mp4", "a\\b.mp4"]
    names += ["a\nb.mp4", "cameras.toml", "run.sh", "own", "x" * 250 + ".mp4", "%2e%2e/x.mp4"]
    before = set(tmp_path.rglob("*.mp4"))
    for name in names:
        assert begin(client, recording, name).status_code == 422, name
        assert send(client, recording, 0, 10, name).status_code == 422, name
    assert not (data / "uploads").exists()
    assert set(tmp_path.rglob("*.mp4")) == before


def test_only_an_admin_may_send_and_delete():
    assert needed_role("GET", "/api/v1/uploads") == "viewer"
    for method, path in (("POST", "/api/v1/uploads"), ("PUT", FILE), ("DELETE", "/api/v1/uploads")):
        assert needed_role(method, path) == "admin"


def test_no_camera_and_no_link_leads_out_of_the_data_folder(client, data, recording, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    assert begin(client, recording, camera="../../outside").status_code == 201
    send(client, recording, 0, len(recording), camera="../../outside")
    assert list(outside.iterdir()) == []
    (data / "uploads" / "gate").symlink_to(outside)
    answer = begin(client, recording)
    assert (answer.status_code, "leads out of it" in answer.json()["detail"]) == (422, True)
    assert send(client, recording, 0, 10).status_code == 422
    assert client.delete("/api/v1/uploads?camera=gate").status_code == 422
    (data / "uploads" / "gate").unlink()
    # A link in the place of a part is not followed either.
    assert begin(client, recording).status_code == 201
    (part,) = (data / "uploads" / "gate" / ".parts").iterdir()
    part.unlink()
    (outside / "empty").touch()
    part.symlink_to(outside / "empty")
    assert send(client, recording, 0, 10).status_code == 507
    assert (outside / "empty").read_bytes() == b""


def test_the_quota_counts_what_others_have_announced(served, recording):
    with served(upload_gb=1.5 * len(recording) / 1e9) as (client, _):
        assert begin(client, recording).status_code == 201
        answer = begin(client, recording, camera="yard")
        assert (answer.status_code, "--upload-gb" in answer.json()["detail"]) == (422, True)
        # What is announced already may go on.
        assert begin(client, recording).status_code == 201
        client.delete("/api/v1/uploads?camera=gate")
        assert begin(client, recording, camera="yard").status_code == 201


def test_a_disk_without_room_is_told_before_anything_is_sent(client, recording, monkeypatch):
    usage = namedtuple("usage", "total used free")
    free = KEPT_FREE_BYTES + len(recording) - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 0, free))
    answer = begin(client, recording)
    assert (answer.status_code, "free some space" in answer.json()["detail"]) == (507, True)
    assert listed(client) == {}


def test_a_disk_that_fills_up_costs_the_rest_of_a_part(client, data, recording, monkeypatch):
    begin(client, recording)
    (part,) = (data / "uploads" / "gate" / ".parts").iterdir()
    real_open = os.open

    def opened(path, flags, *rest, **more):
        # A device that is always full stands in for the disk.
        if path == part:
            return real_open("/dev/full", os.O_WRONLY)
        return real_open(path, flags, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", opened)
        answer = send(client, recording, 0, 100)
    assert (answer.status_code, "disk is full" in answer.json()["detail"]) == (507, True)
    assert send(client, recording, 0, 100).json()["received_bytes"] == 100


def test_the_quota_holds_on_a_disk_that_is_full_and_all_goes_on_once_there_is_room(
    small_disk, monkeypatch
):
    """On a real disk of 3 MB, of which a part of an upload finds half its room."""
    monkeypatch.setattr(uploads, "KEPT_FREE_BYTES", 0)
    most = 2_000_000
    kept = Uploads(small_disk, most / 1e9)
    content = os.urandom(most)

    def send_rest(upload):
        with kept.receive("gate", "own.mp4", most, upload.received_bytes) as writer:
            for start in range(upload.received_bytes, most, 65_536):
                writer.write(content[start : start + 65_536])

    begun = kept.begin("gate", "own.mp4", most)
    # All of the quota is announced, so nothing else may come: neither now nor on the full disk.
    with pytest.raises(InputError, match="upload-gb"):
        kept.begin("yard", "other.mp4", 1)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(2_000_000))
    with pytest.raises(OutputError, match="disk is full"):
        send_rest(begun)
    with pytest.raises(InputError, match="upload-gb"):
        kept.begin("yard", "other.mp4", 1)
    (there,) = kept.list("gate")
    (part,) = (small_disk / "uploads" / "gate" / ".parts").iterdir()
    assert part.read_bytes() == content[: there.received_bytes]
    assert 0 < there.received_bytes < most
    with pytest.raises(OutputError, match="free some space"):
        kept.begin("gate", "own.mp4", most)
    ballast.unlink()
    begun = kept.begin("gate", "own.mp4", most)
    assert begun == there
    send_rest(begun)
    assert part.read_bytes() == content
    # Only then it is seen that it is no recording, and it gives its room back.
    with pytest.raises(InputError, match="must be a recording"):
        kept.settle("gate", "own.mp4", most)
    assert kept.begin("yard", "other.mp4", most).received_bytes == 0


def test_more_than_was_announced_or_than_a_part_may_have_is_refused(client, recording):
    begin(client, recording)
    more = recording + b"x"
    given = {"camera": "gate", "name": "own.mp4", "size_bytes": len(recording), "offset": 0}
    assert client.put(FILE, params=given, content=more).status_code == 409
    large = client.put(FILE, params=given, content=b"x" * (UPLOAD_BYTES + 1))
    assert large.status_code == 413
    assert listed(client)["own.mp4"][0] == 0
    # Only this path takes long bodies.
    assert client.put("/api/v1/cameras/gate", content=b"x" * 100_000).status_code == 413


def test_what_was_not_begun_cannot_be_sent(client, recording):
    answer = send(client, recording, 0, 10)
    assert (answer.status_code, "begun first" in answer.json()["detail"]) == (409, True)
