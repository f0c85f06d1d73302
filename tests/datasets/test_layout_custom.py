"""One's own test set, labelled by time, by frame or by mask."""

import shutil
import unicodedata

import numpy as np
import pytest

from oddframe.datasets.layouts import open_benchmark
from oddframe.errors import LayoutError
from tests.conftest import drawn_picture, write_image
from tests.support.small_benchmarks import (
    SIZE,
    TRUTH,
    custom,
    draw_recording,
    masks_of,
    save_masks,
)


def test_own_recordings_in_the_folder_itself_named_in_any_way(tmp_path):
    draw_recording(tmp_path / "a.mp4", 10)
    draw_recording(tmp_path / "night" / "b.mkv", 10, first_s=3.0)
    draw_recording(tmp_path / "c.mp4", 10)
    (tmp_path / "times.csv").write_text(
        "Video, start_s, end_s\na,0.3,0.5\nnight/b.mkv,0:00,0:00.2\nnight/b,0.9,1\n"
    )
    benchmark = open_benchmark(tmp_path)
    labels = {video.name: np.flatnonzero(video.labels).tolist() for video in benchmark.testing}
    # The timestamps of b start at 3 s; times count from its first frame.
    assert labels == {"a": [3, 4, 5], "c": [], "b": [0, 1, 2, 9]}
    assert benchmark.notices == ("not listed in times.csv and so taken as normal: c",)
    assert benchmark.training == ()
    (tmp_path / "c.mp4").unlink()
    (tmp_path / "times.csv").write_text("video,start_s,end_s\na.mp4,,\nb,1,2\nd.mp4,1,2\n")
    assert open_benchmark(tmp_path).notices == (
        "partial copy: times.csv lists d.mp4, which is not there",
    )


def test_own_times_follow_the_timestamps_and_not_the_frame_numbers(tmp_path, video):
    video("mine/gap.mp4", frames=6, times_s=[0.0, 0.1, 0.2, 2.0, 2.1, 2.2])
    (tmp_path / "mine" / "labels.csv").write_text("video,start_s,end_s\ngap,2.05,2.3\n")
    (one,) = open_benchmark(tmp_path / "mine").testing
    assert one.labels.tolist() == [0, 0, 0, 0, 1, 1]


def test_a_name_that_may_be_a_slip_is_refused(tmp_path):
    root = custom(tmp_path)
    text = (root / "labels.csv").read_text()
    (root / "labels.csv").write_text(text.replace("door2", "dor2"))
    with pytest.raises(LayoutError, match=r"found dor2\.mp4, while door2 is not listed"):
        open_benchmark(root)
    (root / "more.csv").write_text(text)
    with pytest.raises(
        LayoutError,
        match=r"must hold one file of video,start_s,end_s, found .*labels\.csv, .*more\.csv",
    ):
        open_benchmark(root)


def test_a_stretch_beyond_the_recording_is_refused_when_labels_are_asked_for(tmp_path):
    root = custom(tmp_path)
    (root / "labels.csv").write_text("video,start_s,end_s\ndoor1,7,8\ndoor2,,\ndoor3,,\n")
    benchmark = open_benchmark(root)
    with pytest.raises(
        LayoutError, match=r"labels\.csv: line 2: .*7 to 8 s, the last frame is at 1\.10 s"
    ):
        _ = benchmark.testing[0].labels
    assert not benchmark.testing[1].labels.any()


def test_own_masks_and_arrays_label_by_frame(tmp_path):
    root = custom(tmp_path)
    (root / "labels.csv").unlink()
    assert [v.labels.tolist() for v in open_benchmark(root).testing] == [
        list(labels) for labels in TRUTH
    ]
    shutil.rmtree(root / "masks" / "door2")
    (root / "frame_labels").mkdir()
    np.save(root / "frame_labels" / "door3.npy", np.ones(9, np.uint8))
    benchmark = open_benchmark(root)
    assert [v.labels.tolist() for v in benchmark.testing] == [list(TRUTH[0]), [0] * 10, [1] * 9]
    assert "labels or masks for 2 of 3 videos; the others are taken as normal" in benchmark.notices
    assert [mask.shape for mask in benchmark.testing[1].masks.frames()] == [SIZE[::-1]] * 10
    np.save(root / "frame_labels" / "door3.npy", np.ones(8, np.uint8))
    save_masks(root / "masks" / "door1", masks_of([1]), ".png", first=12)
    benchmark = open_benchmark(root)
    with pytest.raises(LayoutError, match=r"door3\.npy: .*found 8 labels for 9 frames"):
        _ = benchmark.testing[2].labels
    with pytest.raises(
        LayoutError, match=r"012\.png: a mask must have the number of a frame, .* 12 frames"
    ):
        _ = benchmark.testing[0].labels


def test_masks_of_own_images_carry_the_number_of_the_image(tmp_path, images):
    images("mine/testing/hall", range(5, 15))
    save_masks(tmp_path / "mine" / "masks" / "hall", masks_of([1, 1]), ".png", first=7)
    (video,) = open_benchmark(tmp_path / "mine").testing
    assert np.flatnonzero(video.labels).tolist() == [2, 3]


def test_masks_carry_the_name_of_the_image_where_names_are_times(tmp_path):
    names = [f"2024-02-29_23-59-{second}" for second in range(55, 60)] + ["2024-03-01_00-00-00"]
    for number, name in enumerate(names):
        folder = tmp_path / "mine" / "testing" / "hall"
        folder.mkdir(parents=True, exist_ok=True)
        write_image(folder / f"{name}.png", drawn_picture(number))
    masks = tmp_path / "mine" / "masks" / "hall"
    masks.mkdir(parents=True)
    for name in names[-2:]:
        write_image(masks / f"{name}.png", np.full((48, 64), 255, np.uint8))
    (video,) = open_benchmark(tmp_path / "mine").testing
    assert np.flatnonzero(video.labels).tolist() == [4, 5]


def test_masks_that_fit_no_recording_are_refused(tmp_path):
    root = custom(tmp_path)
    (root / "labels.csv").unlink()
    for folder in list((root / "masks").iterdir()):
        folder.rename(folder.with_name(f"x{folder.name}"))
    with pytest.raises(
        LayoutError,
        match=r"masks must hold NAME\.npy, or a folder NAME of images, for one of door1",
    ):
        open_benchmark(root)


@pytest.mark.parametrize(
    ("on_disk", "written"), [("NFC", "NFD"), ("NFD", "NFC")], ids=["mac-table", "mac-disk"]
)
def test_names_in_another_unicode_form_are_the_same_names(tmp_path, on_disk, written):
    name = unicodedata.normalize(on_disk, "Türe é")
    draw_recording(tmp_path / f"{name}.mp4", 10)
    draw_recording(tmp_path / "night" / "b.mp4", 10)
    spelt = unicodedata.normalize(written, "Türe é")
    (tmp_path / "labels.csv").write_text(
        f"video;start_s;end_s\n{spelt}.mp4;0,3;0,5\nnight\\b.mp4;0;0,1\n", encoding="utf-8"
    )
    labels = {v.name: np.flatnonzero(v.labels).tolist() for v in open_benchmark(tmp_path).testing}
    assert labels == {name: [3, 4, 5], "b": [0, 1]}
    # The same for labels that carry the name in their own.
    (tmp_path / "labels.csv").unlink()
    (tmp_path / "frame_labels").mkdir()
    np.save(tmp_path / "frame_labels" / f"{spelt}.npy", np.array([1] + [0] * 9, np.uint8))
    (tmp_path / "tracks").mkdir()
    (tmp_path / "tracks" / f"{spelt}.txt").write_text("1,0,2,2,9,9\n")
    video = next(v for v in open_benchmark(tmp_path).testing if v.name == name)
    assert np.flatnonzero(video.labels).tolist() == [0]
    assert video.tracks is not None


@pytest.mark.parametrize("text", ["clip,from,to\ndoor1,1,2\n", "video;start_s\ndoor1;1\n"])
def test_a_labels_csv_that_cannot_be_read_is_never_passed_over(tmp_path, text):
    root = custom(tmp_path)
    (root / "labels.csv").write_text(text)
    # Also where masks could give labels: the file goes first.
    with pytest.raises(LayoutError, match=r"labels\.csv: line 1: the first line must be"):
        open_benchmark(root)
    # And where the folder around it was named.
    with pytest.raises(LayoutError, match=r"labels\.csv: line 1: the first line must be"):
        open_benchmark(tmp_path)
