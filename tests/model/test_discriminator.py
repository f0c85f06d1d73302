import math

import numpy as np
import pytest
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
    odds = [2.0 * weights @ place + bias for clip in joint for place in clip]
    # -ln(1 - p) and -ln(p) of p = 1 / (1 + e^-odds): 1 - p itself has no digits left where p is near 1.
    as_filmed = [np.logaddexp(0.0, one) for one, k in zip(odds, kind, strict=True) if k == 0]
    as_made = [np.logaddexp(0.0, -one) for one, k in zip(odds, kind, strict=True) if k == 1]
    np.testing.assert_allclose(filmed.detach(), as_filmed, rtol=1e-9)
    np.testing.assert_allclose(made.detach(), as_made, rtol=1e-9)


@pytest.mark.parametrize("odds", [-30.0, -5.0, 0.0, 5.0, 30.0])
def test_losses_of_a_reader_that_is_sure_keep_their_digits(odds):
    reader = Discriminator(1).double()
    reader.reading.bias.data.fill_(odds)
    first, second = torch.tensor([True, False]), torch.tensor([False, True])
    filmed, made = reader.losses(torch.zeros(1, 2, 1).double(), first, second)
    assert filmed.item() == pytest.approx(max(odds, 0) + math.log1p(math.exp(-abs(odds))), rel=1e-9, abs=0)
    assert made.item() == pytest.approx(max(-odds, 0) + math.log1p(math.exp(-abs(odds))), rel=1e-9, abs=0)
