import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from literal_regions import MASKS, flood, literal_tracks, places

from oddframe.errors import InputError
from oddframe.metrics.tracks import MaskTracks, regions_of_mask


@given(MASKS)
def test_regions_of_a_mask_equal_a_flood_fill(mask):
    found = [frozenset(places(region)) for region in regions_of_mask(mask)]
    assert set(found) == {frozenset(part) for part in flood(mask)}
    assert len(found) == len(set(found))


def final_names(masks):
    """Track of each (frame, pixels) once all frames are known."""
    tracks = MaskTracks("01")
    named, kept = {}, {}
    for frame, mask in enumerate(masks):
        regions, joined = tracks.add(mask)
        kept.update({gone: one for one, gone in joined})
        for true in regions:
            named[frame, frozenset(places(true.region))] = true.track
    for node, name in named.items():
        while name in kept:
            name = kept[name]
        named[node] = name
    return named


@given(st.lists(MASKS, min_size=1, max_size=5).map(np.array))
def test_tracks_follow_overlap_over_time(masks):
    group = literal_tracks(masks)
    named = final_names(masks)
    assert set(named) == set(group)
    assert len({(group[node], named[node]) for node in group}) == len(set(group.values())) == len(set(named.values()))
    assert all(track.startswith("01/") for track in named.values())


def test_two_that_meet_become_one_and_one_that_is_covered_becomes_two():
    apart, together, nothing = [[1, 0, 1]], [[1, 1, 1]], [[0, 0, 0]]
    assert len(set(final_names(np.array([apart, together])).values())) == 1
    assert len(set(final_names(np.array([apart, apart])).values())) == 2
    assert len(set(final_names(np.array([together, nothing, together])).values())) == 2


def test_an_empty_mask_has_no_regions():
    assert MaskTracks("01").add(np.zeros((2, 3))) == ([], [])


def test_wrong_shapes_are_refused():
    with pytest.raises(InputError, match="H x W"):
        regions_of_mask(np.zeros(3))
    tracks = MaskTracks("01")
    tracks.add(np.zeros((2, 3)))
    with pytest.raises(InputError, match=r"video 01: all masks must be of one size, got \(3, 2\) after \(2, 3\)"):
        tracks.add(np.zeros((3, 2)))
