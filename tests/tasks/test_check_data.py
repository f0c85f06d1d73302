import json
import os
from pathlib import Path

import numpy as np
import pytest

from oddframe.datasets.benchmark import OFFICIAL_COUNTS, Counts
from oddframe.errors import LayoutError, SourceError, SourceNotFoundError
from oddframe.tasks.check_data import NORMAL_FOOTAGE, check_data
from tests.support.small_benchmarks import (
    SMALL_BENCHMARKS,
    TRUTH,
    avenue,
    custom,
    draw_recording,
    frame_folders,
    masks_of,
    save_masks,
)


@pytest.mark.parametrize("kind", SMALL_BENCHMARKS)
def test_each_layout_is_said_and_counted(tmp_path, kind):
    report = check_data(SMALL_BENCHMARKS[kind](tmp_path))
    assert report.usable
    assert report.contradictions == ()
    assert report.counts == Counts(2, 22, 3, 31, sum(map(sum, TRUTH)))
    assert [one.frames for one in report.training] == [12, 10]
    assert [one.frames for one in report.testing] == [12, 10, 9]
    assert [one.abnormal_frames for one in report.testing] == [sum(labels) for labels in TRUTH]
    assert [one.abnormal_share for one in report.testing] == pytest.approx(
        [4 / 12, 1, 4 / 9], abs=1e-6
    )
    assert [one.masks for one in report.testing] == [True, kind != "ucsd", True]
    assert [one.disagreements for one in report.testing] == [0, None if kind == "ucsd" else 0, 0]
    assert [one.tracks for one in report.testing] == [kind == "custom", False, False]
    assert report.partial == (kind in ("ucsd", "avenue", "shanghaitech"))
    assert (report.official is not None) == report.partial


def test_labels_that_masks_contradict_are_counted(tmp_path):
    root = frame_folders(tmp_path)
    save_masks(root / "testing" / "pixel_masks" / "01", masks_of([1, 0, 1]), ".png", first=4)
    report = check_data(root)
    assert not report.usable
    assert [one.disagreements for one in report.testing] == [2, 0, 0]
    assert report.contradictions == (
        "01: labels and masks disagree on 2 of 12 frames "
        "(a frame is abnormal where its mask is not empty), "
        "the first is 4, counted from 0",
    )


def test_labels_that_cannot_be_had_leave_the_rest_readable(tmp_path):
    root = custom(tmp_path)
    (root / "labels.csv").write_text("video,start_s,end_s\ndoor1,7,8\ndoor2,,\ndoor3,0,0\n")
    report = check_data(root)
    assert not report.usable
    assert "door1: " in report.contradictions[0]
    assert "line 2" in report.contradictions[0]
    assert [one.labels for one in report.testing] == [False, True, True]
    assert (report.counts.testing_frames, report.counts.abnormal_frames) == (None, None)


def test_footage_without_labels_is_what_a_training_would_use(tmp_path):
    draw_recording(tmp_path / "normal" / "a.mp4", 10)
    draw_recording(tmp_path / "normal" / "deep" / "b.avi", 5)
    (tmp_path / "normal" / "bad.mp4").write_text("no video")
    report = check_data(tmp_path / "normal")
    assert report.recognised == NORMAL_FOOTAGE
    assert report.usable
    assert [(one.name, one.frames, one.rate_fps, one.duration_s) for one in report.training] == [
        ("a", 10, 10.0, 1.0),
        ("b", 5, 10.0, 0.5),
    ]
    assert any("bad.mp4" in notice for notice in report.notices)
    assert check_data(tmp_path / "normal" / "a.mp4").counts.training_frames == 10


def test_what_is_nothing_is_an_error(tmp_path):
    with pytest.raises(SourceNotFoundError, match="nothing is there"):
        check_data(tmp_path / "none")
    with pytest.raises(SourceError, match="holds neither"):
        check_data(tmp_path)
    root = frame_folders(tmp_path)
    np.save(root / "testing" / "frame_labels" / "01.npy", np.zeros(12, np.uint8))
    with pytest.raises(LayoutError, match="labels of video 01 must agree"):
        check_data(root)


def test_progress_counts_test_videos(tmp_path):
    told = []
    check_data(frame_folders(tmp_path), on_progress=lambda *what: told.append(what))
    assert told == [("check", done, 3, {}) for done in range(4)]


def test_the_command_prints_a_table_or_one_object(tmp_path, oddframe_command):
    root = avenue(tmp_path)
    left = oddframe_command("data", "check", root)
    assert left.code == 0
    text = " ".join(left.out.split())
    for words in (
        "Avenue, as published",
        "3 videos, 31 frames, 18 abnormal",
        "officially 16 videos, 15,328 frames; 21 videos",
        "partial copy",
    ):
        assert words in text
    assert "01 12 4 33% yes no yes" in text
    assert "partial copy: testing has 3 videos" in " ".join(left.err.split())
    figures = oddframe_command("data", "check", root, "--json").json
    assert figures["recognised"] == "Avenue, as published"
    assert figures["counts"]["abnormal_frames"] == 18
    assert figures["official"]["testing_frames"] == 15_324
    assert [one["abnormal_frames"] for one in figures["testing"]] == [4, 10, 4]


def test_the_command_leaves_with_2_on_contradictions_and_on_nothing(tmp_path, oddframe_command):
    root = frame_folders(tmp_path)
    save_masks(root / "testing" / "pixel_masks" / "02", masks_of([0]), ".png")
    left = oddframe_command("data", "check", root)
    assert left.code == 2
    assert "contradiction: 02: labels and masks disagree on 1 of 10 frames" in " ".join(
        left.err.split()
    )
    left = oddframe_command("data", "check", root, "--json")
    assert left.code == 2
    assert left.json["usable"] is False
    assert json.dumps(left.json["contradictions"]).count("02: ") == 1
    left = oddframe_command("data", "check", tmp_path / "none", "--json")
    assert left.code == 2
    assert left.json == {"error": left.error}


@pytest.mark.skipif(
    "ODDFRAME_PED2" not in os.environ, reason="ODDFRAME_PED2 is not set: the real Ped2 is needed"
)
def test_the_real_ped2_is_complete_and_its_labels_are_those_of_its_masks():
    report = check_data(Path(os.environ["ODDFRAME_PED2"]))
    assert (report.usable, report.partial, report.notices) == (True, False, ())
    assert report.counts == report.official == OFFICIAL_COUNTS["ped2"]
    assert all(one.disagreements == 0 for one in report.testing)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.csv", "clip;from;to\nmonday;1;2\n"),
        ("Labels.CSV", "monday.mp4\t1\t2\n"),
        ("labels.tsv", ""),
        ("labels.ods", "PK"),
    ],
)
@pytest.mark.parametrize("place", [".", "cameras/door"])
def test_footage_beside_labels_that_cannot_be_read_is_not_normal(tmp_path, name, text, place):
    draw_recording(tmp_path / place / "monday.mp4", 10)
    (tmp_path / place / name).write_text(text, encoding="utf-16")
    with pytest.raises(LayoutError, match=rf"{name}: "):
        check_data(tmp_path)


def test_labels_deep_among_footage_are_named(tmp_path):
    draw_recording(tmp_path / "site" / "door" / "monday.mp4", 10)
    table = tmp_path / "site" / "door" / "labels.csv"
    table.write_text("video;start_s;end_s\nmonday.mp4;0,2;0,4\n", encoding="utf-8-sig")
    assert check_data(tmp_path / "site").recognised == "your own, labelled by time"
    report = check_data(tmp_path)
    assert report.recognised == NORMAL_FOOTAGE
    (notice,) = report.notices
    assert notice.startswith(f"{table} labels a part of monday.mp4 as abnormal")
    table.write_text("video;start_s;end_s\nmonday.mp4;;\n")
    assert check_data(tmp_path).notices == ()
