"""Changes of cameras and the site: names, hours, cool-down, zones, retention, and the way back."""

import tomllib

import pytest

from oddframe.web.learning_order import Learning, order_folder, write_order

HOURS = {"armed": ["mon-fri 18:00-06:00"], "time_zone": "Europe/Berlin"}


def put(client, camera="yard", **values):
    return client.put(f"/api/v1/cameras/{camera}", json=values)


def texts(client, path="cameras/yard"):
    revisions = client.get(f"/api/v1/{path}/history").json()["revisions"]
    return [(one["what"], one["text"]) for one in revisions if not one["undone"]]


def test_what_was_seen_follows_a_camera_to_its_new_name_and_back(served, alarmed, data):
    sent = data / "uploads" / "yard" / "a.mp4"
    with served() as (client, context):
        rows = [event["row"] for event in alarmed(client, context, (0.7, 0.8))]
        sent.parent.mkdir(parents=True)
        sent.write_bytes(b"x")
        context.store.put_score("yard", 10**15, 0.25)
        assert put(client, name="front gate").json()["name"] == "front gate"
        assert client.get("/api/v1/cameras/yard").status_code == 404
        events = client.get("/api/v1/events?camera=front gate").json()["events"]
        assert [event["row"] for event in events] == rows
        assert context.store.reader.cameras() == ["front gate"]
        assert len(context.store.reader.peaks("front gate", 0, 2 * 10**15)[0]) >= 1
        uploads = client.get("/api/v1/uploads?camera=front gate").json()["uploads"]
        assert [one["name"] for one in uploads] == ["a.mp4"]
        path = "cameras/front gate"
        assert texts(client, path)[0] == ("name", "Name: yard → front gate")
        # What else is changed comes back first.
        put(client, "front gate", zones={"cool_down_s": 30})
        assert client.post(f"/api/v1/{path}/rollback").json()["name"] == "front gate"
        assert client.post(f"/api/v1/{path}/rollback").json()["name"] == "yard"
        assert client.get("/api/v1/cameras/yard").json()["zones"] is None
        events = client.get("/api/v1/events?camera=yard").json()["events"]
        assert [event["row"] for event in events] == rows
        assert sent.exists()


def test_what_was_learnt_follows_a_camera_to_its_new_name(served, alarmed, data):
    order_folder(data, "yard").mkdir(parents=True)
    write_order(data, Learning(name="yard", stage="done", run="yard-1"))
    (data / "footage" / "yard" / "yard").mkdir(parents=True)
    name = "yard_2026-11-29_02-10-00-480Z_59.9s.mp4"
    (data / "footage" / "yard" / "yard" / name).write_bytes(b"x")
    with served() as (client, context):
        alarmed(client, context)
        assert put(client, name="gate").status_code == 200
        assert client.get("/api/v1/learning/gate").json()["state"] == "finished"
        assert client.get("/api/v1/learning/yard").status_code == 404
        assert len(client.get("/api/v1/footage/gate").json()["segments"]) == 1


def test_a_name_that_would_mix_two_cameras_changes_nothing(served, alarmed, data):
    with served() as (client, context):
        alarmed(client, context)
        context.store.put_score("old", 10**15, 0.25)
        context.store.flush()
        given = {"name": "door", "source": "rtsp://127.0.0.1:9/b", "model": "models/tiny"}
        assert client.post("/api/v1/cameras", json=given).status_code == 201
        before = (data / "cameras.toml").read_bytes()
        for name, says in (
            ("door", "different names"),
            ("Door", "different names"),
            ("a/b", "without slashes"),
            ("old", "events of an earlier camera"),
        ):
            refused = put(client, name=name)
            assert refused.status_code == 422
            assert says in refused.json()["detail"]
        assert (data / "cameras.toml").read_bytes() == before
        assert "yard" in context.store.reader.cameras()
        assert texts(client) == []


def test_a_camera_is_not_renamed_while_it_is_learnt_or_while_rules_name_it(served, alarmed, data):
    (data / "cameras.toml").write_text(
        '[sinks.team]\nkind = "webhook"\nurl = "http://127.0.0.1:9/"\n'
        'rules = { cameras = ["yard"] }\n'
    )
    order_folder(data, "yard").mkdir(parents=True)
    write_order(data, Learning(name="yard", stage="train", is_paused=True, run="yard-1"))
    with served() as (client, context):
        alarmed(client, context)
        assert client.get("/api/v1/cameras/yard").json()["learning"] == "paused"
        assert "while it is learnt" in put(client, name="gate").json()["detail"]
        assert client.delete("/api/v1/learning/yard").status_code == 204
        assert client.get("/api/v1/cameras/yard").json()["learning"] is None
        assert "those of team" in put(client, name="gate").json()["detail"]


def test_hours_cool_down_and_zones_stand_in_the_history_and_can_be_undone(served, alarmed, data):
    zone = {"name": "door", "polygon": [[0.1, 0.1], [0.5, 0.1], [0.5, 0.9]]}
    with served() as (client, context):
        alarmed(client, context)
        assert put(client, zones={"watch": [zone]}).status_code == 200
        assert put(client, zones={"watch": [zone], **HOURS, "cool_down_s": 30}).status_code == 200
        assert texts(client) == [
            (
                "armed,cool_down",
                "Armed hours: always → mon-fri 18:00-06:00 (Europe/Berlin); "
                "Cool-down: that of the model → 30 s",
            ),
            ("zones", "Zones: none → door"),
        ]
        # The same once more is no change.
        assert put(client, zones={"watch": [zone], **HOURS, "cool_down_s": 30}).status_code == 200
        assert len(texts(client)) == 2
        for wrong, says in (
            ({"armed": ["late"], "time_zone": "UTC"}, "must read like"),
            ({"armed": ["08:00-18:00"]}, "must come together"),
            ({"cool_down_s": -1}, "cool_down_s"),
        ):
            refused = put(client, zones=wrong)
            assert refused.status_code == 422
            assert says in refused.json()["detail"]
        client.post("/api/v1/cameras/yard/rollback")
        assert client.get("/api/v1/cameras/yard").json()["zones"] == {"watch": [zone]}
        client.post("/api/v1/cameras/yard/rollback")
        assert client.get("/api/v1/cameras/yard").json()["zones"] is None
        assert client.post("/api/v1/cameras/yard/rollback").status_code == 422
    (camera,) = tomllib.loads((data / "cameras.toml").read_text())["camera"]
    assert "zones" not in camera


def test_what_is_kept_is_changed_for_all_at_once_and_undone(served, data):
    (data / "cameras.toml").write_text("# mine\n[watch]\nkeep_days = 20 # days\n")
    with served() as (client, context):
        now = {"keep_days": 20.0, "pictures_gb": 10.0, "keep_free_gb": 1.0}
        assert client.get("/api/v1/settings").json() == now
        changed = client.put("/api/v1/settings", json={"keep_days": 7, "pictures_gb": 2.5})
        assert changed.json() == {"keep_days": 7.0, "pictures_gb": 2.5, "keep_free_gb": 1.0}
        assert (context.store.config.retention.keep_days) == 7
        text = (data / "cameras.toml").read_text()
        assert "# mine" in text
        assert tomllib.loads(text)["watch"] == {"keep_days": 7, "pictures_gb": 2.5}
        assert texts(client, "settings") == [
            ("retention", "Kept: 20 → 7 days; 10 → 2.5 GB of pictures")
        ]
        # The same once more is no change.
        client.put("/api/v1/settings", json={"keep_days": 7})
        assert len(texts(client, "settings")) == 1
        assert client.post("/api/v1/settings/rollback").status_code == 200
        assert client.get("/api/v1/settings").json() == now
        assert context.store.config.retention.keep_days == 20
        assert tomllib.loads((data / "cameras.toml").read_text())["watch"] == {"keep_days": 20}
        assert client.post("/api/v1/settings/rollback").status_code == 422


@pytest.mark.parametrize("wrong", [{"keep_days": 0}, {"pictures_gb": -1}, {"keep_daze": 3}])
def test_what_would_keep_nothing_is_refused(client, data, wrong):
    before = (data / "cameras.toml").read_bytes()
    assert client.put("/api/v1/settings", json=wrong).status_code == 422
    assert (data / "cameras.toml").read_bytes() == before
    assert client.get("/api/v1/settings/history").json() == {"revisions": []}
