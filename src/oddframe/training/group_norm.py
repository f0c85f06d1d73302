"""BatchNorm over a batch whose rows are divided between the processes of a training.

So several processes normalise a batch as one would. PyTorch's SyncBatchNorm does the same, but on
GPUs only.
"""

from typing import Any, Self

import torch
from torch import Tensor, nn

from oddframe.training.distributed import SINGLE_PROCESS, ProcessGroup


def normalise_over_group(network: nn.Module, group: ProcessGroup) -> None:
    """Have the BatchNorm layers of a network take their statistics over the rows of all processes.

    Layers of the network are replaced; their weights and statistics stay, under the same names.
    """
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, GroupBatchNorm.of(child, group))


class GroupBatchNorm(nn.BatchNorm2d):
    """BatchNorm over the rows that all processes of a group have of a batch.

    Weights and statistics have the names that they have in BatchNorm2d; without training it is one.
    """

    group = SINGLE_PROCESS

    @classmethod
    def of(cls, norm: nn.BatchNorm2d, group: ProcessGroup) -> Self:
        """Make one with the weights and statistics of a BatchNorm layer, which it shares."""
        made = cls(norm.num_features, eps=norm.eps, momentum=norm.momentum)
        made.weight, made.bias = norm.weight, norm.bias
        made.running_mean, made.running_var = norm.running_mean, norm.running_var
        made.num_batches_tracked = norm.num_batches_tracked
        made.group = group
        return made

    def forward(self, x: Tensor) -> Tensor:
        """Normalise rows of a batch, B x C x H x W."""
        if not self.training:
            return super().forward(x)
        y, mean, variance, count = _NormaliseOverGroup.apply(  # type: ignore[no-untyped-call]
            x, self.weight, self.bias, self.eps, self.group
        )
        with torch.no_grad():
            momentum = 0.1 if self.momentum is None else self.momentum
            unbiased = variance * (count / (count - 1))
            for running, new in ((self.running_mean, mean), (self.running_var, unbiased)):
                assert running is not None
                running.lerp_(new.to(running.dtype), momentum)
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.add_(1)
        return y  # type: ignore[no-any-return]


class _NormaliseOverGroup(torch.autograd.Function):
    """Normalise rows with the mean and variance of those of all processes.

    Forward and backward each exchange two numbers of each channel. The gradients of scale and
    shift are those of this process's rows; the trainer sums them with all others.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, group: ProcessGroup
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        variance, mean = torch.var_mean(x.float(), dim=(0, 2, 3), correction=0)
        own = x.numel() // x.shape[1]
        # Means and variances of the parts, not sums of squares, which lose digits.
        parts = group.stack(torch.stack([mean, variance, torch.full_like(mean, own)]))
        means, variances, counts = parts.unbind(1)  # each of them processes x C
        count = counts[:, :1].sum()
        mean = (means * counts).sum(0) / count
        variance = ((variances + (means - mean).square()) * counts).sum(0) / count
        ctx.save_for_backward(x, weight, mean, variance, count)
        ctx.eps, ctx.group = eps, group
        y = nn.functional.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)
        ctx.mark_non_differentiable(mean, variance, count)
        return y, mean, variance, count

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, variance, count = ctx.saved_tensors
        inverse = (variance + ctx.eps).rsqrt()
        # With fixed statistics: the gradient of x, of the scales and of the shifts.
        fixed, scales, shifts = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        sums = torch.stack([scales, shifts]).float()
        ctx.group.sum([sums])
        # What the statistics pass on: they depend on every row of every process.
        by_x, by_one = sums * (weight * inverse / count)
        slope = by_x * inverse
        offset = slope * mean - by_one
        through = fixed.float() - x.float() * _by_channel(slope) + _by_channel(offset)
        return through.to(x.dtype), scales, shifts, None, None


def _by_channel(values: Tensor) -> Tensor:
    return values.view(1, -1, 1, 1)
