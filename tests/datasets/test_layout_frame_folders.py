"""Frame folders: labels of each kind, masks, tracks, and copies that differ from the official."""

import os
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from oddframe.datasets.benchmark import OFFICIAL_COUNTS, OTHER_LABELS, Counts
from oddframe.datasets.layouts import open_benchmark
from oddframe.errors import LayoutError

LABELS = {"1": [0, 1, 1], "2": [1, 1], "10": [0, 0, 0, 0]}
INTERVALS = [[[2], [3]], [[1], [2]], np.zeros((2, 0))]


def draw_frames(folder, count, suffix=".jpg"):
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{number:03d}{suffix}").touch()


def save_mat(path, intervals=INTERVALS):
    cells = np.empty((1, len(intervals)), dtype=object)
    for place, cell in enumerate(intervals):
        cells[0, place] = np.array(cell)
    scipy.io.savemat(path, {"gt": cells})


def save_folder(root, labels=LABELS):
    (root / "testing" / "frame_labels").mkdir()
    for name, values in labels.items():
        np.save(root / "testing" / "frame_labels" / f"{name}.npy", np.array(values, dtype=np.uint8))


@pytest.fixture
def root(tmp_path):
    """A small benchmark without labels: 2 training and 3 testing videos."""
    folder = tmp_path / "Mini"
    for name, count in {"1": 4, "2": 3}.items():
        draw_frames(folder / "training" / "frames" / name, count)
    for name, values in LABELS.items():
        draw_frames(folder / "testing" / "frames" / name, len(values))
    return folder


def labels_of(benchmark):
    return {video.name: video.labels.tolist() for video in benchmark.testing}


def save_joined(root):
    np.save(
        root / "frame_labels.npy",
        np.array([[value for values in LABELS.values() for value in values]]),
    )


@pytest.mark.parametrize(
    "save",
    [lambda root: save_mat(root / "labels.mat"), save_folder, save_joined],
    ids=["mat", "folder", "joined"],
)
def test_frame_folders_with_each_kind_of_labels(root, save):
    save(root)
    benchmark = open_benchmark(root)
    assert labels_of(benchmark) == LABELS  # "10" after "2"
    assert list(labels_of(benchmark)) == ["1", "2", "10"]
    assert [path.name for path in benchmark.training] == ["1", "2"]
    assert benchmark.testing[0].path == root / "testing" / "frames" / "1"
    assert benchmark.counts == Counts(2, 7, 3, 9, 4)
    assert benchmark.name == "mini"
    assert benchmark.notices == ()
    assert {video.masks for video in benchmark.testing} == {None}


def test_only_numbered_images_are_frames(root):
    save_folder(root)
    video = root / "testing" / "frames" / "1"
    for name in ("Thumbs.db", ".000.jpg", "cover.jpg"):
        (video / name).touch()
    (root / "testing" / "frames" / "notes.txt").touch()
    (root / "testing" / "frames" / ".cache").mkdir()
    assert open_benchmark(root).counts.testing_frames == 9


def test_agreeing_sources_are_fine_and_contradicting_ones_are_refused(root):
    save_mat(root / "ped2.mat")
    save_folder(root)
    assert labels_of(open_benchmark(root)) == LABELS
    np.save(root / "testing" / "frame_labels" / "1.npy", [1, 1, 0])
    with pytest.raises(LayoutError, match=r"video 1 must agree.*ped2\.mat.*frame_labels.*: 0, 2;"):
        open_benchmark(root)


def test_missing_image_is_an_error(root):
    save_folder(root)
    (root / "testing" / "frames" / "1" / "001.jpg").unlink()
    with pytest.raises(LayoutError, match="found 3 labels for 2 frames; a missing"):
        open_benchmark(root)


def test_missing_labels_are_an_error(root):
    with pytest.raises(
        LayoutError, match="every video needs frame labels, found none for 1, 2, 10"
    ):
        open_benchmark(root)


def test_mat_is_chosen_by_its_name(root):
    save_mat(root / "ped2.mat")
    scipy.io.savemat(root / "features.mat", {"x": np.ones(3)})
    assert open_benchmark(root).name == "ped2"
    save_mat(root / "avenue.mat")
    with pytest.raises(LayoutError, match=re.escape("found avenue.mat, ped2.mat")):
        open_benchmark(root)


def test_difference_from_the_official_counts_is_a_notice(root):
    save_mat(root / "ped2.mat")
    notices = open_benchmark(root).notices
    assert notices == (
        "partial copy: training has 2 videos and 7 frames, ped2 officially has 16 and 2,550",
        "partial copy: testing has 3 videos and 9 frames, ped2 officially has 12 and 2,010",
    )


def test_more_than_official_is_not_called_partial(root, monkeypatch):
    monkeypatch.setitem(OFFICIAL_COUNTS, "ped2", Counts(3, 6, 3, 9, 5))
    save_mat(root / "ped2.mat")
    notices = open_benchmark(root).notices
    assert notices == (
        "not the official copy: training has 2 videos and 7 frames, ped2 officially has 3 and 6",
        "labels differ from the official ones: 4 abnormal frames, ped2 officially has 5",
    )


def test_benchmark_is_recognised_by_its_counts_alone(root, monkeypatch):
    monkeypatch.setitem(OFFICIAL_COUNTS, "ped2", Counts(2, 7, 3, 9, 4))
    save_folder(root)
    benchmark = open_benchmark(root)
    assert (benchmark.name, benchmark.notices) == ("ped2", ())


def test_joined_label_file_names_the_benchmark(root):
    joined = [value for values in LABELS.values() for value in values]
    np.save(root / "testing" / "frame_labels_avenue.npy", joined)
    assert open_benchmark(root).name == "avenue"


def test_training_may_be_missing_and_its_empty_folders_are_named(root):
    save_mat(root / "ped2.mat")
    (root / "training" / "frames" / "3").mkdir()
    benchmark = open_benchmark(root)
    assert len(benchmark.training) == 2
    assert any(
        "without numbered images" in notice and "frames/3" in notice for notice in benchmark.notices
    )
    (root / "training").rename(root / "elsewhere")
    benchmark = open_benchmark(root)
    assert benchmark.training == ()
    assert benchmark.notices[0].startswith("partial copy: training has 0 videos")


def test_testing_folder_without_images_is_an_error(root):
    save_folder(root)
    (root / "testing" / "frames" / "11").mkdir()
    with pytest.raises(LayoutError, match="found none in 11"):
        open_benchmark(root)


def test_masks_are_found_and_counted(root):
    save_folder(root)
    draw_frames(root / "testing" / "pixel_masks" / "1", 3, ".png")
    benchmark = open_benchmark(root)
    masks = root / "testing" / "pixel_masks" / "1"
    assert benchmark.testing[0].masks.path == masks
    assert benchmark.testing[1].masks is None
    (masks / "002.png").unlink()
    benchmark = open_benchmark(root)
    assert benchmark.testing[0].masks is None
    assert benchmark.notices == (f"partial copy: {masks} has 2 masks for 3 frames and is not used",)
    for number in range(4):
        (masks / f"{number:03d}.png").touch()
    with pytest.raises(LayoutError, match="found 4 masks for 3 frames"):
        open_benchmark(root)


def test_tracks_are_found(root):
    save_folder(root)
    (root / "tracks").mkdir()
    (root / "tracks" / "2.txt").touch()
    assert [video.tracks for video in open_benchmark(root).testing] == [
        None,
        root / "tracks" / "2.txt",
        None,
    ]


def test_a_pickle_is_named_and_never_opened(root):
    (root / "testing" / "gt_label.json").write_bytes(pickle.dumps({"1": [0, 1]}))
    with pytest.raises(
        LayoutError,
        match=r"found none for 1, 2, 10 .*gt_label\.json is a pickle, which is never opened",
    ):
        open_benchmark(root)
    save_folder(root)
    (notice,) = open_benchmark(root).notices
    assert "gt_label.json is a pickle" in notice


def test_a_partial_copy_is_paired_by_number(root):
    save_mat(root / "ped2.mat", [*INTERVALS, [[1], [3]]])
    (root / "testing" / "frames" / "10").rename(root / "testing" / "frames" / "3")
    draw_frames(root / "testing" / "frames" / "4", 4)
    shutil.rmtree(root / "testing" / "frames" / "1")
    benchmark = open_benchmark(root)
    assert labels_of(benchmark) == {"2": [1, 1], "3": [0] * 4, "4": [1, 1, 1, 0]}


def test_the_two_label_counts_of_avenue_are_told_apart(root, monkeypatch):
    monkeypatch.setitem(OFFICIAL_COUNTS, "avenue", Counts(2, 7, 3, 9, 3))
    monkeypatch.setitem(OTHER_LABELS, ("avenue", 4), "those of the widely used label file")
    save_mat(root / "avenue.mat")
    assert open_benchmark(root).notices == (
        "labels differ from the official ones: 4 abnormal frames "
        "(those of the widely used label file), avenue officially has 3",
    )
    assert ("avenue", 3_867) in OTHER_LABELS


def test_a_benchmark_one_folder_below_is_found_and_two_are_not_chosen_from(root):
    save_folder(root)
    assert open_benchmark(root.parent).root == root
    shutil.copytree(root, root.parent / "Other")
    with pytest.raises(LayoutError, match=r"several benchmarks, name one: .*Mini, .*Other"):
        open_benchmark(root.parent)


@pytest.mark.skipif(
    "ODDFRAME_PED2" not in os.environ, reason="ODDFRAME_PED2 is not set: the real Ped2 is needed"
)
def test_real_ped2_is_complete_and_its_label_files_agree():
    benchmark = open_benchmark(Path(os.environ["ODDFRAME_PED2"]))
    assert benchmark.name == "ped2"
    assert benchmark.counts == OFFICIAL_COUNTS["ped2"]
    assert benchmark.notices == ()
    assert [video.name for video in benchmark.testing] == [
        f"{number:02d}" for number in range(1, 13)
    ]
    assert all(video.masks is not None for video in benchmark.testing)
