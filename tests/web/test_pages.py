"""The files of the front end as a browser gets them: joined, compressed, kept, asked for once."""

import base64
import gzip
import hashlib
import re

import pytest

from oddframe.web.pages import FOLDER
from tests.support.browser import page, server
from tests.support.morning import fill_night

LOADED = re.compile(r'(?:href|src)="(v/[0-9a-f]+/[^"]+)"')


@pytest.fixture
def loaded(client):
    """The addresses of what the page loads."""
    return LOADED.findall(client.get("/").text)


def name_of(address):
    return address.partition("/")[2].partition("/")[2]


def test_what_the_page_loads_is_few_files_that_are_kept_for_ever(client, loaded):
    assert sorted(map(name_of, loaded)) == ["css/all.css", "icon.svg", "js/start.js"]
    for address in loaded:
        answer = client.get(f"/{address}")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.content == client.get(f"/{name_of(address)}").content


def test_each_module_is_in_one_joined_file_and_those_of_the_first_view_are_in_the_first(client):
    start, rest = (client.get(f"/js/{name}.js").text for name in ("start", "rest"))
    files = {
        path.relative_to(FOLDER).as_posix()
        for folder in ("js", "shared")
        for path in (FOLDER / folder).glob("*.js")
    }
    joined = [re.findall(r'^modules\["([^"]+)"\] = ', text, re.MULTILINE) for text in (start, rest)]
    assert sorted([*joined[0], *joined[1]]) == sorted(files - {"js/early.js"})
    assert {"js/events.js", "js/clip_player.js", "shared/format.js"} <= set(joined[0])
    assert {"js/cameras.js", "js/settings.js", "js/timeline.js"} <= set(joined[1])
    # Each runs after what it imports.
    place = {name: index for index, name in enumerate([*joined[0], *joined[1]])}
    for name, text in zip(("js/app.js", "js/cameras.js"), (start, rest), strict=True):
        body = text.partition(f'modules["{name}"] = ')[2].partition("\n})();")[0]
        wanted = re.findall(r'^const \{[^}]*\} = modules\["([^"]+)"\]', body, re.MULTILINE)
        assert len(wanted) > 5
        assert all(place[other] < place[name] for other in wanted)


def test_the_styles_are_one_file_in_their_order(client):
    names = ("shared/tokens.css", "css/app.css", "css/views.css")
    assert client.get("/css/all.css").text == "".join((FOLDER / name).read_text() for name in names)


def test_the_page_may_run_its_own_script_and_no_other(client):
    answer = client.get("/")
    (script,) = re.findall(r"<script>(.*?)</script>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert f"script-src 'self' 'sha256-{digest}';" in policy
    other = client.get("/healthz").headers["content-security-policy"]
    assert policy.replace(f" 'sha256-{digest}'", "") == other


@pytest.mark.services
def test_a_visit_to_the_events_asks_once_for_what_the_first_row_needs(tmp_path):
    fill_night(tmp_path, ["yard"], groups=1)
    (tmp_path / "cameras.toml").write_text(
        'model = "ped2"\n[[camera]]\nname = "yard"\nsource = "rtsp://127.0.0.1:9/a"\n'
    )
    with server(tmp_path) as address, page() as (opened, wrong):
        asked = []
        opened.on("request", lambda request: asked.append(request.url.removeprefix(address)))
        opened.goto(f"{address}#/events")
        opened.locator(".event-row").first.wait_for()
        names = [re.sub("^v/[0-9a-f]+/", "", name) for name in asked]
        first = ["", "css/all.css", "js/start.js"]
        first += [f"api/v1/{name}" for name in ("info", "cameras", "stacks?limit=30")]
        assert {name: names.count(name) for name in first} == dict.fromkeys(first, 1)
        assert [name for name in names if name.endswith(".js")] == ["js/start.js"]
        # The other views come with one more file, and share what the first one has.
        opened.get_by_role("link", name="Settings").click()
        opened.get_by_role("heading", name="Settings").wait_for()
        opened.get_by_role("link", name="Timeline").click()
        opened.locator(".strip").first.wait_for()
        names = [re.sub("^v/[0-9a-f]+/", "", name) for name in asked]
        assert [name for name in names if name.endswith(".js")] == ["js/start.js", "js/rest.js"]
        assert wrong == []


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
