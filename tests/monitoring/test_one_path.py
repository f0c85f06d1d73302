"""A recording gives the same lines however it is scored.

That is: scored or watched, fast or at its own speed, alone or with others.
"""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from oddframe.core.event_rules import EventRules
from oddframe.inference.loading import load
from oddframe.inference.model import Model
from oddframe.media.discovery import open_source
from oddframe.media.live_config import stream_address
from oddframe.monitoring.camera import CameraPipeline
from oddframe.monitoring.config import Camera, WatchPlan, WatchSettings, named_cameras
from oddframe.monitoring.watcher import Watcher
from oddframe.tasks.score import score
from tests.support.tiny import walk

pytestmark = pytest.mark.usefixtures("no_curves")

LOUD = range(35, 60)


def loud(number, width=64, height=48):
    """The scene, with a block in it at times."""
    picture = walk(number, width, height)
    if number in LOUD:
        picture[4:20, (3 * number) % 40 : (3 * number) % 40 + 20] = 250
    return picture


def covered(number, width=64, height=48):
    """The scene, with something before the lens at times."""
    picture = loud(number, width, height)
    noise = np.random.default_rng(number).integers(0, 4, picture.shape, np.uint8)
    return noise + 10 if 70 <= number < 120 else picture


def uneven(number):
    """Times of frames that come at 5 to 20 a second."""
    return number / 10 + 0.04 * np.sin(number / 3)


@pytest.fixture(
    scope="module",
    params=[
        ("last", 1),
        pytest.param(("last", 3), marks=pytest.mark.slow),
        pytest.param(("middle", 1), marks=pytest.mark.slow),
        ("middle", 5),
    ],
)
def network(request, tiny_run, footage):
    """A trained network that knows its camera and finds some clips unusual; nothing is made up."""
    trained = load(tiny_run, device="cpu")
    config = replace(
        trained.bundle.network.config, scored_frame=request.param[0], score_clips=request.param[1]
    )
    bundle = replace(trained.bundle, network=replace(trained.bundle.network, config=config))
    trained = Model(bundle, trained.scorer)
    raw = [
        one.raw
        for path in sorted(footage.glob("*.mp4"))
        for one in trained.scores(path)
        if one.raw is not None
    ]
    rules = EventRules(least_s=0.2, merge_gap_s=0.5)
    threshold = 1.02 * max(raw)
    calibration = replace(
        trained.bundle.calibration, threshold=threshold, release=0.97 * threshold, rules=rules,
        threshold_low=0.9 * threshold, threshold_high=1.1 * threshold,
    )  # fmt: skip
    return Model(replace(trained.bundle, calibration=calibration), trained.scorer)


@pytest.fixture
def recordings(video, images):
    return {
        "plain": video("plain.mp4", frames=101, draw=loud),
        "gaps": video(
            "gaps.mp4",
            frames=90,
            draw=loud,
            times_s=[n / 10 + 3 * (n >= 44) + (n >= 70) for n in range(90)],
        ),
        "uneven": video(
            "uneven.mkv", frames=90, draw=loud, times_s=[max(0.0, uneven(n)) for n in range(90)]
        ),
        "fast": video("fast.mp4", frames=150, draw=loud, rate_fps=30),
        "covered": video("covered.mp4", frames=160, draw=covered),
    }


def lines(folder, names):
    return {name: (folder / f"{name}.events.jsonl").read_bytes() for name in names}


def watched(paths, model, out, *, fast):
    plan = WatchPlan(
        cameras=named_cameras(paths), model="m", settings=WatchSettings(fast=fast, store=False)
    )
    Watcher(plan, {"m": model}, out).run()


def test_watching_writes_what_scoring_writes(network, recordings, tmp_path):
    score(list(recordings.values()), network, tmp_path / "scored")
    scored = lines(tmp_path / "scored", recordings)
    kinds = {
        name: {json.loads(line)["kind"] for line in text.splitlines()}
        for name, text in scored.items()
    }
    assert kinds == {
        **{name: {"anomaly"} for name in ("plain", "gaps", "uneven", "fast")},
        "covered": {"anomaly", "health"},
    }
    watched(recordings.values(), network, tmp_path / "together", fast=True)
    assert lines(tmp_path / "together", recordings) == scored
    for name, path in recordings.items():
        watched([path], network, tmp_path / "alone", fast=True)
        assert lines(tmp_path / "alone", [name])[name] == scored[name]


@pytest.mark.slow
def test_so_does_watching_at_the_recordings_own_speed(network, recordings, tmp_path):
    score(list(recordings.values()), network, tmp_path / "scored")
    watched(recordings.values(), network, tmp_path / "played", fast=False)
    assert lines(tmp_path / "played", recordings) == lines(tmp_path / "scored", recordings)


def test_when_a_camera_falls_silent_the_frames_that_wait_for_a_clip_are_let_go_first(
    network, recordings
):
    yard = Camera(name="yard", address=stream_address("rtsp://127.0.0.1:9/none"))
    stream = SimpleNamespace(rate_fps=10.0, gap_s=0.35)
    watched = CameraPipeline(yard, stream, network, network.bundle.calibration, 0)
    events, times_s = [], []
    for frame in open_source(recordings["plain"]).frames(network.wanted()):
        if frame.index > LOUD[10]:
            break
        pending = watched.take(frame, frame.time_s, 0)
        for final in watched.resolve(network.scored(pending, maps=True)):
            events += watched.detect(final, 0.0)
            times_s.append(final.time_s)
    config = network.bundle.network.config
    lookahead = config.lookahead + config.neighbours.after
    assert times_s == pytest.approx(np.arange(LOUD[10] + 1 - lookahead) / 10)
    assert watched.pass_time(LOUD[10] / 10 + 0.4) == []
    events += watched.pass_time(LOUD[10] / 10 + 60.0)
    bounds = [one for one in events if one.phase != "update"]
    assert {(one.kind, one.phase) for one in bounds} == {
        ("anomaly", "start"),
        ("anomaly", "end"),
        ("health", "start"),
    }
    assert len(bounds) == 3
    (end,) = (one for one in bounds if one.phase == "end")
    assert LOUD[0] / 10 <= end.end_s <= LOUD[10] / 10
    assert watched.finish()[-1].phase == "end"
