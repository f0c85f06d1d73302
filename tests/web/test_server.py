"""The verb itself: what it refuses, and how it ends."""

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from oddframe.errors import OutputError, SettingsError
from oddframe.web.server import ServeSettings, is_local, serve

COMMAND = Path(sys.executable).with_name("oddframe")


@pytest.mark.parametrize(
    ("host", "local"),
    [
        *[(host, True) for host in ("127.0.0.1", "::1", "localhost", "127.3.2.1")],
        *[(host, False) for host in ("0.0.0.0", "::", "10.0.0.1", "example.org")],
    ],
)
def test_what_is_this_machine_alone(host, local):
    assert is_local(host) is local


@pytest.mark.parametrize(
    ("chosen", "name"),
    [("Europe/Berlin", "Europe/Berlin"), (":Etc/UTC", "UTC"), ("XYZ-3", "+03:00")],
)
def test_the_zone_of_the_site_has_a_name_that_browsers_know(client, machine_zone, chosen, name):
    machine_zone(chosen)
    assert client.get("/api/v1/info").json()["time_zone"] == name


def test_beyond_this_machine_it_wants_a_token(oddframe_command, tmp_path):
    result = oddframe_command("serve", "--data", tmp_path, "--host", "0.0.0.0", "--port", "0")
    assert result.code == 2
    assert "--make-token" in result.err


def test_a_token_is_made_once_and_only_its_hash_is_kept(oddframe_command, tmp_path):
    result = oddframe_command("serve", "--data", tmp_path / "new", "--make-token")
    assert result.code == 0
    token = result.out.strip()
    assert len(token) > 40
    kept = (tmp_path / "new" / "access.hash").read_text()
    assert kept.startswith("$argon2id$")
    assert token not in kept


@pytest.mark.parametrize(
    "arguments", [["--token", "short"], ["--token-file", "/nowhere"], ["--port", "99999"]]
)
def test_what_cannot_be_served_leaves_with_2(oddframe_command, tmp_path, arguments):
    result = oddframe_command("serve", "--data", tmp_path, *arguments)
    assert result.code == 2
    assert "short" not in result.err.replace("too short", "")


def test_a_taken_port_and_a_broken_file_are_told_before_anything_starts(tmp_path):
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OutputError, match="choose another --port"),
    ):
        serve(ServeSettings(data=tmp_path, port=taken.getsockname()[1]))
    (tmp_path / "cameras.toml").write_text("[[camera]]\nnam = 1\n")
    with pytest.raises(SettingsError, match=r"cameras\.toml.*did you mean name"):
        serve(ServeSettings(data=tmp_path, port=0))
    (tmp_path / "cameras.toml").write_text("[watch]\nstore = false\n")
    with pytest.raises(SettingsError, match=r"watch\.store must be true"):
        serve(ServeSettings(data=tmp_path, port=0))


def test_what_cannot_be_the_data_folder_is_named(tmp_path):
    (tmp_path / "data").touch()
    with pytest.raises(OutputError, match=str(tmp_path / "data")):
        serve(ServeSettings(data=tmp_path / "data", port=0))
    with pytest.raises(SettingsError, match="--media must be a folder"):
        ServeSettings(data=tmp_path, media=(tmp_path / "nowhere",))


def test_a_certificate_that_cannot_be_used_is_refused(tmp_path):
    (tmp_path / "cert.pem").write_text("no certificate")
    with pytest.raises(SettingsError, match="--certificate must be a PEM file"):
        ServeSettings(data=tmp_path, certificate=tmp_path / "cert.pem")
    with pytest.raises(SettingsError, match="--certificate must be a PEM file"):
        ServeSettings(data=tmp_path, certificate=tmp_path / "nowhere.pem")
    with pytest.raises(SettingsError, match="must have --certificate with it"):
        ServeSettings(data=tmp_path, certificate_key=tmp_path / "key.pem")


@pytest.mark.slow
def test_with_a_certificate_it_serves_https(tmp_path):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl makes the certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    asked = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    asked += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*asked, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    given = ["--data", tmp_path / "data", "--port", "0", "--certificate", certificate]
    program = subprocess.Popen(
        [COMMAND, "serve", *given, "--certificate-key", key], stderr=subprocess.PIPE, text=True
    )
    try:
        assert program.stderr is not None
        line = next(line for line in program.stderr if "https://" in line)
        port = re.search(r"https://127\.0\.0\.1:(\d+)/", line)[1]
        trusted = ssl.create_default_context(cafile=certificate)
        url = f"https://localhost:{port}/healthz"
        with urllib.request.urlopen(url, timeout=60, context=trusted) as answer:
            assert answer.read() == b"ok\n"
        program.send_signal(signal.SIGTERM)
        assert program.wait(60) == 0
    finally:
        program.kill()
        program.wait()
        program.stderr.close()


@pytest.mark.slow
def test_it_ends_whoever_listens(tmp_path, tiny_run, video):
    data = tmp_path / "data"
    data.mkdir()
    video("data/yard.mp4", frames=20)
    (data / "cameras.toml").write_text(
        f'model = "{tiny_run}"\n[[camera]]\nname = "yard"\nsource = "yard.mp4"\nloop = true\n'
        '[[camera]]\nname = "gone"\nsource = "rtsp://127.0.0.1:9/a"\n'
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    program = subprocess.Popen(
        [COMMAND, "serve", "--data", data, "--port", str(port)], env=environment
    )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 120
        while True:
            try:
                with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
                    assert answer.status == 200
                    break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        streams = [urllib.request.urlopen(f"{url}/api/v1/stream", timeout=30) for _ in range(50)]
        assert [stream.readline() for stream in streams] == [b"retry: 2000\n"] * 50
        assert (data / "oddframe.sqlite").stat().st_mode & 0o077 == 0
        program.send_signal(signal.SIGTERM)
        # It takes two seconds on a machine of its own, and would wait for the listeners for ever.
        assert program.wait(60) == 0
        for stream in streams:
            stream.close()
    finally:
        program.kill()
        program.wait()
