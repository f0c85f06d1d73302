"""The demo in miniature: everything it does, on recordings too short to find anything in."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from oddframe import cli
from oddframe.bundle.bundle import find_bundle
from oddframe.media.discovery import open_source
from oddframe.monitoring.config_file import read_camera_file
from oddframe.store.reader import StoreReader
from oddframe.synthetic.scene import TEST_RECORDINGS, TRAIN_RECORDINGS, SceneSettings
from oddframe.tasks import demo
from oddframe.tasks.demo import BASELINES, FrameDifference
from oddframe.training.settings import PRESETS
from tests.support.pages import read_page
from tests.support.tiny import tiny_settings


def luma(pixel):
    return (0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]) / 255


def literally(first, last):
    """The definition, pixel by pixel: mean of |x4 - x0|, and mean of its highest hundredth."""
    changes = sorted(
        (
            abs(luma(last[y, x].astype(float)) - luma(first[y, x].astype(float)))
            for y in range(first.shape[0])
            for x in range(first.shape[1])
        ),
        reverse=True,
    )
    highest = changes[: max(1, len(changes) // 100)]
    return sum(changes) / len(changes), sum(highest) / len(highest)


def test_both_follow_their_definition(run_seed):
    frames = np.random.default_rng(run_seed).integers(0, 256, (9, 20, 30, 3), dtype=np.uint8)
    difference = FrameDifference()
    found = [difference.add(frame) for frame in frames]
    assert all(math.isnan(value) for pair in found[:4] for value in pair)
    for number in range(4, 9):
        assert found[number] == pytest.approx(
            literally(frames[number - 4], frames[number]), abs=1e-6
        )


def test_the_top_is_at_least_one_pixel():
    difference = FrameDifference()
    frames = np.zeros((5, 3, 3, 3), np.uint8)
    frames[4, 1, 1] = 255
    mean, top = [difference.add(frame) for frame in frames][-1]
    assert (mean, top) == (pytest.approx(1 / 9), pytest.approx(1.0))


def test_a_still_recording_has_none():
    difference = FrameDifference()
    for _ in range(5):
        found = difference.add(np.full((4, 4, 3), 77, np.uint8))
    assert found == (0.0, 0.0)
    assert len(BASELINES) == len(found)


KEYS = [
    "auc_raw",
    "baseline_auc_raw",
    "events_found",
    "events_total",
    "false_events",
    "seconds",
    "output",
]


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A demo of two short recordings, its report and what it told of its progress."""
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            demo, "TRAIN_RECORDINGS", [replace(one, frames=60) for one in TRAIN_RECORDINGS[:2]]
        )
        patch.setattr(
            demo, "TEST_RECORDINGS", [replace(one, frames=60) for one in TEST_RECORDINGS[:2]]
        )
        patch.setattr(
            "oddframe.training.ending.make_graph", lambda bundle: (b"", ())
        )  # It takes seconds.
        report = demo.run_demo(
            tmp_path_factory.mktemp("demo") / "deep" / "demo",
            settings=tiny_settings(),
            scene=SceneSettings(width=96, height=64),
            device="cpu",
            on_progress=lambda *what: told.append(what),
        )
    return report, told


def test_the_figures_are_as_promised(shown):
    report, _ = shown
    figures = json.loads(json.dumps(report.as_dict()))
    assert list(figures) == KEYS
    assert 0 <= figures["auc_raw"] <= 1
    assert 0 < figures["baseline_auc_raw"] <= 1
    assert figures["events_total"] == sum(one.true for one in report.recordings) >= 2
    assert 0 <= figures["events_found"] <= figures["events_total"]
    assert figures["output"] == str(report.output)


def test_what_is_found_is_counted_against_the_truth(shown):
    report, _ = shown
    for one in report.recordings:
        hits = [
            any(e.start_s <= end and e.end_s >= start for e in one.events)
            for start, end in one.truth
        ]
        assert (one.true, one.found) == (len(one.truth), sum(hits))
        assert one.false <= len(one.events)


def test_it_leaves_footage_truth_model_results_and_a_page(shown):
    report, _ = shown
    folder = report.output
    assert len(list((folder / "normal").glob("*.mp4"))) == 2
    assert len(list((folder / "test").glob("*.mp4"))) == 2
    assert list((folder / "truth").iterdir())
    assert (folder / "run" / "bundle" / "manifest.json").is_file()
    assert (folder / "run" / "report.html").is_file()
    for one in report.recordings:
        for kind in ("scores.csv", "events.jsonl", "overlay.mp4"):
            assert (folder / "results" / f"{one.name}.{kind}").is_file()
        with Image.open(folder / "results" / f"{one.name}.curve.png") as picture:
            assert picture.format == "PNG"
        assert open_source(folder / "results" / f"{one.name}.overlay.mp4").count_frames() == 60


def test_everything_on_the_page_is_there(shown):
    report, _ = shown
    page = read_page(report.page)
    links = [link["href"] for link in page.all("a")]
    assert sorted(links) == sorted(
        f"results/{one.name}.{kind}"
        for one in report.recordings
        for kind in ("report.html", "overlay.mp4")
    )
    assert [link for link in links if not (report.page.parent / link).is_file()] == []
    assert len(page.all("img")) == len(report.recordings)
    assert len(page.all("rect", class_="s-truth")) > len(report.recordings)
    text = page.text[""]
    assert f"{report.events_found} of {report.events_total}" in text
    assert f"{report.auc_raw:.3f}" in text
    for one in report.recordings:
        assert f"There was: {', '.join(kind.replace('_', ' ') for kind in one.kinds)}." in text
        chart = read_page(report.output / "results" / f"{one.name}.report.html").data["charts"][
            "score"
        ]
        assert chart["truth"] == [list(span) for span in one.truth]
        assert len(chart["events"]) == len(one.events)


def test_progress_is_told_from_drawing_to_scoring(shown):
    _, told = shown
    phases = list(dict.fromkeys(phase for phase, *_ in told))
    training = ["read", "health", "pretrain", "centres", "joint", "export", "calibrate", "guard"]
    assert phases == ["draw", *training, "report", "test_01", "test_02"]
    assert ("draw", 240, 240, {}) in told


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_the_command_says_what_was_found(flags, shown, monkeypatch, capsys):
    report, _ = shown
    monkeypatch.setattr(demo, "run_demo", lambda out, **_: report)
    monkeypatch.setattr("sys.argv", ["oddframe", "demo", *flags])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as left:
        cli.main()
    out = capsys.readouterr().out
    assert left.value.code == 0
    if flags:
        assert json.loads(out) == report.as_dict()
    else:
        assert f"{report.events_found} of {report.events_total} true events" in out


def test_the_demo_trains_the_fast_preset_at_half_the_size_for_fewer_steps():
    settings, fast = demo.demo_settings(), PRESETS["fast"]
    halves = {"height": 128, "width": 192, "score_windows": (8,)}
    assert settings.network == replace(fast.network, **halves)
    assert settings.data == replace(fast.data, crop=())
    assert settings.training.steps == demo.STEPS
    assert settings.training.pretrain_steps == demo.STEPS // 10


def test_the_web_app_opens_what_was_found(shown):
    report, _ = shown
    plan = read_camera_file(report.app / "cameras.toml")
    (camera,) = plan.cameras
    assert camera.loop
    assert find_bundle(plan.model_of(camera)).is_dir()
    reader = StoreReader(report.app)
    found = reader.events()
    assert len(found) == sum(len(one.events) for one in report.recordings)
    assert {one.alert.event.source for one in found} <= {camera.name}
    assert len({one.alert.event.id for one in found}) == len(found)
    assert all((report.app / one.alert.snapshot).is_file() for one in found if one.alert.snapshot)
    assert reader.scores(camera.name, 0, 2**60)
    reader.close()
