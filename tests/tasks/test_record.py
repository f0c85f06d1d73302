"""Recording cameras with the verb, and what it does when something is wrong."""

import json
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise

import pytest

import oddframe
from oddframe.errors import OutputError, RunError, SettingsError, SourceError
from oddframe.media.live_config import LiveSettings, stream_address
from oddframe.monitoring.config import Camera
from oddframe.monitoring.footage import list_segments, recording_into
from oddframe.monitoring.recording_order import read_order
from tests.support.alerting import until
from tests.support.stream_server import StreamServer, http
from tests.support.stream_server import video as video_answer

QUICK = LiveSettings(first_wait_s=0.05, longest_wait_s=0.2)


@pytest.fixture
def camera(video):
    """A server that shows the same seconds again and again, as a camera that is lost often."""
    path = video("live.ts", frames=80, rate_fps=50)
    with StreamServer(video_answer(path)) as server:
        yield server


def test_several_cameras_at_once(camera, tmp_path):
    door = Camera(name="door", address=stream_address(camera.url()), live=QUICK)
    notices, progress = [], []
    report = oddframe.record(
        [door, f"yard={camera.url('other.ts')}"],
        tmp_path / "normal",
        for_s=2.0,
        segment_s=1.0,
        on_notice=notices.append,
        on_progress=lambda *told: progress.append(told),
    )
    assert [one.name for one in report.cameras] == ["door", "yard"]
    for one in report.cameras:
        found = list_segments(report.out, one.name)
        assert len(found) == one.segments >= 1
        assert sum(segment.size_bytes for segment in found) == one.size_bytes
        assert 0.5 < one.seconds < 2.1
        assert one.bytes_per_s > 0
    assert not report.stopped
    assert report.seconds > max(1.5, *(one.seconds - 0.1 for one in report.cameras))
    assert list(report.notices) == notices
    phases, done, totals, figures = zip(*progress, strict=True)
    assert set(phases) == {"record"}
    assert (set(totals), done[-1]) == ({2}, 2)
    assert set(figures[-1]) == {"min of video", "MB"}
    order = read_order(report.out)
    assert (order.is_done, order.cameras) == (True, ("door", "yard"))
    state = json.loads((report.out / "progress.json").read_text())
    assert (state["state"], state["stage"], state["done"]) == ("finished", "record", 2)


def test_stretches_let_go_of_the_camera_in_between(camera, tmp_path):
    report = oddframe.record(
        f"door={camera.url()}", tmp_path, for_s=4.6, stretch_s=1.5, every_s=3.0, segment_s=1.0
    )
    segments = list_segments(tmp_path)
    # Between the end of the first stretch and the start of the second nothing was recorded.
    assert max((b.start_us - a.end_us) / 1e6 for a, b in pairwise(segments)) > 1.0
    assert report.cameras[0].seconds < 3.2
    assert len(camera.requests) == 2


def test_outside_of_the_armed_hours_no_camera_is_asked(camera, tmp_path):
    hour = time.gmtime().tm_hour
    armed = f"{(hour + 12) % 24:02d}:00-{(hour + 13) % 24:02d}:00"
    with pytest.raises(SourceError, match="none came"):
        oddframe.record(camera.url(), tmp_path, for_s=0.5, armed=[armed], time_zone="UTC")
    assert camera.requests == []


def test_the_oldest_goes_beyond_a_bound(camera, tmp_path):
    source = f"door={camera.url()}"
    # Time enough for a slow machine to open the camera; it is lost in between.
    oddframe.record(source, tmp_path, for_s=3.0)
    before = list_segments(tmp_path)
    most_gb = sum(segment.size_bytes for segment in before) / 1e9
    report = oddframe.record(source, tmp_path, for_s=3.0, most_gb=most_gb)
    assert report.removed >= 1
    assert list_segments(tmp_path)[0].start_us > before[0].start_us


def test_a_stop_writes_what_is_in_memory_and_the_rest_is_recorded_later(camera, tmp_path):
    stop = threading.Event()

    def stop_soon(_phase, _done, _total, _values):
        if len(camera.requests) and time.monotonic() > began_s + 2.5:
            stop.set()

    began_s = time.monotonic()
    source = f"door={camera.url()}"
    report = oddframe.record(source, tmp_path, for_s=4.0, stop=stop, on_progress=stop_soon)
    assert report.stopped
    assert report.seconds < 4
    assert list_segments(tmp_path)
    assert json.loads((tmp_path / "progress.json").read_text())["state"] == "stopped"
    again = oddframe.record(source, tmp_path, resume=True)
    assert not again.stopped
    assert again.seconds >= 4
    # The rest of a second and a half, with much room for a slow machine, and not all of it again.
    assert again.cameras[0].seconds < 3
    # What is over stays over.
    began_s = time.monotonic()
    assert oddframe.record(source, tmp_path, resume=True).cameras[0].segments == 0


def start_command(*arguments):
    command = [sys.executable, "-m", "oddframe", "record", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_kill_costs_no_more_than_what_was_in_memory(camera, tmp_path):
    source, out = f"door={camera.url()}", tmp_path / "normal"
    with start_command(source, "-o", out, "--for", "1h") as process:
        # Each end of the stream ends a segment.
        until(lambda: len(list_segments(out)) >= 2)
        process.kill()
    before = list_segments(out)
    assert not read_order(out).is_done
    half = before[0].path.with_name(f".{before[0].path.stem[:40]}.tmp.mp4")
    half.write_bytes(b"half")
    report = oddframe.record(source, out, for_s=0.8, resume=True)
    assert not half.exists()
    assert set(before) <= set(list_segments(out))
    # Every segment is whole.
    assert all(len(list(oddframe_frames(one.path))) > 20 for one in before)
    assert not report.stopped


def oddframe_frames(path):
    from oddframe.media.recording import Recording
    from oddframe.media.source import FrameFormat

    return Recording(path).frames(FrameFormat(8, 8, "grey"))


def test_ctrl_c_leaves_in_order_and_says_how_to_go_on(camera, tmp_path):
    with start_command(
        f"door={camera.url()}", "-o", tmp_path, "--for", "1h", "--json-progress"
    ) as p:
        assert p.stderr is not None
        lines = [json.loads(p.stderr.readline()) for _ in range(2)]
        until(lambda: camera.requests)
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=60)
    assert p.returncode == 130
    assert [(line["state"], line["stage"], line["total"]) for line in lines] == [
        ("running", "record", 3600)
    ] * 2
    assert json.loads(err.splitlines()[-1])["state"] == "stopped"
    assert "the same command and --resume" in out


def test_the_command_says_how_much_was_recorded(oddframe_command, camera, tmp_path):
    left = oddframe_command("record", f"door={camera.url()}", "-o", tmp_path, "--for", "2s")
    assert left.code == 0
    assert "door" in left.out
    assert f"oddframe train {tmp_path}" in left.out.replace("\n", "")
    assert "recording: 0.0 s of 2.0 s" in left.err
    left = oddframe_command("record", camera.url(), "-o", tmp_path, "--for", "1s", "--json")
    assert left.json["cameras"][0]["segments"] >= 1
    assert left.err == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--for", "8"), "with its unit"),
        (("--for", "0s"), "longer than 0 s"),
        (("--for", "1h", "--stretch", "5m"), "given together"),
        ((), "an end or a bound"),
        (("--for", "1h", "--resume"), "nothing to resume|has no recording.json"),
        (("--for", "1h", "--most-gb", "0"), "above 0"),
        (("--for", "1h", "--armed", "08:00-18:00"), "time zone"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(oddframe_command, tmp_path, arguments, says):
    left = oddframe_command("record", "rtsp://10.0.0.7/1", "-o", tmp_path / "out", *arguments)
    assert left.code == 2
    assert any(part in left.error for part in says.split("|")), left.error
    assert not (tmp_path / "out").exists()


def test_files_and_twins_are_refused(video, tmp_path):
    with pytest.raises(SourceError, match="train takes files as they are"):
        oddframe.record(str(video()), tmp_path, for_s=1)
    with pytest.raises(SettingsError, match="NAME=ADDRESS"):
        oddframe.record(["a=rtsp://h/1", "a=rtsp://h/2"], tmp_path, for_s=1)
    with pytest.raises(SettingsError, match="got none"):
        oddframe.record([], tmp_path, for_s=1)
    with pytest.raises(RunError, match="must hold a recording"):
        oddframe.record("rtsp://h/1", tmp_path, resume=True)
    with recording_into(tmp_path), pytest.raises(OutputError, match="one process at a time"):
        oddframe.record("rtsp://h/1", tmp_path, for_s=1)


def test_a_camera_that_never_answers_is_an_error_without_its_password(tmp_path):
    with StreamServer(http(status="401 Unauthorized")) as server:
        url = server.url(login="me:hush@")
        with pytest.raises(SourceError, match="refuses the user name") as error:
            oddframe.record(url, tmp_path, for_s=3.0)
    assert "hush" not in str(error.value)
    assert not any("hush" in path.read_text() for path in tmp_path.glob("*.json"))


def test_nothing_is_written_where_too_little_of_the_disk_is_free(camera, tmp_path):
    with pytest.raises(SourceError, match="must keep 1e"):
        oddframe.record(camera.url(), tmp_path, for_s=3.0, keep_free_gb=1e9)
    assert list_segments(tmp_path) == []
