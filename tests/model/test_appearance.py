import numpy as np
import pytest
import torch
from torch import nn

from oddframe.core.part import Part
from oddframe.model.appearance import AppearanceAutoencoder


@pytest.fixture
def stream():
    """A small stream in evaluation whose BatchNorms have something to say."""
    torch.manual_seed(0)
    built = AppearanceAutoencoder(colours=3, channels=2, stem_stride=1, code_norm="l1").double().eval()
    for norm in built.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.normal_(norm.running_mean)
            nn.init.uniform_(norm.running_var, 0.5, 2.0)
            nn.init.normal_(norm.weight, 1.0, 0.3)
            nn.init.normal_(norm.bias)
    return built


def test_stream_equals_loops(stream, literal, draw):
    frame = draw(2, 3, 16, 16).sigmoid()
    rebuilt, code = stream(frame)
    for row in range(2):
        expected, expected_code = literal.appearance(frame[row].numpy(), literal.appearance_weights(stream))
        np.testing.assert_allclose(literal.array(code[row]), expected_code, atol=1e-10)
        np.testing.assert_allclose(literal.array(rebuilt[row]), expected, atol=1e-10)


def test_published_shapes():
    with torch.device("meta"):
        stream = AppearanceAutoencoder(colours=3, channels=32, stem_stride=1, code_norm="l1")
        rebuilt, code = stream(torch.zeros(1, 3, 256, 256))
        x, seen = code, []
        for block in stream.decoder:
            x = block(x)
            seen.append(tuple(x.shape[1:]))
    assert code.shape == (1, 256, 32, 32)
    assert seen == [(256, 64, 64), (128, 128, 128), (64, 256, 256), (3, 256, 256)]
    assert rebuilt.shape == (1, 3, 256, 256)


def test_code_is_not_negative_and_sums_to_one(stream, draw):
    _, code = stream(draw(1, 3, 32, 16).sigmoid())
    assert (code >= 0).all()
    np.testing.assert_allclose(code.detach().sum(dim=1).numpy(), 1.0)


def test_decoder_sees_the_normalised_code(stream, draw):
    frame = draw(1, 3, 16, 16).sigmoid()
    before, _ = stream(frame)
    with torch.no_grad():
        stream.to_code.weight.mul_(7.0)
    after, _ = stream(frame)
    torch.testing.assert_close(after, before)


def test_batch_norm_stands_in_front_of_each_encoder_block_only(stream):
    norms = [name for name, module in stream.named_modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms == ["encoder.0.0", "encoder.1.0", "encoder.2.0"]


def test_output_has_no_activation(stream, draw):
    with torch.no_grad():
        stream.decoder[3][0].bias.fill_(-5.0)
    rebuilt, _ = stream(draw(1, 3, 16, 16).sigmoid())
    assert rebuilt.min() < -1


def test_stem_stride_two_halves_the_code_and_keeps_the_picture(draw):
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
        rebuilt, _ = stream(part, Part(8, 16))
    torch.testing.assert_close(rebuilt, bare + stream.empty[:, 8:, 16:])
