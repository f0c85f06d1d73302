"""Each stream against the loops of `tests.support.literal_network`, and what it is built of."""

import numpy as np
import pytest
import torch
from torch import nn

from oddframe.core.records import CropOffset
from oddframe.model.autoencoders import AppearanceAutoencoder, MotionAutoencoder
from oddframe.model.layers import VarianceAttention


@pytest.fixture
def appearance():
    """A small appearance stream in evaluation, whose BatchNorms do not leave values as they are."""
    torch.manual_seed(0)
    built = (
        AppearanceAutoencoder(colours=3, channels=2, stem_stride=1, code_norm="l1").double().eval()
    )
    for norm in built.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.normal_(norm.running_mean)
            nn.init.uniform_(norm.running_var, 0.5, 2.0)
            nn.init.normal_(norm.weight, 1.0, 0.3)
            nn.init.normal_(norm.bias)
    return built


def test_appearance_stream_equals_loops(appearance, literal, draw):
    frame = draw(2, 3, 16, 16).sigmoid()
    rebuilt, code = appearance(frame)
    for row in range(2):
        expected, expected_code = literal.appearance(
            frame[row].numpy(), literal.appearance_weights(appearance)
        )
        np.testing.assert_allclose(literal.array(code[row]), expected_code, atol=1e-10)
        np.testing.assert_allclose(literal.array(rebuilt[row]), expected, atol=1e-10)


def test_appearance_stream_has_the_published_shapes():
    with torch.device("meta"):
        stream = AppearanceAutoencoder(colours=3, channels=32, stem_stride=1, code_norm="l1")
        rebuilt, code = stream(torch.zeros(1, 3, 256, 256))
        x, shapes = code, []
        for block in stream.decoder:
            x = block(x)
            shapes.append(tuple(x.shape[1:]))
    assert code.shape == (1, 256, 32, 32)
    assert shapes == [(256, 64, 64), (128, 128, 128), (64, 256, 256), (3, 256, 256)]
    assert rebuilt.shape == (1, 3, 256, 256)


def test_appearance_code_is_not_negative_and_sums_to_one(appearance, draw):
    _, code = appearance(draw(1, 3, 32, 16).sigmoid())
    assert (code >= 0).all()
    np.testing.assert_allclose(code.detach().sum(dim=1).numpy(), 1.0)


def test_appearance_decoder_sees_the_normalised_code(appearance, draw):
    frame = draw(1, 3, 16, 16).sigmoid()
    before, _ = appearance(frame)
    with torch.no_grad():
        appearance.to_code.weight.mul_(7.0)
    after, _ = appearance(frame)
    torch.testing.assert_close(after, before)


def test_batch_norm_stands_in_front_of_each_encoder_block_only(appearance):
    norms = [
        name for name, module in appearance.named_modules() if isinstance(module, nn.BatchNorm2d)
    ]
    assert norms == ["encoder.0.0", "encoder.1.0", "encoder.2.0"]


def test_rebuilt_frame_has_no_activation(appearance, draw):
    with torch.no_grad():
        appearance.decoder[3][0].bias.fill_(-5.0)
    rebuilt, _ = appearance(draw(1, 3, 16, 16).sigmoid())
    assert rebuilt.min() < -1


def test_stem_stride_two_halves_the_appearance_code_and_keeps_the_picture(draw):
    stream = AppearanceAutoencoder(colours=1, channels=2, stem_stride=2, code_norm="l1").double()
    rebuilt, code = stream(draw(1, 1, 32, 64).sigmoid())
    assert rebuilt.shape == (1, 1, 32, 64)
    assert code.shape == (1, 16, 2, 4)


def test_picture_of_the_empty_scene_is_added_to_what_is_decoded(draw):
    torch.manual_seed(0)
    stream = AppearanceAutoencoder(3, 2, 1, "l1", empty_shape=(16, 16)).double().eval()
    frame = draw(2, 3, 16, 16).sigmoid()
    decoded, code = stream(frame)
    scene = draw(3, 16, 16, seed=1)
    with torch.no_grad():
        stream.empty.copy_(scene)
    rebuilt, same_code = stream(frame)
    torch.testing.assert_close(rebuilt - decoded, scene.expand(2, -1, -1, -1))
    assert torch.equal(code, same_code)


def test_a_part_of_the_frame_gets_its_part_of_the_empty_scene(draw):
    stream = AppearanceAutoencoder(1, 2, 1, "l1", empty_shape=(16, 32)).double().eval()
    part = draw(1, 1, 8, 16)
    with torch.no_grad():
        bare, _ = stream(part)
        stream.empty.copy_(draw(1, 16, 32))
        rebuilt, _ = stream(part, CropOffset(8, 16))
    torch.testing.assert_close(rebuilt, bare + stream.empty[:, 8:, 16:])


def build_motion(attention="sum", skips=True, channels=2, colours=1, stem_stride=1):
    torch.manual_seed(0)
    return MotionAutoencoder(colours, channels, stem_stride, "l1", attention, skips).double()


@pytest.mark.parametrize("attention", ["sum", "variance"])
def test_motion_stream_equals_loops(attention, literal, draw):
    stream = build_motion(attention)
    with torch.no_grad():
        for module in stream.attention:
            # Else exp(a) is nearly the same everywhere and would hide a mistake.
            module.embed.weight.mul_(20.0)
    frames = draw(2, 4, 32, 32).sigmoid()
    difference, code = stream(frames)
    for row in range(2):
        expected, expected_code = literal.motion(
            frames[row].numpy(), literal.motion_weights(stream), attention
        )
        np.testing.assert_allclose(literal.array(code[row]), expected_code, atol=1e-10)
        np.testing.assert_allclose(literal.array(difference[row]), expected, atol=1e-10)


def test_motion_stream_has_the_published_shapes():
    with torch.device("meta"):
        stream = MotionAutoencoder(3, 32, 1, "l1", "sum", True)
        code, block2, block1 = stream.encode(torch.zeros(1, 12, 256, 256))
        after3 = stream.up3(code)
        after2 = stream.up2(torch.cat([after3, block2], dim=1))
        after1 = stream.up1(torch.cat([after2, block1], dim=1))
        maps = [
            tuple(module.weights(torch.zeros(1, channels, side, side)).shape[2:])
            for module, channels, side in attended(stream)
        ]
    assert code.shape == (1, 256, 32, 32)
    assert (block2.shape[1:], block1.shape[1:]) == ((128, 64, 64), (64, 128, 128))
    assert [tuple(x.shape[1:]) for x in (after3, after2, after1)] == [
        (128, 64, 64),
        (64, 128, 128),
        (64, 256, 256),
    ]
    assert stream.head(after1).shape == (1, 3, 256, 256)
    assert maps == [(16, 16)] * 3


def attended(stream):
    """The attention of blocks 1 to 3, with their channels and side in the published network."""
    return zip(stream.attention, (64, 128, 256), (128, 64, 32), strict=True)


def test_motion_code_is_signed_and_its_magnitudes_sum_to_one(draw):
    _, code = build_motion()(draw(1, 4, 32, 16).sigmoid())
    assert (code < 0).any()
    assert (code > 0).any()
    np.testing.assert_allclose(code.detach().abs().sum(dim=1).numpy(), 1.0)


def test_motion_stream_has_no_batch_norm():
    assert not any(isinstance(module, nn.BatchNorm2d) for module in build_motion().modules())


def test_attention_follows_every_block_unless_switched_off():
    assert sum(isinstance(module, VarianceAttention) for module in build_motion().modules()) == 3
    assert not any(
        isinstance(module, VarianceAttention) for module in build_motion("none").modules()
    )


def test_skips_carry_what_left_the_attention(draw):
    stream = build_motion()
    attended_outputs = []
    for module in stream.attention:
        module.register_forward_hook(lambda _module, _given, out: attended_outputs.append(out))
    traffic = {}
    for name in ("up3", "up2", "up1"):
        block = getattr(stream, name)
        block.register_forward_hook(
            lambda _module, given, out, name=name: traffic.update({name: (given[0], out)})
        )
    stream(draw(1, 4, 16, 16).sigmoid())
    assert torch.equal(
        traffic["up2"][0], torch.cat([traffic["up3"][1], attended_outputs[1]], dim=1)
    )
    assert torch.equal(
        traffic["up1"][0], torch.cat([traffic["up2"][1], attended_outputs[0]], dim=1)
    )


def deaf_to_skips(stream, names):
    """Zero the weights with which decoder blocks read their skip: half of their shuffled input."""
    for name in names:
        block = getattr(stream, name)
        for conv in (block.first, block.shortcut):
            conv.weight[:, conv.in_channels // 2 :] = 0.0


@pytest.mark.parametrize(
    ("skips", "deaf", "follows"),
    [
        (True, (), True),
        (True, ("up2",), True),  # through block 1 alone
        (True, ("up1",), True),  # through block 2 alone
        (True, ("up2", "up1"), False),
        (False, (), False),
    ],
)
def test_without_a_code_the_output_follows_the_input_through_the_two_skips_only(
    skips, deaf, follows, draw
):
    stream = build_motion(skips=skips)
    with torch.no_grad():
        stream.to_code.weight.zero_()
        deaf_to_skips(stream, deaf)
        first, _ = stream(draw(1, 4, 16, 16, seed=1).sigmoid())
        second, _ = stream(draw(1, 4, 16, 16, seed=2).sigmoid())
    assert torch.equal(first, second) != follows


def test_without_skips_the_output_still_follows_the_code(draw):
    stream = build_motion(skips=False)
    first, _ = stream(draw(1, 4, 16, 16, seed=1).sigmoid())
    second, _ = stream(draw(1, 4, 16, 16, seed=2).sigmoid())
    assert first.shape == (1, 1, 16, 16)
    assert not torch.equal(first, second)


def test_stem_stride_two_keeps_a_cell_of_the_map_at_16_pixels(draw):
    stream = build_motion(stem_stride=2, colours=3)
    difference, code = stream(draw(1, 12, 64, 32).sigmoid())
    assert difference.shape == (1, 3, 64, 32)
    assert code.shape == (1, 16, 4, 2)
    for module, width, stride in zip(stream.attention, (4, 8, 16), (4, 8, 16), strict=True):
        assert module.weights(draw(1, width, 64 // stride, 32 // stride)).shape[2:] == (4, 2)
