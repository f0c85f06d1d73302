import json
import math
import socket
import threading
import time

import numpy as np
import pytest

import oddframe
import oddframe.tasks.watch
from oddframe.errors import OutputError, SettingsError, SourceNotFoundError
from oddframe.monitoring import recorder
from oddframe.monitoring.config import Camera, WatchPlan, WatchSettings, named_cameras
from oddframe.monitoring.config_file import read_camera_file
from oddframe.sinks.mqtt import MqttConfig
from oddframe.tasks.watch import watch
from tests.support.tiny import walk


@pytest.fixture
def recording(video):
    return video("door.mp4", frames=30, draw=walk)


def test_a_file_is_watched_to_its_end(tiny_run, recording, tmp_path):
    looks, notices = [], []
    settings = WatchSettings(fast=True)
    report = oddframe.watch(
        recording,
        tiny_run,
        tmp_path,
        settings=settings,
        device="cpu",
        on_look=looks.append,
        on_start=notices.extend,
    )
    (camera,) = report.cameras
    assert (camera.name, camera.state.frames, camera.clips, str(camera.state.phase)) == (
        "door",
        30,
        26,
        "ended",
    )
    assert not report.stopped
    assert notices == list(report.notices) == []
    assert looks[-1].header.models == (str(tiny_run),)
    assert (tmp_path / "door.events.jsonl").exists()


def test_functions_get_the_alerts(tiny_run, darkened, tmp_path):
    came = []

    def tell(message):
        came.append(message)

    report = oddframe.watch(
        darkened,
        tiny_run,
        tmp_path,
        settings=WatchSettings(fast=True, store=False),
        device="cpu",
        sinks=[tell],
    )
    text = (tmp_path / "dark.events.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(one["id"], one["phase"]) for one in came] == [
        (line["id"], line["phase"]) for line in lines
    ]
    assert {one["kind"] for one in came} >= {"health"}
    assert all(one["start"].endswith("+00:00") for one in came)
    assert report.notices == ()


@pytest.fixture
def darkened(video):
    """A recording whose camera is covered from its second 3 on."""

    def draw(number, width=64, height=48):
        return walk(number, width, height) if number < 30 else np.zeros((height, width, 3), "u1")

    return video("dark.mp4", frames=100, draw=draw)


def test_what_could_not_be_kept_is_in_the_report_and_on_the_way_to_it(
    tiny_run, darkened, tmp_path, monkeypatch
):
    def refuse(*_, **__):
        raise OutputError("the encoder refuses it")

    monkeypatch.setattr(recorder, "write_event_clip", refuse)
    looks, fast = [], WatchSettings(fast=True)
    report = watch(darkened, tiny_run, tmp_path, device="cpu", settings=fast, on_look=looks.append)
    events = report.cameras[0].events
    assert events > 0
    told = [notice for look in looks for notice in look.notices]
    assert told == list(report.notices[:events])
    assert len(told) == events
    assert all(
        notice.startswith("dark: no clip of the event at ")
        and notice.endswith("the encoder refuses it")
        for notice in told
    )
    # How many they were is said at the end.
    assert [str(events) in notice for notice in report.notices[events:]] == [True]


def test_the_command_says_why_there_is_no_clip(oddframe_command, tiny_run, darkened, tmp_path):
    config = tmp_path / "cameras.toml"
    config.write_text(
        f'model = "{tiny_run}"\n[watch]\nkeep_free_gb = 1e9\n[[camera]]\nname = "dark"\n'
        f'source = "{darkened}"\n'
    )
    left = oddframe_command("watch", "-c", config, "-o", tmp_path / "out", "--fast", "--json")
    assert left.code == 0
    told = [notice for notice in left.json["notices"] if "no clip of the event" in notice]
    assert told
    for notice in told:
        assert notice.endswith("the disk has less room than is to be kept free")
        assert notice in " ".join(left.err.split())


def test_it_stops_when_it_is_told_to(tiny_run, recording, tmp_path):
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    report = watch(recording, tiny_run, tmp_path, device="cpu", stop=stop)
    assert report.stopped
    assert report.seconds < 10
    assert report.cameras[0].state.frames < 30


def test_an_error_of_the_caller_ends_the_watching(tiny_run, recording, tmp_path):
    def fail(_snapshot):
        raise ValueError("of the caller")

    with pytest.raises(ValueError, match="of the caller"):
        watch(recording, tiny_run, tmp_path, device="cpu", on_look=fail)
    # Nobody watches on, and the folder is free for the next watcher.
    watch(recording, tiny_run, tmp_path, device="cpu", settings=WatchSettings(fast=True))


def test_what_an_alert_says_is_seen(tiny_run, recording, tmp_path):
    looks = []
    keen = Camera(
        name="keen", address=named_cameras([recording])[0].address, false_alarms="500/hour"
    )
    plan = WatchPlan(cameras=[keen], model=str(tiny_run), settings=WatchSettings(fast=True))
    watch(plan, out=tmp_path, device="cpu", on_look=looks.append)
    told = [alert.event.id for look in looks for alert in look.alerts]
    written = [
        json.loads(line)["id"] for line in (tmp_path / "keen.events.jsonl").read_text().splitlines()
    ]
    assert told == written


def test_what_is_slower_than_the_model_is_said(tiny_run, video, tmp_path):
    notices = []
    slow = video("slow.mp4", frames=20, rate_fps=4, draw=walk)
    watch(
        slow,
        tiny_run,
        tmp_path,
        settings=WatchSettings(fast=True),
        device="cpu",
        on_start=notices.extend,
    )
    assert "slow has 4 frames per second where 10 are wanted" in notices[0]


@pytest.mark.parametrize(
    ("sources", "model", "error"),
    [([], "m", SettingsError), (["nothing.mp4"], "m", FileNotFoundError)],
)
def test_what_cannot_be_watched_is_said_before_anything_starts(sources, model, error, tmp_path):
    with pytest.raises(error):
        watch(sources, model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_camera_without_a_model_is_named(recording, tmp_path):
    with pytest.raises(SettingsError, match=r"'door' needs a model"):
        watch(recording, out=tmp_path)


def test_cameras_of_the_same_name_are_told_apart(recording):
    assert [one.name for one in named_cameras([recording, recording, "rtsp://u:p@10.0.0.7/a"])] == [
        "door",
        "door-2",
        "10.0.0.7-a",
    ]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a", "a"), "different names"),
        (("A", "a"), "different names"),
        (("a/b", "c"), "slashes"),
        ((" ", "c"), "name"),
    ],
)
def test_names_that_would_meet_are_refused(recording, names, message):
    address = named_cameras([recording])[0].address
    with pytest.raises(SettingsError, match=message):
        WatchPlan(cameras=[Camera(name=name, address=address) for name in names], model="m")


def test_the_command_watches_tells_and_leaves_with_0(
    oddframe_command, tiny_run, recording, tmp_path
):
    left = oddframe_command(
        "watch", recording, "-m", tiny_run, "-o", tmp_path / "out", "--fast", "--json"
    )
    assert left.code == 0
    assert left.json["cameras"][0]["state"]["frames"] == 30
    assert left.json["stopped"] is False


def test_the_command_tells_lines_where_there_is_no_terminal(
    oddframe_command, tiny_run, recording, tmp_path
):
    left = oddframe_command(
        "watch", recording, "-m", tiny_run, "-o", tmp_path / "out", "--fast", "--no-store"
    )
    assert left.code == 0
    assert "door: ended" in left.err
    assert "0 events in" in left.out
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["door.events.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Give either SOURCE or --config"),
        (("a.mp4", "--config", "cameras.toml"), "Give either SOURCE or --config"),
        (("--config", "cameras.toml", "--no-health"), "are not for --config"),
        (("ftp://10.0.0.7/a", "--model", "ped2"), "must begin with rtsp://"),
        (("nothing.mp4", "--model", "ped2"), "nothing is there"),
    ],
)
def test_bad_input_leaves_with_2_and_a_sentence(oddframe_command, tmp_path, arguments, message):
    left = oddframe_command("watch", *arguments, "-o", tmp_path / "out")
    assert left.code == 2
    assert message in left.err
    assert not (tmp_path / "out").exists()


def test_a_time_out_is_no_crash(tiny_run, tmp_path):
    stop = threading.Event()
    threading.Timer(1.0, stop.set).start()
    began_s = time.monotonic()
    report = watch("rtsp://bob:geheim@127.0.0.1:9/x", tiny_run, tmp_path, device="cpu", stop=stop)
    assert time.monotonic() - began_s < 120
    assert report.stopped
    assert "geheim" not in repr(report)


def test_nothing_is_missing_in_the_error_of_a_lost_file(tmp_path):
    with pytest.raises(SourceNotFoundError, match=r"gone\.mp4"):
        named_cameras([tmp_path / "gone.mp4"])


def test_a_receiver_that_is_not_there_is_told_without_an_event(
    tiny_run, recording, tmp_path, monkeypatch
):
    monkeypatch.setattr("oddframe.monitoring.watcher.FLUSH_S", 0.5)
    looks = []
    with socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))  # and never listens
        home = MqttConfig(host="127.0.0.1", port=gone.getsockname()[1])
        settings = WatchSettings(fast=True, sinks={"home": home})
        report = watch(
            recording, tiny_run, tmp_path, device="cpu", settings=settings, on_look=looks.append
        )
    (notice,) = report.left
    assert notice.startswith("sink home: there is no connection to the MQTT broker at 127.0.0.1")
    assert notice.endswith("Connection refused")
    assert report.left == report.notices
    # The events themselves are all in the folder.
    assert report.unkept == ()
    assert "Connection refused" in looks[-1].header.troubles["home"]


def test_what_is_found_out_of_a_file_is_told_and_a_rate_without_effect_too(
    tiny_run, video, tmp_path
):
    times_s = [i / 10 for i in range(60)] + [6 + i / 2 for i in range(40)]
    changing = video("changing.mp4", times_s=times_s)
    table = f'''
[[camera]]
name = "changing"
source = "{changing}"
model = "{tiny_run}"
fps = 5
'''
    cameras = tmp_path / "cameras.toml"
    cameras.write_text(table)
    plan = read_camera_file(cameras)
    begun = []
    report = watch(
        plan,
        out=tmp_path / "out",
        device="cpu",
        settings=WatchSettings(fast=True),
        on_start=begun.extend,
    )
    stated = "changing: a rate of 5 frames per second was given, but it has times of its own"
    assert stated in begun
    assert report.notices.count(stated) == 1
    assert any("of its 26 s where 10 are wanted" in notice for notice in report.notices)


def test_networks_are_compiled_for_live_cameras(tiny_run, recording, tmp_path, monkeypatch):
    asked = []

    def note(loaded, count_clips):
        asked.append((loaded.options.compiled, count_clips()))
        return loaded

    monkeypatch.setattr(oddframe.tasks.watch, "compile_if_long", note)
    options = {"device": "cpu", "backend": "torch", "precision": "float32"}
    fast, stop = WatchSettings(fast=True, store=False), threading.Event()
    watch(recording, tiny_run, tmp_path, settings=fast, compiled=False, **options)
    stop.set()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        camera = f"rtsp://127.0.0.1:{nobody.getsockname()[1]}/door"
        watch(camera, tiny_run, tmp_path, settings=fast, stop=stop, **options)
    assert asked == [(False, 0.0), (None, math.inf)]
