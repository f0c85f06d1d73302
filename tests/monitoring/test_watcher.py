"""Cameras that come, change and go while others are watched."""

import json
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from oddframe.bundle.bundle import Bundle
from oddframe.core.records import Frame, Score
from oddframe.core.zones import Schedule, Zones
from oddframe.errors import InputError, SettingsError, SourceError, StoreError
from oddframe.inference.model import Model
from oddframe.media.live_config import stream_address
from oddframe.monitoring.camera import CameraPipeline
from oddframe.monitoring.camera_threshold import write_camera_calibration
from oddframe.monitoring.config import Camera, WatchPlan, WatchSettings, named_cameras
from oddframe.monitoring.watcher import Watcher
from oddframe.sinks.jsonl import JsonLinesConfig
from oddframe.store.reader import StoreReader
from oddframe.tasks.score import score
from tests.support.stream_server import StreamServer
from tests.support.stream_server import video as served


def plan(*cameras):
    return WatchPlan(cameras=cameras, model="m", stays=True)


def wait_until(holds, timeout_s=120.0):
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


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
    wait_until(lambda: seen(running, "stays").state.frames > 5)
    frames = seen(running, "stays").state.frames
    assert running.change(plan(comes, stays), {"m": model})
    wait_until(lambda: seen(running, "comes").state.frames > 5)
    assert seen(running, "stays").state.frames >= frames
    assert running.change(plan(comes), {"m": model})
    assert [view.name for view in running.views()] == ["comes"]
    assert running.glimpse("stays") is None
    assert running.glimpse("comes").picture.shape == (480, 640, 3)
    assert running.change(plan(), {"m": model})
    assert running.views() == []


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
    wait_until(lambda: len([one for one in reader.events() if one.alert.end_us]) >= 3)
    running.change(plan(), {"m": quick})
    running.outlets.store.flush()
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
    wait_until(lambda: seen(running, "door").open_event)
    frames = seen(running, "door").state.frames
    deaf = replace(model.bundle.calibration, threshold=100 * model.bundle.calibration.threshold)
    write_camera_calibration(tmp_path / "deaf.json", deaf, model.bundle)
    assert running.change(plan(replace(door, calibration=tmp_path / "deaf.json")), {"m": model})
    view = seen(running, "door")
    assert not view.open_event
    assert view.state.frames >= frames
    assert running.calibration("door").threshold == deaf.threshold
    wait_until(lambda: (seen(running, "door").score or 1) < 0.1)
    held = StoreReader(tmp_path / "out")
    wait_until(lambda: len(held.ask(thresholds)) == 2)
    assert held.ask(thresholds) == [model.bundle.calibration.threshold, deaf.threshold]
    held.close()


def thresholds(connection):
    return [
        row.threshold
        for row in connection.exec_driver_sql("SELECT threshold FROM thresholds ORDER BY at_us")
    ]


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
    wait_until(lambda: seen(running, "door").state.frames > 3)


def test_a_file_that_ends_is_closed_while_others_are_watched(
    running, model, video, bright_from, tmp_path
):
    path = video("door.mp4", frames=20, draw=bright_from(10, 20))
    running.change(plan(camera("door", path, loop=False)), {"m": model})
    wait_until(lambda: (tmp_path / "out" / "door.events.jsonl").exists())
    assert str(seen(running, "door").state.phase) == "ended"
    reader = StoreReader(tmp_path / "out")
    wait_until(lambda: reader.events()[0].alert.end_us is not None)
    reader.close()


def test_a_camera_that_crashed_is_begun_anew_by_a_change(
    running, model, video, bright_from, monkeypatch
):
    path = video("door.mp4", frames=30, draw=bright_from(10, 20))
    judge = CameraPipeline.judge

    def broken(self, score: Score, spent_s):
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(CameraPipeline, "judge", broken)
    running.change(plan(camera("door", path)), {"m": model})
    wait_until(lambda: str(seen(running, "door").state.phase) == "failed")
    monkeypatch.setattr(CameraPipeline, "judge", judge)
    running.change(plan(camera("door", path)), {"m": model})
    wait_until(lambda: seen(running, "door").score is not None)


def test_a_plan_that_stays_may_be_empty_and_another_may_not():
    assert plan().cameras == ()
    with pytest.raises(SettingsError, match="there must be a camera"):
        WatchPlan(cameras=(), model="m")


def test_only_a_file_is_played_again():
    with pytest.raises(SettingsError, match="loop is for files"):
        camera("door", "rtsp://127.0.0.1/a")


FAST = WatchSettings(fast=True)
NOON_US = 1_790_000_000_000_000


def plan_watcher(sources, settings=FAST, **common):
    return WatchPlan(cameras=named_cameras(sources, **common), model="m", settings=settings)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


class Running:
    """A watcher in a thread; use it in a `with` block."""

    def __init__(self, watcher):
        self.watcher = watcher
        self.thread = threading.Thread(target=watcher.run)

    def __enter__(self):
        self.thread.start()
        return self.watcher

    def __exit__(self, *_):
        self.watcher.stop()
        self.thread.join(120)
        assert not self.thread.is_alive()


@pytest.mark.parametrize("fast", [True, False])
def test_a_file_is_watched_with_the_lines_that_scoring_it_writes(
    model, video, bright_from, tmp_path, fast
):
    path = video("door.mp4", frames=30, draw=bright_from(10, 20))
    score(path, model, tmp_path / "scored")
    Watcher(
        plan_watcher([path], WatchSettings(fast=fast)), {"m": model}, tmp_path / "watched"
    ).run()
    told = (tmp_path / "watched" / "door.events.jsonl").read_bytes()
    assert len(told.splitlines()) == 2
    assert told == (tmp_path / "scored" / "door.events.jsonl").read_bytes()


def test_several_files_share_batches_and_keep_their_own_events(model, video, bright_from, tmp_path):
    paths = [
        video(f"{name}.mp4", frames=40, draw=bright_from(8 + name, 20 + 2 * name))
        for name in range(5)
    ]
    score(paths, model, tmp_path / "scored")
    model.scorer.batches.clear()
    Watcher(plan_watcher(paths), {"m": model}, tmp_path / "watched").run()
    assert len(model.scorer.batches) < 5 * 36
    for name in range(5):
        told = (tmp_path / "watched" / f"{name}.events.jsonl").read_bytes()
        assert told == (tmp_path / "scored" / f"{name}.events.jsonl").read_bytes()
        assert told


def test_of_a_still_camera_the_network_sees_what_is_new_and_the_lines_are_the_same(
    model, video, bright_from, tmp_path
):
    """Its pictures repeat each other to the byte but where the light goes on and off."""
    paths = [video(f"{name}.mp4", frames=60, draw=bright_from(20, 40)) for name in range(3)]
    seen = []
    scored = model.scorer.score
    model.scorer.score = lambda clips: seen.append(len(clips)) or scored(clips)
    score(paths, model, tmp_path / "scored")
    assert sum(seen) < 3 * 56 / 2
    alone, seen[:] = sum(seen), []
    Watcher(plan_watcher(paths), {"m": model}, tmp_path / "watched").run()
    assert sum(seen) == alone
    for name in range(3):
        told = (tmp_path / "watched" / f"{name}.events.jsonl").read_bytes()
        assert told == (tmp_path / "scored" / f"{name}.events.jsonl").read_bytes()
        assert told


def test_the_database_has_the_event_with_its_picture_and_clip(model, video, bright_from, tmp_path):
    path = video("door.mp4", frames=40, draw=bright_from(10, 20))
    now = iter(range(NOON_US, NOON_US + 10**9, 1000))
    Watcher(plan_watcher([path]), {"m": model}, tmp_path, now_us=lambda: next(now)).run()
    reader = StoreReader(tmp_path)
    (stored,) = reader.events()
    assert stored.alert.event.phase == "end"
    assert stored.alert.seen_us - stored.alert.start_us == 900_000
    assert (tmp_path / stored.alert.snapshot).read_bytes()[:2] == b"\xff\xd8"
    assert b"ftyp" in (tmp_path / stored.alert.clip).read_bytes()[:16]
    spans = reader.scores("door", NOON_US, NOON_US + 10**8)
    assert max(span.peak for span in spans) == pytest.approx(0.75, abs=0.05)
    reader.close()


def test_no_pictures_are_kept_where_none_are_wanted(model, video, bright_from, tmp_path):
    path = video("door.mp4", frames=30, draw=bright_from(10, 20))
    Watcher(
        plan_watcher([path], WatchSettings(fast=True, pictures=False)), {"m": model}, tmp_path
    ).run()
    assert not [
        one for one in tmp_path.rglob("*") if one.suffix in (".jpg", ".mp4") and one != path
    ]
    assert StoreReader(tmp_path).events()


def test_without_a_database_there_are_lines_all_the_same(model, video, bright_from, tmp_path):
    path = video("door.mp4", frames=30, draw=bright_from(10, 20))
    Watcher(
        plan_watcher([path], WatchSettings(fast=True, store=False)), {"m": model}, tmp_path / "out"
    ).run()
    assert [one.name for one in (tmp_path / "out").iterdir() if one.is_file()] == [
        "door.events.jsonl"
    ]
    assert len(lines(tmp_path / "out" / "door.events.jsonl")) == 2


def test_a_file_that_cannot_be_scored_does_not_stop_the_others(
    model, video, bright_from, tmp_path, monkeypatch
):
    good = video("good.mp4", frames=30, draw=bright_from(10, 20))
    bad = video("bad.mp4", frames=30, draw=bright_from(10, 20))

    def judge(camera_watcher, score, spent_s):
        if camera_watcher.name == "bad":
            raise ZeroDivisionError("of all things")
        return judged(camera_watcher, score, spent_s)

    judged = CameraPipeline.judge
    monkeypatch.setattr(CameraPipeline, "judge", judge)
    watcher = Watcher(plan_watcher([bad, good]), {"m": model}, tmp_path / "out")
    with pytest.raises(SourceError, match=r"bad crashed: ZeroDivisionError: of all things"):
        watcher.run()
    assert len(lines(tmp_path / "out" / "good.events.jsonl")) == 2
    assert {one.name: str(one.state.phase) for one in watcher.views()} == {
        "bad": "failed",
        "good": "ended",
    }


def test_every_camera_has_the_model_and_the_budget_of_its_own(model, video, bright_from, tmp_path):
    path = video("door.mp4", frames=30, draw=bright_from(10, 20))
    deaf = Model(model.bundle, type(model.scorer)(model.scorer.threshold / 100, 3))
    cameras = (
        Camera(name="deaf", address=stream_address(path), model="deaf"),
        Camera(name="keen", address=stream_address(path), false_alarms="2/hour"),
    )
    watcher = Watcher(
        WatchPlan(cameras=cameras, model="m", settings=FAST), {"m": model, "deaf": deaf}, tmp_path
    )
    watcher.run()
    assert (tmp_path / "deaf.events.jsonl").read_text() == ""
    keen, plain = (one.calibration for one in reversed(watcher._cameras))
    assert keen.budget == "2/hour"
    assert keen.threshold != plain.threshold


def test_a_budget_needs_scores_of_normal_footage(model, video, tmp_path):
    bare = Model(replace(model.bundle, normal=None), model.scorer)
    with pytest.raises(InputError, match=r"'a'.*oddframe calibrate"):
        Watcher(plan_watcher([video()], false_alarms="2/hour"), {"m": bare}, tmp_path)


def test_two_watchers_cannot_use_one_folder(model, video, tmp_path):
    watcher = Watcher(plan_watcher([video(frames=20)]), {"m": model}, tmp_path / "out")
    with pytest.raises(StoreError):
        Watcher(plan_watcher([video("b.mp4")]), {"m": model}, tmp_path / "out")
    watcher.run()


@pytest.fixture
def live(video, bright_from):
    """A camera that shows something unusual from its second second on, and then nothing any more."""
    path = video("live.ts", frames=30, draw=bright_from(20, 99))
    with StreamServer(served(path, holds=True)) as server:
        yield server.url()


def camera_watcher(address, **more):
    return Camera(name="yard", address=stream_address(address), **more)


def watch_live(model, address, out, now_us=None, settings=None, **more):
    one = WatchPlan(
        cameras=(camera_watcher(address, **more),), model="m", settings=settings or WatchSettings()
    )
    return Running(
        Watcher(one, {"m": model}, out, **({} if now_us is None else {"now_us": now_us}))
    )


def test_a_live_event_is_told_at_once_and_closed_by_a_stop(model, live, tmp_path):
    settings = WatchSettings(sinks={"log": JsonLinesConfig(path=tmp_path / "log.jsonl")})
    with watch_live(model, live, tmp_path / "out", settings=settings) as watcher:
        wait_until(lambda: (tmp_path / "log.jsonl").exists())
        assert lines(tmp_path / "log.jsonl")[0]["phase"] == "start"
        (shown,) = watcher.views()
        assert (shown.open_event, shown.events) == (True, 1)
        watcher.stop()
    assert [one["phase"] for one in lines(tmp_path / "out" / "yard.events.jsonl")][-1] == "end"
    reader = StoreReader(tmp_path / "out")
    (stored,) = reader.events()
    assert stored.alert.event.phase == "end"
    assert (tmp_path / "out" / stored.alert.snapshot).exists()
    assert (tmp_path / "out" / stored.alert.clip).stat().st_size > 500
    assert stored.alert.start_us > NOON_US - 10**14
    reader.close()


@pytest.mark.parametrize(
    ("live", "loop", "same"), [(True, False, False), (False, False, True), (False, True, False)]
)
def test_events_of_two_watchings_are_two_though_they_begin_at_the_same_second(
    model, video, live, loop, same
):
    address = "rtsp://10.0.0.7/1" if live else str(video("a.mp4"))

    def identity(since_us):
        stream = SimpleNamespace(rate_fps=10.0, gap_s=0.35)
        watched = CameraPipeline(
            camera_watcher(address, loop=loop), stream, model, model.bundle.calibration, since_us
        )
        told = []
        for number in range(40):
            pixels = np.full((32, 32, 1), 230 if 10 <= number < 20 else 60, np.uint8)
            pending = watched.take(Frame(number, number / 10, pixels, (32, 32)), 0.0, 0)
            for final in watched.resolve(model.scored(pending, maps=True)):
                told += watched.judge(final, 0.0)
        told += watched.finish()
        assert (told[0].phase, told[-1].phase) == ("start", "end")
        (found,) = {one.id for one in told}
        return found

    assert (identity(1) == identity(2)) == same


NIGHT = Schedule.parse(["00:00-06:00"], "UTC")


@pytest.mark.parametrize(("hour", "told"), [(3, True), (12, False)])
def test_alarms_are_told_in_armed_hours_only(model, live, tmp_path, hour, told):
    clock = lambda: 1_790_000_000_000_000 // 86_400_000_000 * 86_400_000_000 + hour * 3_600_000_000  # noqa: E731
    with watch_live(model, live, tmp_path, now_us=clock, zones=Zones(armed=NIGHT)) as watcher:
        wait_until(lambda: (watcher.views()[0].score or 0) > 0.5)
        time.sleep(1.0)
    assert (tmp_path / "yard.events.jsonl").exists() == told


def test_an_event_that_goes_on_when_the_hours_begin_starts_then(model, live, tmp_path):
    midnight_us = 1_790_000_000_000_000 // 86_400_000_000 * 86_400_000_000
    night = threading.Event()
    clock = lambda: midnight_us + (1 if night.is_set() else -1) * 3_600_000_000  # noqa: E731
    with watch_live(model, live, tmp_path, now_us=clock, zones=Zones(armed=NIGHT)) as watcher:
        wait_until(lambda: (watcher.views()[0].score or 0) > 0.5)
        night.set()
        wait_until(lambda: (tmp_path / "yard.events.jsonl").exists())
    phases = [one["phase"] for one in lines(tmp_path / "yard.events.jsonl")]
    assert (phases[0], phases[-1]) == ("start", "end")


def test_a_camera_that_cannot_be_reached_is_no_end(model, video, bright_from, tmp_path):
    path = video("door.mp4", frames=30, draw=bright_from(10, 20))
    cameras = (camera_watcher("rtsp://bob:geheim@127.0.0.1:9/none"), *named_cameras([path]))
    watcher = Watcher(WatchPlan(cameras=cameras, model="m", settings=FAST), {"m": model}, tmp_path)
    with Running(watcher):
        wait_until(lambda: str(watcher.views()[1].state.phase) == "ended")
        wait_until(lambda: watcher.views()[0].state.error is not None)
        (yard, _) = watcher.views()
        assert str(yard.state.phase) in ("waiting", "connecting")
        assert "geheim" not in str(yard)
    assert len(lines(tmp_path / "door.events.jsonl")) == 2
