import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from oddframe.errors import InputError
from oddframe.metrics.localisation import Localisation
from oddframe.metrics.pixel import resize_map
from oddframe.metrics.region import Region, TrueRegion
from tests.support.literal_regions import (
    MAPS,
    MASKS,
    assert_criteria,
    flood,
    literal_criteria,
    literal_tracks,
)

EXAMPLES = settings.default.max_examples * 4 // 10
"""Fewer than other tests have: each is compared with a slow loop over pixels."""

FRAMES = st.lists(st.tuples(st.one_of(st.none(), MAPS), MASKS), min_size=1, max_size=5)


def labels_of(masks):
    return np.array([mask.any() for mask in masks], dtype=np.uint8)


@given(FRAMES)
@settings(max_examples=EXAMPLES)
def test_one_pass_equals_the_literal_figures_over_scored_frames(frames):
    """Tracks are those of all masks, frames without a map count in no figure."""
    masks = [mask for _, mask in frames]
    localisation = Localisation(len(frames))
    video = localisation.video("a", labels_of(masks))
    for values, mask in frames:
        video.add(values, mask)
    group = literal_tracks(masks)
    literal = [
        (
            lambda t, values=values: flood(values >= t),
            [(group[t, part], part) for part in map(frozenset, flood(mask))],
        )
        for t, (values, mask) in enumerate(frames)
        if values is not None
    ]
    if not literal:
        assert (localisation.pixel(), localisation.region()) == (None, None)
        return
    assert_criteria(localisation.region(), literal_criteria(literal, [3.0, 2.0, 1.0, 0.0]))
    pixels = np.concatenate([values.ravel() for values, _ in frames if values is not None])
    truth = np.concatenate([mask.ravel() for values, mask in frames if values is not None])
    area = localisation.pixel().auc
    assert (
        area is None if len(set(truth)) < 2 else area == pytest.approx(roc_auc_score(truth, pixels))
    )


def test_maps_are_brought_to_the_size_of_the_masks(run_seed):
    rng = np.random.default_rng(run_seed)
    small, mask = rng.random((4, 6)).astype(np.float32), rng.random((16, 18)) < 0.3
    localisation = Localisation(1)
    localisation.video("a", np.array([1], np.uint8)).add(small, mask)
    expected = roc_auc_score(mask.ravel(), resize_map(small, (16, 18)).ravel())
    found = localisation.pixel()
    assert found.auc_margin < 1e-2
    assert found.auc == pytest.approx(expected, abs=found.auc_margin + 1e-9)


def test_tracks_count_in_place_of_the_parts_of_masks():
    localisation = Localisation(2)
    tracks = {
        1: [TrueRegion("a/7", Region.box(0, 0, 2, 2)), TrueRegion("a/8", Region.box(2, 2, 4, 4))]
    }
    video = localisation.video("a", np.array([0, 1], np.uint8), tracks)
    values = np.zeros((4, 4))
    values[:2, :2] = 1.0
    video.add(values * 0, None, (4, 4))
    video.add(values, None, (4, 4))
    result = localisation.region()
    assert (result.regions, result.tracks, localisation.pixel(), localisation.disagreeing) == (
        2,
        2,
        None,
        0,
    )
    assert result.regions_found[:2] == (0.0, 0.5)


def test_masks_beside_tracks_still_give_the_pixel_figures():
    localisation = Localisation(1)
    mask = np.eye(4, dtype=bool)
    localisation.video("a", np.array([1], np.uint8), {}).add(np.where(mask, 2.0, 1.0), mask)
    assert localisation.pixel().auc == 1.0
    assert localisation.region().regions == 0


def test_labels_that_disagree_are_counted():
    localisation = Localisation(6)
    empty, full = np.zeros((2, 2), bool), np.ones((2, 2), bool)
    video = localisation.video("a", np.array([0, 1, 0, 1], np.uint8))
    for mask in (empty, empty, full, full):
        video.add(None, mask)
    assert localisation.disagreeing == 2
    tracked = localisation.video(
        "b", np.array([1, 0], np.uint8), {1: [TrueRegion("b/1", Region.box(0, 0, 1, 1))]}
    )
    tracked.add(None)
    tracked.add(None)
    assert localisation.disagreeing == 4


def test_a_map_needs_a_size():
    with pytest.raises(
        InputError, match="video a: either a mask or the size of the frame is needed"
    ):
        Localisation(1).video("a", np.array([0], np.uint8), {}).add(np.zeros((2, 2)))
