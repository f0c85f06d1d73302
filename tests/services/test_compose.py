"""`deploy/compose.yaml` as a whole: camera, go2rtc, Oddframe, broker, each in a container.

Run by `scripts/try-image`. go2rtc's place has a relay to the tests' own RTSP server, which is the
only part that is no container; the broker is Debian's mosquitto. $ODDFRAME_IMAGE and
$ODDFRAME_TRY_BROKER name the images, and without them the test is skipped.
"""

import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.alerting import until
from tests.support.built import ROOT
from tests.support.containers import TOKEN, give_away, got, image_of, is_live
from tests.support.rtsp import RtspServer

pytestmark = [pytest.mark.services, pytest.mark.slow]

RELAY = """
import socket, threading
def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    finally:
        target.close()
with socket.create_server(('', 8554)) as server:
    while True:
        client = server.accept()[0]
        camera = socket.socket(socket.AF_UNIX)
        camera.connect('/relay/camera')
        for pair in ((client, camera), (camera, client)):
            threading.Thread(target=copy, args=pair, daemon=True).start()
"""


def copy(source: socket.socket, target: socket.socket) -> None:
    """Hand on what comes until one side closes."""
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    target.close()


@contextmanager
def relay(path: Path, port: int) -> Iterator[None]:
    """Hand connections to a socket in a folder on to a port of this machine."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        path.chmod(0o777)
        server.listen()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, camera = (
                        server.accept()[0],
                        socket.create_connection(("127.0.0.1", port)),
                    )
                    for pair in ((client, camera), (camera, client)):
                        threading.Thread(target=copy, args=pair, daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def folder(graph_model, tmp_path):
    """A copy of deploy/ with a data folder, made as the first lines of the file say."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    data = tmp_path / "deploy" / "data"
    shutil.copytree(graph_model, data / "models" / "yard")
    cameras = (ROOT / "deploy" / "compose.cameras.toml").read_text()
    # The tests' server has one scene, and a camera of blocks and noise is ill by its health check.
    cameras = cameras.replace("8554/yard", "8554/scene")
    cameras = cameras.replace('model = "models/yard"', 'health = false\nmodel = "models/yard"')
    (data / "cameras.toml").write_text(cameras)
    give_away(data)
    return tmp_path / "deploy"


def test_everything_of_compose_works_together(folder, scenes, tmp_path):
    image, broker = image_of("ODDFRAME_IMAGE"), image_of("ODDFRAME_TRY_BROKER")
    program = shutil.which("podman-compose")
    if program is None:
        pytest.skip("podman-compose is not installed")
    with RtspServer(scenes.calm) as camera:
        # A short path: the name of a socket may have a hundred letters.
        sockets = Path("/tmp") / f"oddframe-try-{os.getpid()}"
        sockets.mkdir()
        (folder / "try.yaml").write_text(
            json.dumps(
                {
                    "services": {
                        "go2rtc": {
                            "command": ["python3", "-c", RELAY],
                            "volumes": [f"{sockets}:/relay"],
                        }
                    }
                }
            )
        )
        environment = {
            **os.environ,
            "ODDFRAME_IMAGE": image,
            "ODDFRAME_TOKEN": TOKEN,
            "GO2RTC_IMAGE": "localhost/oddframe-base",
            "MOSQUITTO_IMAGE": broker,
        }

        def compose(*command: str) -> str:
            done = subprocess.run(
                [program, "-p", "oddframe-try", "-f", "compose.yaml", "-f", "try.yaml", *command],
                capture_output=True,
                text=True,
                cwd=folder,
                env=environment,
            )
            assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
            return done.stdout

        try:
            with relay(sockets / "camera", camera.port):
                compose("up", "-d", "--no-build")
                url = "http://127.0.0.1:8750"
                until(lambda: is_live(got(f"{url}/api/v1/cameras", TOKEN)))
                camera.order(f"once {scenes.odd}")
                until(lambda: ended(got(f"{url}/api/v1/events", TOKEN)))
                state = json.loads(
                    compose(
                        *("exec", "-T", "mosquitto", "mosquitto_sub", "-C", "1", "-W", "20"),
                        *("-t", "oddframe/yard/state"),
                    )
                )
                assert state["online"] == "ON"
                assert state["event"]["kind"] == "anomaly"
        finally:
            print(compose("logs"))
            compose("down", "-t", "10")
            shutil.rmtree(sockets)


def ended(events: str | None) -> bool:
    """Whether there is an event that has ended."""
    found = json.loads(events or '{"events": []}')["events"]
    return any(event["end_us"] is not None for event in found)
