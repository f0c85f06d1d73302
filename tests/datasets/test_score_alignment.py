import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st

from oddframe.datasets.score_alignment import LabelReader, align, read_labels
from oddframe.datasets.score_files import FrameValues, read_values, values_of_arrays
from oddframe.errors import InputError, LayoutError, SourceNotFoundError

LABELS = {"01": [0, 0, 0, 1, 1, 0], "02": [1, 1, 1, 1], "03": [0, 0, 0, 0, 1]}
FIRST, LAST = 2, 1


def score(name, frame):
    """A number that tells the video and the frame it belongs to."""
    return 100.0 * int(name) + frame


def as_long():
    return {
        name: np.array([score(name, frame) for frame in range(len(labels))])
        for name, labels in LABELS.items()
    }


def expected(first=FIRST, last=LAST):
    """What every alignment must give: the frame's own number, NaN where frames are skipped."""
    return {
        name: [
            score(name, frame) if first <= frame < len(labels) - last else np.nan
            for frame in range(len(labels))
        ]
        for name, labels in LABELS.items()
    }


def shorter():
    return {name: values[FIRST : len(values) - LAST] for name, values in as_long().items()}


def joined(arrays):
    return np.concatenate(list(arrays.values()))


def one_array(values, origin="all"):
    return FrameValues(origin, {"all": np.asarray(values, dtype=np.float64)}, joined=True)


def labels_per_video():
    return LabelReader("mini", values_of_arrays("labels", LABELS))


def labels_joined():
    return LabelReader("mini", one_array(np.concatenate(list(LABELS.values()))))


def assert_aligned(aligned, wanted):
    assert list(aligned.scores) == list(aligned.labels) == list(LABELS)
    for name, values in aligned.scores.items():
        np.testing.assert_array_equal(values, wanted[name])
        np.testing.assert_array_equal(aligned.labels[name], LABELS[name])


@pytest.fixture
def mat(tmp_path):
    """`gt` of `LABELS`, as Ped2's file has it; it does not tell how many frames a video has."""

    def make(name="mini.mat"):
        cells = np.empty((1, 3), dtype=object)
        cells[0, :] = [np.array([[4], [5]]), np.array([[1], [4]]), np.array([[5], [5]])]
        scipy.io.savemat(tmp_path / name, {"gt": cells})
        return tmp_path / name

    return make


@pytest.mark.parametrize("given_as", ["as long", "shorter"])
@pytest.mark.parametrize("scores_joined", [False, True])
@pytest.mark.parametrize("labels_as_one", [False, True])
def test_every_form_gives_the_same(given_as, scores_joined, labels_as_one):
    arrays = as_long() if given_as == "as long" else shorter()
    scores = one_array(joined(arrays)) if scores_joined else values_of_arrays("scores", arrays)
    labels = labels_joined() if labels_as_one else labels_per_video()
    if scores_joined and labels_as_one:
        with pytest.raises(InputError, match="do not tell where a video ends"):
            align(scores, labels, skip_first=FIRST, skip_last=LAST)
        return
    assert_aligned(align(scores, labels, skip_first=FIRST, skip_last=LAST), expected())


def test_without_skipping():
    for scores in (values_of_arrays("scores", as_long()), one_array(joined(as_long()))):
        assert_aligned(align(scores, labels_per_video()), expected(0, 0))
    assert_aligned(align(values_of_arrays("scores", as_long()), labels_joined()), expected(0, 0))


def test_all_in_one_array_is_one_video():
    aligned = align(
        one_array([3.0, np.nan, 1.0], "scores"), LabelReader("x", one_array([0, 1, 1], "labels"))
    )
    np.testing.assert_array_equal(aligned.scores["all"], [3.0, np.nan, 1.0])
    assert "all frames count as one video" in aligned.notices[0]


@given(st.integers(0, 6), st.integers(0, 3), st.integers(0, 3))
def test_lengths_tell_which_form_it_is(frames, first, last):
    """Both forms of one video mean the same, also where nothing is left."""
    whole = np.arange(frames, dtype=float)
    left = max(0, frames - first - last)
    labels = LabelReader("x", values_of_arrays("labels", {"a": np.zeros(frames)}))
    found = [
        align(
            values_of_arrays("scores", {"a": values}), labels, skip_first=first, skip_last=last
        ).scores["a"]
        for values in (whole, whole[first : first + left])
    ]
    np.testing.assert_array_equal(found[0], found[1])
    assert np.flatnonzero(~np.isnan(found[0])).tolist() == list(range(first, first + left))


def test_numbered_scores_need_no_skipping(tmp_path):
    (tmp_path / "all.csv").write_text(
        "video,frame,raw\n" + "".join(f"{name},2,{score(name, 2)}\n" for name in LABELS)
    )
    aligned = align(read_values(tmp_path / "all.csv", ("raw",)), labels_per_video(), skip_last=1)
    for name, values in aligned.scores.items():
        assert np.flatnonzero(~np.isnan(values)).tolist() == [2]
        assert values[2] == score(name, 2)


@pytest.mark.parametrize(
    ("scores", "skip", "words"),
    [
        (
            {"01": [0] * 4, "02": [0] * 4, "03": [0] * 5},
            0,
            "video 01: .* found 4 scores for 6 labels.* --skip-first 2",
        ),
        (
            {"01": [0] * 7, "02": [0] * 4, "03": [0] * 5},
            0,
            "video 01: .* found 7 scores for 6 labels$",
        ),
        (
            {"01": [0] * 4, "02": [0] * 2, "03": [0] * 3},
            1,
            "found 4 scores for 6 labels, 5 without the skipped ones$",
        ),
        ({"1": [0] * 6, "02": [0] * 4, "03": [0] * 5}, 0, "only scores: 1; only labels: 01$"),
        ({"01": [0] * 6, "02": [0] * 4}, 0, "only scores: none; only labels: 03$"),
    ],
)
def test_what_does_not_fit_is_named(scores, skip, words):
    with pytest.raises(InputError, match=words):
        align(values_of_arrays("scores", scores), labels_per_video(), skip_first=skip)


def test_one_array_that_does_not_fit_is_named():
    with pytest.raises(
        InputError, match=r"found 9 scores for 15 labels of 3 videos; .* --skip-first 2$"
    ):
        align(one_array(np.zeros(9)), labels_per_video())
    with pytest.raises(
        InputError, match=r"found 10 scores for 15 labels of 3 videos, 12 without the skipped ones$"
    ):
        align(one_array(np.zeros(10)), labels_per_video(), skip_first=1)
    with pytest.raises(
        InputError, match=r"found 15 labels for 14 scores of 3 videos \(01, 02, 03\)"
    ):
        align(
            values_of_arrays("scores", {"01": [0] * 5, "02": [0] * 4, "03": [0] * 5}),
            labels_joined(),
        )
    with pytest.raises(InputError, match="0 or more, got -1 first"):
        align(one_array(np.zeros(15)), labels_per_video(), skip_first=-1)


def test_intervals_take_the_scores_lengths(mat):
    assert_aligned(align(values_of_arrays("scores", as_long()), read_labels(mat())), expected(0, 0))


def test_intervals_that_reach_beyond_short_scores_tell_the_form(mat):
    scores = values_of_arrays(
        "scores", {name: values[FIRST:] for name, values in as_long().items()}
    )
    assert_aligned(align(scores, read_labels(mat()), skip_first=FIRST), expected(FIRST, 0))
    with pytest.raises(LayoutError, match="say --skip-first or --skip-last"):
        align(scores, read_labels(mat()))


def test_intervals_that_do_not_tell_are_not_guessed(mat):
    scores = values_of_arrays("scores", as_long())
    with pytest.raises(InputError, match="does not tell how many frames a video has"):
        align(scores, read_labels(mat()), skip_first=FIRST)
    with pytest.raises(InputError, match="give one file per video"):
        align(one_array(joined(as_long())), read_labels(mat()))


@pytest.mark.parametrize(("frames", "first_scored"), [(2_010, 4), (2_006, 4)])
def test_official_counts_tell_the_form(frames, first_scored, tmp_path):
    """One video of Ped2's total; the interval fits both forms."""
    cells = np.empty((1, 1), dtype=object)
    cells[0, 0] = np.array([[11], [20]])
    scipy.io.savemat(tmp_path / "ped2.mat", {"gt": cells})
    scores = values_of_arrays("scores", {"01": np.arange(frames)})
    aligned = align(scores, read_labels(tmp_path / "ped2.mat"), skip_first=4)
    assert aligned.labels["01"].size == aligned.scores["01"].size == 2_010
    assert np.flatnonzero(aligned.labels["01"]).tolist() == list(range(10, 20))
    assert np.flatnonzero(~np.isnan(aligned.scores["01"]))[0] == first_scored


def test_stretches_in_seconds(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("video,start_s,end_s\n01.mp4,0.3,0.4\n02,0,0.3\n")
    scores = values_of_arrays("scores", as_long())
    aligned = align(scores, read_labels(path), rates_fps=dict.fromkeys(LABELS, 10.0))
    assert {name: labels.tolist() for name, labels in aligned.labels.items()} == {
        **LABELS,
        "03": [0] * 5,
    }
    with pytest.raises(
        InputError, match=r"need the frames per second \(--fps\), unknown of 01, 02, 03"
    ):
        align(scores, read_labels(path))
    with pytest.raises(InputError, match="do not tell how many frames"):
        align(scores, read_labels(path), skip_first=1)
    path.write_text("video,start_s,end_s\n04,0,0.3\n")
    with pytest.raises(LayoutError, match="names 04, of which there are no scores"):
        align(scores, read_labels(path), rates_fps=dict.fromkeys(LABELS, 10.0))


def test_labels_in_a_folder_or_a_benchmark(images, tmp_path):
    folder = tmp_path / "labels"
    folder.mkdir()
    for name, labels in LABELS.items():
        np.save(folder / f"{name}.npy", np.array(labels))
    assert read_labels(folder).name == "labels"
    assert_aligned(
        align(values_of_arrays("scores", as_long()), read_labels(folder)), expected(0, 0)
    )
    for name, labels in LABELS.items():
        images(f"mini/testing/frames/{name}", range(len(labels)))
    (tmp_path / "mini" / "training").mkdir()
    folder.rename(tmp_path / "mini" / "testing" / "frame_labels")
    assert read_labels(tmp_path / "mini").name == "mini"
    assert_aligned(
        align(values_of_arrays("scores", as_long()), read_labels(tmp_path / "mini")), expected(0, 0)
    )


def test_what_holds_no_labels(tmp_path):
    with pytest.raises(SourceNotFoundError, match="nothing is there"):
        read_labels(tmp_path / "none")
    with pytest.raises(LayoutError, match="no labels were recognised"):
        read_labels(tmp_path)
    (tmp_path / "gt_label.json").write_bytes(b"\x80\x03}q\x00.")
    for place in (tmp_path, tmp_path / "gt_label.json"):
        with pytest.raises(LayoutError, match=r"gt_label.json is a pickle"):
            read_labels(place)
    (tmp_path / "labels.txt").write_text("0")
    with pytest.raises(LayoutError, match=r"must be a folder, or a .npy, .csv, .mat or .m file"):
        read_labels(tmp_path / "labels.txt")
