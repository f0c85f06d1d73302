"""What the middleware refuses, and the headers of every answer."""

import pytest

from oddframe.web.security import MOST_BYTES

PUT = "/api/v1/events/1/review"


def test_every_answer_has_the_headers_that_keep_browsers_strict(client):
    for path in ("/", "/api/v1/info", "/api/v1/cameras", "/nothing", "/healthz", "/metrics"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] in ("no-store", "no-cache")


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8750", "127.0.0.1:1", "[::1]:8750", "10.0.0.1", "box.lan"]
)
def test_the_server_answers_to_its_own_names(served, host):
    with served(hosts=("box.lan",)) as (client, _):
        assert client.get("/api/v1/info", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "a@b", "[x"]
)
def test_a_name_that_was_bent_to_this_machine_gets_nothing(client, host):
    answer = client.get("/api/v1/cameras", headers={"host": host})
    assert answer.status_code == 400
    assert "--allow-host" in answer.json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "http://localhost"},
    ],
)
def test_a_change_from_another_page_is_refused(client, headers):
    answer = client.put(PUT, json={}, headers=headers)
    assert answer.status_code == 403
    assert client.post("/api/v1/login", json={"token": "x"}, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://localhost"},
        {"origin": "http://localhost", "sec-fetch-site": "same-origin"},
    ],
)
def test_a_change_from_our_own_page_or_a_program_gets_through(client, headers):
    assert client.put(PUT, json={}, headers=headers).status_code == 404


def test_a_form_of_another_page_is_no_json(client):
    assert (
        client.put(PUT, content='{"note":"x"}', headers={"content-type": "text/plain"}).status_code
        == 422
    )


def test_a_body_that_is_too_long_is_refused(client):
    assert client.put(PUT, content=b"x" * (MOST_BYTES + 1)).status_code == 413

    def pieces():
        for _ in range(MOST_BYTES // 1000 + 2):
            yield b" " * 1000

    streamed = client.put(PUT, content=pieces(), headers={"content-type": "application/json"})
    assert streamed.status_code == 413
    assert client.put(PUT, content=b"", headers={"content-length": "-5"}).status_code == 413


@pytest.mark.parametrize(
    "path",
    [
        "/../access.hash",
        "/..%2f..%2fcameras.toml",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/js/../../app.py",
        "/js/%2e%2e/%2e%2e/app.py",
        "//etc/passwd",
        "/etc/passwd",
        "/index.html%00.js",
        "/cameras.toml",
        "/events/2026-01-01/yard/x.jpg",
        "/\\..\\..\\cameras.toml",
    ],
)
def test_no_path_leads_out_of_the_front_end(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.text == "There is no such page."


def test_the_front_end_is_served_with_its_types_and_tags(client):
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    again = client.get("/", headers={"if-none-match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.head("/").status_code == 200
    assert " style=" not in page.text


def test_health_is_told_to_everybody_and_metrics_by_camera(served, clip, until):
    clip()
    with served() as (client, _):
        assert client.get("/healthz").text == "ok\n"
        assert client.get("/readyz").status_code == 200
        client.post(
            "/api/v1/cameras", json={"name": "yard", "source": "yard.mp4", "model": "models/tiny"}
        )
        until(lambda: 'oddframe_frames_total{camera="yard"}' in client.get("/metrics").text)
        client.delete("/api/v1/cameras/yard")
        assert (
            'camera="yard"'
            not in client.get("/metrics").text.replace("oddframe_events", "").split("# HELP")[1]
        )


def test_a_server_that_does_not_watch_is_not_ready(served, until):
    with served() as (client, context):
        context.supervisor.stop()
        until(lambda: client.get("/readyz").status_code == 503)
        assert client.get("/healthz").status_code == 200
