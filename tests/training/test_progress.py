"""How far a training is, for those who follow it: progress.json, JSON lines, time in all."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from oddframe._types import silent
from oddframe.training.progress import ProgressFile, read_progress
from tests.support.dying import full_at
from tests.support.tiny import left_over

COMMAND = Path(sys.executable).parent / "oddframe"


@pytest.fixture
def follow(tmp_path, clock):
    """Makes a writer of progress on the test's clock."""

    def make(**more):
        more = {"resume": False, "on_progress": silent, **more}
        return ProgressFile(tmp_path / "progress.json", clock=clock, **more)

    return make


@pytest.fixture
def found(tmp_path):
    """Reads what the file says."""
    return lambda: read_progress(tmp_path / "progress.json")


def test_the_file_says_how_far_it_is_at_most_once_a_second(follow, found, clock):
    records = []
    with follow(on_record=records.append) as progress:
        for step in range(1, 101):
            progress("joint", step, 400, {})
            assert found() == records[-1]
            clock.now_s += 0.25
        assert [record.done for record in records] == [*range(1, 101, 4)]
        now = found()
        assert (now.state, now.stage, now.done, now.total) == ("running", "joint", 97, 400)
        assert (now.share, now.seconds) == (0.2425, 24.0)
        assert now.seconds_left == pytest.approx((400 - 97) / 4, abs=0.1)
        assert (now.error, now.pid) == (None, os.getpid())
        assert datetime.fromisoformat(now.updated).utcoffset() == timedelta(0)


def test_a_stage_that_begins_is_written_at_once(follow, found):
    with follow() as progress:
        for stage in ("read", "health", "pretrain", "centres", "joint"):
            progress(stage, 0, 10, {})
            assert found().stage == stage
            assert found().seconds_left is None


def test_reports_are_passed_on(follow):
    reports = []
    with follow(on_progress=lambda *report: reports.append(report)) as progress:
        progress("joint", 1, 2, {"motion": 0.5})
        progress("joint", 2, 2, {"motion": 0.4})
    assert reports == [("joint", 1, 2, {"motion": 0.5}), ("joint", 2, 2, {"motion": 0.4})]


@pytest.mark.parametrize(
    ("error", "state", "words"),
    [
        (None, "finished", None),
        (KeyboardInterrupt(), "stopped", None),
        (ValueError("losses must stay finite"), "failed", "losses must stay finite"),
        (MemoryError(), "failed", "MemoryError"),
    ],
)
def test_how_it_ended_is_in_the_file(error, state, words, follow, found):
    records = []

    def work():
        with follow(on_record=records.append) as progress:
            progress("joint", 3, 4, {})
            if error is not None:
                raise error

    if error is None:
        work()
    else:
        with pytest.raises(type(error)):
            work()
    assert found() == records[-1]
    assert (found().state, found().error, found().done) == (state, words, 3)
    assert found().seconds_left is None


def test_the_time_before_an_interruption_counts(follow, found, clock):
    for resume, wanted_s in ((False, 10.0), (True, 20.0), (True, 30.0), (False, 10.0)):
        with follow(resume=resume) as progress:
            progress("joint", 1, 4, {})
            clock.now_s += 10.0
            assert progress.seconds() == wanted_s
        assert found().seconds == wanted_s


def test_nothing_is_written_before_the_first_report(follow, found):
    with pytest.raises(ValueError, match="refused"), follow():
        raise ValueError("refused")
    assert found() is None


def test_a_file_that_was_taken_back_stays_so(follow, found, tmp_path):
    """As that of a new training whose footage is unusable, in a folder with another training."""
    path = tmp_path / "progress.json"
    with follow() as progress:
        progress("joint", 4, 4, {})
    before = path.read_bytes()

    def work():
        with follow() as progress:
            progress("read", 0, 4, {})
            path.write_bytes(before)
            raise ValueError("unusable")

    with pytest.raises(ValueError, match="unusable"):
        work()
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"state": "running"}'])
def test_a_file_that_is_not_whole_is_as_good_as_none(text, found, follow, tmp_path):
    (tmp_path / "progress.json").write_text(text)
    assert found() is None
    assert follow(resume=True).seconds() == 0.0


def test_a_later_version_may_say_more(follow, found, tmp_path):
    with follow() as progress:
        progress("joint", 4, 4, {})
    record = found()
    (tmp_path / "progress.json").write_text(json.dumps({**asdict(record), "colour": "red"}))
    assert found() == record


def test_a_full_disk_does_not_end_a_training(follow, found, tmp_path, clock):
    with follow() as progress:
        progress("joint", 1, 4, {})
        with full_at(0, tmp_path):
            clock.now_s += 5.0
            progress("joint", 2, 4, {})
        assert found().done == 1
    assert (found().state, found().done) == ("finished", 2)
    assert left_over(tmp_path) == []


def test_a_killed_training_counts_as_a_whole(oddframe_command, footage, tiny_config, tmp_path):
    run = tmp_path / "run"
    left = oddframe_command("train", footage, "-o", run, "-c", tiny_config, step=9)
    assert left.code == -signal.SIGKILL
    # What a kill takes with it was flushed before.
    priority, *lines = left.err.splitlines()
    assert "low priority (--nice 10)" in priority
    stages = [line.split("  ")[1].split(":")[0] for line in lines]
    assert stages == [
        "reading frames",
        "checking camera health",
        "training the streams",
        "finding cluster centres",
        "training all parts",
    ]
    before = read_progress(run / "progress.json")
    assert (before.state, before.stage, before.total) == ("running", "joint", 12)
    assert before.pid != os.getpid()
    # Far more than this machine takes, so that it must come from the file.
    (run / "progress.json").write_text(json.dumps({**asdict(before), "seconds": 1e6}))
    left = oddframe_command("train", footage, "-o", run, "--resume", "--json", "--json-progress")
    assert left.code == 0, left.err
    records = [json.loads(line) for line in left.err.splitlines()]
    assert list(dict.fromkeys(record["stage"] for record in records)) == [
        *("health", "joint", "export", "calibrate", "guard", "report")
    ]
    assert [record["state"] for record in records] == ["running"] * (len(records) - 1) + [
        "finished"
    ]
    assert records[-1] == asdict(read_progress(run / "progress.json"))
    seconds = [record["seconds"] for record in records]
    assert seconds == sorted(seconds)
    assert seconds[0] > 1e6
    assert seconds[-1] == pytest.approx(left.json["seconds"], abs=1e4)
    assert left.json["seconds"] > 1e6


def test_a_stopped_training_says_so(oddframe_command, footage, tiny_config, tmp_path):
    run = tmp_path / "run"
    left = oddframe_command(
        *("train", footage, "-o", run, "-c", tiny_config, "--json-progress"),
        step=9,
        signal=signal.SIGTERM,
    )
    assert (left.code, left.error) == (130, "interrupted")
    assert read_progress(run / "progress.json").state == "stopped"
    *records, error = left.err.splitlines()
    assert json.loads(records[-1])["state"] == "stopped"
    assert error == "error: interrupted"


def test_a_failed_overwriting_leaves_the_progress_before(
    oddframe_command, footage, tiny_config, video, tmp_path
):
    run = tmp_path / "run"
    assert oddframe_command("train", footage, "-o", run, "-c", tiny_config, step=9).code < 0
    before = (run / "progress.json").read_bytes()
    short = video("short/a.mp4", frames=3).parent
    left = oddframe_command("train", short, "-o", run, "-c", tiny_config, "--overwrite")
    assert left.code == 2
    assert (run / "progress.json").read_bytes() == before


@pytest.mark.slow
def test_a_real_process_is_followed_killed_and_resumed(footage, tiny_config, tmp_path):
    """Through a pipe, while it runs."""
    run = tmp_path / "run"
    command = [COMMAND, "train", footage, "-o", run]
    quick = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [*command, "-c", tiny_config, "--epochs", "100000"],
        stderr=subprocess.PIPE,
        text=True,
        env=quick,
    ) as process:
        assert process.stderr is not None
        # A slow machine has a line more of what comes before, at least one a minute.
        assert any("training the streams: step 1 of" in line for line in process.stderr)
        progress = read_progress(run / "progress.json")
        assert (progress.state, progress.pid) == ("running", process.pid)
        process.kill()
    assert read_progress(run / "progress.json").state == "running"
    with pytest.raises(ProcessLookupError):
        os.kill(progress.pid, 0)
    with subprocess.Popen(
        [*command, "--resume", "--json-progress"], stderr=subprocess.PIPE, text=True, env=quick
    ) as process:
        assert process.stderr is not None
        record = json.loads(next(process.stderr))
        assert record["seconds"] > progress.seconds
        assert record["pid"] == process.pid
        process.terminate()
        assert process.wait(timeout=120) == 130
    assert read_progress(run / "progress.json").state == "stopped"
