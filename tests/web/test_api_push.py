"""Browsers subscribe over the API, and are told of what their account sees."""

import pytest

pytest.importorskip("cryptography")

from dataclasses import replace

from tests.support.alerting import made_alert, until
from tests.support.push_service import Browser, push_service
from tests.support.tokens import HASH

SERVICE = "https://updates.push.services.mozilla.com/wpush/v2/gAAA"


def test_a_browser_subscribes_for_its_account_and_is_told(served):
    with push_service() as service, served(HASH) as (client, context):
        headers = {
            name: {
                "authorization": f"Bearer {context.tokens.add(name, 'viewer', cameras=[camera])}"
            }
            for name, camera in (("anna", "yard"), ("bob", "door"))
        }
        found = client.get("/api/v1/push", headers=headers["anna"]).json()
        assert found["public_key"] == context.push.public_key
        browser = Browser(service)
        given = {"endpoint": SERVICE, "keys": browser.keys}
        assert client.post("/api/v1/push", json=given).status_code == 401
        answer = client.post("/api/v1/push", json=given, headers=headers["anna"])
        assert answer.status_code == 204, answer.text
        (kept,) = context.push.subscriptions.all()
        assert (kept.endpoint, kept.by) == (SERVICE, "anna")
        # The same at the push service of the test, which no browser could name.
        context.push.subscriptions.add(replace(kept, endpoint=browser.endpoint))
        gone = {"endpoint": SERVICE}
        for name in ("bob", "anna"):
            answer = client.request("DELETE", "/api/v1/push", json=gone, headers=headers[name])
            assert answer.status_code == 204
            left = [one.endpoint for one in context.push.subscriptions.all()]
            assert (SERVICE in left) is (name == "bob")
        outputs = context.supervisor.watcher.outputs
        for number, name in enumerate(("door", "yard")):
            outputs.offer(made_alert(number, source=name))
        until(browser.told)
        assert [one["title"] for one in browser.told()] == ["yard"]


def test_what_cannot_be_told_is_refused(served):
    with push_service() as service, served() as (client, context):
        keys = Browser(service).keys
        for endpoint, given in (
            (f"http://127.0.0.1:{service.port}/", keys),
            (SERVICE, {**keys, "p256dh": "AAAA"}),
            (SERVICE, {**keys, "auth": "A"}),
        ):
            body = {"endpoint": endpoint, "keys": given}
            assert client.post("/api/v1/push", json=body).status_code == 422
        assert context.push.subscriptions.all() == []


def test_the_app_can_be_installed(client):
    manifest = client.get("/manifest.webmanifest")
    assert manifest.headers["content-type"] == "application/manifest+json"
    for icon in manifest.json()["icons"]:
        found = client.get(f"/{icon['src']}")
        assert (found.status_code, found.headers["content-type"]) == (200, icon["type"])
    worker = client.get("/sw.js")
    assert worker.headers["content-type"].startswith("text/javascript")
    assert worker.headers["cache-control"] == "no-cache"
