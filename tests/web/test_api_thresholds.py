"""Thresholds over the API: previews, recalibration, another budget or model, and the way back."""

import json
import shutil
import sqlite3
import tomllib

import pytest

from oddframe.core.alerts import alert
from oddframe.core.budget import FalseAlarmBudget
from oddframe.core.calibration import calibrate
from oddframe.store.reader import DATABASE
from oddframe.web.context import now_us
from tests.support.alerting import made_alert, made_event


def watching(client, until):
    """Adds a camera that is unusual again and again, and gives its first event that is over."""
    given = {
        "name": "yard",
        "source": "yard.mp4",
        "loop": True,
        "model": "models/tiny",
        "false_alarms": "2/hour",
    }
    assert client.post("/api/v1/cameras", json=given).status_code == 201
    return until(lambda: next(iter(over(client)), None))


def over(client, **asked):
    found = client.get("/api/v1/events", params=asked).json()["events"]
    return [event for event in found if event["end_us"] is not None]


def judge(client, event, verdict, note=""):
    answer = client.put(
        f"/api/v1/events/{event['row']}/review", json={"verdict": verdict, "note": note}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def preview(client):
    answer = client.post("/api/v1/cameras/yard/recalibration/preview")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_what_was_marked_normal_alarms_no_more_until_it_is_rolled_back(served, data, clip, until):
    clip()
    with served() as (client, context):
        event = watching(client, until)
        assert judge(client, event, "normal", "the cat <script>")["note"] == "the cat <script>"
        frames = client.get("/api/v1/cameras/yard").json()["state"]["frames"]
        result = preview(client)
        assert result["feedback"] == 1
        assert result["threshold_after"] > result["threshold_before"]
        assert event["row"] in [event["row"] for event in result["vanish"]]
        assert result["stay"] == []
        before = client.get("/api/v1/cameras/yard").json()
        assert before["threshold"] == result["threshold_before"], "a preview changes nothing"

        number = client.post("/api/v1/cameras/yard/recalibration/apply").json()["revision"]
        camera = client.get("/api/v1/cameras/yard").json()
        assert camera["threshold"] == pytest.approx(result["threshold_after"], rel=0.2)
        assert camera["calibrated_at_us"] is not None
        assert camera["state"]["frames"] >= frames, "the stream went on"
        (table,) = tomllib.loads((data / "cameras.toml").read_text())["camera"]
        stored = json.loads((data / table["calibration"]).read_text())["calibration"]
        assert stored["threshold"] == camera["threshold"]
        rounds = camera["state"]["frames"]
        until(lambda: client.get("/api/v1/cameras/yard").json()["state"]["frames"] > rounds + 45)
        context.store.flush()
        assert client.get("/api/v1/cameras/yard").json()["state"]["phase"] == "live"
        late = [event for event in over(client) if event["start_us"] > camera["calibrated_at_us"]]
        assert late == []

        done = client.post("/api/v1/cameras/yard/rollback").json()
        assert done == {"revision": number, "name": "yard"}
        assert client.get("/api/v1/cameras/yard").json()["threshold"] == before["threshold"]
        (table,) = tomllib.loads((data / "cameras.toml").read_text())["camera"]
        assert "calibration" not in table
        assert until(
            lambda: [
                event for event in over(client) if event["start_us"] > camera["calibrated_at_us"]
            ]
        )
        again = client.post("/api/v1/cameras/yard/rollback")
        history = client.get("/api/v1/cameras/yard/history").json()["revisions"]
        assert [(change["what"], change["undone"]) for change in history] == [
            ("recalibrated", True)
        ]
        assert again.status_code == 422
        assert "must have a change to roll back" in again.json()["detail"]


def test_an_important_alarm_that_would_vanish_is_told(served, alarmed):
    with served() as (client, context):
        second, first = alarmed(client, context, [0.7, 0.8])
        judge(client, first, "normal")
        judge(client, second, "important")
        result = preview(client)
        assert [event["row"] for event in result["stay"]] == [second["row"]]
        judge(client, second, "normal")
        judge(client, first, "important")
        assert (
            "1 of the alarms that would disappear was marked as important"
            in preview(client)["notice"]
        )
        judge(client, second, None)
        assert preview(client)["feedback"] == 0
        assert "not marked any event of this camera" in preview(client)["notice"]


def test_a_budget_is_tried_on_the_last_day_and_changes_nothing(served, alarmed):
    with served() as (client, context):
        (event,) = alarmed(client, context)
        now = client.get("/api/v1/cameras/yard").json()
        rare = client.get("/api/v1/cameras/yard/budget", params={"false_alarms": "1/month"}).json()
        often = client.get(
            "/api/v1/cameras/yard/budget", params={"false_alarms": "900/hour"}
        ).json()
        assert rare["threshold"] >= rare["threshold_now"] == now["threshold"] >= often["threshold"]
        assert rare["alarms_then"] == rare["alarms_now"] - len(rare["vanish"]) + len(rare["appear"])
        assert event["row"] not in [event["row"] for event in often["vanish"]]
        assert client.get("/api/v1/cameras/yard").json()["threshold"] == now["threshold"]
        assert (
            client.get("/api/v1/cameras/yard/budget", params={"false_alarms": "x"}).status_code
            == 422
        )


def test_alarms_that_a_budget_would_bring_are_found_in_stored_scores(served):
    with served() as (client, context):
        client.post(
            "/api/v1/cameras",
            json={"name": "yard", "source": "rtsp://127.0.0.1:9/a", "model": "models/tiny"},
        )
        start_s = now_us() // 1_000_000 - 3_600
        bundle = context.supervisor.model(context.camera("yard")).bundle
        budget = FalseAlarmBudget.parse("9/hour")
        then = calibrate(bundle.normal, budget, bundle.calibration.rules)
        # Twice the threshold to come: a stored score of 0.4 means 4/3 of the latter.
        context.store.put_threshold(
            "yard", start_s * 1_000_000, 2 * then.threshold, bundle.fingerprint
        )
        for second in range(600):
            context.store.put_score(
                "yard", (start_s + second) * 1_000_000, 0.4 if 300 <= second < 310 else 0.001
            )
        context.store.flush()

        answer = client.get("/api/v1/cameras/yard/budget", params={"false_alarms": "9/hour"}).json()
        (alarm,) = answer["appear"]
        assert alarm["start_us"] == (start_s + 300) * 1_000_000
        assert alarm["peak"] == pytest.approx((4 / 3) / (4 / 3 + 1), rel=0.01)
        assert (answer["alarms_now"], answer["alarms_then"]) == (0, 1)


def test_a_model_is_swapped_and_taken_back(served, data, alarmed, tiny_run):
    shutil.copytree(tiny_run, data / "models" / "other")
    with served() as (client, context):
        (event,) = alarmed(client, context)
        judge(client, event, "normal")
        assert client.post("/api/v1/cameras/yard/recalibration/apply").status_code == 200
        swapped = client.put("/api/v1/cameras/yard", json={"model": "models/other"}).json()
        assert swapped["model"] == "models/other"
        (table,) = tomllib.loads((data / "cameras.toml").read_text())["camera"]
        assert "calibration" not in table, "a threshold belongs to one model"
        used = {
            model["name"]: model["used_by"]
            for model in client.get("/api/v1/models").json()["models"]
        }
        assert (used["models/other"], used["models/tiny"]) == (["yard"], [])
        client.post("/api/v1/cameras/yard/rollback")
        camera = client.get("/api/v1/cameras/yard").json()
        assert (camera["model"], camera["calibrated_at_us"] is None) == ("models/tiny", False)
        history = client.get("/api/v1/cameras/yard/history").json()["revisions"]
        assert [(change["what"], change["undone"], change["current"]) for change in history] == [
            ("model", True, False),
            ("recalibrated", False, True),
        ]


def test_another_budget_keeps_what_was_marked_normal(served, alarmed):
    with served() as (client, context):
        (event,) = alarmed(client, context)
        judge(client, event, "normal")
        client.post("/api/v1/cameras/yard/recalibration/apply")
        least = client.get("/api/v1/cameras/yard").json()["threshold"]
        camera = client.put("/api/v1/cameras/yard", json={"false_alarms": "900/hour"}).json()
        assert camera["threshold"] == pytest.approx(least)
        assert camera["budget"] == "900/hour"


def test_feedback_outlives_its_event(served, alarmed):
    with served() as (client, context):
        (event,) = alarmed(client, context)
        judge(client, event, "normal")
        database = sqlite3.connect(context.store.folder / DATABASE)
        with database:
            database.execute("PRAGMA foreign_keys = ON")
            database.execute("DELETE FROM events")
        database.close()
        assert client.get(f"/api/v1/events/{event['row']}").status_code == 404
        assert preview(client)["feedback"] == 1


def test_health_events_can_be_judged_and_move_no_threshold(served, alarmed):
    with served() as (client, context):
        alarmed(client, context, [])
        context.store.put_event(
            made_alert(1, "end", kind="health", reason="the picture is black", score=1.0)
        )
        context.store.flush()
        (event,) = over(client, kind="health")
        assert judge(client, event, "normal")["verdict"] == "normal"
        assert preview(client)["feedback"] == 0


def lesson(client, event):
    return client.get(f"/api/v1/events/{event['row']}/lesson").json()


def test_a_verdict_says_what_it_changes_and_has_changed(served, alarmed):
    with served() as (client, context):
        _, second, first = alarmed(client, context, [0.7, 0.8, 0.95])
        assert lesson(client, second)["sentence"] == ""
        judge(client, second, "unsure")
        assert "raised as before" in lesson(client, second)["sentence"]
        judge(client, second, "normal")
        before = lesson(client, second)
        assert before["sentence"] == "2 of the last 3 alarms like this would not be raised."
        assert (before["like"], before["silenced"], before["applied_us"]) == (3, 2, None)
        assert client.post("/api/v1/cameras/yard/recalibration/apply").status_code == 200
        after = lesson(client, second)
        assert after["sentence"].startswith("Learnt: 2 of the last 3 alarms like this would not")
        assert after["applied_us"] > 0
        # A verdict from after the recalibration is in no threshold yet.
        judge(client, first, "normal")
        late = lesson(client, first)
        assert (late["applied_us"], "changes no threshold" in late["sentence"]) == (None, True)
        assert client.get("/api/v1/events/99/lesson").status_code == 404


def test_only_alarms_at_the_same_place_and_for_the_same_reason_are_alike(served, alarmed):
    with served() as (client, context):
        (event,) = alarmed(client, context)
        for number, more in enumerate(({"reason": "looks wrong"}, {"box": (0.0, 0.0, 0.1, 0.1)})):
            context.store.put_event(
                alert(made_event(10 + number, "end", **more), lambda time_s: now_us() - 60_000_000)
            )
        context.store.flush()
        judge(client, event, "normal")
        assert lesson(client, event)["like"] == 1
