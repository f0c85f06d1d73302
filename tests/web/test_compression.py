"""JSON is compressed on its way, for who takes that, and nothing else is."""

import gzip
import json

import pytest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.testclient import TestClient

from oddframe.web.compression import LEAST_BYTES, CompressJson

LONG = {"text": "x" * LEAST_BYTES}


def answered(response, accepted="gzip"):
    """The headers and the raw body of what an app that gives this response answers."""
    client = TestClient(CompressJson(response))
    with client.stream("GET", "/", headers={"accept-encoding": accepted}) as answer:
        return answer.headers, b"".join(answer.iter_raw())


def test_long_json_is_compressed():
    headers, body = answered(JSONResponse(LONG, headers={"vary": "cookie"}))
    assert json.loads(gzip.decompress(body)) == LONG
    assert headers["content-encoding"] == "gzip"
    assert int(headers["content-length"]) == len(body) < LEAST_BYTES
    assert headers["vary"] == "cookie, accept-encoding"


@pytest.mark.parametrize(
    ("response", "accepted"),
    [
        (JSONResponse(LONG), "identity"),
        (JSONResponse(LONG), "gzip;q=0"),
        (JSONResponse({"text": "short"}), "gzip"),
        (Response(b"x" * 5_000, media_type="image/jpeg"), "gzip"),
        (Response(b"x" * 5_000, media_type="text/event-stream"), "gzip"),
        (StreamingResponse(iter([b"[1,", b"2]"]), media_type="application/json"), "gzip"),
    ],
)
def test_everything_else_passes_as_it_is(response, accepted):
    headers, body = answered(response, accepted)
    assert "content-encoding" not in headers
    assert body in (b"[1,2]", getattr(response, "body", b""))
