"""An archive that actors of Ray score on this machine; one of them is killed.

The test is among those of services, since Ray starts programs of its own.
"""

import json
import os
import signal

import pytest

from tests.support.archive_runs import busy_worker, doubled_or_lost, film, starting

pytestmark = pytest.mark.services


RECORDINGS, FRAMES = 9, 200


@pytest.fixture(scope="module")
def _ray():
    if os.environ.get("CI") == "true":
        import ray  # noqa: F401
    else:
        pytest.importorskip(
            "ray", reason='Ray is not installed: pip install -c constraints.txt -e ".[ray]"'
        )


@pytest.mark.usefixtures("_ray")
def test_a_killed_actor_costs_no_recording(tiny_run, tmp_path):
    archive = tmp_path / "archive"
    for number in range(RECORDINGS):
        (archive / f"cam{number % 3}").mkdir(parents=True, exist_ok=True)
        film(archive / f"cam{number % 3}" / f"{number:02d}.mp4", FRAMES)
    (archive / "cam0" / "broken.mp4").write_bytes(b"no video")
    arguments = (archive, tiny_run, tmp_path / "out", "--engine", "ray", "--workers", 2)
    with starting(*arguments) as program:
        # Ray gives its processes this title while they are at work.
        os.kill(busy_worker(program.pid, tmp_path / "out", "ray::Worker.score"), signal.SIGKILL)
        out, err = program.communicate(timeout=900)
    assert program.returncode == 1, err  # one recording is broken
    report = json.loads(out)
    assert (report["scored"], report["lost_workers"], report["workers"]) == (RECORDINGS, 1, 2)
    assert [recording["name"] for recording in report["failed"]] == ["cam0/broken.mp4"]
    assert doubled_or_lost(tmp_path / "out", RECORDINGS, FRAMES) == []
    # Whatever engine comes after it finds the work done.
    with starting(archive, tiny_run, tmp_path / "out", "--engine", "local") as program:
        report = json.loads(program.communicate(timeout=300)[0])
    assert (report["scored"], report["finished"], len(report["failed"])) == (0, RECORDINGS, 1)
