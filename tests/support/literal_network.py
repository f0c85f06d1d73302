"""The method's boxes written out as slow loops in float64 NumPy; nothing here knows torch's layers.

They follow the text of the paper alone (docs/paper.md names what is tested with them). Pictures
and features are C x H x W, one clip at a time. The functions ``..._weights`` take the weights out
of the torch modules that the loops are compared with.
"""

import math
from types import SimpleNamespace

import numpy as np


def conv3x3(x, weight, bias=None, stride=1):
    """Convolve x (C H W) with a weight (K C 3 3), with zeros around x, place by place."""
    count, (_, height, width) = len(weight), x.shape
    padded = np.zeros((x.shape[0], height + 2, width + 2))
    padded[:, 1:-1, 1:-1] = x
    out = np.zeros((count, height // stride, width // stride))
    for k in range(count):
        for i in range(height // stride):
            for j in range(width // stride):
                window = padded[:, i * stride : i * stride + 3, j * stride : j * stride + 3]
                out[k, i, j] = (window * weight[k]).sum() + (0.0 if bias is None else bias[k])
    return out


def leaky(x):
    return np.where(x >= 0, x, 0.01 * x)


def shuffle(x, factor=2):
    """Make channel c f^2 + f i + j the pixel in row i, column j of each f x f cell of channel c."""
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
    """Normalise x (C H W) with the statistics that training gathered."""
    out = np.zeros_like(x)
    for c in range(len(x)):
        centred = (x[c] - norm.mean[c]) / math.sqrt(norm.var[c] + 1e-5)
        out[c] = centred * norm.weight[c] + norm.bias[c]
    return out


def attention_weights(z, weight, bias, pool, spread):
    """Compute a (h x w) of z (C H W): conv1x1, average pool, spread over channels, softmax."""
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
    # Less the largest, which changes nothing but keeps exp from overflowing.
    powers = np.exp(v - v.max())
    return powers / powers.sum()


def attention(z, weight, bias, pool, spread="sum"):
    a = attention_weights(z, weight, bias, pool, spread)
    out = np.zeros_like(z)
    for i, j in np.ndindex(z.shape[1:]):
        out[:, i, j] = math.exp(a[i // pool, j // pool]) * z[:, i, j]
    return out


def joint(codes, place):
    """Compute r_p: the codes (each C x h x w) of one place in a row, with Euclidean norm 1."""
    values = [float(code[c][place]) for code in codes for c in range(len(code))]
    norm = math.sqrt(sum(value**2 for value in values))
    return [value / norm for value in values]


def soft_distances(vector, centres, sharpness=25.0):
    """Compute s_pk d_pk for each k."""
    distances = [
        math.sqrt(sum((a - b) ** 2 for a, b in zip(vector, centre, strict=True)))
        for centre in centres
    ]
    # Less the smallest, which changes nothing but keeps the sum from being 0.
    weights = [math.exp(-sharpness * (d - min(distances))) for d in distances]
    return [weight / sum(weights) * d for weight, d in zip(weights, distances, strict=True)]


def appearance(x, stream):
    """Compute x̂ and z_a of one frame (C H W) from the weights of an appearance stream."""
    x = np.maximum(conv3x3(x, stream.stem.weight, stream.stem.bias), 0)
    for norm, block in zip(stream.norms, stream.encoder, strict=True):
        x = down(batch_norm(x, norm), block)
    code = l1(np.maximum(conv3x3(x, stream.to_code), 0))
    x = code
    for block in stream.decoder:
        x = up(x, block)
    return conv3x3(x, stream.head.weight, stream.head.bias), code


def motion(x, stream, spread="sum"):
    """Compute Δ̂ and z_m of x0..x3 stacked (4C H W) from the weights of a motion stream."""
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
            SimpleNamespace(
                weight=array(module.embed.weight)[:, :, 0, 0], bias=array(module.embed.bias)
            )
            for module in stream.attention
        ],
        to_code=array(stream.to_code.weight),
        decoder=[block_weights(block) for block in (stream.up3, stream.up2, stream.up1)],
        head=affine(stream.head[0]),
    )
