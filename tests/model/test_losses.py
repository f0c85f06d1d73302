import numpy as np
import pytest
import torch

from oddframe.model.losses import appearance_loss, gradient_loss, motion_loss


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
