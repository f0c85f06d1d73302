"""What a worker does in a test of BatchNorm over the rows of several processes."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from oddframe.training.distributed import ProcessGroup, WorkerPlace
from oddframe.training.group_norm import normalise_over_group

ROWS = 7


def drawn(dtype: torch.dtype) -> tuple[nn.Sequential, torch.Tensor, torch.Tensor]:
    """A network with a BatchNorm, a batch and a gradient, the same in every process."""
    generator = torch.Generator().manual_seed(0)
    norm = nn.BatchNorm2d(6)
    for parameter in norm.parameters():
        nn.init.uniform_(parameter, 0.5, 2.0, generator=generator)
    shape = (ROWS, 6, 8, 8)
    x, gradient = (torch.randn(shape, generator=generator).to(dtype) * 3 + 5 for _ in range(2))
    return nn.Sequential(norm), x, gradient


def normalised(
    network: nn.Sequential, x: torch.Tensor, gradient: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Outputs, gradients and statistics of a step on rows of the batch."""
    x = x.clone().requires_grad_()
    y = network(x)
    y.backward(gradient)
    found = {"y": y.detach(), "x": x.grad, **dict(network.named_buffers())}
    found |= {name: parameter.grad for name, parameter in network.named_parameters()}
    return {name: value.float() for name, value in found.items()}


def take_part(group: ProcessGroup, out: Path, dtype_name: str) -> None:
    """Normalise the rows of this process, and write down what comes out."""
    network, x, gradient = drawn(getattr(torch, dtype_name))
    normalise_over_group(network, group)
    rows = group.rows(ROWS)
    found = normalised(network, x[rows], gradient[rows])
    sums = [found["0.weight"], found["0.bias"]]
    group.sum(sums)
    np.savez(out / f"{group.rank}.npz", **{name: value.numpy() for name, value in found.items()})


def work(place: WorkerPlace, out: Path, dtype_name: str) -> None:
    """Join the group and take part."""
    group = ProcessGroup.join_workers(place)
    take_part(group, out, dtype_name)
    group.close()


def die(place: WorkerPlace) -> None:
    """End before joining."""
    raise SystemExit(place.rank)
