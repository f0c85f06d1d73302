import shutil
from dataclasses import replace

import numpy as np
import pytest

import oddframe
from oddframe.bundle.bundle import read_bundle, write_bundle
from oddframe.core.budget import FalseAlarmBudget
from oddframe.core.calibration import calibrate as calibrated
from oddframe.errors import InputError, SettingsError, SourceError, SourceNotFoundError
from oddframe.inference.loading import load
from oddframe.tasks.calibrate import calibrate
from tests.support.tiny import bytes_of, walk


@pytest.fixture
def run(tiny_run, tmp_path):
    """A trained run of one's own."""
    shutil.copytree(tiny_run / "bundle", tmp_path / "run" / "bundle")
    return tmp_path / "run"


def test_kept_scores_give_the_threshold_that_training_gave(run):
    before = read_bundle(run / "bundle")
    report = calibrate(run, false_alarms="1/day")
    assert report.cached
    assert report.calibration == before.calibration
    assert report.threshold_before == before.calibration.threshold
    assert report.bundle == run / "bundle"
    assert "too short for 1/day" in report.notices[0]


def test_a_budget_moves_the_threshold_and_stays(run):
    files = bytes_of(run / "bundle")
    more = calibrate(run, false_alarms="60/hour").calibration
    less = calibrate(run, false_alarms="1/week").calibration
    assert more.threshold < less.threshold
    assert load(run, device="cpu").bundle.calibration == less
    assert "for 1/week (aimed at, not promised) false alarms" in read_bundle(run / "bundle").card
    assert calibrate(run).calibration == less
    changed = {name for name, content in bytes_of(run / "bundle").items() if files[name] != content}
    assert changed == {"README.md", "calibration.json", "manifest.json"}


def test_rules_are_part_of_it_and_stay(run):
    plain = calibrate(run).calibration
    report = calibrate(run, rules={"least_s": 0.5, "cool_down_s": 60.0})
    assert (report.calibration.rules.least_s, report.calibration.rules.cool_down_s) == (0.5, 60.0)
    assert report.calibration.rules.merge_gap_s == plain.rules.merge_gap_s
    assert calibrate(run).calibration.rules == report.calibration.rules
    with pytest.raises(SettingsError, match=r"rules must be among least_s.* got cooldown"):
        calibrate(run, rules={"cooldown": 1.0})


def test_new_footage_takes_the_place_of_the_kept_scores(run, video, tmp_path):
    video("more/a.mp4", frames=30, draw=walk)
    video("more/b.mp4", frames=25, draw=walk)
    (tmp_path / "more" / "c.mp4").write_text("no video")
    report = calibrate(run, tmp_path / "more", false_alarms="6/hour", device="cpu")
    assert not report.cached
    assert "c.mp4" in report.skipped[0]
    kept = read_bundle(run / "bundle").normal
    model = load(run, device="cpu")
    scores = [
        [one.raw for one in model.scores(tmp_path / "more" / name) if one.raw]
        for name in ("a.mp4", "b.mp4")
    ]
    np.testing.assert_allclose(kept.raw, np.concatenate(scores), rtol=1e-6)
    assert [piece.stop - piece.start for piece in kept.pieces()] == [26, 21]
    assert (report.calibration.clips, report.calibration.in_sample) == (47, False)
    assert report.calibration == calibrated(kept, FalseAlarmBudget.parse("6/hour"))
    assert calibrate(run).calibration == report.calibration


def test_a_bundle_without_scores_wants_footage(run, video):
    folder = run / "bundle"
    bundle = replace(read_bundle(folder), normal=None)
    shutil.rmtree(folder)
    write_bundle(folder, bundle)
    before = bytes_of(folder)
    with pytest.raises(InputError, match="keeps no scores of normal footage; give the footage"):
        calibrate(run)
    assert bytes_of(folder) == before
    assert calibrate(run, video(frames=20, draw=walk), device="cpu").calibration.clips == 16


def test_what_cannot_be_is_refused_and_changes_nothing(run, video, tmp_path):
    before = bytes_of(run)
    with pytest.raises(SettingsError, match="budget"):
        calibrate(run, false_alarms="seldom")
    with pytest.raises(SourceNotFoundError):
        calibrate(run, tmp_path / "nothing.mp4")
    with pytest.raises(SourceError, match="longer recordings"):
        calibrate(run, video(frames=3), device="cpu")
    with pytest.raises(SourceNotFoundError):
        calibrate(tmp_path / "no-model")
    assert bytes_of(run) == before


def test_it_is_a_function_of_the_package(run):
    assert oddframe.calibrate(run, false_alarms="1/month").calibration.budget == "1/month"


def test_the_command(run, oddframe_command, video):
    left = oddframe_command(
        "calibrate", run, "--false-alarms", "2/week", "--cool-down", 5, "--json"
    )
    assert (left.code, left.err) == (0, "")
    assert left.json["calibration"]["budget"] == "2/week"
    assert left.json["calibration"]["rules"]["cool_down_s"] == 5.0
    assert left.json["cached"] is True
    left = oddframe_command(
        "calibrate", run, video(frames=20, draw=walk), "--false-alarms", "6/hour"
    )
    assert left.code == 0
    assert "6/hour" in left.out
    assert "too short for 6/hour" in left.err
    left = oddframe_command("calibrate", run, "--false-alarms", "seldom")
    assert left.code == 2
    assert "must read like 1/day" in left.error
