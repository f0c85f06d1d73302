import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.frame_score import SMALLEST, frame_score, map_peaks
from oddframe.model import fusion


@given(
    st.integers(0, 1000),
    st.sampled_from([(32, 48), (33, 40), (64, 32)]),
    st.lists(st.sampled_from([1, 2, 3, 8, 13, 32]), min_size=1, max_size=3).map(tuple),
    st.sampled_from([1e-6, 0.02, 0.3, 1.0]),
)
def test_it_is_the_statistic_of_the_network(seed, size, windows, share):
    anomaly_map = np.random.default_rng(seed).lognormal(0, 2, size).astype(np.float32)
    theirs = fusion.frame_score(torch.from_numpy(anomaly_map)[None].double(), windows, share)
    assert frame_score(anomaly_map, windows, share) == pytest.approx(theirs.item(), rel=1e-9)
    single = fusion.frame_score(torch.from_numpy(anomaly_map)[None], windows, share)
    assert frame_score(anomaly_map, windows, share) == pytest.approx(single.item(), rel=1e-5)


def test_nothing_at_all_is_still_above_0():
    assert frame_score(np.zeros((32, 32), np.float32), (8,), 0.1) == SMALLEST > 0


def test_peaks_are_the_mean_of_the_highest_hundredth():
    maps = np.random.default_rng(0).permutation(np.arange(400, dtype=np.float32)).reshape(1, 20, 20)
    assert map_peaks(np.concatenate([maps, 2 * maps])).tolist() == [397.5, 795.0]
