"""A data folder of 0.1.0's web app is served by this version, with every path that there was."""

import json
import re
import subprocess
import sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.support.old_version import TOKEN, copy_stored, without_moments
from tests.support.surface import missing


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The data folder, which the app writes in."""
    return copy_stored(tmp_path_factory.mktemp("serving") / "v0_1_0") / "served"


@pytest.fixture(scope="module")
def ask(data):
    """Starts the app as users do; gives what asks it with the token: `ask("/api/v1/info")`."""
    given = ("--data", str(data), "--port", "0", "--device", "cpu")
    app = subprocess.Popen(
        [sys.executable, "-m", "oddframe", "serve", *given], stderr=subprocess.PIPE, text=True
    )
    try:
        url = address_in(app.stderr)

        def request(path, method="GET", body=None, token=TOKEN, raw=False):
            headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
            content = None if body is None else json.dumps(body).encode()
            with urlopen(
                Request(url + path, content, headers, method=method), timeout=30
            ) as answer:
                found = answer.read()
            return found if raw else json.loads(found)

        yield request
    finally:
        app.terminate()
        app.communicate(timeout=20)


@pytest.fixture(scope="module")
def stored(data):
    """Gives what the app of 0.1.0 answered: `stored("events")`."""
    return lambda name: json.loads((data.parent / "json/api" / f"{name}.json").read_text())


def test_the_stored_token_opens_it_and_another_does_not(ask):
    assert ask("/api/v1/info")["signed_in"] is True
    with pytest.raises(HTTPError) as refused:
        ask("/api/v1/events", token="another-token")
    with refused.value as answer:
        assert answer.code == 401


def test_every_event_is_listed_as_it_was(ask, stored):
    before = stored("events")
    assert {one["verdict"] for one in before["events"]} >= {"normal", "important", None}
    assert "the cat" in [one["note"] for one in before["events"]]
    now = ask(f"/api/v1/events?limit=500&to_us={before['to_us']}")
    assert missing(before, {**now, "to_us": before["to_us"]}) == []


def test_one_event_has_its_picture_and_its_clip(ask, stored):
    event = stored("events")["events"][-1]
    assert missing(event, ask(f"/api/v1/events/{event['row']}")) == []
    assert ask(event["snapshot"], raw=True)[:2] == b"\xff\xd8"
    assert ask(event["clip"], raw=True)[4:8] == b"ftyp"


def test_what_was_changed_and_taken_back_is_listed_as_it_was(ask, stored):
    before = stored("history")
    assert [(one["what"], one["undone"]) for one in before["revisions"]] == [
        ("budget", True),
        ("recalibrated", False),
    ]
    assert missing(before, ask("/api/v1/cameras/yard/history")) == []


def test_the_camera_is_what_it_was(ask, stored):
    before, now = without_moments(stored("camera")), ask("/api/v1/cameras/yard")
    assert before["calibrated_at_us"]
    assert missing(before, now, nearly=1e-6, but=["last_event", "events", "open_event"]) == []


def test_the_scores_are_what_they_were(ask, stored):
    before = stored("scores")
    found = ask(f"/api/v1/cameras/yard/scores?{before['query']}")
    assert missing(before, {**found, "query": before["query"]}) == []


def test_the_other_answers_have_what_they_had(ask, stored):
    assert (
        missing(without_moments(stored("info")), ask("/api/v1/info"), but=["version", "time_zone"])
        == []
    )
    models = {one["name"]: one for one in ask("/api/v1/models")["models"]}
    (tiny,) = without_moments(stored("models"))["models"]
    assert missing(tiny, models["models/tiny"], but=["sha256"]) == []
    assert set(stored("health")) <= set(ask("/api/v1/health"))


def test_every_path_method_and_field_is_still_there(ask, stored):
    """Words may change; what programs send and get may not."""
    words = ("description", "summary", "title", "version", "operationId", "tags")

    def without_words(value):
        if isinstance(value, dict):
            # A field that is called like one of them is a table.
            kept = (
                (name, one)
                for name, one in value.items()
                if name not in words or isinstance(one, dict)
            )
            return {name: without_words(one) for name, one in kept}
        return [without_words(one) for one in value] if isinstance(value, list) else value

    before, now = stored("openapi"), ask("/api/v1/openapi.json")
    assert len(before["paths"]) > 15
    assert set(before["paths"]) <= set(now["paths"])
    for path, methods in before["paths"].items():
        for method, operation in methods.items():
            found = now["paths"][path][method]
            inputs = {(one["in"], one["name"]): one for one in found.get("parameters", [])}
            for one in operation.get("parameters", []):
                there = inputs[one["in"], one["name"]]
                assert missing(without_words(one), without_words(there)) == [], (path, one["name"])
            assert set(operation["responses"]) <= set(found["responses"]), path
            assert (
                missing(
                    without_words(operation.get("requestBody")),
                    without_words(found.get("requestBody")),
                )
                == []
            )
    sent = {name for one in operations(before) for name in names_in(one.get("requestBody"))}
    assert {"CameraAdded", "ReviewGiven"} <= sent
    for name, shape in before["components"]["schemas"].items():
        wanted, found = without_words(shape), without_words(now["components"]["schemas"][name])
        came, comes = set(wanted.pop("required", [])), set(found.pop("required", []))
        assert missing(wanted, found) == [], name
        # What nobody had to send, nobody has to send now; what always came, still does.
        assert comes <= came if name in sent else came <= comes, name


def address_in(lines):
    """The first address in the lines, which need not be in the first: Python may warn before."""
    read = []
    for line in lines:
        read.append(line)
        if found := re.search(r"http://[^/\s;]+", line):
            return found[0]
    raise AssertionError("the app ended without an address: " + "".join(read))


def operations(schema):
    return [one for methods in schema["paths"].values() for one in methods.values()]


def names_in(value):
    """Names of the shapes that a part of the schema is made of."""
    return re.findall(r"#/components/schemas/(\w+)", json.dumps(value))
