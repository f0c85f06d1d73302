"""Frame-level metrics: how well one number per frame tells abnormal frames from normal ones.

Method section 9. Every figure is given for each way of writing the scores (`Variants`) and pooled
two ways (`Pooled`). Frames without a score (NaN) are left out of every figure, and counted. All
figures depend on the order of the scores only, ties count half in the area under the ROC curve, and
a figure that does not exist (all frames of one class, no frame at all) is None, never a number that
looks like a result.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from sklearn import metrics as sklearn_metrics

from oddframe._types import BoolMask, Float64
from oddframe.errors import InputError

SMOOTHING_SIGMA = 3.0
"""Width in frames of the Gaussian behind every `*_smoothed` figure."""

Labels: TypeAlias = npt.NDArray[np.uint8]
"""One label per frame: 0 normal, 1 abnormal."""

Figure: TypeAlias = Callable[[npt.ArrayLike, npt.ArrayLike], float | None]
"""From labels and scores to a figure; None where it does not exist."""


def plain_values(value: Any) -> Any:
    """Turn records into dicts, lists and numbers, ready for `json.dumps`.

    All `as_dict` of the metrics use it; a record's fields are the keys of its JSON.
    """
    if is_dataclass(value):
        return {item.name: plain_values(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, tuple):
        return [plain_values(item) for item in value]
    return value


def variants(scores: Float64) -> dict[str, Float64 | None]:
    """Write one video's scores in each way that `Variants` names; NaN stays NaN."""
    normalised = per_video(scores)
    reciprocal = per_video_reciprocal(scores)
    return {
        "raw": scores,
        "raw_smoothed": smooth(scores),
        "per_video": normalised,
        "per_video_smoothed": smooth(normalised),
        "per_video_reciprocal": reciprocal,
        "per_video_reciprocal_smoothed": None if reciprocal is None else smooth(reciprocal),
    }


def per_video(scores: Float64) -> Float64:
    """Give (r - min) / (max - min) over the scored frames of one video, 0 if all are equal."""
    scored = scores[~np.isnan(scores)]
    if scored.size == 0:
        return scores.copy()
    low, high = scored.min(), scored.max()
    if low == high:
        return scores * 0.0  # NaN stays NaN.
    normalised: Float64 = (scores - low) / (high - low)
    return normalised


def per_video_reciprocal(scores: Float64) -> Float64 | None:
    """Give the research code's 1 - minmax(1 / r) over one video; a constant video becomes all 0.

    Method section 6. It bends the scale without changing the order within a video, so only figures
    pooled over videos differ from `per_video`. None unless every score is above 0.
    """
    scored = scores[~np.isnan(scores)]
    if (scored <= 0.0).any():
        return None
    if scored.size == 0 or scored.min() == scored.max():
        return scores * 0.0
    # The same as 1 - minmax(1 / r), without the reciprocal of very small scores.
    reciprocal: Float64 = per_video(scores) * (scored.max() / scores)
    return reciprocal


def smooth(scores: Float64, sigma: float = SMOOTHING_SIGMA) -> Float64:
    """Smooth over time with a centred Gaussian, cut off at 4 sigma.

    Runs of scored frames are smoothed on their own and mirrored at their ends (scipy's `reflect`:
    d c b a | a b c d), so a frame without a score neither receives nor spreads anything.
    """
    smoothed = scores.copy()
    for start, stop in stretches(~np.isnan(scores)):
        smoothed[start:stop] = gaussian_filter1d(
            scores[start:stop], sigma, mode="reflect", truncate=4.0
        )
    return smoothed


def stretches(flags: BoolMask) -> list[tuple[int, int]]:
    """Find the runs of True as half-open (start, stop) pairs, in order."""
    # False on both sides gives every run an edge at its start and one at its end.
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


@dataclass(frozen=True, slots=True)
class Variants:
    """One figure for each way of writing the scores; None where it is undefined.

    Attributes:
        raw: The scores as they are, one global threshold: what a user gets.
        raw_smoothed: `raw` after `smooth`.
        per_video: Min-max within each video, what papers print; it uses the future.
        per_video_smoothed: Min-max first, then smoothed, so that both variants share one
            normalisation.
        per_video_reciprocal: The research code's 1 - minmax(1 / r); undefined unless every score is
            above 0.
        per_video_reciprocal_smoothed: `per_video_reciprocal` after `smooth`.
    """

    raw: float | None
    raw_smoothed: float | None
    per_video: float | None
    per_video_smoothed: float | None
    per_video_reciprocal: float | None
    per_video_reciprocal_smoothed: float | None


@dataclass(frozen=True, slots=True)
class Pooled:
    """One figure, pooled two ways.

    Attributes:
        micro: Over all scored frames of all videos together.
        macro: Mean over the videos that have a scored frame. A video of one class is padded with
            one frame of the other class at the far end of the scores (see `frame_metrics`).
    """

    micro: Variants
    macro: Variants


@dataclass(frozen=True, slots=True)
class FrameMetrics:
    """The frame-level figures of a benchmark; `as_dict` gives the JSON of `oddframe eval`.

    Attributes:
        frames_total: Frames with a label.
        frames_scored: Frames with a label and a score.
        videos: Number of videos.
        padded_videos: Videos whose scored frames are all of one class, padded in the macro figures.
        unscored_videos: Videos without a single score, left out of the macro figures.
        auc: Area under the ROC curve.
        average_precision: Area under the precision-recall curve, as a step function.
        equal_error_rate: Where false positive rate and false negative rate meet; lower is better.
    """

    frames_total: int
    frames_scored: int
    videos: int
    padded_videos: tuple[str, ...]
    unscored_videos: tuple[str, ...]
    auc: Pooled
    average_precision: Pooled
    equal_error_rate: Pooled

    def as_dict(self) -> dict[str, Any]:
        """Give the figures as plain values; see `plain_values`."""
        values: dict[str, Any] = plain_values(self)
        return values


def frame_metrics(
    scores: Mapping[str, npt.ArrayLike], labels: Mapping[str, npt.ArrayLike]
) -> FrameMetrics:
    """Evaluate frame scores against frame labels.

    Padding of one-class videos in the macro figures (method section 9, rule 1: "at score 0 / 1"):
    the min-max variants live in [0, 1], so the added normal frame has score 0 and the added
    abnormal frame score 1. Raw scores have no such range; the score that Oddframe shows, r / (r +
    t), lies strictly between 0 and 1, so 0 and 1 mean below and above every frame: the added frame
    has r = -inf or +inf.

    Args:
        scores: Per video, one score per frame, higher = more anomalous, NaN where no clip scores
            the frame.
        labels: Per video, one label per frame: 0 normal, 1 abnormal.

    Raises:
        InputError: Names or lengths do not match, a label is neither 0 nor 1, or a score is
            infinite.
    """
    checked_scores, checked_labels = check_paired(scores, labels)
    # One unscored frame must be missing in every variant alike, so the mask comes from the scores.
    keep = {name: ~np.isnan(values) for name, values in checked_scores.items()}
    truth = {name: checked_labels[name][mask] for name, mask in keep.items()}
    # Per variant: the curve of each video, or None once a video has none.
    written: dict[str, dict[str, Float64] | None] = {variant: {} for variant in Variants.__slots__}
    for name, values in checked_scores.items():
        for variant, curve in variants(values).items():
            per_name = written[variant]
            if curve is None:
                written[variant] = None
            elif per_name is not None:
                per_name[name] = curve[keep[name]]
    return FrameMetrics(
        frames_total=sum(values.size for values in checked_labels.values()),
        frames_scored=sum(values.size for values in truth.values()),
        videos=len(checked_labels),
        padded_videos=tuple(name for name, values in truth.items() if np.unique(values).size == 1),
        unscored_videos=tuple(name for name, values in truth.items() if values.size == 0),
        auc=_pool(auc_score, truth, written),
        average_precision=_pool(average_precision_score, truth, written),
        equal_error_rate=_pool(equal_error_rate, truth, written),
    )


def auc_score(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float | None:
    """Give the area under the ROC curve; None where all frames are of one class.

    It is the share of pairs in which an abnormal frame outranks a normal one; ties count half.
    """
    truth, ranks = _rank(labels, scores)
    if not _has_both(truth):
        return None
    return float(sklearn_metrics.roc_auc_score(truth, ranks))


def average_precision_score(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float | None:
    """Sum precision x gain in recall over all thresholds; None where all frames are of one class.

    Nothing is interpolated: a straight line between points of this curve would be too good.
    """
    truth, ranks = _rank(labels, scores)
    if not _has_both(truth):
        return None
    return float(sklearn_metrics.average_precision_score(truth, ranks))


def equal_error_rate(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float | None:
    """Give the rate at which false positives and false negatives are equal; lower is better.

    The ROC curve is taken as straight between its points, so the rates always meet. None where all
    frames are of one class.
    """
    truth, ranks = _rank(labels, scores)
    if not _has_both(truth):
        return None
    false_positive, true_positive, _ = sklearn_metrics.roc_curve(
        truth, ranks, drop_intermediate=False
    )
    excess = false_positive - (1.0 - true_positive)  # It rises from -1 to 1 along the curve.
    after = int(np.argmax(excess >= 0.0))
    before = after - 1
    share = -excess[before] / (excess[after] - excess[before])
    return float(false_positive[before] + share * (false_positive[after] - false_positive[before]))


def check_paired(
    scores: Mapping[str, npt.ArrayLike], labels: Mapping[str, npt.ArrayLike]
) -> tuple[dict[str, Float64], dict[str, Labels]]:
    """Check scores against labels.

    Returns:
        Scores as float64 and labels as uint8, per video, in the order of the labels.

    Raises:
        InputError: Names or lengths do not match, a label is neither 0 nor 1, or a score is
            infinite.
    """
    if not labels:
        raise InputError("at least one video with labels is needed, got none")
    without_scores = [name for name in labels if name not in scores]
    without_labels = [name for name in scores if name not in labels]
    if without_scores or without_labels:
        raise InputError(
            "scores and labels must name the same videos; "
            f"without scores: {_list_names(without_scores)}; "
            f"without labels: {_list_names(without_labels)}"
        )
    checked_scores: dict[str, Float64] = {}
    checked_labels: dict[str, Labels] = {}
    for name in labels:
        checked_scores[name], checked_labels[name] = _check_video(name, scores[name], labels[name])
    return checked_scores, checked_labels


def _check_video(name: str, scores: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Float64, Labels]:
    """Check the scores and labels of one video; returns them as `check_paired` does."""
    values = np.asarray(scores, dtype=np.float64)
    truth = np.asarray(labels)
    if values.ndim != 1 or values.shape != truth.shape:
        raise InputError(
            f"video {name}: one score and one label per frame are needed, "
            f"got scores of shape {values.shape} and labels of shape {truth.shape}"
        )
    if not np.isin(truth, (0, 1)).all():
        raise InputError(
            f"video {name}: labels must be 0 (normal) or 1 (abnormal), got {np.unique(truth)[:5]}"
        )
    if np.isinf(values).any():
        frame = int(np.argmax(np.isinf(values)))
        raise InputError(
            f"video {name}: scores must be finite, or NaN where unscored, got inf at frame {frame}"
        )
    return values, truth.astype(np.uint8)


def _pool(
    figure: Figure, truth: dict[str, Labels], written: dict[str, dict[str, Float64] | None]
) -> Pooled:
    """Compute one figure over all videos together and as the mean over videos, per variant."""
    micro: dict[str, float | None] = dict.fromkeys(Variants.__slots__)
    macro: dict[str, float | None] = dict.fromkeys(Variants.__slots__)
    for variant, curves in written.items():
        if curves is None:
            continue
        micro[variant] = figure(
            np.concatenate(list(truth.values())), np.concatenate(list(curves.values()))
        )
        low, high = (-np.inf, np.inf) if variant.startswith("raw") else (0.0, 1.0)
        pairs = [
            _pad_one_class(truth[name], curve, low, high)
            for name, curve in curves.items()
            if curve.size
        ]
        macro[variant] = _mean([figure(*pair) for pair in pairs])
    return Pooled(micro=Variants(**micro), macro=Variants(**macro))


def _pad_one_class(
    truth: Labels, curve: Float64, low: float, high: float
) -> tuple[Labels, Float64]:
    """Add a frame of the other class, at the far end of the scores, to a video of one class."""
    if truth.all():
        return np.append(truth, np.uint8(0)), np.append(curve, low)
    if not truth.any():
        return np.append(truth, np.uint8(1)), np.append(curve, high)
    return truth, curve


def _mean(figures: Sequence[float | None]) -> float | None:
    """Average the figures that exist; None where none does."""
    defined = [figure for figure in figures if figure is not None]
    return float(np.mean(defined)) if defined else None


def _rank(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[Labels, npt.NDArray[np.intp]]:
    """Replace scores by their ranks from 0, equal ones by one rank."""
    # Ranks keep every order and tie, and carry -inf and +inf past scikit-learn's check for finite
    # input.
    ranks = np.unique(np.asarray(scores, dtype=np.float64), return_inverse=True)[1]
    return np.asarray(labels).astype(np.uint8), ranks


def _has_both(truth: Labels) -> bool:
    """Say whether there are normal and abnormal frames."""
    return bool(truth.any()) and not bool(truth.all())


def _list_names(names: Sequence[str]) -> str:
    """Write up to five names for a sentence, and how many more there are."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more or "none"
