"""Cameras that come, change and go while others are watched."""

import json
import threading
from dataclasses import replace

import pytest

from oddframe.bundle.bundle import Bundle
from oddframe.errors import SettingsError
from oddframe.media.live_config import stream_address
from oddframe.monitoring.camera import CameraPipeline
from oddframe.monitoring.camera_threshold import write_camera_calibration
from oddframe.monitoring.config import Camera, WatchPlan
from oddframe.monitoring.watcher import Watcher
from oddframe.store.reader import StoreReader
from tests.support.alerting import until


def plan(*cameras):
    return WatchPlan(cameras=cameras, model="m", stays=True)


@pytest.fixture
def running(model, tmp_path):
    """A watcher without cameras that runs, and a way to see one of its cameras."""
    watcher = Watcher(plan(), {"m": model}, tmp_path / "out")
    thread = threading.Thread(target=watcher.run)
    thread.start()
    try:
        yield watcher
    finally:
        watcher.stop()
        thread.join(120)
        assert not thread.is_alive()


def seen(watcher, name):
    return next(view for view in watcher.views() if view.name == name)


def camera(name, path, **more):
    return Camera(name=name, address=stream_address(path), **{"loop": True, **more})


def test_cameras_come_and_go_and_the_others_are_not_disturbed(
    running, model, video, bright_from, tmp_path
):
    path = video("door.mp4", frames=30, draw=bright_from(10, 20))
    stays, comes = camera("stays", path), camera("comes", path)
    assert running.change(plan(stays), {"m": model})
    until(lambda: seen(running, "stays").state.frames > 5)
    frames = seen(running, "stays").state.frames
    assert running.change(plan(comes, stays), {"m": model})
    until(lambda: seen(running, "comes").state.frames > 5)
    assert seen(running, "stays").state.frames >= frames
    assert running.change(plan(comes), {"m": model})
    assert [view.name for view in running.views()] == ["comes"]
    assert running.snapshot("stays") is None
    assert running.snapshot("comes").picture.shape == (480, 640, 3)
    assert running.change(plan(), {"m": model})
    assert running.views() == []


@pytest.mark.slow
def test_a_loop_alarms_in_every_round_and_clips_come_from_the_recording(
    running, model, video, bright_from, tmp_path
):
    path = video("door.mp4", frames=12, draw=bright_from(5, 10))
    rules = replace(model.bundle.calibration.rules, merge_gap_s=0.2)
    quick = type(model)(
        replace(model.bundle, calibration=replace(model.bundle.calibration, rules=rules)),
        model.scorer,
    )
    running.change(plan(camera("door", path)), {"m": quick})
    reader = StoreReader(tmp_path / "out")
    until(lambda: len([one for one in reader.events() if one.alert.end_us]) >= 3)
    running.change(plan(), {"m": quick})
    running.outputs.store.flush()
    events = [one for one in reader.events() if one.alert.event.start_s > 1.2]
    assert events
    assert all(
        (tmp_path / "out" / one.alert.clip).stat().st_size > 500 for one in events if one.alert.clip
    )
    lasted = [one.alert.event.end_s - one.alert.event.start_s for one in events]
    assert max(lasted) < 1.2, "no clip of frames spans two rounds"
    lines = (tmp_path / "out" / "door.events.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["phase"] == "start"
    reader.close()


def test_another_threshold_leaves_the_stream_alone_and_closes_the_event(
    running, model, video, bright_from, tmp_path
):
    path = video("door.mp4", frames=60, draw=bright_from(5, 60))
    door = camera("door", path)
    running.change(plan(door), {"m": model})
    until(lambda: seen(running, "door").open_event)
    frames = seen(running, "door").state.frames
    deaf = replace(model.bundle.calibration, threshold=100 * model.bundle.calibration.threshold)
    write_camera_calibration(tmp_path / "deaf.json", deaf, model.bundle)
    assert running.change(plan(replace(door, calibration=tmp_path / "deaf.json")), {"m": model})
    view = seen(running, "door")
    assert not view.open_event
    assert view.state.frames >= frames
    assert running.calibration("door").threshold == deaf.threshold
    until(lambda: (seen(running, "door").score or 1) < 0.1)
    reader = StoreReader(tmp_path / "out")
    until(lambda: len(reader.thresholds("door")) == 2)
    assert [period.threshold for period in reader.thresholds("door")] == [
        model.bundle.calibration.threshold,
        deaf.threshold,
    ]
    reader.close()


def test_a_threshold_of_another_model_is_refused_and_nothing_changes(
    running, model, video, bright_from, tmp_path
):
    path = video("door.mp4", frames=30, draw=bright_from(10, 20))
    other = replace(model.bundle, graphs={"model.onnx": b"another"})
    assert isinstance(other, Bundle)
    write_camera_calibration(tmp_path / "other.json", model.bundle.calibration, other)
    door = camera("door", path)
    running.change(plan(door), {"m": model})
    with pytest.raises(SettingsError, match="made for another one"):
        running.change(plan(replace(door, calibration=tmp_path / "other.json")), {"m": model})
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(SettingsError, match="cannot be read"):
        running.change(plan(replace(door, calibration=tmp_path / "broken.json")), {"m": model})
    until(lambda: seen(running, "door").state.frames > 3)


def test_a_file_that_ends_is_closed_while_others_are_watched(
    running, model, video, bright_from, tmp_path
):
    path = video("door.mp4", frames=20, draw=bright_from(10, 20))
    running.change(plan(camera("door", path, loop=False)), {"m": model})
    until(lambda: (tmp_path / "out" / "door.events.jsonl").exists())
    assert str(seen(running, "door").state.phase) == "ended"
    reader = StoreReader(tmp_path / "out")
    until(lambda: reader.events()[0].alert.end_us is not None)
    reader.close()


def test_a_camera_that_crashed_is_begun_anew_by_a_change(
    running, model, video, bright_from, monkeypatch
):
    path = video("door.mp4", frames=30, draw=bright_from(10, 20))
    detect = CameraPipeline.detect

    def fail(self, score, inference_s):
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(CameraPipeline, "detect", fail)
    running.change(plan(camera("door", path)), {"m": model})
    until(lambda: str(seen(running, "door").state.phase) == "failed")
    monkeypatch.setattr(CameraPipeline, "detect", detect)
    running.change(plan(camera("door", path)), {"m": model})
    until(lambda: seen(running, "door").score is not None)


def test_a_plan_that_stays_may_be_empty_and_another_may_not():
    assert plan().cameras == ()
    with pytest.raises(SettingsError, match="there must be a camera"):
        WatchPlan(cameras=(), model="m")


def test_only_a_file_is_played_again():
    with pytest.raises(SettingsError, match="loop is for files"):
        camera("door", "rtsp://127.0.0.1/a")
