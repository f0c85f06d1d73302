import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score as sk_average_precision
from sklearn.metrics import roc_auc_score as sk_auc

from oddframe.errors import InputError
from oddframe.metrics import frame
from oddframe.metrics import frame as curves


def literal_smooth(values, sigma=3.0):
    """A loop over one stretch: mirrored ends, weights cut off at 4 sigma."""
    size, radius = len(values), int(4 * sigma + 0.5)
    mirrored = [*range(size), *range(size - 1, -1, -1)]
    weights = {k: math.exp(-(k**2) / (2 * sigma**2)) for k in range(-radius, radius + 1)}
    return [
        sum(w * values[mirrored[(i + k) % (2 * size)]] for k, w in weights.items())
        / sum(weights.values())
        for i in range(size)
    ]


@given(st.lists(st.one_of(st.just(math.nan), st.floats(-100, 100)), min_size=1, max_size=60))
def test_smoothing_is_the_literal_gaussian_within_scored_stretches(values):
    smoothed = curves.smooth(np.array(values))
    expected, stretch = [], []
    for value in [*values, math.nan]:
        if not math.isnan(value):
            stretch.append(value)
            continue
        expected += literal_smooth(stretch) if stretch else []
        expected.append(math.nan)
        stretch = []
    np.testing.assert_allclose(smoothed, expected[: len(values)], atol=1e-9)


@given(st.lists(st.booleans(), max_size=20))
def test_stretches_are_the_runs_of_true(flags):
    runs = curves.stretches(np.array(flags, dtype=bool))
    covered = [i for start, stop in runs for i in range(start, stop)]
    assert covered == [i for i, flag in enumerate(flags) if flag]
    assert all(later[0] > earlier[1] for earlier, later in itertools.pairwise(runs))


def test_per_video_is_min_max_over_scored_frames():
    np.testing.assert_allclose(
        curves.per_video(np.array([np.nan, 2.0, 4.0, 3.0])), [np.nan, 0.0, 1.0, 0.5]
    )
    np.testing.assert_array_equal(
        curves.per_video(np.array([7.0, np.nan, 7.0])), [0.0, np.nan, 0.0]
    )
    np.testing.assert_array_equal(curves.per_video(np.array([np.nan, np.nan])), [np.nan, np.nan])


@given(
    st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=20).filter(
        lambda v: max(v) > 1.001 * min(v)
    )
)
def test_per_video_reciprocal_is_the_research_codes_formula(values):
    inverse = 1.0 / np.array(values)
    expected = 1.0 - (inverse - inverse.min()) / (inverse.max() - inverse.min())
    np.testing.assert_allclose(curves.per_video_reciprocal(np.array(values)), expected, atol=1e-9)


def test_per_video_reciprocal_of_special_videos():
    np.testing.assert_array_equal(
        curves.per_video_reciprocal(np.array([3.0, np.nan])), [0.0, np.nan]
    )
    np.testing.assert_array_equal(curves.per_video_reciprocal(np.array([np.nan])), [np.nan])
    assert curves.per_video_reciprocal(np.array([1.0, 0.0])) is None


# Few distinct values, so that ties are common.
SCORES = st.one_of(st.sampled_from([0.1, 0.5, 0.50000001, 2.0]), st.floats(1e-3, 1e3))
PAIRS = st.lists(st.tuples(st.sampled_from([0, 1]), SCORES), min_size=1, max_size=30)


def pairwise_auc(labels, scores):
    wins = [
        1.0 if a > n else 0.5 if a == n else 0.0
        for a, is_abnormal in zip(scores, labels, strict=True)
        if is_abnormal
        for n, is_other in zip(scores, labels, strict=True)
        if not is_other
    ]
    return sum(wins) / len(wins) if wins else None


def literal_equal_error_rate(labels, scores):
    """Walk down the thresholds and cross the straight line between two operating points."""
    abnormal = [s for s, one in zip(scores, labels, strict=True) if one]
    normal = [s for s, one in zip(scores, labels, strict=True) if not one]
    last = (0.0, 1.0)  # (false positive rate, false negative rate) with nothing alarmed
    for threshold in sorted(set(scores), reverse=True):
        now = (
            sum(s >= threshold for s in normal) / len(normal),
            sum(s < threshold for s in abnormal) / len(abnormal),
        )
        if now[0] >= now[1]:
            gap, closed = last[1] - last[0], (last[1] - last[0]) - (now[1] - now[0])
            return last[0] + gap / closed * (now[0] - last[0])
        last = now
    raise AssertionError("the rates always meet")


def literal_average_precision(labels, scores):
    total, recall_before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        alarmed = [one for one, s in zip(labels, scores, strict=True) if s >= threshold]
        recall = sum(alarmed) / sum(labels)
        total += (recall - recall_before) * sum(alarmed) / len(alarmed)
        recall_before = recall
    return total


@given(PAIRS)
def test_figures_equal_literal_references_and_scikit_learn(pairs):
    labels, scores = [p[0] for p in pairs], [p[1] for p in pairs]
    if len(set(labels)) < 2:
        assert frame.auc_score(labels, scores) is None
        assert frame.average_precision_score(labels, scores) is None
        assert frame.equal_error_rate(labels, scores) is None
        return
    assert frame.auc_score(labels, scores) == pytest.approx(pairwise_auc(labels, scores))
    assert frame.auc_score(labels, scores) == pytest.approx(sk_auc(labels, scores))
    assert frame.average_precision_score(labels, scores) == pytest.approx(
        literal_average_precision(labels, scores)
    )
    assert frame.average_precision_score(labels, scores) == pytest.approx(
        sk_average_precision(labels, scores)
    )
    assert frame.equal_error_rate(labels, scores) == pytest.approx(
        literal_equal_error_rate(labels, scores)
    )


@given(PAIRS)
def test_turning_the_scores_around_mirrors_the_auc(pairs):
    labels, scores = [p[0] for p in pairs], np.array([p[1] for p in pairs])
    area = frame.auc_score(labels, scores)
    if area is not None:
        assert frame.auc_score(labels, -scores) == pytest.approx(1.0 - area)


def two_videos():
    rng = np.random.default_rng(3)
    scores = {"01": rng.uniform(1, 2, 40), "02": rng.uniform(5, 9, 30)}
    labels = {"01": np.repeat([0, 1], 20), "02": np.tile([0, 1, 1], 10)}
    scores["01"][:4] = np.nan
    scores["02"][10] = np.nan
    return scores, labels


def test_pools_as_stated_and_excludes_unscored_frames():
    scores, labels = two_videos()
    result = frame.frame_metrics(scores, labels)
    assert (result.frames_total, result.frames_scored, result.videos) == (70, 65, 2)
    assert result.padded_videos == ()
    kept = {name: ~np.isnan(values) for name, values in scores.items()}
    truth = {name: labels[name][kept[name]] for name in labels}
    written = {
        "raw": scores,
        "raw_smoothed": {n: curves.smooth(v) for n, v in scores.items()},
        "per_video": {n: curves.per_video(v) for n, v in scores.items()},
        "per_video_smoothed": {n: curves.smooth(curves.per_video(v)) for n, v in scores.items()},
        "per_video_reciprocal": {n: curves.per_video_reciprocal(v) for n, v in scores.items()},
        "per_video_reciprocal_smoothed": {
            n: curves.smooth(curves.per_video_reciprocal(v)) for n, v in scores.items()
        },
    }
    for variant, by_video in written.items():
        scored = {name: values[kept[name]] for name, values in by_video.items()}
        micro = pairwise_auc(np.concatenate([*truth.values()]), np.concatenate([*scored.values()]))
        macro = np.mean([pairwise_auc(truth[name], scored[name]) for name in scored])
        assert getattr(result.auc.micro, variant) == pytest.approx(micro)
        assert getattr(result.auc.macro, variant) == pytest.approx(macro)


def test_json_tree_has_the_promised_keys():
    tree = json.loads(json.dumps(frame.frame_metrics(*two_videos()).as_dict()))
    assert {"frames_total", "frames_scored", "videos", "auc", "padded_videos"} <= set(tree)
    for figure in ("auc", "average_precision", "equal_error_rate"):
        assert set(tree[figure]) == {"micro", "macro"}
        for pool in tree[figure].values():
            assert {"raw", "raw_smoothed", "per_video", "per_video_smoothed"} <= set(pool)
            assert all(0.0 <= value <= 1.0 for value in pool.values())


def test_one_class_videos_are_padded_in_macro_and_named():
    scores = {"both": [1.0, 2.0, 3.0, 4.0], "abnormal": [5.0, 6.0], "normal": [7.0, 9.0, 8.0]}
    labels = {"both": [0, 1, 0, 1], "abnormal": [1, 1], "normal": [0, 0, 0]}
    result = frame.frame_metrics(scores, labels)
    assert result.padded_videos == ("abnormal", "normal")
    # Raw: the padding frame lies beyond every score, so the padded videos are perfect.
    assert result.auc.macro.raw == pytest.approx((0.75 + 1 + 1) / 3)
    # Min-max: padded at exactly 0 and 1, where one frame of each video ties with it.
    assert result.auc.macro.per_video == pytest.approx((0.75 + 1.5 / 2 + 2.5 / 3) / 3)
    # Micro takes the frames as they are.
    assert result.auc.micro.raw == pytest.approx(
        pairwise_auc([0, 1, 0, 1, 1, 1, 0, 0, 0], [*range(1, 8), 9, 8])
    )


@pytest.mark.parametrize("label", [0, 1])
def test_all_of_one_class_has_no_micro_figure(label):
    result = frame.frame_metrics({"a": [1.0, 2.0], "b": [3.0]}, {"a": [label] * 2, "b": [label]})
    assert set(result.as_dict()["auc"]["micro"].values()) == {None}
    assert result.as_dict()["equal_error_rate"]["micro"]["raw"] is None
    assert result.auc.macro.raw == 1.0
    assert result.padded_videos == ("a", "b")


def test_single_frame():
    result = frame.frame_metrics({"a": [1.0]}, {"a": [1]})
    assert result.auc.micro.raw is None
    assert result.auc.macro.raw == 1.0
    assert result.auc.macro.per_video == 0.5


def test_video_without_scores_is_named_and_left_out_of_macro():
    scores = {"a": [1.0, 2.0], "b": [np.nan, np.nan]}
    result = frame.frame_metrics(scores, {"a": [0, 1], "b": [0, 1]})
    assert result.unscored_videos == ("b",)
    assert result.padded_videos == ()
    assert (result.frames_total, result.frames_scored) == (4, 2)
    assert result.auc.macro.raw == 1.0


def test_nothing_scored_is_undefined_everywhere():
    result = frame.frame_metrics({"a": [np.nan]}, {"a": [1]})
    assert set(result.as_dict()["auc"]["micro"].values()) == {None}
    assert set(result.as_dict()["auc"]["macro"].values()) == {None}


def test_reciprocal_is_undefined_when_any_video_reaches_zero():
    result = frame.frame_metrics({"a": [0.0, 2.0], "b": [1.0, 2.0]}, {"a": [0, 1], "b": [0, 1]})
    assert result.auc.micro.per_video_reciprocal is None
    assert result.auc.macro.per_video_reciprocal_smoothed is None
    assert result.auc.micro.per_video == 1.0


def test_constant_scores_are_chance():
    result = frame.frame_metrics({"a": [0.1] * 30}, {"a": [0, 1] * 15})
    assert set(result.as_dict()["auc"]["micro"].values()) == {0.5}


@pytest.mark.parametrize(
    ("scores", "labels", "words"),
    [
        ({}, {}, "at least one video"),
        ({"a": [1.0]}, {"a": [1], "b": [0]}, "without scores: b"),
        ({"a": [1.0], "c": [1.0]}, {"a": [1]}, "without labels: c"),
        ({"a": [1.0, 2.0]}, {"a": [1]}, "video a: one score and one label per frame"),
        ({"a": [[1.0]]}, {"a": [[1]]}, "video a: one score and one label per frame"),
        ({"a": [1.0]}, {"a": [2]}, "labels must be 0"),
        ({"a": [1.0, np.inf]}, {"a": [0, 1]}, "inf at frame 1"),
    ],
)
def test_unusable_input_is_refused_with_its_name(scores, labels, words):
    with pytest.raises(InputError, match=words):
        frame.frame_metrics(scores, labels)
