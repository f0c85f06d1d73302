"""Wheel and archive of a release, installed in empty environments as people install them."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from pathlib import Path

import pytest

import oddframe
from tests.support.alerting import until
from tests.support.built import OWN_ENVIRONMENT, ROOT, build_package, install, run
from tests.support.tiny import walk

PYTHONS = ("3.11", "3.12", "3.13")
SETTINGS = """
[network]
height = 32
width = 32
channels = 2
clusters = 4
score_windows = [8]
[training]
pretrain_steps = 3
joint_steps = 2
centre_codes = 100
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build_package(tmp_path_factory.mktemp("built"))


def interpreter(version):
    """An interpreter of a version: of the path, or one that pyenv or uv has installed."""
    places = [
        Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions",
        Path.home() / ".local" / "share" / "uv" / "python",
    ]
    found = [found] if (found := shutil.which(f"python{version}")) else []
    found += [path for place in places for path in place.glob(f"*/bin/python{version}")]
    for path in found:
        # Shims of pyenv are there for versions that are not.
        if subprocess.run([path, "-c", "import venv, ssl"], capture_output=True).returncode == 0:
            return path
    pytest.skip(f"Python {version} is not installed")


def empty_environment(place, version):
    """An environment with nothing in it; returns its interpreter."""
    run(interpreter(version), "-m", "venv", "--without-pip", place)
    return place / "bin" / "python"


@pytest.mark.slow
def test_wheel_and_archive_hold_what_they_should(built):
    version = oddframe.__version__
    assert built.wheel.name == f"oddframe-{version}-py3-none-any.whl"
    assert built.sdist.name == f"oddframe-{version}.tar.gz"
    run(sys.executable, "-m", "twine", "check", "--strict", built.sdist, built.wheel)
    with zipfile.ZipFile(built.wheel) as wheel:
        held = set(wheel.namelist())
    info = f"oddframe-{version}.dist-info"
    package = ROOT / "src" / "oddframe"
    unwanted = {".pyc", ".so"}
    sources = {
        str(path.relative_to(package.parent))
        for path in package.rglob("*")
        if path.is_file() and path.suffix not in unwanted
    }
    assert sources | {f"{info}/licenses/LICENSE"} <= held
    assert {name.split("/")[0] for name in held} == {"oddframe", info}
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml", "src/oddframe/__init__.py"} <= names


@pytest.mark.slow
@pytest.mark.parametrize("version", PYTHONS)
def test_base_watch_and_serve_work_in_an_empty_environment(version, built, video, tmp_path):
    """One extra after the other, so that each has what it needs and not what the next brings."""
    python = empty_environment(tmp_path / "env", version)
    program = python.parent / "oddframe"
    door = video("door.mp4", frames=30, draw=walk, size=(360, 240))
    home = {"XDG_CACHE_HOME": str(tmp_path / "cache")}

    install(python, built.wheel)
    assert run(program, "--version") == f"oddframe {oddframe.__version__}\n"
    report = json.loads(run(program, "doctor", "--json", environment=home))
    assert report["ok"]
    assert report["versions"]["python"].startswith(version)
    options = ("--model", "ped2", "--no-health")
    run(program, "score", door, *options, "-o", tmp_path / "scored", environment=home)
    assert (tmp_path / "scored" / "door.scores.csv").stat().st_size > 0
    watch = (program, "watch", door, "--model", "ped2", "-o")
    run(*watch, tmp_path / "lines", environment=home)
    assert not list((tmp_path / "lines").glob("*.sqlite"))

    install(python, f"{built.wheel}[watch]")
    run(*watch, tmp_path / "watched", environment=home)
    assert list((tmp_path / "watched").glob("*.sqlite"))

    install(python, f"{built.wheel}[serve]")
    assert served_health(program, tmp_path / "site") == "ok\n"


def served_health(program, site):
    """What a server says of itself that was started, asked and stopped."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [program, "serve", "--data", site, "--port", str(port)], env=OWN_ENVIRONMENT
    )
    try:

        def answers():
            assert server.poll() is None, "the server has ended"
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                    return True
            except OSError:
                return False

        until(answers)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return answer.read().decode()
    finally:
        server.terminate()
        server.communicate()


@pytest.mark.slow
def test_training_works_in_an_empty_environment(built, video, tmp_path):
    python = empty_environment(tmp_path / "env", "3.11")
    install(python, f"{built.wheel}[train]")
    video("normal/door.mp4", frames=240, draw=walk)
    (tmp_path / "tiny.toml").write_text(SETTINGS)
    program = python.parent / "oddframe"
    command = (program, "train", tmp_path / "normal", "-o", tmp_path / "run")
    run(*command, "-c", tmp_path / "tiny.toml", "--device", "cpu", "--workers", 1, "--nice", 0)
    report = json.loads(run(program, "doctor", "--model", tmp_path / "run", "--json"))
    assert report["ok"]


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """The folder of pipx and uvx, installed from the index."""
    python = empty_environment(tmp_path_factory.mktemp("tools") / "env", "3.11")
    install(python, "pipx", "uv")
    return python.parent


@pytest.mark.slow
def test_pipx_installs_the_wheel_as_a_program(built, tools, tmp_path):
    place = {
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(tmp_path / "bin"),
        "PIPX_MAN_DIR": str(tmp_path / "man"),
    }
    run(tools / "pipx", "install", f"{built.wheel}[watch]", environment=place)
    program = tmp_path / "bin" / "oddframe"
    assert run(program, "--version") == f"oddframe {oddframe.__version__}\n"
    assert json.loads(run(program, "doctor", "--json"))["ok"]


@pytest.mark.slow
def test_uvx_runs_the_wheel(built, tools, tmp_path):
    place = {
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_PYTHON": str(interpreter("3.11")),
    }
    shown = run(tools / "uvx", "--from", built.wheel, "oddframe", "--version", environment=place)
    assert shown == f"oddframe {oddframe.__version__}\n"


@pytest.mark.slow
def test_the_command_that_an_error_names_adds_the_extra(built, tmp_path):
    """`pip install "oddframe[watch]"` finds the installed package, not one of an index."""
    python = empty_environment(tmp_path / "env", "3.11")
    install(python, built.wheel)
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--no-index")
    # Without an index it must fail at what the extra brings, and not at Oddframe itself.
    done = subprocess.run(
        [*pip, "oddframe[watch]"],
        capture_output=True,
        text=True,
        env={**OWN_ENVIRONMENT, "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""},
    )
    assert done.returncode != 0
    assert "Requirement already satisfied: oddframe[watch]" in done.stdout
    assert "No matching distribution found for oddframe" not in done.stderr
