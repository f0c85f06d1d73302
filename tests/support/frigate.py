"""A receiver in Frigate's place that holds every call to Frigate's published description.

The facts in `OPERATIONS` and `SCHEMAS` are those of ``docs/static/frigate-api.yaml`` of
blakeblackshear/frigate at commit 01da8fd793ba694f40cbb5b10fe5d6cff0a226ed (OpenAPI 3.1): the three
operations that the sink uses, with the parameters and bodies that they may have.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import jsonschema


def or_null(kind: str) -> dict[str, Any]:
    """The schema of a value that may be null."""
    return {"type": [kind, "null"]}


SCHEMAS: dict[str, dict[str, Any]] = {
    "EventsCreateBody": {
        "type": "object",
        "properties": {
            "sub_label": or_null("string"),
            "score": or_null("number"),
            "duration": or_null("integer"),
            "include_recording": or_null("boolean"),
            "draw": or_null("object"),
            "pre_capture": or_null("integer"),
        },
    },
    "EventsEndBody": {"type": "object", "properties": {"end_time": or_null("number")}},
    "EventCreateResponse": {
        "type": "object",
        "required": ["success", "message", "event_id"],
        "properties": {
            "success": {"type": "boolean"},
            "message": {"type": "string"},
            "event_id": {"type": "string"},
        },
    },
}
"""Bodies by their name in the description."""

OPERATIONS: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/events/{camera_name}/{label}/create"): {"body": "EventsCreateBody"},
    ("PUT", "/events/{event_id}/end"): {"body": "EventsEndBody"},
    ("GET", "/events"): {
        "query": {
            "cameras": str,
            "labels": str,
            "in_progress": int,
            "include_thumbnails": int,
            "limit": int,
            "after": float,
            "before": float,
        }
    },
}
"""Operations by method and path; the query's parameters have kinds, a body a schema."""


def operation_of(method: str, path: str) -> tuple[str, list[str], dict[str, Any]]:
    """Return the described path of a call, the values in it and the operation."""
    for (wanted, described), operation in OPERATIONS.items():
        pattern = re.sub(r"\{\w+\}", "([^/]+)", described)
        if wanted == method and (found := re.fullmatch(f"/api{pattern}", path)):
            return described, [unquote(value) for value in found.groups()], operation
    raise AssertionError(f"Frigate's description has no {method} {path}")


def check_call(method: str, target: str, kind: str | None, body: bytes) -> tuple[str, list[str]]:
    """Hold a call to the description; returns the described path and the values in the path.

    What the description does not name is refused too: Frigate would ignore it without a word.
    """
    address = urlsplit(target)
    described, values, operation = operation_of(method, address.path)
    for name, value in parse_qsl(address.query, strict_parsing=bool(address.query)):
        operation.get("query", {})[name](value)
    if "body" in operation:
        assert kind == "application/json"
        schema = {**SCHEMAS[operation["body"]], "additionalProperties": False}
        jsonschema.validate(json.loads(body), schema)
    else:
        assert body == b""
    return described, values


class FrigateServer:
    """A web server on this machine with the events of a Frigate.

    Attributes:
        cameras: Names of its cameras; others are answered with 404, as Frigate does.
        now: The time of day that its events begin at, in seconds since 1970-01-01 UTC.
        answer: Called with the number of calls so far; None lets the call do its work, any other
            status is answered without work, and -1 does the work and hangs up without an answer.
        events: Every event that was made, in order: camera, label, start_time, end_time, and the
            body that it was made of.
        calls: Method and target of each call.
        headers: The headers of each call.
        wrong: What was found wrong with calls; a test fails that leaves some.
    """

    def __init__(self, port: int = 0) -> None:
        self.cameras = {"yard"}
        self.answer: Callable[[int], int | None] = lambda _count: None
        self.now: Callable[[], float] = lambda: 0.0
        self.events: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.wrong: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def take(self) -> None:
                length = int(self.headers["Content-Length"] or 0)
                body = self.rfile.read(length)
                server.calls.append(f"{self.command} {self.path}")
                server.headers.append(dict(self.headers))
                status = server.answer(len(server.calls))
                if status is not None and status >= 0:
                    self.say(status, {"success": False, "message": "as the test wants it"})
                    return
                try:
                    done = server.work(self.command, self.path, self.headers["Content-Type"], body)
                except (AssertionError, ValueError, KeyError, jsonschema.ValidationError) as error:
                    server.wrong.append(f"{self.command} {self.path}: {error!r}")
                    done = (422, {"detail": []})
                if status is None:
                    self.say(*done)
                else:
                    self.close_connection = True

            do_GET = do_POST = do_PUT = take  # noqa: N815 - the names that http.server calls

            def say(self, status: int, value: Any) -> None:
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        ThreadingHTTPServer.allow_reuse_address = True
        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    def work(self, method: str, target: str, kind: str | None, body: bytes) -> tuple[int, Any]:
        """Check a call and do what Frigate would do; returns the answer."""
        described, values = check_call(method, target, kind, body)
        if described == "/events":
            asked = dict(parse_qsl(urlsplit(target).query))
            return 200, [
                {key: event[key] for key in ("id", "camera", "label", "start_time", "end_time")}
                for event in self.events
                if event["camera"] == asked["cameras"]
                and event["label"] == asked["labels"]
                and (event["end_time"] is None) == (asked["in_progress"] == "1")
            ]
        given = json.loads(body)
        if described == "/events/{event_id}/end":
            for event in self.events:
                if event["id"] == values[0] and event["end_time"] is None:
                    event["end_time"] = given["end_time"]
                    return 200, {"success": True, "message": "Event successfully ended."}
            return 404, {"success": False, "message": f"{values[0]} must be set and valid."}
        camera, label = values
        if camera not in self.cameras:
            return 404, {"success": False, "message": f"{camera} is not a valid camera."}
        made = {
            "id": f"{self.now()}-{len(self.events):06d}",
            "camera": camera,
            "label": label,
            "start_time": self.now(),
            "end_time": None,
            "given": given,
        }
        self.events.append(made)
        said = {"success": True, "message": "Successfully created event.", "event_id": made["id"]}
        jsonschema.validate(said, SCHEMAS["EventCreateResponse"])
        return 200, said

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def frigate_server(port: int = 0) -> Iterator[FrigateServer]:
    """Run a `FrigateServer` for as long as the block lasts; a wrong call fails the test."""
    server = FrigateServer(port)
    try:
        yield server
        assert server.wrong == []
    finally:
        server.close()
