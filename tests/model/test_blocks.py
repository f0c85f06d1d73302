import numpy as np
import pytest
import torch

from oddframe.model.blocks import DownBlock, Head, UpBlock, normalise_code


@pytest.mark.parametrize(("channels_in", "channels_out"), [(2, 3), (3, 6)])
def test_down_block_equals_loops(channels_in, channels_out, literal, draw):
    block = DownBlock(channels_in, channels_out).double()
    x = draw(2, channels_in, 8, 6)
    found = block(x)
    assert found.shape == (2, channels_out, 4, 3)
    for row in range(2):
        np.testing.assert_allclose(
            literal.array(found[row]), literal.down(x[row].numpy(), literal.block_weights(block)), atol=1e-12
        )


def test_up_block_equals_loops(literal, draw):
    block = UpBlock(8, 3).double()
    x = draw(2, 8, 3, 4)
    found = block(x)
    assert found.shape == (2, 3, 6, 8)
    for row in range(2):
        np.testing.assert_allclose(
            literal.array(found[row]), literal.up(x[row].numpy(), literal.block_weights(block)), atol=1e-12
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
    assert {name for name, _ in block.named_parameters()} == {"first.weight", "second.weight", "shortcut.weight"}
    assert all(weight.shape[2:] == (3, 3) for weight in block.parameters())


@pytest.mark.parametrize("stride", [1, 2])
def test_head_undoes_the_stride_of_the_stem(stride, literal, draw):
    head = Head(3, 2, stride).double()
    x = draw(1, 3, 4, 4)
    expected = literal.conv3x3(x[0].numpy(), literal.array(head[0].weight), literal.array(head[0].bias))
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
