"""What a training minimises, against slow loops; the discriminator and the average of weights."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from oddframe.training.losses import (
    Discriminator,
    WeightAverage,
    appearance_loss,
    gradient_loss,
    motion_loss,
)


def test_a_discriminator_reads_nothing_before_it_is_trained():
    joint = torch.nn.functional.normalize(torch.randn(2, 5, 7), dim=2)
    assert torch.equal(Discriminator(7)(joint), torch.zeros(2, 5))


@given(st.integers(0, 2**32 - 1))
def test_discrimination_is_the_cross_entropy_of_each_place(seed):
    random = np.random.default_rng(seed)
    discriminator = Discriminator(4)
    for parameter in discriminator.parameters():
        parameter.data = torch.from_numpy(random.normal(size=parameter.shape))
    joint = random.normal(size=(2, 3, 4))
    kind = random.integers(0, 3, 6)
    filmed, made = discriminator.losses(
        torch.from_numpy(joint), *(torch.from_numpy(kind == number) for number in (0, 1))
    )
    weights, bias = (
        discriminator.reading.weight.detach().numpy()[0],
        discriminator.reading.bias.item(),
    )
    odds = [2.0 * weights @ place + bias for clip in joint for place in clip]
    # -ln(1 - p) and -ln(p) of p = 1 / (1 + e^-odds): 1 - p itself has no digits left where p is
    # near 1.
    as_filmed = [np.logaddexp(0.0, odd) for odd, k in zip(odds, kind, strict=True) if k == 0]
    as_made = [np.logaddexp(0.0, -odd) for odd, k in zip(odds, kind, strict=True) if k == 1]
    np.testing.assert_allclose(filmed.detach(), as_filmed, rtol=1e-9)
    np.testing.assert_allclose(made.detach(), as_made, rtol=1e-9)


@pytest.mark.parametrize("odds", [-30.0, -5.0, 0.0, 5.0, 30.0])
def test_losses_of_a_sure_discriminator_keep_their_digits(odds):
    discriminator = Discriminator(1).double()
    discriminator.reading.bias.data.fill_(odds)
    first, second = torch.tensor([True, False]), torch.tensor([False, True])
    filmed, made = discriminator.losses(torch.zeros(1, 2, 1).double(), first, second)
    assert filmed.item() == pytest.approx(
        max(odds, 0) + math.log1p(math.exp(-abs(odds))), rel=1e-9, abs=0
    )
    assert made.item() == pytest.approx(
        max(-odds, 0) + math.log1p(math.exp(-abs(odds))), rel=1e-9, abs=0
    )


def literal_mean_square(one, other):
    return sum((one[at] - other[at]) ** 2 for at in np.ndindex(one.shape)) / one.size


def literal_gradient_loss(predicted, frame):
    total = 0.0
    for dy, dx in ((0, 1), (1, 0)):
        steps = []
        batch, colours, height, width = frame.shape
        for b, c, y, x in np.ndindex(batch, colours, height - dy, width - dx):
            step = abs(predicted[b, c, y + dy, x + dx] - predicted[b, c, y, x])
            true_step = abs(frame[b, c, y + dy, x + dx] - frame[b, c, y, x])
            steps.append(abs(step - true_step))
        total += sum(steps) / len(steps)
    return total


def test_appearance_loss_equals_loops(draw):
    rebuilt, frame = draw(2, 3, 4, 5, seed=1), draw(2, 3, 4, 5, seed=2)
    expected = literal_mean_square(rebuilt.numpy(), frame.numpy())
    assert appearance_loss(rebuilt, frame).item() == pytest.approx(expected)


def test_gradient_loss_equals_loops(draw):
    predicted, frame = draw(2, 3, 4, 5, seed=1), draw(2, 3, 4, 5, seed=2)
    expected = literal_gradient_loss(predicted.numpy(), frame.numpy())
    assert gradient_loss(predicted, frame).item() == pytest.approx(expected)


def test_gradient_loss_compares_sizes_of_steps_not_their_signs(draw):
    frame = draw(1, 1, 4, 4)
    assert gradient_loss(3.0 - frame, frame).item() == pytest.approx(0.0)
    assert gradient_loss(2.0 * frame, frame).item() > 0.1


@pytest.mark.parametrize("weight", [0.0, 0.01, 2.0])
def test_motion_loss_equals_loops(weight, draw):
    difference, first, last = (draw(2, 3, 4, 5, seed=seed) for seed in range(3))
    expected = literal_mean_square(difference.numpy(), (last - first).numpy())
    expected += weight * literal_gradient_loss((first + difference).numpy(), last.numpy())
    assert motion_loss(difference, first, last, weight).item() == pytest.approx(expected)


def test_the_true_difference_costs_nothing(draw):
    first, last = draw(1, 3, 4, 4, seed=1), draw(1, 3, 4, 4, seed=2)
    assert motion_loss(last - first, first, last, 0.01).item() == pytest.approx(0.0, abs=1e-12)
    assert torch.equal(appearance_loss(first, first), torch.zeros((), dtype=torch.float64))


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))


def shake(module, seed):
    """Give a module other weights and other running statistics, as a step does."""
    torch.manual_seed(seed)
    module(torch.rand(4, 1, 8, 8))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter))


@pytest.mark.parametrize("decay", [0.3, 0.9, 0.999])
def test_an_average_is_the_weighted_mean_of_all_weights_so_far(decay):
    trained = network()
    average = WeightAverage(trained, decay)
    seen = [{name: value.clone().double() for name, value in trained.state_dict().items()}]
    for step in range(1, 30):
        shake(trained, step)
        average.update(trained, step)
        seen.append({name: value.clone().double() for name, value in trained.state_dict().items()})
    for name, found in average.state.items():
        if name.endswith("num_batches_tracked"):
            assert found == 29
            continue
        expected = seen[0][name]
        for step, weights in enumerate(seen[1:], start=1):
            keep = min(decay, (1 + step) / (10 + step))
            expected = keep * expected + (1 - keep) * weights[name]
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)


def test_an_average_is_a_copy_that_leaves_the_network_alone():
    trained = network()
    average = WeightAverage(trained, 0.5)
    before = {name: value.clone() for name, value in average.state.items()}
    shake(trained, 1)
    for name, value in before.items():
        assert torch.equal(average.state[name], value)
    now = {name: value.clone() for name, value in trained.state_dict().items()}
    average.update(trained, 1)
    for name, value in now.items():
        assert torch.equal(trained.state_dict()[name], value)
