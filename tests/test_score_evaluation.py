import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

import oddframe
from oddframe.errors import InputError
from oddframe.metrics.events import event_metrics
from oddframe.metrics.frame import frame_metrics
from oddframe.score_evaluation import evaluate_scores

LABELS = {"01": [0] * 10 + [1] * 6 + [0] * 4, "02": [1] * 12, "03": [0] * 9 + [1] * 9}


@pytest.fixture
def arrays():
    draw = np.random.default_rng(5)
    return {name: draw.normal(size=len(labels)) + 2 + np.array(labels) for name, labels in LABELS.items()}


@pytest.fixture
def folders(arrays, tmp_path):
    """Scores without the first four frames of each video, and labels."""
    for place, each in (("scores", arrays), ("labels", LABELS)):
        (tmp_path / place).mkdir()
        for name, values in each.items():
            np.save(tmp_path / place / f"{name}.npy", values[4:] if place == "scores" else np.array(values))
    return tmp_path / "scores", tmp_path / "labels"


def without_first_four(arrays):
    return {name: np.concatenate(([np.nan] * 4, values[4:])) for name, values in arrays.items()}


def test_figures_are_those_of_the_frames_that_are_scored(arrays, folders):
    report = evaluate_scores(*folders, skip_first=4, fps=10)
    assert report.metrics == frame_metrics(without_first_four(arrays), LABELS)
    assert report.events == event_metrics(without_first_four(arrays), LABELS, 10.0)
    assert (report.pixel, report.region, report.dataset) == (None, None, "labels")


def test_arrays_in_memory(arrays):
    report = oddframe.evaluate_scores(arrays, LABELS, skip_first=4)
    assert report.metrics == frame_metrics(without_first_four(arrays), LABELS)
    assert report.events.hours_scored is None


def test_our_own_tables_tell_the_rate(arrays, tmp_path):
    for name, values in arrays.items():
        rows = (f"{frame},{frame / 25},0.5,{value!r}" for frame, value in enumerate(values.tolist()))
        (tmp_path / f"{name}.scores.csv").write_text("\n".join(["frame,time_s,score,raw", *rows]))
    report = evaluate_scores(tmp_path, LABELS)
    assert report.metrics == frame_metrics(arrays, LABELS)
    assert report.events.hours_scored == pytest.approx(50 / 25 / 3600)
    assert evaluate_scores(tmp_path, LABELS, fps=50).events.hours_scored == pytest.approx(50 / 50 / 3600)


@pytest.mark.parametrize(("labels", "words"), [([0, 2], "labels must be 0"), ([0, np.nan], "labels must be 0")])
def test_labels_are_checked(labels, words):
    with pytest.raises(InputError, match=words):
        evaluate_scores({"a": [1.0, 2.0]}, {"a": labels})


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan")])
def test_the_rate_is_checked(fps):
    with pytest.raises(InputError, match="rate_fps must be above 0"):
        evaluate_scores({"a": [1.0, 2.0]}, {"a": [0, 1]}, fps=fps)


def test_the_command(arrays, folders, oddframe_command):
    scores, labels = folders
    arguments = ("eval", "--scores", scores, "--labels", labels, "--skip-first", 4)
    found = oddframe_command(*arguments, "--json").json
    wanted = json.loads(json.dumps(evaluate_scores(scores, labels, skip_first=4).as_dict()))
    assert found | {"seconds": 0} == wanted | {"seconds": 0}
    left = oddframe_command(*arguments, "--fps", 10)
    assert left.code == 0
    for word in ("38 scored of 50", "raw smoothed", "per video reciprocal smoothed", "hour"):
        assert word in left.out
    assert f"{100 * found['auc']['micro']['raw']:.2f}" in left.out


def test_the_json_has_the_keys_of_a_benchmarks(folders):
    report = evaluate_scores(*folders, skip_first=4)
    assert set(report.as_dict()) == {
        *("frames_total", "frames_scored", "videos", "padded_videos", "unscored_videos", "smoothing_sigma_frames"),
        *("auc", "average_precision", "equal_error_rate", "events", "pixel", "region", "dataset", "notices", "seconds"),
    }
    assert set(report.as_dict()["events"]) == {"events", "unscored_events", "hours_scored", "true_events", "points"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--scores", "scores", "--labels", "labels"), "say --skip-first 4"),
        (("--scores", "none", "--labels", "labels"), "none must be a folder or a file"),
        (("--scores", "scores", "--labels", "none"), "none must be a folder or a file"),
        (("--scores", "scores", "--labels", "gt_label.json"), "gt_label.json is a pickle"),
        (("--scores", "scores", "--labels", "labels", "--skip-first", "4", "--fps", "0"), "rate_fps must be above 0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_bad_input_is_one_line_and_2(arguments, words, folders, tmp_path, oddframe_command):
    (tmp_path / "gt_label.json").write_bytes(pickle.dumps([0]))
    here = [tmp_path / one if not one.startswith("-") and not one.isdecimal() else one for one in arguments]
    left = oddframe_command("eval", *here)
    assert left.code == 2
    assert words in left.error


@pytest.mark.parametrize(
    "arguments",
    [
        ("--scores", "s"),
        ("--labels", "s"),
        ("data",),
        ("data", "-m", "run", "--scores", "s", "--labels", "l"),
        ("data", "-m", "run", "--skip-first", "4"),
        ("--scores", "s", "--labels", "l", "--skip-first", "-1"),
    ],
    ids=" ".join,
)
def test_what_does_not_belong_together_is_not_understood(arguments, oddframe_command):
    left = oddframe_command("eval", *arguments)
    assert (left.code, left.out) == (2, "")
    assert "Error" in left.err


def test_torch_is_not_needed(folders):
    scores, labels = map(str, folders)
    arguments = ["oddframe", "eval", "--scores", scores, "--labels", labels, "--skip-first", "4", "--json"]
    code = f"""
import sys
sys.argv = {arguments!r}
from oddframe.cli import main
try:
    main()
finally:
    assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["frames_scored"] == 38
