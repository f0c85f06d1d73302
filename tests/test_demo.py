"""The demo in miniature: everything it does, on recordings too short to find anything in."""

import json
import re
from dataclasses import replace

import pytest
from PIL import Image
from tiny import tiny_settings

from oddframe import cli, demo
from oddframe.config import PRESETS
from oddframe.data.scene import TEST_RECORDINGS, TRAIN_RECORDINGS, SceneSettings
from oddframe.media.finding import open_source

KEYS = ["auc_raw", "baseline_auc_raw", "events_found", "events_total", "false_events", "seconds", "output"]


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A demo of two short recordings, its report and what it told of its progress."""
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "TRAIN_RECORDINGS", [replace(one, frames=60) for one in TRAIN_RECORDINGS[:2]])
        patch.setattr(demo, "TEST_RECORDINGS", [replace(one, frames=60) for one in TEST_RECORDINGS[:2]])
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
        hits = [any(e.start_s <= end and e.end_s >= start for e in one.events) for start, end in one.truth]
        assert (one.true, one.found) == (len(one.truth), sum(hits))
        assert one.false <= len(one.events)


def test_it_leaves_footage_truth_model_results_and_a_page(shown):
    report, _ = shown
    folder = report.output
    assert len(list((folder / "normal").glob("*.mp4"))) == 2
    assert len(list((folder / "test").glob("*.mp4"))) == 2
    assert list((folder / "truth").iterdir())
    assert (folder / "run" / "bundle" / "manifest.json").is_file()
    for one in report.recordings:
        for kind in ("scores.csv", "events.jsonl", "overlay.mp4"):
            assert (folder / "results" / f"{one.name}.{kind}").is_file()
        for kind in ("curve.png", "peak.png"):
            with Image.open(folder / "results" / f"{one.name}.{kind}") as picture:
                assert picture.format == "PNG"
        assert open_source(folder / "results" / f"{one.name}.overlay.mp4").count_frames() == 60


def test_everything_on_the_page_is_there(shown):
    report, _ = shown
    page = report.page.read_text(encoding="utf-8")
    links = re.findall(r'(?:src|href|poster)="([^"]+)"', page)
    assert len(links) == 3 * len(report.recordings)
    assert [link for link in links if not (report.page.parent / link).is_file()] == []
    assert f"{report.events_found} of {report.events_total}" in page
    assert f"{report.auc_raw:.3f}" in page
    for one in report.recordings:
        assert f"{one.name}: {', '.join(kind.replace('_', ' ') for kind in one.kinds)}" in page


def test_progress_is_told_from_drawing_to_scoring(shown):
    _, told = shown
    phases = list(dict.fromkeys(phase for phase, *_ in told))
    training = ["read", "health", "pretrain", "centres", "joint", "calibrate", "guard"]
    assert phases == ["draw", *training, "test_01", "test_02"]
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
