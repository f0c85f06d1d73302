"""The files of the front end as a browser gets them: compressed, kept for ever, asked for once."""

import gzip
import re

import pytest

from oddframe.web.pages import FOLDER

LOADED = re.compile(r'(?:href|src)="(v/[0-9a-f]+/[^"]+)"')


@pytest.fixture
def loaded(client):
    """The addresses of what the page loads."""
    return LOADED.findall(client.get("/").text)


def test_what_the_page_loads_is_kept_for_ever_and_has_what_a_visit_begins_with(client, loaded):
    names = {address.partition("/")[2].partition("/")[2] for address in loaded}
    assert {"js/app.js", "css/app.css", "icon.svg"} <= names
    # The views with which visits begin, and what they import; others come when they are opened.
    assert {"js/events.js", "js/clip_player.js", "js/cameras.js", "shared/format.js"} <= names
    assert not {"js/settings.js", "js/accounts.js", "js/timeline.js"} & names
    for address in loaded:
        answer = client.get(f"/{address}")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        name = address.partition("/")[2].partition("/")[2]
        assert answer.content == (FOLDER / name).read_bytes()


def test_the_page_itself_is_asked_for_and_has_not_changed(client):
    first = client.get("/")
    assert first.headers["cache-control"] == "no-cache"
    again = client.get("/", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/", headers={"if-none-match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    ("accepted", "is_compressed"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("", False),
    ],
)
def test_a_file_is_compressed_for_who_takes_that(client, accepted, is_compressed):
    headers = {"accept-encoding": accepted}
    with client.stream("GET", "/js/app.js", headers=headers) as answer:
        content = b"".join(answer.iter_raw())
    assert (answer.headers.get("content-encoding") == "gzip") is is_compressed
    assert answer.headers["vary"] == "accept-encoding"
    plain = (FOLDER / "js" / "app.js").read_bytes()
    assert (gzip.decompress(content) if is_compressed else content) == plain
    assert (len(content) < len(plain) / 2) is is_compressed


@pytest.mark.parametrize(
    "path", ["/v/0123456789abcdef/js/app.js", "/js/nothing.js", "/../web/app.py", "/js", "/v/"]
)
def test_what_is_not_there_is_not_found(client, path):
    assert client.get(path).status_code == 404
