import json
import re
import threading
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from oddframe.bundle.bundle import read_bundle
from oddframe.errors import LayoutError, RunError, SettingsError, SourceError
from oddframe.monitoring.footage import list_segments
from oddframe.settings import from_mapping
from oddframe.tasks.record import record
from oddframe.tasks.train import train
from oddframe.training.plan import bounded_steps, steps_for_epochs
from oddframe.training.settings import PRESETS, Settings, TrainingConfig
from tests.support.stream_server import StreamServer
from tests.support.stream_server import video as video_answer
from tests.support.tiny import PARTS, bytes_of, tiny_settings, walk

SHORT = {"pretrain_steps": 2, "joint_steps": 2}


@pytest.fixture(autouse=True)
def _no_curves(monkeypatch):
    """A picture of the losses takes longer than the training here; `tiny_run` has one."""
    monkeypatch.setattr("oddframe.tasks.train.save_loss_curves", lambda path, entries: None)
    monkeypatch.setattr("oddframe.tasks.train.write_training_page", lambda path, **_: path)


@pytest.fixture
def trained(video, tmp_path):
    """Trains shortly on recordings of so many frames, and gives the report."""

    def run(*frames, name="run", rate=10, **arguments):
        for number, count in enumerate(frames):
            if not (tmp_path / "normal" / f"{number:02d}.mp4").exists():
                video(f"normal/{number:02d}.mp4", frames=count, draw=walk, rate_fps=rate)
        settings = arguments.pop("settings", tiny_settings(**SHORT))
        return train(
            tmp_path / "normal", tmp_path / name, settings=settings, export=False, **arguments
        )

    return run


def log(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_a_run_holds_all_that_it_should(tiny_run):
    assert {path.name for path in tiny_run.iterdir()} == {
        *("settings.json", "log.jsonl", "curves.png", "footage.json", "report.html"),
        *("bundle", "cache", "checkpoint", "progress.json"),
    }
    with Image.open(tiny_run / "curves.png") as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 300
    settings = json.loads((tiny_run / "settings.json").read_text())
    assert from_mapping(settings["settings"], Settings()) == tiny_settings()
    assert settings["rate_fps"] == 10.0
    assert len(settings["normal"]) == 3


def test_the_log_tells_losses_phases_and_centres(tiny_run):
    entries = log(tiny_run)
    losses = [entry for entry in entries if "appearance" in entry]
    assert [(entry["step"], entry["phase"]) for entry in losses] == [(10, "joint"), (12, "joint")]
    assert set(losses[-1]) == {"step", "phase", *PARTS}
    (centres,) = [entry for entry in entries if entry["phase"] == "centres"]
    assert (centres["step"], sum(centres["sizes"])) == (6, 200)
    held_out = [entry for entry in entries if "held_out" in entry]
    assert [entry["step"] for entry in held_out] == list(range(1, 13))
    assert [entry["phase"] for entry in held_out] == ["pretrain"] * 6 + ["joint"] * 6
    assert ["cluster" in entry["held_out"] for entry in held_out] == [False] * 6 + [True] * 6


@pytest.mark.slow
def test_training_learns(video, tmp_path):
    for name in ("a", "b"):
        video(f"normal/{name}.mp4", frames=60, draw=walk)
    train(
        tmp_path / "normal",
        tmp_path / "run",
        settings=tiny_settings(pretrain_steps=200, joint_steps=20),
        export=False,
    )
    held_out = [entry["held_out"] for entry in log(tmp_path / "run") if "held_out" in entry]
    for name in ("appearance", "motion"):
        assert held_out[-1][name] < 0.7 * held_out[0][name]


def test_the_report_says_what_was_done(trained):
    report = trained(50, 60)
    assert report.run.name == "run"
    assert report.bundle == report.run / "bundle"
    assert report.steps == 4
    assert (report.clips, report.held_out) == ((42 - 4) + (51 - 4), (8 - 4) + (9 - 4))
    assert (report.share, report.in_sample, report.skipped) == (1.0, False, ())
    assert set(report.losses) == set(PARTS)
    bundle = read_bundle(report.bundle)
    assert bundle.calibration.threshold == report.threshold > 0
    assert bundle.calibration.clips == report.held_out
    assert not bundle.calibration.in_sample
    assert (report.false_alarms, bundle.calibration.budget) == ("1/day", "1/day")
    assert "too short for 1/day" in report.notices[0]
    assert len(bundle.normal) == report.held_out
    assert report.allowance == "1/day (aimed at, not promised)"
    assert f"for {report.allowance} false alarms" in bundle.card
    for figure in ("2 recordings", "85 clips", "4 steps of 4", "seed 0", "32 x 32, grey"):
        assert figure in bundle.card


def test_with_nothing_held_out_the_threshold_is_marked(trained):
    report = trained(50, settings=tiny_settings(hold_out=0.0, **SHORT))
    assert (report.held_out, report.in_sample, report.skipped) == (0, True, ())
    bundle = read_bundle(report.bundle)
    assert bundle.calibration.in_sample
    assert "in-sample" in bundle.card
    assert not any("held_out" in entry for entry in log(report.run))


def test_where_nothing_can_be_held_out_it_is_said(trained):
    report = trained(*[25] * 3, settings=tiny_settings(hold_out=0.1, **SHORT))
    assert report.in_sample
    assert "the threshold is in-sample" in report.skipped[-1]


def test_with_enough_recordings_whole_ones_are_held_out(trained):
    report = trained(*[20] * 7)
    assert (report.clips, report.held_out) == (6 * 16, 16)


@pytest.mark.parametrize("frames", [(3,), (4, 4), (19, 19)])
def test_too_little_footage_is_refused_with_numbers(frames, trained, tmp_path):
    with pytest.raises(
        SourceError, match=r"5 unbroken frames.* (3|4)|at least 32 clips .*found 30"
    ):
        trained(*frames)
    assert not (tmp_path / "run").exists()


def test_epochs_become_steps_in_proportion(trained):
    settings = tiny_settings(pretrain_steps=10, joint_steps=30)
    report = trained(50, settings=settings, epochs=2)
    assert report.steps == round(2 * report.clips / 4)
    written = json.loads((report.run / "settings.json").read_text())["settings"]["training"]
    assert written["pretrain_steps"] == round(report.steps / 4)
    assert written["pretrain_steps"] + written["joint_steps"] == report.steps


@pytest.mark.parametrize(
    ("epochs", "clips", "steps"),
    [(1, 100, 25), (0.5, 100, 12), (2, 3, 2), (0.001, 100, 1), (3, 4, 3)],
)
def test_steps_of_epochs(epochs, clips, steps):
    training = steps_for_epochs(
        TrainingConfig(pretrain_steps=1, joint_steps=3, batch_size=4), epochs, clips
    )
    assert training.steps == steps
    assert steps_for_epochs(training, epochs, clips) == training


@pytest.mark.parametrize(
    ("clips", "steps"),
    # 16 passes over few clips, never below 3,000 steps; over many clips all of the 12,000.
    [(100, 3_000), (2_134, 4_268), (5_684, 11_368), (100_000, 12_000)],
)
def test_little_footage_is_not_trained_on_for_long(clips, steps):
    training = bounded_steps(PRESETS["fast"].training, clips)
    assert training.steps == steps
    assert training.pretrain_steps == round(250 * steps / 12_000)
    # A resumed training comes to the same steps.
    assert bounded_steps(training, clips) == training
    short = replace(training, pretrain_steps=1, joint_steps=9)
    assert bounded_steps(short, clips) == short


def come_nearer(number, width, height):
    """Draw a box that comes down the picture again and again, larger and faster on its way."""
    near = (number % 30 / 30) ** 2
    picture = np.full((height, width, 3), 90, np.uint8)
    top, side = int(near * (height - 16)), 3 + int(12 * near)
    picture[top : top + side, 20 : 20 + 2 * side] = 220
    return picture


def test_the_perspective_is_measured_and_goes_into_the_bundle(video, trained):
    video("normal/00.mp4", frames=90, draw=come_nearer, rate_fps=10)
    plain = read_bundle(trained(90).bundle)
    settings = tiny_settings(level_perspective=True, **SHORT)
    report = trained(90, name="levelled", settings=settings)
    levelled = read_bundle(report.bundle)
    assert plain.network.config.perspective == 0.0 != levelled.network.config.perspective
    # Nothing else of the training changes.
    assert plain.fingerprint == levelled.fingerprint
    assert "times as large at the bottom" in levelled.card
    before = bytes_of(report.bundle)
    trained(90, name="levelled", settings=None, resume=True)
    assert bytes_of(report.bundle) == before


def test_the_rate_is_that_of_the_footage_and_goes_into_the_bundle(trained):
    report = trained(60, 60, rate=20)
    assert read_bundle(report.bundle).rate_fps == 20.0


def test_faster_footage_is_thinned_to_the_wanted_rate(trained):
    report = trained(
        100, 100, rate=25, rate_fps=10.0, settings=tiny_settings(hold_out=0.0, **SHORT)
    )
    assert report.clips == 2 * (40 - 4)
    assert read_bundle(report.bundle).rate_fps == 10.0


def test_slower_footage_is_named(trained):
    report = trained(60, rate_fps=20.0)
    assert "has 10 frames per second where 20 are wanted" in report.skipped[0]


def test_folders_of_images_take_their_rate(images, tmp_path):
    folder = images("frames", range(60))
    report = train(folder, tmp_path / "a", settings=tiny_settings(**SHORT), export=False)
    assert read_bundle(report.bundle).rate_fps == 10.0
    report = train(folder, tmp_path / "b", settings=tiny_settings(**SHORT), fps=4.0, export=False)
    assert read_bundle(report.bundle).rate_fps == 4.0


def test_a_bounded_cache_says_what_share_was_used(trained):
    report = trained(400, cache_gb=160 * 32 * 32 / 1e9)
    assert report.share == pytest.approx(0.4, abs=0.03)
    assert (report.run / "cache" / "frames.u8").stat().st_size <= 160 * 32 * 32


def test_the_interval_of_a_clip_counts(trained):
    settings = tiny_settings(hold_out=0.0, **SHORT)
    report = trained(60, settings=replace(settings, network=replace(settings.network, interval=3)))
    assert report.clips == 60 - 12


@pytest.mark.filterwarnings(
    "ignore:Number of distinct clusters"
)  # a network this small and new says little
@pytest.mark.parametrize(
    "network",
    [
        {"motion": False},
        {"clusters": 0, "fusion": "error"},
        {"colour": "rgb"},
        {"empty_scene": True},
        # Each is in `training/test_trainer.py` too, step by step.
        *(
            pytest.param(one, marks=pytest.mark.slow)
            for one in (
                {"appearance": False},
                {"rebuilt_frame": "last"},
                {"stem_stride": 2},
                {"attention": "none", "skips": False},
                {"kmeans_space": "raw", "fusion": "frame"},
            )
        ),
    ],
    ids=str,
)
def test_every_switch_trains_and_resumes(network, trained):
    settings = tiny_settings(**SHORT)
    settings = replace(settings, network=replace(settings.network, **network))
    report = trained(50, settings=settings)
    before = bytes_of(report.bundle)
    again = trained(50, settings=settings, resume=True)
    assert again.losses == report.losses
    assert bytes_of(report.bundle) == before


def test_both_kinds_of_training_leave_the_global_random_state_alone(trained):
    import torch

    before = torch.random.get_rng_state()
    trained(50)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_progress_names_the_phases_in_order(trained):
    told = []
    trained(50, on_progress=lambda phase, done, total, values: told.append((phase, done, total)))
    phases = list(dict.fromkeys(phase for phase, _, _ in told))
    assert phases == [
        *("read", "health", "pretrain", "centres", "joint"),
        *("calibrate", "guard", "report"),
    ]
    assert [(done, total) for phase, done, total in told if phase in ("pretrain", "joint")] == [
        (number, 4) for number in (1, 2, 3, 4)
    ]
    assert all(done <= total for _, done, total in told)


@pytest.mark.parametrize("text", ["file;von;bis\nmonday.mp4;1;2\n", "monday.mp4,1,2\n"])
def test_labels_that_cannot_be_read_are_refused_before_anything_is_written(video, tmp_path, text):
    video("normal/night/monday.mp4")
    (tmp_path / "normal" / "night" / "labels.csv").write_text(text, encoding="utf-8-sig")
    with pytest.raises(LayoutError, match=r"labels\.csv: line 1: the first line must be"):
        train(tmp_path / "normal", tmp_path / "run")
    with pytest.raises(LayoutError, match=r"labels\.csv: line 1: the first line must be"):
        train([tmp_path / "normal" / "night"], tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_unknown_preset_is_refused_before_anything_is_written(video, tmp_path):
    with pytest.raises(SettingsError, match="preset must be one of paper, fast, got 'quick'"):
        train(video(frames=50), tmp_path / "run", preset="quick")
    assert not (tmp_path / "run").exists()


def test_a_preset_that_became_a_file_is_named_with_it(video, tmp_path):
    with pytest.raises(SettingsError, match=r"--preset fast --config benchmarks/walkway\.toml"):
        train(video(frames=50), tmp_path / "run", preset="walkway")


def test_resuming_in_python_takes_the_settings_of_the_run(trained):
    trained(50)
    assert trained(50, settings=None, resume=True).steps == 4
    with pytest.raises(RunError, match=re.escape("other settings and rate_fps")):
        trained(50, settings=tiny_settings(seed=1, **SHORT), rate_fps=5.0, resume=True)


def test_the_budget_decides_the_threshold_alone(trained, tmp_path):
    plenty = trained(50, name="a", false_alarms="6/hour")
    few = trained(50, name="b", false_alarms="1/month")
    assert plenty.threshold < few.threshold
    assert plenty.false_alarms == "6/hour"
    for name in ("model.safetensors", "config.json", "normal.safetensors"):
        assert (plenty.bundle / name).read_bytes() == (few.bundle / name).read_bytes()


def test_a_budget_that_is_none_is_refused_before_anything_is_written(video, tmp_path):
    with pytest.raises(SettingsError, match="false-alarm budget must read like 1/day"):
        train(video(frames=50), tmp_path / "run", false_alarms="seldom")
    assert not (tmp_path / "run").exists()


@pytest.fixture
def camera(video):
    """A server that shows the same scene again and again, as a live camera."""
    path = video("live.ts", frames=90, rate_fps=30, draw=walk)
    with StreamServer(video_answer(path)) as server:
        yield server


def test_a_camera_is_recorded_before_the_training(camera, tmp_path):
    run, notices, phases = tmp_path / "runs" / "door", [], []
    report = train(
        camera.url(),
        run,
        settings=tiny_settings(**SHORT),
        export=False,
        record_s=2.5,
        on_notice=notices.append,
        on_progress=lambda phase, *_: phases.append(phase),
    )
    assert report.steps == 4
    assert (run / "bundle").is_dir()
    footage = tmp_path / "runs" / "door-footage"
    assert str(footage) in notices[0]
    assert list(dict.fromkeys(phases))[:2] == ["record", "read"]
    # What was recorded goes after the training, unless it is to be kept.
    assert "removed after the training" in report.notices[0]
    assert not footage.exists()
    with pytest.raises(RunError, match="--overwrite"):
        train(camera.url(), run, resume=True)
    kept = train(
        [camera.url()],
        run,
        settings=tiny_settings(**SHORT),
        export=False,
        record_s=2.5,
        keep_footage=True,
        overwrite=True,
    )
    assert f"kept in {footage}" in kept.notices[0]
    assert list_segments(footage)
    with pytest.raises(RunError, match="must be a new run folder"):
        train(camera.url(), run, record_s=2.5)
    assert len(camera.requests) < 8


def test_a_recording_that_was_killed_goes_on_and_then_trains(camera, tmp_path):
    run = tmp_path / "door"
    footage = tmp_path / "door-footage"
    stop = threading.Event()
    record(
        camera.url(),
        footage,
        for_s=3.0,
        stop=stop,
        on_progress=lambda _phase, done, *_: stop.set() if done else None,
    )
    with pytest.raises(RunError, match="holds a recording; go on with --resume"):
        train(camera.url(), run, record_s=3.0)
    report = train(camera.url(), run, settings=tiny_settings(**SHORT), export=False, resume=True)
    assert report.steps == 4
    assert not footage.exists()


def test_without_a_time_a_camera_is_refused_before_anything_is_written(oddframe_command, tmp_path):
    run = tmp_path / "door"
    left = oddframe_command("train", "rtsp://me:hush@10.0.0.7/stream1", "-o", run)
    assert left.code == 2
    assert "10.0.0.7-stream1 must be recorded" in left.error
    assert "--for 2h" in left.error
    assert "hush" not in left.err
    left = oddframe_command("train", "rtsp://10.0.0.7/1", "-o", run, "--resume")
    assert left.code == 2
    assert "recording to resume" in left.error
    assert list(tmp_path.iterdir()) == []
