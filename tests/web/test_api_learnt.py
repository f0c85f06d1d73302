"""What a learning has found, through the API: outliers, alarms of a budget, going live."""

import json
from dataclasses import replace

import numpy as np
import pytest

from oddframe.bundle.bundle import read_bundle, write_bundle
from oddframe.core.calibration import NormalScores, calibrate
from oddframe.web.context import now_us
from oddframe.web.learning_order import read_orders
from oddframe.web.learnt_alarms import FootagePiece, compare_alarms, find_alarms
from tests.support.learnt_camera import SOURCE, put_learnt_camera


@pytest.fixture
def odd(data, tiny_run):
    """Puts a learning into the data folder whose model waits, with two outliers; gives them."""
    return put_learnt_camera(data, tiny_run)


def place(record):
    return record["source"], record["start_s"], record["end_s"]


def say(client, span, verdict):
    values = dict(zip(("source", "start_s", "end_s"), span, strict=True), verdict=verdict)
    return client.put("/api/v1/learning/gate/outliers", json=values)


def test_outliers_are_shown_with_pictures_and_judged(odd, served, data):
    with served() as (client, _):
        assert client.get("/api/v1/learning/gate").json()["state"] == "ready"
        found = client.get("/api/v1/learning/gate/outliers").json()
        # The least like the rest comes first.
        assert [place(one) for one in found["outliers"]] == odd
        assert {one["verdict"] for one in found["outliers"]} == {None}
        assert (found["left_out"], found["can_train_again"]) == (0, True)
        answer = client.get(found["outliers"][0]["picture"])
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.content.startswith(b"\xff\xd8")
        found = say(client, odd[0], "leave_out").json()
        assert [one["verdict"] for one in found["outliers"]] == ["leave_out", None]
        assert say(client, odd[1], "normal").json()["left_out"] == 1
        assert say(client, (odd[0][0], 0.0, 0.5), "normal").status_code == 404
    with served() as (client, _):
        found = client.get("/api/v1/learning/gate/outliers").json()
        assert [one["verdict"] for one in found["outliers"]] == ["leave_out", "normal"]
        assert say(client, odd[0], None).json()["left_out"] == 0


@pytest.mark.parametrize("source", ["../../etc/passwd", "/etc/passwd", "gone", "a/../b"])
def test_no_name_of_a_source_leads_to_another_file(odd, served, source):
    with served() as (client, _):
        path = "/api/v1/learning/gate/picture.jpg"
        answer = client.get(path, params={"source": source, "time_s": 1.0})
        assert answer.status_code == 404
        assert "among the footage" in answer.json()["detail"]


def five_minutes(busy=(), pieces=1):
    """Scores of five minutes, which are a hundred times as high for a second where it is busy."""
    raw = np.random.default_rng(1).lognormal(0, 0.2, 3000).astype(np.float32)
    for begin in busy:
        raw[begin : begin + 10] = 100.0
    parts = dict.fromkeys(("appearance", "motion", "cluster", "map_peak"), raw)
    each = len(raw) // pieces
    return NormalScores(
        recording=np.repeat(np.arange(pieces, dtype=np.int32), each),
        time_s=np.tile(np.arange(each) / 10, pieces),
        raw=raw,
        **parts,
        rate_fps=10.0,
        in_sample=False,
    )


def test_the_alarms_of_a_budget_are_known_before_the_model_is_live(odd, served, data):
    run = data / "models" / "gate-1"
    normal = five_minutes(busy=range(100, 3000, 100))
    write_bundle(run / "bundle", replace(read_bundle(run / "bundle"), normal=normal))
    found = json.loads((run / "footage.json").read_text())
    (run / "footage.json").write_text(json.dumps({**found, "calibrated": [[odd[0][0], 0.5]]}))
    with served() as (client, _):
        few, many = (
            client.get("/api/v1/learning/gate/preview", params={"false_alarms": budget}).json()
            for budget in ("1/month", "1000/hour")
        )
        assert few["threshold"] > many["threshold"]
        assert (few["alarm_count"], few["false_alarms"]) == (0, "1/month")
        assert few["notices"]
        assert 29 <= many["alarm_count"] == len(many["alarms"])
        assert many["hours"] == pytest.approx(5 / 60)
        assert client.get(many["alarms"][0]["picture"]).headers["content-type"] == "image/jpeg"
        assert client.get("/api/v1/learning/gate/preview?false_alarms=often").status_code == 422
        assert client.get("/api/v1/cameras").json()["cameras"] == []
        # Of a model that was calibrated on other footage since, nobody knows where that was.
        (run / "footage.json").write_text(json.dumps({**found, "calibrated": []}))
        assert client.get("/api/v1/learning/gate/preview").status_code == 409


def test_both_models_are_compared_in_the_same_seconds(served, alarmed):
    normal = five_minutes(busy=(500, 1000, 1500))
    calibration = replace(calibrate(normal), threshold=10.0, release=5.0)
    with served() as (client, context):
        alarmed(client, context, scores=())
        began_us = now_us() // 1_000_000 * 1_000_000 - 1_000_000_000
        # The old model has seen all but the last minute, and one alarm of its own.
        for second in range(240):
            score = 0.9 if second == 30 else 0.1
            context.store.put_score("yard", began_us + 1_000_000 * second, score)
        context.store.flush()

        def compared(starts_us):
            return compare_alarms(
                context, "yard", normal, calibration, [FootagePiece("a", 0.0)], starts_us
            )

        found = compared({"a": began_us})
        assert found.model == "models/tiny"
        assert found.hours == pytest.approx(240 / 3600)
        assert [at_us - began_us for at_us in found.alarms_now_us] == [30_000_000]
        assert [at_us - began_us for at_us in found.alarms_new_us] == [
            50_000_000,
            100_000_000,
            150_000_000,
        ]
        # Footage of unknown time, and of hours that nobody has watched.
        assert compared({}) is None
        assert compared({"a": began_us - 86_400_000_000}) is None


def test_alarms_are_placed_where_their_piece_of_footage_is():
    normal = five_minutes(busy=(50, 1600), pieces=2)
    calibration = replace(calibrate(normal), threshold=10.0, release=5.0)
    pieces = [FootagePiece("a", 100.0), FootagePiece("b", 0.5)]
    found = list(find_alarms(normal, calibration, pieces))
    places = [(source, round(start_s, 3), round(end_s, 3)) for source, start_s, end_s, _ in found]
    assert places == [("a", 105.0, 105.9), ("b", 10.5, 11.4)]
    assert [peak for *_, peak in found] == pytest.approx([100 / 110] * 2)


def test_a_model_goes_live_with_the_budget_that_was_chosen(odd, served, data):
    with served() as (client, _):
        answer = client.post("/api/v1/learning/gate/live", json={"false_alarms": "3/day"})
        assert (answer.status_code, answer.json()["state"]) == (200, "finished")
        camera = client.get("/api/v1/cameras/gate").json()
        assert (camera["model"], camera["false_alarms"]) == ("models/gate-1", "3/day")
        assert client.post("/api/v1/learning/gate/live", json={}).status_code == 409


def test_a_camera_goes_back_to_the_model_of_before_by_its_history(odd, served, data):
    with served() as (client, _):
        given = {"name": "gate", "source": SOURCE, "model": "models/tiny"}
        assert client.post("/api/v1/cameras", json=given).status_code == 201
        assert client.post("/api/v1/learning/gate/live", json={}).status_code == 200
        camera = client.get("/api/v1/cameras/gate").json()
        assert (camera["model"], camera["false_alarms"]) == ("models/gate-1", None)
        assert client.post("/api/v1/cameras/gate/rollback").status_code == 200
        assert client.get("/api/v1/cameras/gate").json()["model"] == "models/tiny"


def test_a_training_begins_again_without_what_is_left_out(odd, served, data):
    with served() as (client, context):
        say(client, odd[0], "leave_out")
        record = client.post("/api/v1/learning/gate/again").json()
        assert (record["state"], record["model"]) == ("training", None)
        for path in ("outliers", "preview"):
            assert client.get(f"/api/v1/learning/gate/{path}").status_code == 409
        context.learner.pause("gate")
    learning = read_orders(data)["gate"]
    assert learning.run not in ("", "gate-1")
    source, start_s, end_s = odd[0]
    rows = f"{source},{start_s - 1},{end_s + 1}"
    assert learning.left_out().splitlines() == ["video,start_s,end_s", rows]
    # What was said of the footage holds for the next learning of the camera.
    assert learning.verdict(source, start_s + 0.1, end_s + 5) == "leave_out"


def test_what_is_not_trained_yet_shows_nothing(client, data):
    (data / "footage" / "gate" / "gate").mkdir(parents=True)
    name = "gate_2026-11-29_02-10-00-480Z_59.9s.mp4"
    (data / "footage" / "gate" / "gate" / name).write_bytes(b"x")
    given = {"name": "gate", "source": SOURCE, "hours": 0}
    assert client.post("/api/v1/learning", json=given).status_code == 201
    for path in ("outliers", "preview", "picture.jpg?source=a&time_s=1"):
        assert client.get(f"/api/v1/learning/gate/{path}").status_code == 409
        assert client.get(f"/api/v1/learning/other/{path}").status_code == 404
    assert client.post("/api/v1/learning/gate/again").status_code == 409
    assert client.post("/api/v1/learning/gate/live", json={}).status_code == 409
    assert client.delete("/api/v1/learning/gate").status_code == 204
