"""What stands in deploy/: the unit of systemd, the container and what runs beside it."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from oddframe import cli
from oddframe.bundle.bundle import SHIPPED
from oddframe.monitoring.config_file import read_camera_file

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "oddframe.service"
MOST_EXPOSURE = 3.0


def understood(words: list[str]) -> bool:
    """Whether the command line takes a verb and its options."""
    verb, *arguments = words
    command: Any = typer.main.get_command(cli.app)
    command.commands[verb].make_context(verb, arguments)
    return True


def instructions(name: str) -> list[str]:
    """What stands behind an instruction of the Containerfile, each time."""
    text = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
    return re.findall(rf"^{name} (.*)$", text, re.MULTILINE)


def test_the_unit_is_hardened() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    if "unrecognized option" in done.stderr:
        pytest.skip("systemd-analyze is older than systemd 250")
    (level,) = re.findall(r"exposure level for oddframe\.service: ([\d.]+)", done.stdout)
    assert float(level) < MOST_EXPOSURE


def test_the_unit_starts_what_the_command_line_takes() -> None:
    (line,) = re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), re.MULTILINE)
    program, *words = shlex.split(line)
    assert program == "/opt/oddframe/bin/oddframe"
    assert understood(words)


def test_the_container_starts_what_the_command_line_takes() -> None:
    assert instructions("ENTRYPOINT") == ['["oddframe"]']
    assert understood(yaml.safe_load(instructions("CMD")[-1]))
    assert instructions("USER") == ["10001:10001"]


def test_the_container_gets_only_files_that_are_there() -> None:
    """`.containerignore` lets nothing else in, so what is copied must stand in it."""
    lines = (ROOT / ".containerignore").read_text().split()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    copied = [words.split()[:-1] for words in instructions("COPY") if "--from" not in words]
    names = {name for words in copied for name in words}
    assert names == allowed
    assert [name for name in names if not (ROOT / name).exists()] == []


def test_compose_hardens_every_service_and_reads_what_is_there() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert set(services) == {"oddframe", "go2rtc", "mosquitto"}
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        # No service is reached from another machine unless somebody changes the file.
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    mounted = services["go2rtc"]["volumes"][0].split(":")[0]
    assert (DEPLOY / mounted).is_file()


def test_the_cameras_of_compose_are_those_of_go2rtc(tmp_path: Path) -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    streams = yaml.safe_load((DEPLOY / "compose.go2rtc.yaml").read_text())["streams"]
    shutil.copy(DEPLOY / "compose.cameras.toml", tmp_path / "cameras.toml")
    shutil.copytree(SHIPPED / "ped2", tmp_path / "models" / "yard")
    plan = read_camera_file(tmp_path / "cameras.toml")
    assert [camera.address.shown for camera in plan.cameras] == [
        f"rtsp://go2rtc:8554/{name}" for name in streams
    ]
    assert {sink.host for sink in plan.settings.sinks.values()} <= set(services)
