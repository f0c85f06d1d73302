import pytest
import torch
from torch import nn

from oddframe.model.weight_average import WeightAverage


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))


def shake(one, seed):
    """Other weights and other running statistics, as after a step."""
    torch.manual_seed(seed)
    one(torch.rand(4, 1, 8, 8))
    with torch.no_grad():
        for parameter in one.parameters():
            parameter.add_(torch.randn_like(parameter))


@pytest.mark.parametrize("decay", [0.3, 0.9, 0.999])
def test_it_is_the_weighted_mean_of_all_weights_so_far(decay):
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
        wanted = seen[0][name]
        for step, one in enumerate(seen[1:], start=1):
            keep = min(decay, (1 + step) / (10 + step))
            wanted = keep * wanted + (1 - keep) * one[name]
        torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=1e-5)


def test_it_is_a_copy_that_leaves_the_network_alone():
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
