"""Every layout as a small benchmark, drawn with real encoders: recognised, labelled, scored."""

import shutil

import numpy as np
import pytest
import scipy.io
from PIL import Image

from oddframe.datasets.benchmark import OFFICIAL_COUNTS, Counts
from oddframe.datasets.layouts import open_benchmark
from oddframe.errors import LayoutError, SourceError, SourceNotFoundError
from oddframe.media.discovery import find_sources, open_source
from oddframe.media.source import FrameFormat
from tests.support.small_benchmarks import (
    SMALL_BENCHMARKS,
    TRUTH,
    avenue,
    draw_recording,
    masks_of,
    shanghaitech,
    ucsd,
)

MASKED = {"ucsd": [1, 0, 1], "custom": [1, 1, 1]}


@pytest.fixture(scope="module", params=SMALL_BENCHMARKS)
def benchmark_folder(request, tmp_path_factory):
    """A small benchmark of one layout, read only."""
    return request.param, SMALL_BENCHMARKS[request.param](tmp_path_factory.mktemp("benchmark"))


def test_it_is_recognised_with_labels_masks_and_training(benchmark_folder):
    kind, root = benchmark_folder
    benchmark = open_benchmark(root)
    assert [video.labels.tolist() for video in benchmark.testing] == [
        list(labels) for labels in TRUTH
    ]
    assert [int(video.masks is not None) for video in benchmark.testing] == MASKED.get(
        kind, [1, 1, 1]
    )
    for video, labels in zip(benchmark.testing, TRUTH, strict=True):
        if video.masks is not None:
            assert np.array_equal(np.stack(list(video.masks.frames())), masks_of(labels))
    assert len(benchmark.training) == 2
    assert benchmark.every_frame == (kind != "custom")
    if kind != "custom":
        assert benchmark.counts == Counts(2, 22, 3, 31, sum(map(sum, TRUTH)))
    official = {"ucsd": "ped2", "avenue": "avenue", "shanghaitech": "shanghaitech"}
    assert benchmark.name == official.get(kind, root.name)
    assert any("partial copy" in notice for notice in benchmark.notices) == (kind in official)


@pytest.mark.slow
def test_its_parent_will_do(benchmark_folder):
    _, root = benchmark_folder
    assert open_benchmark(root.parent).root == root


def test_frames_are_as_many_as_labels_and_training_takes_the_normal_part(benchmark_folder):
    kind, root = benchmark_folder
    benchmark = open_benchmark(root)
    for video in benchmark.testing:
        frames = list(open_source(video.path).frames(FrameFormat(64, 48, "grey")))
        assert [frame.index for frame in frames] == list(range(len(video.labels)))
        assert frames[0].pixels.std() > 10
    part = {"ucsd": "Train", "avenue": "training_videos", "shanghaitech": "training"}.get(
        kind, "training"
    )
    found = find_sources(root / part)
    assert tuple(source.path for source in found.sources) == benchmark.training
    assert found.skipped == ()


def test_it_is_scored_by_the_command(benchmark_folder, tiny_run, oddframe_command):
    kind, root = benchmark_folder
    left = oddframe_command("eval", root, "--model", tiny_run, "--json")
    assert left.code == 0, left
    assert (left.json["videos"], left.json["frames_total"]) == (3, 31)
    assert left.json["frames_scored"] == 31 - 3 * 4
    assert any("partial copy" in notice for notice in left.json["notices"]) == (
        kind in ("ucsd", "avenue", "shanghaitech")
    )


@pytest.mark.parametrize(("draw", "part"), [(ucsd, "Train"), (avenue, "training_videos")])
def test_its_normal_part_is_read_by_train(draw, part, tiny_config, oddframe_command, tmp_path):
    root = draw(tmp_path)
    left = oddframe_command(
        "train", root / part, "-o", tmp_path / "run", "-c", tiny_config, "--json"
    )
    # 14 clips are too few to learn from, which only somebody who found all of them can say.
    assert left.code == 2
    assert "14" in left.json["error"]


def test_uncompressed_and_packed_tif_decode_to_what_was_drawn(tmp_path):
    ramp = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))
    for number, compression in enumerate(
        (None, "tiff_lzw", "packbits", "tiff_adobe_deflate"), start=1
    ):
        Image.fromarray(ramp).save(tmp_path / f"{number:03d}.tif", compression=compression)
    frames = list(open_source(tmp_path).frames(FrameFormat(64, 48, "grey")))
    assert len(frames) == 4
    assert all(np.array_equal(frame.pixels[..., 0], ramp) for frame in frames)


def test_ucsd_labels_come_from_masks_where_no_file_has_them(tmp_path):
    root = ucsd(tmp_path, with_masks=(1, 2, 3))
    (root / "Test" / "UCSDped2.m").unlink()
    benchmark = open_benchmark(root)
    assert [video.labels.tolist() for video in benchmark.testing] == [
        list(labels) for labels in TRUTH
    ]
    assert benchmark.name == "ped2"
    shutil.rmtree(root / "Test" / "Test002_gt")
    with pytest.raises(LayoutError, match="every video needs frame labels, found none for Test002"):
        open_benchmark(root)


def test_a_partial_ucsd_is_paired_by_number_and_says_so(tmp_path):
    root = ucsd(tmp_path)
    shutil.rmtree(root / "Test" / "Test002")
    shutil.rmtree(root / "Train")
    benchmark = open_benchmark(root)
    assert {video.name: video.labels.tolist() for video in benchmark.testing} == {
        "Test001": list(TRUTH[0]),
        "Test003": list(TRUTH[2]),
    }
    assert benchmark.notices == (
        "partial copy: training has 0 videos and 0 frames, ped2 officially has 16 and 2,550",
        "partial copy: testing has 2 videos and 21 frames, ped2 officially has 12 and 2,010",
    )


def test_ucsd_names_the_videos_without_masks(tmp_path):
    assert (
        "pixel masks for 1 of 3 videos, none for Test001, Test002"
        in open_benchmark(ucsd(tmp_path, [3])).notices
    )


def test_a_missing_tif_is_an_error_that_names_the_video(tmp_path):
    root = ucsd(tmp_path)
    (root / "Test" / "Test002" / "004.tif").unlink()
    with pytest.raises(LayoutError, match=r"UCSDped2\.m: video Test002: .* 1 to 9.* say 1 to 10"):
        open_benchmark(root)


def test_avenue_is_complete_by_its_mask_count_and_says_what_its_other_file_is(
    tmp_path, monkeypatch
):
    root = avenue(tmp_path)
    monkeypatch.setitem(OFFICIAL_COUNTS, "avenue", Counts(2, 22, 3, 31, sum(map(sum, TRUTH))))
    cells = np.empty((1, 3), dtype=object)
    cells[0, :] = [np.array([[1], [12]]), np.array([[1], [10]]), np.array([[1], [9]])]
    scipy.io.savemat(root / "avenue.mat", {"gt": cells})
    benchmark = open_benchmark(root)
    assert benchmark.notices == ()
    assert benchmark.counts.abnormal_frames == sum(map(sum, TRUTH))
    shutil.rmtree(root / "ground_truth_demo")
    benchmark = open_benchmark(root)
    assert benchmark.counts.abnormal_frames == 31
    assert benchmark.notices == (
        "pixel masks for 0 of 3 videos, none for 01, 02, 03",
        "labels differ from the official ones: 31 abnormal frames, "
        f"avenue officially has {sum(map(sum, TRUTH))}",
    )


def test_avenue_masks_may_lie_beside_the_folder_that_the_user_named_around_it(tmp_path):
    root = avenue(tmp_path)
    (root / "ground_truth_demo").rename(tmp_path / "ground_truth_demo")
    assert [video.labels.tolist() for video in open_benchmark(tmp_path).testing] == [
        list(labels) for labels in TRUTH
    ]
    with pytest.raises(LayoutError, match="no folder testing_label_mask below"):
        open_benchmark(root)


def test_avenue_recordings_and_masks_of_different_lengths_are_refused(tmp_path):
    root = avenue(tmp_path)
    draw_recording(root / "testing_videos" / "02.avi", 9)
    with pytest.raises(
        LayoutError, match=r"2_label\.mat: .*found 10 labels for 9 frames in .*02\.avi"
    ):
        open_benchmark(root)
    (root / "testing_videos" / "02.avi").write_text("no video")
    with pytest.raises(SourceError, match=r"02\.avi"):
        open_benchmark(root)


def test_a_training_recording_that_cannot_be_opened_is_named(tmp_path):
    root = avenue(tmp_path)
    (root / "training_videos" / "02.avi").write_text("no video")
    benchmark = open_benchmark(root)
    assert [path.name for path in benchmark.training] == ["01.avi"]
    assert any("02.avi" in notice and notice.startswith("left out") for notice in benchmark.notices)


def test_shanghaitech_takes_training_frames_and_does_without_masks(tmp_path):
    root = shanghaitech(tmp_path)
    shutil.copytree(root / "testing" / "frames", root / "training" / "frames")
    np.save(root / "testing" / "test_pixel_mask" / "01_0014.npy", np.zeros((3, 4, 4), np.uint8))
    (root / "testing" / "test_pixel_mask" / "01_0015.npy").unlink()
    benchmark = open_benchmark(root)
    assert benchmark.counts.training_videos == 3
    assert [video.masks is None for video in benchmark.testing] == [True, True, False]
    assert any("3 masks for 12 frames" in notice for notice in benchmark.notices)
    assert "pixel masks for 1 of 3 videos, none for 01_0014, 01_0015" in benchmark.notices
    np.save(root / "testing" / "test_frame_mask" / "01_0014.npy", np.zeros(3))
    with pytest.raises(LayoutError, match=r"01_0014\.npy: .*found 3 labels for 12 frames"):
        open_benchmark(root)


def test_unknown_layout_says_what_was_found_and_what_to_add(tmp_path):
    with pytest.raises(LayoutError, match=r"found nothing; .* add a file labels\.csv") as raised:
        open_benchmark(tmp_path)
    assert len(str(raised.value).split()) < 45
    for number in range(10):
        (tmp_path / f"clip{number}.avi").touch()
    (tmp_path / "extra").mkdir()
    with pytest.raises(LayoutError, match=r"found clip0\.avi, clip1\.avi, .* and 3 more"):
        open_benchmark(tmp_path)


def test_root_must_be_a_folder_that_exists(tmp_path):
    with pytest.raises(SourceNotFoundError, match="no benchmark at"):
        open_benchmark(tmp_path / "nowhere")
    (tmp_path / "ped2.mat").touch()
    with pytest.raises(LayoutError, match="is a file"):
        open_benchmark(tmp_path / "ped2.mat")
