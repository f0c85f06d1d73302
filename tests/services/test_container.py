"""The container image that `scripts/build-image` makes, with a drawn camera: `scripts/try-image`.

$ODDFRAME_IMAGE names the image, and $ODDFRAME_TRAIN_IMAGE the one that trains; without them these
tests are skipped.
"""

import json
import shutil
import socket

import pytest

from tests.support.alerting import until
from tests.support.containers import (
    HARDENED,
    TOKEN,
    USER,
    give_away,
    got,
    image_of,
    is_live,
    podman,
    running,
    try_podman,
)
from tests.support.frigate import frigate_server
from tests.support.rtsp import RtspServer
from tests.support.watch_scene import write_recording

pytestmark = [pytest.mark.services, pytest.mark.slow]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.fixture
def data(graph_model, tmp_path):
    """A data folder with a model."""
    folder = tmp_path / "data"
    shutil.copytree(graph_model, folder / "models" / "scene")
    return folder


def test_it_is_not_root_and_its_files_cannot_be_changed():
    image = image_of("ODDFRAME_IMAGE")
    (facts,) = json.loads(podman("image", "inspect", image))
    assert facts["Config"]["User"] == f"{USER}:{USER}"
    look = "id -u; touch /opt/oddframe/x /x 2>&1; touch /tmp/x && echo writable; command -v pip"
    shown = try_podman(*("run", "--rm", *HARDENED, "--entrypoint", "sh", image, "-c", look)).stdout
    assert shown.split("\n")[0] == str(USER)
    assert shown.count("Read-only file system") == 2
    assert shown.strip().endswith("writable")


def test_it_has_no_torch_and_scores_as_it_should(data, tmp_path):
    image = image_of("ODDFRAME_IMAGE")
    write_recording(data / "a.mp4", 60, range(30, 50))
    give_away(data)
    volume = ("-v", f"{data}:/data")
    report = json.loads(podman("run", "--rm", *HARDENED, *volume, image, "doctor", "--json"))
    assert report["ok"]
    assert report["backends"] == {"torch": False, "onnx": True, "openvino": False}
    command = ("score", "/data/a.mp4", "--model", "/data/models/scene", "-o", "/data/out")
    podman("run", "--rm", *HARDENED, *volume, image, *command, "--overlay")
    left = {path.name for path in (data / "out").iterdir()}
    assert {"a.scores.csv", "a.curve.png", "a.overlay.mp4"} <= left


def test_it_watches_a_drawn_camera_and_is_healthy(data, scenes):
    """The app with a camera of the tests' own RTSP server, and Frigate in the tests' own place."""
    image = image_of("ODDFRAME_IMAGE")
    port = free_port()
    with RtspServer(scenes.calm) as camera, frigate_server() as frigate:
        (data / "cameras.toml").write_text(
            f"""
[[camera]]
name = "yard"
source = "{camera.url()}"
model = "models/scene"
health = false

[sinks.frigate]
kind = "frigate"
url = "{frigate.url}"
"""
        )
        command = ("serve", "--data", "/data", "--host", "0.0.0.0", "--port", port)
        options = ("-e", f"ODDFRAME_TOKEN={TOKEN}")
        with running(image, data, *command, options=options) as container:
            url = f"http://127.0.0.1:{port}"
            until(lambda: got(f"{url}/readyz"))
            assert got(f"{url}/api/v1/events") is None  # not without the token
            until(lambda: is_live(got(f"{url}/api/v1/cameras", TOKEN)))
            camera.order(f"once {scenes.odd}")
            until(lambda: any(event["end_time"] for event in frigate.events))
            events = json.loads(got(f"{url}/api/v1/events", TOKEN) or "{}")
            assert [event["camera"] for event in events["events"]] == ["yard"]
            # The clip is written a little later than the event.
            until(lambda: list(data.rglob("*.mp4")))
            until(lambda: list(data.rglob("*.jpg")))
            podman("stop", "-t", "10", container)
            (facts,) = json.loads(podman("inspect", container))
            assert facts["State"]["ExitCode"] == 0


def test_its_own_check_finds_it_healthy(data):
    image = image_of("ODDFRAME_IMAGE")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 8750)) == 0:
            pytest.skip("port 8750 is taken on this machine")
    with running(image, data, options=("-e", f"ODDFRAME_TOKEN={TOKEN}")) as container:
        until(lambda: got("http://127.0.0.1:8750/readyz"))
        podman("healthcheck", "run", container)


def test_without_a_token_it_says_what_to_do(data):
    image = image_of("ODDFRAME_IMAGE")
    give_away(data)
    done = try_podman("run", "--rm", *HARDENED, "-v", f"{data}:/data", image)
    assert done.returncode == 2
    assert "token" in done.stderr


def test_the_image_that_trains_trains(tmp_path):
    image = image_of("ODDFRAME_TRAIN_IMAGE")
    for number in range(2):
        (tmp_path / "normal").mkdir(exist_ok=True)
        write_recording(tmp_path / "normal" / f"{number}.mp4", 200, first=1000 * number)
    (tmp_path / "tiny.toml").write_text(
        "[network]\nheight = 32\nwidth = 32\nchannels = 2\nclusters = 4\nscore_windows = [8]\n"
        "[training]\npretrain_steps = 3\njoint_steps = 2\ncentre_codes = 100\n"
    )
    give_away(tmp_path)
    command = ("train", "/data/normal", "-o", "/data/run", "-c", "/data/tiny.toml")
    volume = ("-v", f"{tmp_path}:/data")
    podman("run", "--rm", *HARDENED, "--shm-size", "1g", *volume, image, *command)
    assert (tmp_path / "run" / "bundle").is_dir()
