"""The method's boxes written out as slow loops from method.md, in float64 numpy; nothing here knows torch's layers."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def conv3x3(x, weight, bias=None, stride=1):
    """x C H W, weight K C 3 3, zeros around: place by place, output channel by output channel."""
    count, (_, height, width) = len(weight), x.shape
    padded = np.zeros((x.shape[0], height + 2, width + 2))
    padded[:, 1:-1, 1:-1] = x
    out = np.zeros((count, height // stride, width // stride))
    for k in range(count):
        for i in range(height // stride):
            for j in range(width // stride):
                seen = padded[:, i * stride : i * stride + 3, j * stride : j * stride + 3]
                out[k, i, j] = (seen * weight[k]).sum() + (0.0 if bias is None else bias[k])
    return out


def leaky(x):
    return np.where(x >= 0, x, 0.01 * x)


def shuffle(x, factor=2):
    """Channel c * f^2 + f * i + j becomes the pixel in row i, column j of each f x f cell of channel c."""
    channels, height, width = x.shape
    out = np.zeros((channels // factor**2, height * factor, width * factor))
    for channel in range(channels):
        c, rest = divmod(channel, factor**2)
        i, j = divmod(rest, factor)
        for y in range(height):
            for z in range(width):
                out[c, factor * y + i, factor * z + j] = x[channel, y, z]
    return out


def down(x, block):
    main = conv3x3(leaky(conv3x3(x, block.first, stride=2)), block.second)
    return leaky(main + conv3x3(x, block.shortcut, stride=2))


def up(x, block):
    x = shuffle(x)
    return leaky(conv3x3(leaky(conv3x3(x, block.first)), block.second) + conv3x3(x, block.shortcut))


def l1(code):
    out = np.zeros_like(code)
    for i, j in np.ndindex(code.shape[1:]):
        out[:, i, j] = code[:, i, j] / sum(abs(value) for value in code[:, i, j])
    return out


def batch_norm(x, norm):
    """With the statistics that training gathered; x C H W."""
    out = np.zeros_like(x)
    for c in range(len(x)):
        out[c] = (x[c] - norm.mean[c]) / math.sqrt(norm.var[c] + 1e-5) * norm.weight[c] + norm.bias[
            c
        ]
    return out


def attention_weights(z, weight, bias, pool, spread):
    """a, h x w, of z C H W: conv1x1, average-pool, spread over channels, softmax over places."""
    channels, height, width = z.shape
    embedded = np.zeros_like(z)
    for i, j in np.ndindex(height, width):
        for k in range(channels):
            embedded[k, i, j] = sum(weight[k, c] * z[c, i, j] for c in range(channels)) + bias[k]
    v = np.zeros((height // pool, width // pool))
    for i, j in np.ndindex(v.shape):
        cell = embedded[:, i * pool : (i + 1) * pool, j * pool : (j + 1) * pool]
        g = [cell[k].sum() / pool**2 for k in range(channels)]
        mean = sum(g) / channels
        v[i, j] = sum((value - mean) ** 2 for value in g)
        if spread == "variance":
            v[i, j] /= channels
    powers = np.exp(v - v.max())  # the same, without overflow
    return powers / powers.sum()


def attention(z, weight, bias, pool, spread="sum"):
    a = attention_weights(z, weight, bias, pool, spread)
    out = np.zeros_like(z)
    for i, j in np.ndindex(z.shape[1:]):
        out[:, i, j] = math.exp(a[i // pool, j // pool]) * z[:, i, j]
    return out


def joint(codes, place):
    """r_p: the codes (each C x h x w) of one place, one after the other, with Euclidean norm 1."""
    values = [float(code[c][place]) for code in codes for c in range(len(code))]
    norm = math.sqrt(sum(value**2 for value in values))
    return [value / norm for value in values]


def soft_distances(vector, centres, sharpness=25.0):
    """s_pk d_pk for each k."""
    d = [
        math.sqrt(sum((a - b) ** 2 for a, b in zip(vector, centre, strict=True)))
        for centre in centres
    ]
    weights = [math.exp(-sharpness * (one - min(d))) for one in d]  # the same, without a sum of 0
    return [weight / sum(weights) * one for weight, one in zip(weights, d, strict=True)]


def appearance(x, stream):
    """x̂ and z_a of one frame C H W, from the weights of an appearance stream."""
    x = np.maximum(conv3x3(x, stream.stem.weight, stream.stem.bias), 0)
    for norm, block in zip(stream.norms, stream.encoder, strict=True):
        x = down(batch_norm(x, norm), block)
    code = l1(np.maximum(conv3x3(x, stream.to_code), 0))
    x = code
    for block in stream.decoder:
        x = up(x, block)
    return conv3x3(x, stream.head.weight, stream.head.bias), code


def motion(x, stream, spread="sum"):
    """Δ̂ and z_m of x0..x3 stacked, 4C H W, from the weights of a motion stream with skips."""
    x = np.maximum(conv3x3(x, stream.stem.weight, stream.stem.bias), 0)
    outputs = []
    for block, embed, pool in zip(stream.encoder, stream.attention, (8, 4, 2), strict=True):
        x = attention(down(x, block), embed.weight, embed.bias, pool, spread)
        outputs.append(x)
    code = l1(conv3x3(x, stream.to_code))
    x = up(code, stream.decoder[0])
    x = up(np.concatenate([x, outputs[1]]), stream.decoder[1])
    x = up(np.concatenate([x, outputs[0]]), stream.decoder[2])
    return conv3x3(x, stream.head.weight, stream.head.bias), code


def array(tensor):
    return tensor.detach().double().numpy()


def block_weights(block):
    return SimpleNamespace(
        **{name: array(getattr(block, name).weight) for name in ("first", "second", "shortcut")}
    )


def affine(layer):
    return SimpleNamespace(weight=array(layer.weight), bias=array(layer.bias))


def appearance_weights(stream):
    norms = [pair[0] for pair in stream.encoder]
    return SimpleNamespace(
        stem=affine(stream.stem[0]),
        norms=[
            SimpleNamespace(mean=array(n.running_mean), var=array(n.running_var), **vars(affine(n)))
            for n in norms
        ],
        encoder=[block_weights(pair[1]) for pair in stream.encoder],
        to_code=array(stream.to_code.weight),
        decoder=[block_weights(block) for block in list(stream.decoder)[:3]],
        head=affine(stream.decoder[3][0]),
    )


def motion_weights(stream):
    return SimpleNamespace(
        stem=affine(stream.stem[0]),
        encoder=[block_weights(block) for block in stream.encoder],
        attention=[
            SimpleNamespace(weight=array(one.embed.weight)[:, :, 0, 0], bias=array(one.embed.bias))
            for one in stream.attention
        ],
        to_code=array(stream.to_code.weight),
        decoder=[block_weights(block) for block in (stream.up3, stream.up2, stream.up1)],
        head=affine(stream.head[0]),
    )


@pytest.fixture(scope="session")
def literal():
    """The loops above."""
    return SimpleNamespace(**{name: value for name, value in globals().items() if callable(value)})


@pytest.fixture
def draw(run_seed):
    """Draws seeded float64 tensors: `draw(2, 3, seed=1)`, normally distributed."""

    def normal(*shape, seed=0):
        generator = torch.Generator().manual_seed(1000 * run_seed + seed)
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return normal


@pytest.fixture
def draw_clips():
    """Draws clips, uint8 B x 5 x H x W x C: blocks of tone, and one block in each that moves and brightens."""

    def make(count=2, height=32, width=32, colours=3, seed=0):
        random = np.random.default_rng(seed)
        tones = random.integers(20, 200, (count, height // 8, width // 8, colours))
        clips = np.repeat(tones.repeat(8, axis=1).repeat(8, axis=2)[:, None], 5, axis=1)
        for number in range(count):
            top, left = random.integers(0, height - 8), random.integers(0, width - 16)
            for t in range(5):
                clips[number, t, top : top + 8, left + 2 * t : left + 2 * t + 8] = (
                    40 * t + random.integers(0, 60)
                )
        return clips.astype(np.uint8)

    return make
