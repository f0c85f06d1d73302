"""The parts of both streams against the loops of `tests.support.literal_network`."""

import math

import numpy as np
import pytest
import torch

from oddframe.model.layers import DownBlock, Head, UpBlock, VarianceAttention, normalise_code


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
    by_sum, by_variance = (
        VarianceAttention(6, 1, "sum").double(),
        VarianceAttention(6, 1, "variance").double(),
    )
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


@pytest.mark.parametrize(("channels_in", "channels_out"), [(2, 3), (3, 6)])
def test_down_block_equals_loops(channels_in, channels_out, literal, draw):
    block = DownBlock(channels_in, channels_out).double()
    x = draw(2, channels_in, 8, 6)
    found = block(x)
    assert found.shape == (2, channels_out, 4, 3)
    for row in range(2):
        np.testing.assert_allclose(
            literal.array(found[row]),
            literal.down(x[row].numpy(), literal.block_weights(block)),
            atol=1e-12,
        )


def test_up_block_equals_loops(literal, draw):
    block = UpBlock(8, 3).double()
    x = draw(2, 8, 3, 4)
    found = block(x)
    assert found.shape == (2, 3, 6, 8)
    for row in range(2):
        np.testing.assert_allclose(
            literal.array(found[row]),
            literal.up(x[row].numpy(), literal.block_weights(block)),
            atol=1e-12,
        )


def test_up_block_deals_four_channels_out_over_a_square_row_by_row():
    block = UpBlock(4, 1)
    with torch.no_grad():
        for conv in (block.first, block.second, block.shortcut):
            conv.weight.zero_()
        block.shortcut.weight[0, 0, 1, 1] = 1.0  # the block now shows what the shuffle gives
    x = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1, 1)
    assert block(x).tolist() == [[[[1.0, 2.0], [3.0, 4.0]]]]


@pytest.mark.parametrize("block", [DownBlock(4, 4), UpBlock(4, 4)])
def test_blocks_are_three_3x3_convolutions_without_biases(block):
    assert {name for name, _ in block.named_parameters()} == {
        "first.weight",
        "second.weight",
        "shortcut.weight",
    }
    assert all(weight.shape[2:] == (3, 3) for weight in block.parameters())


@pytest.mark.parametrize("stride", [1, 2])
def test_head_undoes_the_stride_of_the_stem(stride, literal, draw):
    head = Head(3, 2, stride).double()
    x = draw(1, 3, 4, 4)
    expected = literal.conv3x3(
        x[0].numpy(), literal.array(head[0].weight), literal.array(head[0].bias)
    )
    if stride == 2:
        expected = literal.shuffle(expected)
    np.testing.assert_allclose(literal.array(head(x)[0]), expected, atol=1e-12)


def test_l1_code_equals_loops_and_keeps_signs(literal, draw):
    code = draw(1, 5, 3, 4)
    found = normalise_code(code, "l1")[0]
    np.testing.assert_allclose(found.numpy(), literal.l1(code[0].numpy()), atol=1e-12)
    np.testing.assert_allclose(found.abs().sum(dim=0).numpy(), 1.0)
    assert torch.equal(found.sign(), code[0].sign())


def test_l2_code_has_a_mean_square_of_one_at_each_place(draw):
    code = draw(1, 5, 3, 4).numpy()
    found = normalise_code(torch.from_numpy(code), "l2").numpy()
    for i, j in np.ndindex(3, 4):
        norm = sum(value**2 for value in code[0, :, i, j]) ** 0.5
        np.testing.assert_allclose(found[0, :, i, j], code[0, :, i, j] / norm * 5**0.5)


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_a_code_of_nothing_stays_nothing(norm):
    code = torch.zeros(1, 4, 2, 2, requires_grad=True)
    found = normalise_code(code, norm)
    found.sum().backward()
    assert not found.any()
    assert code.grad is not None
    assert code.grad.isfinite().all()
