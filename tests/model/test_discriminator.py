import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from oddframe.model.discriminator import Discriminator


def test_it_reads_nothing_before_it_is_trained():
    joint = torch.nn.functional.normalize(torch.randn(2, 5, 7), dim=2)
    assert torch.equal(Discriminator(7)(joint), torch.zeros(2, 5))


@given(st.integers(0, 2**32 - 1))
def test_losses_are_the_cross_entropy_of_each_place(seed):
    random = np.random.default_rng(seed)
    reader = Discriminator(4)
    for parameter in reader.parameters():
        parameter.data = torch.from_numpy(random.normal(size=parameter.shape))
    joint = random.normal(size=(2, 3, 4))
    kind = random.integers(0, 3, 6)
    filmed, made = reader.losses(torch.from_numpy(joint), *(torch.from_numpy(kind == one) for one in (0, 1)))
    weights, bias = reader.reading.weight.detach().numpy()[0], reader.reading.bias.item()
    chance = [1 / (1 + np.exp(-(2.0 * weights @ place + bias))) for clip in joint for place in clip]
    np.testing.assert_allclose(
        filmed.detach(), [-np.log(1 - p) for p, k in zip(chance, kind, strict=True) if k == 0], rtol=1e-9
    )
    np.testing.assert_allclose(
        made.detach(), [-np.log(p) for p, k in zip(chance, kind, strict=True) if k == 1], rtol=1e-9
    )
