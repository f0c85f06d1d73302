import math

import numpy as np
import pytest
import torch

from oddframe.model.attention import VarianceAttention


@pytest.mark.parametrize("spread", ["sum", "variance"])
@pytest.mark.parametrize("pool", [1, 2, 4])
def test_attention_equals_loops(spread, pool, literal, draw):
    torch.manual_seed(1)
    module = VarianceAttention(3, pool, spread).double()
    z = 3.0 * draw(2, 3, 8, 12)
    weight, bias = literal.array(module.embed.weight)[:, :, 0, 0], literal.array(module.embed.bias)
    for row in range(2):
        a = literal.attention_weights(z[row].numpy(), weight, bias, pool, spread)
        np.testing.assert_allclose(literal.array(module.weights(z)[row, 0]), a, rtol=1e-10)
        expected = literal.attention(z[row].numpy(), weight, bias, pool, spread)
        np.testing.assert_allclose(literal.array(module(z)[row]), expected, rtol=1e-10)


def test_map_sums_to_one_over_the_places_of_each_clip(draw):
    a = VarianceAttention(4, 2, "sum").double().weights(2.0 * draw(3, 4, 8, 8))
    assert a.shape == (3, 1, 4, 4)
    np.testing.assert_allclose(a.detach().sum(dim=(1, 2, 3)).numpy(), 1.0)


def test_variance_is_c_times_smaller_inside_the_softmax(draw):
    torch.manual_seed(0)
    z = 3.0 * draw(1, 6, 4, 4)
    by_sum, by_variance = VarianceAttention(6, 1, "sum").double(), VarianceAttention(6, 1, "variance").double()
    by_variance.load_state_dict(by_sum.state_dict())
    # Differences of log softmax are differences of what went in.
    inside_sum = by_sum.weights(z).log().flatten().diff()
    inside_variance = by_variance.weights(z).log().flatten().diff()
    torch.testing.assert_close(inside_sum, 6 * inside_variance)


def test_upsampling_repeats_the_nearest_cell(draw):
    module = VarianceAttention(2, 4, "sum").double()
    z = draw(1, 2, 8, 8)
    factor = (module(z) / z)[0, 0]
    for i, j in np.ndindex(2, 2):
        cell = factor[4 * i : 4 * i + 4, 4 * j : 4 * j + 4]
        torch.testing.assert_close(cell, torch.exp(module.weights(z)[0, 0, i, j]).expand(4, 4))


@pytest.mark.parametrize(("block", "pool"), [(1, 8), (2, 4), (3, 2)])
def test_at_the_start_every_place_is_weighed_by_about_1_004(block, pool, draw):
    torch.manual_seed(0)
    side = 256 // 2**block
    module = VarianceAttention(4, pool, "sum").double()
    z = 0.1 * draw(1, 4, side, side)
    assert module.weights(z).shape == (1, 1, 16, 16)
    factor = module(z) / z
    assert math.exp(1 / 256) == pytest.approx(1.004, abs=1e-4)
    np.testing.assert_allclose(factor.detach().numpy(), 1.0039, atol=5e-4)


def test_a_place_whose_channels_disagree_draws_all_attention():
    module = VarianceAttention(2, 1, "sum")
    with torch.no_grad():
        module.embed.weight.copy_(torch.eye(2)[:, :, None, None])
        module.embed.bias.zero_()
    z = torch.zeros(1, 2, 4, 4)
    z[0, :, 1, 2] = torch.tensor([5.0, -5.0])
    z[0, :, 3, 3] = 5.0  # strong, but in agreement
    a = module.weights(z)[0, 0]
    assert a[1, 2] > 0.99
    assert a[3, 3] == a[0, 0]
