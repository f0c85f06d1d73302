import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

import oddframe
from oddframe.datasets.benchmark import OFFICIAL_COUNTS
from oddframe.errors import InputError, LayoutError
from oddframe.inference.loading import load
from oddframe.inference.model import Model
from oddframe.metrics.events import event_metrics
from oddframe.metrics.frame import frame_metrics
from oddframe.tasks.evaluate import evaluate, evaluate_scores
from tests.support.scorers import FakeScorer

LABELS = {"01": [0] * 10 + [1] * 6 + [0] * 4, "02": [1] * 12, "03": [0] * 9 + [1] * 9}
FIRST_SCORED = 4


@pytest.fixture(scope="module")
def bundle(tiny_run):
    return load(tiny_run, device="cpu").bundle


@pytest.fixture
def model(bundle):
    return Model(bundle, FakeScorer())


@pytest.fixture
def benchmark(images, tmp_path):
    """A miniature in the layout of Ped2, with labels of both kinds."""
    for name in ("01", "02"):
        images(f"mini/training/frames/{name}", range(20))
    for name, labels in LABELS.items():
        images(f"mini/testing/frames/{name}", range(len(labels)))
    folder = tmp_path / "mini" / "testing" / "frame_labels"
    folder.mkdir()
    for name, labels in LABELS.items():
        np.save(folder / f"{name}.npy", np.array(labels, np.uint8))
    cells = np.empty((1, 3), dtype=object)
    cells[0, :] = [np.array([[11], [16]]), np.array([[1], [12]]), np.array([[10], [18]])]
    scipy.io.savemat(tmp_path / "mini" / "mini.mat", {"gt": cells})
    return tmp_path / "mini"


def test_a_clip_has_the_label_of_its_last_frame(benchmark, model):
    """Brightness rises with the frame's number, so every area can be counted by hand."""
    report = evaluate(benchmark, model)
    assert (report.metrics.frames_total, report.metrics.videos) == (50, 3)
    assert report.metrics.frames_scored == 50 - 3 * FIRST_SCORED
    for raw in report.scores.values():
        assert np.isnan(raw[:FIRST_SCORED]).all()
        assert (np.diff(raw[FIRST_SCORED:]) > 0).all()
    # In 01 frames 10 to 15 of 4 to 19 are abnormal: 6 before them are darker, 4 behind them
    # brighter. In 03 frames 9 to 17 are, all brighter than those before; 02 is all abnormal.
    macro = report.metrics.auc.macro.raw
    assert macro == pytest.approx(np.mean([6 / 10, 1.0, 1.0]))
    labels = np.concatenate([values[FIRST_SCORED:] for values in LABELS.values()])
    frames = np.concatenate([np.arange(FIRST_SCORED, len(values)) for values in LABELS.values()])
    pairs = [(a > b) + (a == b) / 2 for a in frames[labels == 1] for b in frames[labels == 0]]
    assert report.metrics.auc.micro.raw == pytest.approx(np.mean(pairs), abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("interval", [2, 3])
def test_a_longer_interval_leaves_more_frames_unscored(interval, benchmark, bundle):
    config = replace(bundle.network.config, interval=interval)
    report = evaluate(
        benchmark,
        Model(replace(bundle, network=replace(bundle.network, config=config)), FakeScorer()),
    )
    for raw in report.scores.values():
        assert np.flatnonzero(~np.isnan(raw))[:1].tolist() in ([4 * interval], [])
    assert report.metrics.frames_scored == sum(
        max(0, len(labels) - 4 * interval) for labels in LABELS.values()
    )


def test_a_model_of_middle_frames_is_compared_with_their_labels(benchmark, model, bundle):
    config = replace(bundle.network.config, scored_frame="middle")
    other = Model(replace(bundle, network=replace(bundle.network, config=config)), FakeScorer())
    report, last = evaluate(benchmark, other), evaluate(benchmark, model)
    for name, raw in report.scores.items():
        np.testing.assert_array_equal(raw, [*last.scores[name][2:], np.nan, np.nan])
    # In 01 frames 10 to 15 of 2 to 17 are abnormal: 8 before them are darker, 2 behind them
    # brighter.
    assert report.metrics.auc.macro.raw == pytest.approx(np.mean([8 / 10, 1.0, 1.0]))
    assert report.notices == (
        "the model knows a frame's score 2 frames after it, which the delays do not count",
    )


def test_the_json_is_as_promised(benchmark, model):
    figures = json.loads(json.dumps(evaluate(benchmark, model).as_dict()))
    assert {"frames_total", "frames_scored", "videos", "auc"} <= set(figures)
    assert set(figures["auc"]) == {"micro", "macro"}
    for pool in figures["auc"].values():
        assert {"raw", "raw_smoothed", "per_video", "per_video_smoothed"} <= set(pool)
        assert all(
            0 <= pool[name] <= 1
            for name in ("raw", "raw_smoothed", "per_video", "per_video_smoothed")
        )
    assert figures["padded_videos"] == ["02"]
    assert figures["notices"] == []


def test_every_frame_is_used_whatever_the_rate_of_the_model(benchmark, bundle):
    for rate_fps in (3.0, 25.0):
        report = evaluate(benchmark, Model(replace(bundle, rate_fps=rate_fps), FakeScorer()))
        assert report.metrics.frames_scored == 38


def test_frames_that_no_clip_ends_on_are_left_out_and_counted(benchmark, model):
    (benchmark / "testing" / "frames" / "03" / "010.jpg").write_bytes(b"")
    report = evaluate(benchmark, model)
    assert report.metrics.frames_scored == 38 - 5
    assert np.flatnonzero(np.isnan(report.scores["03"])).tolist() == [
        0,
        1,
        2,
        3,
        10,
        11,
        12,
        13,
        14,
    ]
    assert "03: 010.jpg was skipped: the file is empty" in report.notices


def test_numbers_with_holes_do_not_fit_their_labels(benchmark, model):
    frames = benchmark / "testing" / "frames" / "03"
    (frames / "017.jpg").rename(frames / "018.jpg")
    with pytest.raises(
        LayoutError, match=r"03 must have as many frames as labels \(18\), but holds frame 19"
    ):
        evaluate(benchmark, model)


def test_missing_labels_are_an_error(benchmark, model):
    (benchmark / "mini.mat").unlink()
    (benchmark / "testing" / "frame_labels" / "02.npy").unlink()
    with pytest.raises(LayoutError, match="02"):
        evaluate(benchmark, model)


def test_progress_counts_videos(benchmark, model):
    told = []
    evaluate(benchmark, model, on_progress=lambda *what: told.append(what))
    assert told == [("eval", done, 3, {}) for done in range(4)]


def test_the_command_prints_a_table_or_one_object(benchmark, tiny_run, oddframe_command):
    left = oddframe_command("eval", benchmark, "--model", tiny_run)
    assert left.code == 0
    for word in ("AUC", "raw smoothed", "per video reciprocal", "38 scored of 50", "02", "false"):
        assert word in left.out
    figures = oddframe_command("eval", benchmark, "--model", tiny_run, "--json").json
    assert (figures["frames_total"], figures["frames_scored"], figures["videos"]) == (50, 38, 3)
    assert f"{100 * figures['auc']['micro']['raw']:.2f}" in left.out


def draw_masks(benchmark, masks_of):
    """Masks for every frame: `masks_of[name][frame]` are the corners of a box, or None."""
    for name, boxes in masks_of.items():
        folder = benchmark / "testing" / "pixel_masks" / name
        folder.mkdir(parents=True)
        for frame, box in enumerate(boxes):
            mask = np.zeros((48, 64), np.uint8)
            if box is not None:
                mask[box[1] : box[3], box[0] : box[2]] = 255
            Image.fromarray(mask).save(folder / f"{frame:03d}.png")


BOX = (0, 0, 32, 24)
"""The upper left quarter of a frame."""


def upper_left_maps(clips, raw):
    """High in the upper left quarter, from the frame of that brightness on."""
    maps = np.full((len(raw), 32, 32), 0.25, np.float32)
    maps[:, :16, :16] = raw[:, None, None]
    return maps


def lower_right_maps(clips, raw):
    """High in the lower right eighth of each side."""
    maps = np.full((len(raw), 8, 8), 0.25, np.float32)
    maps[:, 6:, 6:] = 1.0
    return maps


def test_where_in_the_picture(benchmark, bundle):
    masks = {name: [BOX if label else None for label in labels] for name, labels in LABELS.items()}
    draw_masks(benchmark, masks)
    report = evaluate(benchmark, Model(bundle, FakeScorer(maps=upper_left_maps)))
    assert report.notices == ()
    assert report.pixel.frames == report.region.frames == report.metrics.frames_scored == 38
    # The quarter is brighter than the rest in every frame, the box of each frame is one region,
    # found at once.
    abnormal = sum(sum(labels[FIRST_SCORED:]) for labels in LABELS.values())
    assert (report.region.regions, report.region.tracks) == (abnormal, 3)
    assert report.pixel.auc > 0.9
    assert report.region.regions_found[0] == 0.0
    assert max(report.region.regions_found) == 1.0
    figures = json.loads(json.dumps(report.as_dict()))
    assert figures["pixel"]["criterion_share"] == 0.4
    assert figures["region"]["tbdc"] == report.region.tbdc
    draw = np.random.default_rng(0)

    def noise(clips, raw):
        return draw.random((len(clips), 32, 32)).astype(np.float32)

    worse = evaluate(benchmark, Model(bundle, FakeScorer(maps=noise)))
    assert worse.pixel.auc < report.pixel.auc
    assert worse.region.rbdc < report.region.rbdc


def test_track_files_come_before_the_parts_of_masks(benchmark, model):
    masks = {name: [BOX if label else None for label in labels] for name, labels in LABELS.items()}
    draw_masks(benchmark, masks)
    folder = benchmark / "testing" / "tracks"
    folder.mkdir()
    lines = [f"{track},{frame},0,0,9,9" for frame in range(10, 16) for track in (1, 2)]
    (folder / "01.txt").write_text("\n".join(lines))
    report = evaluate(benchmark, model)
    assert report.region.tracks == 2 + 1 + 1
    assert report.pixel.frames == 38


def test_tracks_without_masks_are_at_the_size_of_the_frame(benchmark, bundle):
    folder = benchmark / "testing" / "tracks"
    folder.mkdir()
    for name, labels in LABELS.items():
        lines = [f"1,{frame},50,30,64,48" for frame, label in enumerate(labels) if label]
        (folder / f"{name}.txt").write_text("\n".join(lines))
    report = evaluate(benchmark, Model(bundle, FakeScorer(maps=lower_right_maps)))
    assert report.pixel is None
    assert (report.region.frames, report.region.tracks, report.notices) == (38, 3, ())
    assert max(report.region.regions_found) == 1.0


def test_a_video_without_masks_is_left_out_unless_it_is_normal(benchmark, model):
    np.save(benchmark / "testing" / "frame_labels" / "03.npy", np.zeros(18, np.uint8))
    (benchmark / "mini.mat").unlink()
    draw_masks(benchmark, {"01": [BOX if label else None for label in LABELS["01"]]})
    report = evaluate(benchmark, model)
    assert report.pixel.frames == 16 + 14
    assert [notice for notice in report.notices if "neither masks nor tracks" in notice] == [
        "neither masks nor tracks, so left out of pixel, region and track figures: 02"
    ]


def test_masks_that_contradict_the_labels_are_told(benchmark, model):
    masks = {name: [None for _ in labels] for name, labels in LABELS.items()}
    draw_masks(benchmark, masks)
    report = evaluate(benchmark, model)
    assert f"disagree on {sum(map(sum, LABELS.values()))} frames" in report.notices[-1]
    assert (report.pixel.auc, report.region.rbdc) == (None, None)


def test_without_masks_there_are_no_figures_of_places(benchmark, model):
    report = evaluate(benchmark, model)
    assert (report.pixel, report.region) == (None, None)
    assert report.as_dict()["pixel"] is None


def test_times_follow_the_rate_that_is_given(benchmark, model):
    for fps in (5.0, 20.0):
        events = evaluate(benchmark, model, fps=fps).events
        assert events.hours_scored == pytest.approx(38 / fps / 3600)
        assert events.events == 3


def test_footage_of_ones_own_is_thinned_and_what_is_dropped_does_not_count(video, bundle, tmp_path):
    video("mine/a.mp4", frames=60, rate_fps=20)
    (tmp_path / "mine" / "labels.csv").write_text("video,start_s,end_s\na,2.0,2.9\n")
    report = evaluate(tmp_path / "mine", Model(replace(bundle, rate_fps=10.0), FakeScorer()))
    assert report.metrics.frames_total == 30
    assert report.metrics.frames_scored == 30 - FIRST_SCORED
    assert np.isnan(report.scores["a"]).tolist() == [True] * 4 + [False] * 26
    assert report.events.hours_scored == pytest.approx(26 / 10 / 3600)
    # Brightness rises to the end: the event is followed by one brighter normal frame, no false
    # alarm of its own.
    assert report.events.points[-1].false_alarms == 0


@pytest.mark.slow
def test_the_real_ped2_counts_as_it_should(bundle):
    root = os.environ.get("ODDFRAME_PED2")
    if root is None:
        pytest.skip("ODDFRAME_PED2 does not name a copy of Ped2")
    report = evaluate(Path(root), Model(bundle, FakeScorer()))
    assert report.notices == ()
    assert report.metrics.frames_total == OFFICIAL_COUNTS["ped2"].testing_frames
    assert report.metrics.frames_scored == 2_010 - 12 * FIRST_SCORED
    assert report.dataset == "ped2"


@pytest.fixture
def arrays():
    draw = np.random.default_rng(5)
    return {
        name: draw.normal(size=len(labels)) + 2 + np.array(labels)
        for name, labels in LABELS.items()
    }


@pytest.fixture
def folders(arrays, tmp_path):
    """Scores without the first four frames of each video, and labels."""
    for place, each in (("scores", arrays), ("labels", LABELS)):
        (tmp_path / place).mkdir()
        for name, values in each.items():
            np.save(
                tmp_path / place / f"{name}.npy",
                values[4:] if place == "scores" else np.array(values),
            )
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
        rows = (
            f"{frame},{frame / 25},0.5,{value!r}" for frame, value in enumerate(values.tolist())
        )
        (tmp_path / f"{name}.scores.csv").write_text("\n".join(["frame,time_s,score,raw", *rows]))
    report = evaluate_scores(tmp_path, LABELS)
    assert report.metrics == frame_metrics(arrays, LABELS)
    assert report.events.hours_scored == pytest.approx(50 / 25 / 3600)
    assert evaluate_scores(tmp_path, LABELS, fps=50).events.hours_scored == pytest.approx(
        50 / 50 / 3600
    )


@pytest.mark.parametrize(
    ("labels", "words"), [([0, 2], "labels must be 0"), ([0, np.nan], "labels must be 0")]
)
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
        *(
            "frames_total",
            "frames_scored",
            "videos",
            "padded_videos",
            "unscored_videos",
            "smoothing_sigma_frames",
        ),
        *(
            "auc",
            "average_precision",
            "equal_error_rate",
            "events",
            "pixel",
            "region",
            "dataset",
            "notices",
            "seconds",
        ),
    }
    assert set(report.as_dict()["events"]) == {
        "events",
        "unscored_events",
        "hours_scored",
        "true_events",
        "points",
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--scores", "scores", "--labels", "labels"), "say --skip-first 4"),
        (("--scores", "none", "--labels", "labels"), "none must be a folder or a file"),
        (("--scores", "scores", "--labels", "none"), "none must be a folder or a file"),
        (("--scores", "scores", "--labels", "gt_label.json"), "gt_label.json is a pickle"),
        (
            ("--scores", "scores", "--labels", "labels", "--skip-first", "4", "--fps", "0"),
            "rate_fps must be above 0",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_bad_input_is_one_line_and_2(arguments, words, folders, tmp_path, oddframe_command):
    (tmp_path / "gt_label.json").write_bytes(pickle.dumps([0]))
    here = [
        tmp_path / one if not one.startswith("-") and not one.isdecimal() else one
        for one in arguments
    ]
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
    arguments = [
        "oddframe",
        "eval",
        "--scores",
        scores,
        "--labels",
        labels,
        "--skip-first",
        "4",
        "--json",
    ]
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
