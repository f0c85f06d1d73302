"""BatchNorm over the rows of several processes is BatchNorm over the batch."""

import numpy as np
import pytest
import torch

from oddframe.training.distributed import SINGLE_PROCESS
from oddframe.training.group_norm import normalise_over_group
from oddframe.training.workers import start_workers
from tests.support.group_norm_work import drawn, normalised, take_part, work


@pytest.mark.parametrize("dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)])
def test_rows_are_normalised_as_in_one_process(dtype, tmp_path):
    with start_workers(2, work, tmp_path, dtype) as group:
        take_part(group, tmp_path, dtype)
    parts = [np.load(tmp_path / f"{rank}.npz") for rank in range(2)]
    expected = normalised(*drawn(getattr(torch, dtype)))
    # Numbers of bfloat16 have eight bits; sums over a channel of them are taken in another order.
    close = {"rtol": 1e-5, "atol": 1e-5} if dtype == "float32" else {"rtol": 2e-2, "atol": 2e-2}
    for name in ("y", "x"):
        found = np.concatenate([part[name] for part in parts])
        np.testing.assert_allclose(found, expected[name], **close, err_msg=name)
    for name in set(expected) - {"y", "x"}:
        for part in parts:
            np.testing.assert_allclose(part[name], expected[name], **close, err_msg=name)


def test_without_training_and_in_names_it_is_the_layer_that_it_replaces():
    network, x, _ = drawn(torch.float32)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    expected = network.eval()(x)
    normalise_over_group(network, SINGLE_PROCESS)
    assert network.eval()(x).equal(expected)
    assert {name: value.tolist() for name, value in network.state_dict().items()} == {
        name: value.tolist() for name, value in before.items()
    }
