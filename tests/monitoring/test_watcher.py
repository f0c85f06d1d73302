"""Files and live cameras that are watched: their lines, rows, pictures, clips and crashes."""

import json
import threading
from dataclasses import replace
from types import SimpleNamespace

import av
import numpy as np
import pytest
from PIL import Image

from oddframe.core.records import Frame
from oddframe.core.zones import Schedule, Zones
from oddframe.errors import InputError, SourceError, StoreError
from oddframe.inference.model import Model
from oddframe.media.live_config import LiveSettings, stream_address
from oddframe.media.recording import Recording
from oddframe.monitoring import recorder
from oddframe.monitoring import watcher as watcher_module
from oddframe.monitoring.camera import CameraPipeline
from oddframe.monitoring.config import Camera, WatchPlan, WatchSettings, named_cameras
from oddframe.monitoring.watcher import Watcher
from oddframe.sinks.jsonl import JsonLinesConfig
from oddframe.store.reader import StoreReader
from oddframe.tasks.score import score
from tests.support.alerting import until
from tests.support.scorers import bright_is_unusual
from tests.support.stream_server import StreamServer
from tests.support.stream_server import video as served
from tests.support.tiny import walk

FAST = WatchSettings(fast=True)
NOON_US = 1_790_000_000_000_000
HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000


def plan_of(sources, settings=FAST, **common):
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
    Watcher(plan_of([path], WatchSettings(fast=fast)), {"m": model}, tmp_path / "watched").run()
    written = (tmp_path / "watched" / "door.events.jsonl").read_bytes()
    assert len(written.splitlines()) == 2
    assert written == (tmp_path / "scored" / "door.events.jsonl").read_bytes()


@pytest.mark.slow
def test_several_files_share_batches_and_keep_their_own_events(model, video, bright_from, tmp_path):
    paths = [
        video(f"{name}.mp4", frames=40, draw=bright_from(8 + name, 20 + 2 * name))
        for name in range(5)
    ]
    score(paths, model, tmp_path / "scored")
    model.scorer.batches.clear()
    Watcher(plan_of(paths), {"m": model}, tmp_path / "watched").run()
    assert len(model.scorer.batches) < 5 * 36
    for name in range(5):
        written = (tmp_path / "watched" / f"{name}.events.jsonl").read_bytes()
        assert written == (tmp_path / "scored" / f"{name}.events.jsonl").read_bytes()
        assert written


@pytest.mark.slow
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
    Watcher(plan_of(paths), {"m": model}, tmp_path / "watched").run()
    assert sum(seen) == alone
    for name in range(3):
        written = (tmp_path / "watched" / f"{name}.events.jsonl").read_bytes()
        assert written == (tmp_path / "scored" / f"{name}.events.jsonl").read_bytes()
        assert written


def test_what_a_camera_shows_does_not_wait_until_it_is_scored(model, video, tmp_path):
    is_asked, may_answer = threading.Event(), threading.Event()
    scored = model.scorer.score

    def answer_late(clips):
        is_asked.set()
        assert may_answer.wait(120)
        return scored(clips)

    model.scorer.score = answer_late
    plan = plan_of([video("door.mp4", frames=40, draw=walk)])
    with Running(Watcher(plan, {"m": model}, tmp_path / "out")) as watcher:
        try:
            assert is_asked.wait(120)
            # The first clip has five frames, and nothing is scored before the network answers.
            until(lambda: watcher.snapshot("door").time_s > 0.45)
            assert watcher.snapshot("door", mapped=True).map is None
        finally:
            may_answer.set()
        until(lambda: watcher.snapshot("door", mapped=True).map is not None)


def test_a_map_is_shown_with_its_own_frame_and_no_frame_between_two_takes_its_place(model, video):
    path = video("door.mp4", frames=50, rate_fps=25, draw=walk)
    source = Recording(path)
    camera = CameraPipeline(
        Camera(name="door", address=stream_address(str(path)), health=False),
        source,
        model,
        model.bundle.calibration,
        0,
    )
    maps, shown = {}, []
    for frame in source.frames(model.wanted(64)):
        ready = camera.take(frame, frame.time_s, 0)
        for found in camera.resolve(model.scored(ready, maps=True)):
            camera.detect(found, 0.0)
            maps[found.time_s] = found.map
            shown.append(camera.snapshot(mapped=True))
    first = next(place for place, one in enumerate(shown) if one.map is not None)
    for one in shown[first:]:
        assert one.map is maps[one.time_s]
        assert one.map is not None
    # Ten frames a second are scored, of 25.
    assert len({one.time_s for one in shown[first:]}) < len(shown[first:]) / 2


def test_the_database_has_the_event_with_its_picture_and_clip(model, video, bright_from, tmp_path):
    path = video("door.mp4", frames=40, draw=bright_from(10, 20))
    now = iter(range(NOON_US, NOON_US + 10**9, 1000))
    Watcher(plan_of([path]), {"m": model}, tmp_path, now_us=lambda: next(now)).run()
    reader = StoreReader(tmp_path)
    (stored,) = reader.events()
    assert stored.alert.event.phase == "end"
    assert stored.alert.seen_us - stored.alert.start_us == 900_000
    assert (tmp_path / stored.alert.snapshot).read_bytes()[:2] == b"\xff\xd8"
    assert b"ftyp" in (tmp_path / stored.alert.clip).read_bytes()[:16]
    spans = reader.scores("door", NOON_US, NOON_US + 10**8)
    assert max(span.peak for span in spans) == pytest.approx(0.75, abs=0.05)
    reader.close()


@pytest.mark.parametrize("pattern", ["{:03d}.jpg", "{:03d}.png"])
def test_a_folder_of_images_has_clips_of_its_events(model, bright_from, tmp_path, pattern):
    folder = tmp_path / "gate"
    folder.mkdir()
    draw = bright_from(30, 40)
    for number in range(80):
        Image.fromarray(draw(number)).save(folder / pattern.format(number))
    settings = WatchSettings(fast=True, clip_before_s=1.0, clip_after_s=1.0)
    Watcher(plan_of([folder], settings, fps=10.0), {"m": model}, tmp_path / "out").run()
    reader = StoreReader(tmp_path / "out")
    (stored,) = reader.events()
    reader.close()
    levels = levels_of(tmp_path / "out" / stored.alert.clip)
    assert stored.clip_error is None
    assert 25 < len(levels) <= 31
    assert sum(level > 150 for level in levels) == 10


@pytest.mark.parametrize(
    ("name", "wishes"),
    [
        ("door.mkv", {"coding": {"bf": "2", "g": "500"}}),
        ("door.wmv", {"codec": "wmv2"}),
        # `media/test_clip_export.py` has more kinds of recordings.
        pytest.param("door.mpg", {"coding": {"bf": "2", "g": "50"}}, marks=pytest.mark.slow),
        pytest.param(
            "door.avi", {"codec": "mjpeg", "pixel_format": "yuvj420p"}, marks=pytest.mark.slow
        ),
    ],
)
def test_the_clip_of_a_recording_shows_its_event(model, video, bright_from, tmp_path, name, wishes):
    path = video(name, frames=160, draw=bright_from(120, 130), **wishes)
    settings = WatchSettings(fast=True, clip_before_s=1.0, clip_after_s=1.0)
    Watcher(plan_of([path], settings), {"m": model}, tmp_path / "out").run()
    reader = StoreReader(tmp_path / "out")
    (stored,) = reader.events()
    reader.close()
    levels = levels_of(tmp_path / "out" / stored.alert.clip)
    assert sum(level > 150 for level in levels) == 10
    assert len(levels) < 45


def levels_of(path):
    """How bright each picture of a clip is."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray").mean() for frame in container.decode(video=0)]


@pytest.mark.parametrize("stopped", [False, True])
def test_the_end_waits_for_clips_that_take_long_unless_it_is_stopped(
    model, video, bright_from, tmp_path, monkeypatch, stopped
):
    go, begun = threading.Event(), threading.Event()

    def write(video, path, **_):
        begun.set()
        go.wait(120)
        path.write_bytes(b"a clip")

    monkeypatch.setattr(recorder, "write_event_clip", write)
    monkeypatch.setattr(watcher_module, "FLUSH_S", 0.1)
    path = video("door.mp4", frames=30, draw=bright_from(10, 20))
    notices = []
    watcher = Watcher(plan_of([path]), {"m": model}, tmp_path / "out", on_notice=notices.append)
    running = Running(watcher)
    with running:
        assert begun.wait(120)
        if not stopped:
            # Longer than the end waits for disks and networks.
            running.thread.join(1.0)
            assert running.thread.is_alive()
            go.set()
            running.thread.join(120)
    go.set()
    assert bool(notices) == stopped


@pytest.mark.parametrize("kind", ["recording", "images"])
def test_why_there_is_no_clip_is_said_and_kept(model, video, images, bright_from, tmp_path, kind):
    if kind == "recording":
        source = video("door.mp4", frames=60, draw=bright_from(10, 20))
    else:
        source = images("door", range(60))
        for number in range(10, 20):
            Image.fromarray(bright_from(0, 99)(number)).save(source / f"{number:03d}.jpg")
    notices = []

    def lose(alert):
        """Somebody deletes what was filmed before its clip is cut."""
        if alert.event.phase == "end":
            source.rename(source.with_name("elsewhere"))

    Watcher(
        plan_of([source]),
        {"m": model},
        tmp_path / "out",
        on_alert=lose,
        on_notice=notices.append,
    ).run()
    reader = StoreReader(tmp_path / "out")
    (stored,) = reader.events()
    reader.close()
    assert stored.alert.clip is None
    assert str(source) in stored.clip_error
    (notice,) = notices
    assert notice.startswith("door: no clip of the event at 1.0 s (20")
    assert notice.endswith(stored.clip_error)


def test_no_pictures_are_kept_where_none_are_wanted(model, video, bright_from, tmp_path):
    path = video("door.mp4", frames=30, draw=bright_from(10, 20))
    Watcher(plan_of([path], WatchSettings(fast=True, pictures=False)), {"m": model}, tmp_path).run()
    assert not [
        one for one in tmp_path.rglob("*") if one.suffix in (".jpg", ".mp4") and one != path
    ]
    assert StoreReader(tmp_path).events()


def test_without_a_database_there_are_lines_all_the_same(model, video, bright_from, tmp_path):
    path = video("door.mp4", frames=30, draw=bright_from(10, 20))
    Watcher(
        plan_of([path], WatchSettings(fast=True, store=False)), {"m": model}, tmp_path / "out"
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

    def fail_for_bad(pipeline, score, inference_s):
        if pipeline.name == "bad":
            raise ZeroDivisionError("of all things")
        return detect(pipeline, score, inference_s)

    detect = CameraPipeline.detect
    monkeypatch.setattr(CameraPipeline, "detect", fail_for_bad)
    watcher = Watcher(plan_of([bad, good]), {"m": model}, tmp_path / "out")
    with pytest.raises(SourceError, match=r"bad crashed: ZeroDivisionError: of all things"):
        watcher.run()
    assert len(lines(tmp_path / "out" / "good.events.jsonl")) == 2
    assert {one.name: str(one.state.phase) for one in watcher.views()} == {
        "bad": "failed",
        "good": "ended",
    }


def test_every_camera_has_the_model_and_the_budget_of_its_own(model, video, bright_from, tmp_path):
    path = video("door.mp4", frames=30, draw=bright_from(10, 20))
    threshold = model.bundle.calibration.threshold
    deaf = Model(model.bundle, bright_is_unusual(threshold / 100, 3))
    cameras = (
        Camera(name="deaf", address=stream_address(path), model="deaf"),
        Camera(name="keen", address=stream_address(path), false_alarms="2/hour"),
    )
    watcher = Watcher(
        WatchPlan(cameras=cameras, model="m", settings=FAST), {"m": model, "deaf": deaf}, tmp_path
    )
    watcher.run()
    assert (tmp_path / "deaf.events.jsonl").read_text() == ""
    keen, plain = watcher.calibration("keen"), watcher.calibration("deaf")
    assert keen.budget == "2/hour"
    assert keen.threshold != plain.threshold


def test_a_budget_needs_scores_of_normal_footage(model, video, tmp_path):
    bare = Model(replace(model.bundle, normal=None), model.scorer)
    with pytest.raises(InputError, match=r"'a'.*oddframe calibrate"):
        Watcher(plan_of([video()], false_alarms="2/hour"), {"m": bare}, tmp_path)


def test_two_watchers_cannot_use_one_folder(model, video, tmp_path):
    watcher = Watcher(plan_of([video(frames=20)]), {"m": model}, tmp_path / "out")
    with pytest.raises(StoreError):
        Watcher(plan_of([video("b.mp4")]), {"m": model}, tmp_path / "out")
    watcher.run()


@pytest.fixture
def patient_stop(monkeypatch):
    """Lets a stop wait until all is written: a busy machine needs more than the second it has."""
    monkeypatch.setattr(watcher_module, "GOODBYE_S", 60.0)


@pytest.fixture
def live(video, bright_from):
    """A camera that shows something unusual from its second 2 on, and then no frames any more."""
    path = video("live.ts", frames=30, draw=bright_from(20, 99))
    with StreamServer(served(path, holds=True)) as server:
        yield server.url()


def yard(address, **more):
    return Camera(name="yard", address=stream_address(address), **more)


def watch_live(model, address, out, now_us=None, settings=None, **more):
    one = WatchPlan(
        cameras=(yard(address, **more),), model="m", settings=settings or WatchSettings()
    )
    return Running(
        Watcher(one, {"m": model}, out, **({} if now_us is None else {"now_us": now_us}))
    )


def test_a_live_event_is_delivered_at_once_and_closed_by_a_stop(model, live, tmp_path):
    settings = WatchSettings(sinks={"log": JsonLinesConfig(path=tmp_path / "log.jsonl")})
    with watch_live(model, live, tmp_path / "out", settings=settings) as watcher:
        log = tmp_path / "log.jsonl"
        until(lambda: log.exists() and lines(log))
        assert lines(log)[0]["phase"] == "start"
        (shown,) = watcher.views()
        assert (shown.open_event, shown.events) == (True, 1)
        assert (shown.unusual, shown.fault) == (True, None)
        watcher.stop()
    assert [one["phase"] for one in lines(tmp_path / "out" / "yard.events.jsonl")][-1] == "end"
    reader = StoreReader(tmp_path / "out")
    (stored,) = reader.events()
    assert stored.alert.event.phase == "end"
    assert (tmp_path / "out" / stored.alert.snapshot).exists()
    assert (tmp_path / "out" / stored.alert.clip).stat().st_size > 500
    assert stored.alert.start_us > NOON_US - 10**14
    reader.close()


def test_a_camera_whose_video_takes_too_much_memory_says_so(model, live, tmp_path):
    tiny = WatchPlan(
        cameras=(yard(live, live=LiveSettings(keep_mb=0.0001)),),
        model="m",
        settings=WatchSettings(),
    )
    notices = []
    watcher = Watcher(tiny, {"m": model}, tmp_path / "out", on_notice=notices.append)
    with Running(watcher):
        until(lambda: any(view.open_event for view in watcher.views()))
        watcher.stop()
    reader = StoreReader(tmp_path / "out")
    (stored,) = reader.events()
    reader.close()
    assert "more than 0.0001 MB" in stored.clip_error
    assert notices == [notice for notice in notices if "yard: no clip of the event" in notice]
    assert notices


@pytest.mark.parametrize(("name", "codec"), [("live.mkv", "mjpeg"), ("live.ts", "mpeg2video")])
def test_a_camera_that_sends_what_players_do_not_know_has_a_clip(
    model, video, bright_from, tmp_path, patient_stop, name, codec
):
    form = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    wishes = {"codec": codec, "pixel_format": form, "rate_fps": 25}
    path = video(name, frames=75, draw=bright_from(50, 99), **wishes)
    with (
        StreamServer(served(path, holds=True)) as server,
        watch_live(model, server.url(name), tmp_path / "out") as watcher,
    ):
        until(lambda: any(view.open_event for view in watcher.views()))
        watcher.stop()
    reader = StoreReader(tmp_path / "out")
    (stored,) = reader.events()
    reader.close()
    assert stored.clip_error is None
    assert max(levels_of(tmp_path / "out" / stored.alert.clip)) > 150


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
            yard(address, loop=loop), stream, model, model.bundle.calibration, since_us
        )
        events = []
        for number in range(40):
            pixels = np.full((32, 32, 1), 230 if 10 <= number < 20 else 60, np.uint8)
            pending = watched.take(Frame(number, number / 10, pixels, (32, 32)), 0.0, 0)
            for final in watched.resolve(model.scored(pending, maps=True)):
                events += watched.detect(final, 0.0)
        events += watched.finish()
        assert (events[0].phase, events[-1].phase) == ("start", "end")
        (found,) = {one.id for one in events}
        return found

    assert (identity(1) == identity(2)) == same


NIGHT = Schedule.parse(["00:00-06:00"], "UTC")


def test_alarms_are_recorded_in_armed_hours(model, live, tmp_path):
    with watch_live(model, live, tmp_path, now_us=at_hour(3), zones=Zones(armed=NIGHT)):
        until((tmp_path / "yard.events.jsonl").exists)


def test_no_alarm_is_recorded_outside_of_the_armed_hours(model, live, tmp_path):
    with watch_live(model, live, tmp_path, now_us=at_hour(12), zones=Zones(armed=NIGHT)) as watcher:
        # The bright frames have been scored, all but the last few.
        until(lambda: watcher.views()[0].clips >= 24)
    assert not (tmp_path / "yard.events.jsonl").exists()


def at_hour(hour):
    """Return a clock that always shows this hour of a day."""
    return lambda: NOON_US // DAY_US * DAY_US + hour * HOUR_US


def test_an_event_that_goes_on_when_the_hours_begin_starts_then(
    model, live, tmp_path, patient_stop
):
    midnight_us = NOON_US // DAY_US * DAY_US
    night = threading.Event()

    def clock():
        return midnight_us + (HOUR_US if night.is_set() else -HOUR_US)

    with watch_live(model, live, tmp_path, now_us=clock, zones=Zones(armed=NIGHT)) as watcher:
        until(lambda: (watcher.views()[0].score or 0) > 0.5)
        night.set()
        until(lambda: (tmp_path / "yard.events.jsonl").exists())
    phases = [one["phase"] for one in lines(tmp_path / "yard.events.jsonl")]
    assert (phases[0], phases[-1]) == ("start", "end")


def test_a_camera_that_cannot_be_reached_is_no_end(model, video, bright_from, tmp_path):
    path = video("door.mp4", frames=30, draw=bright_from(10, 20))
    cameras = (yard("rtsp://bob:geheim@127.0.0.1:9/none"), *named_cameras([path]))
    watcher = Watcher(WatchPlan(cameras=cameras, model="m", settings=FAST), {"m": model}, tmp_path)
    with Running(watcher):
        until(lambda: str(watcher.views()[1].state.phase) == "ended")
        until(lambda: watcher.views()[0].state.error is not None)
        (unreachable, _) = watcher.views()
        assert str(unreachable.state.phase) in ("waiting", "connecting")
        assert "geheim" not in str(unreachable)
    assert len(lines(tmp_path / "door.events.jsonl")) == 2
