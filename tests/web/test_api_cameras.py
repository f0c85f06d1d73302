"""The API of cameras, and tests of addresses over real sockets."""

import base64
import io
import threading
import tomllib
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from oddframe.web.api_cameras import check_connection
from oddframe.web.live_updates import MOST_VIEWERS
from tests.support.stream_server import StreamServer, http

SECRET = "geheim"
RTSP = f"rtsp://bob:{SECRET}@127.0.0.1:9/live?token={SECRET}"


def added(client, **more):
    answer = client.post("/api/v1/cameras", json={"name": "yard", "model": "models/tiny", **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_camera_is_added_watched_edited_and_removed(client, data, clip, until):
    clip()
    assert client.get("/api/v1/cameras").json() == {"cameras": []}
    camera = added(client, source="yard.mp4", loop=True)
    assert (camera["name"], camera["kind"], camera["model"]) == ("yard", "file", "models/tiny")
    until(lambda: client.get("/api/v1/cameras/yard").json()["score"] is not None)
    changed = client.put(
        "/api/v1/cameras/yard", json={"false_alarms": "2/hour", "zones": {"cool_down_s": 3}}
    ).json()
    assert (changed["false_alarms"], changed["budget"], changed["zones"]) == (
        "2/hour",
        "2/hour",
        {"cool_down_s": 3},
    )
    assert changed["loop"] is True
    taken_out = client.put(
        "/api/v1/cameras/yard", json={"false_alarms": None, "zones": None}
    ).json()
    assert (taken_out["false_alarms"], taken_out["zones"]) == (None, None)
    assert client.delete("/api/v1/cameras/yard").status_code == 204
    assert client.get("/api/v1/cameras/yard").status_code == 404
    assert tomllib.loads((data / "cameras.toml").read_text()) == {}


def test_changing_the_budget_does_not_disturb_the_stream(client, clip, until):
    clip()
    added(client, source="yard.mp4", loop=True)
    frames = until(lambda: client.get("/api/v1/cameras/yard").json()["state"]["frames"])
    client.put("/api/v1/cameras/yard", json={"false_alarms": "3/hour"})
    assert client.get("/api/v1/cameras/yard").json()["state"]["frames"] >= frames
    assert client.get("/api/v1/cameras/yard").json()["budget"] == "3/hour"


def test_comments_and_other_cameras_stay(served, data, clip):
    clip()
    (data / "cameras.toml").write_text(
        '# mine\nmodel = "models/tiny"\n\n[[camera]] # the first\nname = "a"\n'
        'source = "yard.mp4" # beside it\nloop = true\n'
    )
    with served() as (client, _):
        added(client, source="yard.mp4")
        client.put("/api/v1/cameras/a", json={"health": False})
    text = (data / "cameras.toml").read_text()
    assert all(kept in text for kept in ("# mine", "# the first", "# beside it"))
    first, second = tomllib.loads(text)["camera"]
    assert first == {"name": "a", "source": "yard.mp4", "loop": True, "health": False}
    assert second == {"name": "yard", "source": "yard.mp4", "model": "models/tiny"}


def test_secrets_are_never_given_back(client, data):
    camera = added(client, source=RTSP)
    assert camera["source"] == "rtsp://***@127.0.0.1:9/live?token=***"
    client.put("/api/v1/cameras/yard", json={"health": False})
    for path in ("cameras", "cameras/yard", "health", "models", "cameras/yard/history"):
        assert SECRET not in client.get(f"/api/v1/{path}").text
    assert SECRET in (data / "cameras.toml").read_text()
    wrong = client.post(
        "/api/v1/cameras",
        json={"name": "b", "source": f"{RTSP} ", "model": "models/tiny", "fps": -1},
    )
    assert wrong.status_code == 422
    assert SECRET not in wrong.text


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"source": "file:///etc/passwd"}, "must begin with rtsp://"),
        ({"source": "concat:/etc/passwd|/etc/hosts"}, "no such file"),
        ({"source": "gopher://h/a"}, "must begin with rtsp://"),
        ({"source": "/etc/passwd"}, "must lie in the data folder"),
        ({"source": "../data2/x.mp4"}, "must lie in the data folder"),
        ({"source": "models/tiny/../../../outside.mp4"}, "must lie in the data folder"),
        ({"source": "nothing.mp4"}, "no such file"),
        ({"source": "rtsp://h/${HOME}"}, "variables"),
        ({"source": "rtsp://h/a", "model": "/etc"}, "model must be one of"),
        ({"source": "rtsp://h/a", "model": "../../etc"}, "model must be one of"),
        ({"source": "rtsp://h/a", "name": "a/b"}, "without slashes"),
        ({"source": "rtsp://h/a", "name": "a\x00"}, "control characters"),
        ({"source": "rtsp://h/a", "false_alarms": "often"}, "must read like"),
        ({"source": "rtsp://h/a", "zones": {"polygon": []}}, "unknown setting polygon"),
        ({"source": "rtsp://h/a", "loop": True}, "loop is for files"),
        ({"source": "rtsp://h/a", "calibration": "/etc/passwd"}, "calibration"),
        ({"source": "rtsp://h/a", "shell": "rm"}, "shell"),
    ],
)
def test_what_cannot_be_watched_changes_nothing(client, data, given, message):
    before = (data / "cameras.toml").read_bytes()
    answer = client.post("/api/v1/cameras", json={"name": "yard", "model": "models/tiny", **given})
    assert answer.status_code == 422
    assert message in answer.json()["detail"]
    assert (data / "cameras.toml").read_bytes() == before
    assert client.get("/api/v1/cameras").json() == {"cameras": []}


def test_a_name_is_taken_once(client):
    added(client, source="rtsp://127.0.0.1:9/a")
    again = client.post(
        "/api/v1/cameras", json={"name": "yard", "source": "rtsp://h/b", "model": "models/tiny"}
    )
    assert again.status_code == 409
    alike = client.post(
        "/api/v1/cameras", json={"name": "Yard", "source": "rtsp://h/b", "model": "models/tiny"}
    )
    assert alike.status_code == 422


def test_files_elsewhere_need_a_folder_of_their_own(served, video, tmp_path):
    path = video("films/a.mp4")
    with served(media=(tmp_path / "films",)) as (client, _):
        assert added(client, source=str(path), loop=True)["source"] == str(path)
        linked = tmp_path / "films" / "out.mp4"
        linked.symlink_to(video("b.mp4"))
        assert client.post("/api/v1/cameras/test", json={"source": str(linked)}).status_code == 422


def test_an_address_can_be_tried(client, clip):
    clip()
    good = client.post("/api/v1/cameras/test", json={"source": "yard.mp4"}).json()
    assert good["ok"]
    assert good["size"] == [64, 48]
    assert good["picture"].startswith("data:image/jpeg;base64,")
    bad = client.post("/api/v1/cameras/test", json={"source": RTSP})
    assert bad.json()["ok"] is False
    assert "nothing listens there" in bad.json()["error"]
    assert SECRET not in bad.text
    assert client.get("/api/v1/cameras").json() == {"cameras": []}


@pytest.mark.parametrize(
    ("address", "message"),
    [
        # A name that no name server may know (RFC 2606).
        ("rtsp://bob:geheim@camera.invalid/a", "no host of this name is known"),
        ("10.0.0.7", "write rtsp:// before it"),
    ],
)
def test_what_is_wrong_with_an_address_is_said_with_what_to_do(client, address, message):
    answer = client.post("/api/v1/cameras/test", json={"source": address})
    assert message in answer.text
    assert SECRET not in answer.text


def test_the_page_of_a_camera_is_told_from_its_stream(client):
    page = b"<!doctype html><html><title>Camera</title><body>Sign in</body></html>" * 20
    with StreamServer(http(page, Content_Length=str(len(page)))) as server:
        tested = client.post("/api/v1/cameras/test", json={"source": server.url()}).json()
    assert tested["ok"] is False
    assert "what it sends is no video" in tested["error"]


def test_live_pictures_are_encoded_once_for_all_who_look(served, clip, until):
    clip()
    with served() as (client, context):
        assert client.get("/api/v1/cameras/yard/live.jpg").status_code == 404
        added(client, source="yard.mp4")
        until(lambda: client.get("/api/v1/cameras/yard").json()["state"]["phase"] == "ended")
        plain = client.get("/api/v1/cameras/yard/live.jpg")
        assert plain.headers["content-type"] == "image/jpeg"
        assert plain.content[:2] == b"\xff\xd8"
        with_heat = client.get("/api/v1/cameras/yard/live.jpg?heat=1")
        assert with_heat.content != plain.content
        first = context.pictures.picture("yard", heat=False)
        assert first == plain.content
        assert context.pictures.picture("yard", heat=False) is first


def test_there_are_not_more_streams_of_pictures_than_a_server_bears(served):
    with served() as (client, context):
        assert client.get("/api/v1/cameras/yard/live.mjpeg").status_code == 404
        added(client, source="rtsp://127.0.0.1:9/a")
        context.pictures.viewers = MOST_VIEWERS
        refused = client.get("/api/v1/cameras/yard/live.mjpeg")
        assert refused.status_code == 503
        assert "close some of them" in refused.json()["detail"]


def test_a_camera_without_a_picture_says_so(client):
    added(client, source="rtsp://127.0.0.1:9/a")
    assert client.get("/api/v1/cameras/yard/live.jpg").status_code == 503


@pytest.mark.slow
def test_a_month_of_scores_comes_in_few_spans(served, monkeypatch):
    with served() as (client, context):
        added(client, source="rtsp://127.0.0.1:9/a")
        start_s = 1_790_000_000
        for second in range(0, 30 * 86_400, 3_600):
            context.store.put_score("yard", (start_s + second) * 1_000_000, 0.25)
        assert context.store.flush()
        end_us = (start_s + 30 * 86_400) * 1_000_000
        asked = f"/api/v1/cameras/yard/scores?from_us={start_s * 1_000_000}&to_us={end_us}"
        answer = client.get(f"{asked}&most=300").json()
        assert len(answer["spans"]) <= 300
        starts = [start for start, _, _ in answer["spans"]]
        assert all((start - starts[0]) % answer["span_us"] == 0 for start in starts)
        assert client.get(f"{asked}&most=0").status_code == 422
        assert client.get("/api/v1/cameras/yard/scores?from_us=5&to_us=5").status_code == 422


def test_the_scores_of_all_cameras_come_in_one_answer(served):
    with served() as (client, context):
        added(client, source="rtsp://127.0.0.1:9/a")
        assert client.get("/api/v1/scores").json()["cameras"] == {}
        hour_us = 3_600 * 1_000_000
        end_us = 500_000 * hour_us
        for hour, score in ((-30, 0.25), (-2, 0.75)):
            context.store.put_score("yard", end_us + hour * hour_us, score)
        context.store.put_score("gone", end_us - hour_us, 0.5)
        assert context.store.flush()
        asked = f"/api/v1/scores?from_us={end_us - 720 * hour_us}&to_us={end_us}"
        answer = client.get(asked).json()
        assert answer["span_us"] == hour_us
        assert answer["first_us"] == end_us - 30 * hour_us
        # A camera that is not watched any more is not among them.
        assert answer["cameras"] == {
            "yard": {"at": [0, 28], "peaks": [0.25, 0.75], "means": [0.25, 0.75]}
        }
        assert client.get("/api/v1/scores?from_us=5&to_us=5").status_code == 422


def test_forgetting_a_camera_removes_what_was_kept(served):
    with served() as (client, context):
        added(client, source="rtsp://127.0.0.1:9/a")
        context.store.put_score("yard", 10**15, 0.25)
        context.store.flush()
        assert "yard" in context.store.reader.cameras()
        client.delete("/api/v1/cameras/yard?forget=true")
        assert "yard" not in context.store.reader.cameras()


def test_a_server_that_was_edited_by_hand_meanwhile_keeps_that(client, data, clip):
    clip()
    with (data / "cameras.toml").open("a") as file:
        file.write(
            '[[camera]]\nname = "hand"\nsource = "yard.mp4"\nmodel = "models/tiny"\nloop = true\n'
        )
    added(client, source="yard.mp4", loop=True)
    cameras = client.get("/api/v1/cameras").json()["cameras"]
    assert [camera["name"] for camera in cameras] == ["hand", "yard"]


@pytest.fixture
def redirecting(video):
    """A server that redirects to another one: its address, and the paths asked of the other."""
    asked = []
    content = video("a.ts", frames=20).read_bytes()

    class Other(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    class First(Other):
        def do_GET(self):
            if self.path == "/video":
                super().do_GET()
                return
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{other.server_port}/secret")
            self.end_headers()

    other, first = (ThreadingHTTPServer(("127.0.0.1", 0), kind) for kind in (Other, First))
    for server in (other, first):
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{first.server_port}", asked
    for server in (other, first):
        server.shutdown()
        server.server_close()


def test_a_redirection_is_not_followed(redirecting, tmp_path):
    url, asked = redirecting
    result = check_connection(f"{url}/moved", tmp_path)
    assert (result.ok, asked) == (False, [])
    assert result.error


def test_an_address_that_answers_shows_its_picture(redirecting, tmp_path):
    url, asked = redirecting
    result = check_connection(f"{url}/video", tmp_path)
    assert (result.ok, result.size, result.error) == (True, (64, 48), None)
    assert asked == ["/video"]


@pytest.mark.parametrize(
    ("aspect", "size"), [(Fraction(4, 3), (85, 48)), (Fraction(1, 2), (64, 96))]
)
def test_the_picture_of_an_address_has_the_shape_that_players_show(aspect, size, video, tmp_path):
    def stretch(stream):
        stream.codec_context.sample_aspect_ratio = aspect

    video("a.mkv", frames=2, prepare=stretch)
    result = check_connection("a.mkv", tmp_path)
    assert result.size == size
    with Image.open(io.BytesIO(base64.b64decode(result.picture.split(",")[1]))) as picture:
        assert picture.width / picture.height == pytest.approx(size[0] / size[1], rel=0.01)


def test_what_is_no_video_says_so(tmp_path):
    (tmp_path / "a.mp4").write_text("no video at all")
    assert check_connection("a.mp4", tmp_path).ok is False


def test_variables_of_the_server_are_not_filled_in(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "geheim")
    result = check_connection("rtsp://127.0.0.1:9/${SECRET}", tmp_path)
    assert result.ok is False
    assert "geheim" not in str(result)
