"""Training losses of the two streams (method sections 2 and 3); the cluster loss is `Clusters.loss`."""

from torch import Tensor

__all__ = ["appearance_loss", "gradient_loss", "motion_loss"]


def appearance_loss(rebuilt: Tensor, frame: Tensor) -> Tensor:
    """L_a = mean (x̂ - x)^2 over B x C x H x W."""
    return (rebuilt - frame).square().mean()


def gradient_loss(predicted: Tensor, frame: Tensor) -> Tensor:
    """Mean absolute difference of the absolute horizontal and vertical steps of two pictures, B x C x H x W.

    The two directions are averaged each over its own pixels, then added.
    """
    horizontal = (predicted.diff(dim=3).abs() - frame.diff(dim=3).abs()).abs().mean()
    vertical = (predicted.diff(dim=2).abs() - frame.diff(dim=2).abs()).abs().mean()
    return horizontal + vertical


def motion_loss(difference: Tensor, first: Tensor, last: Tensor, gradient_weight: float) -> Tensor:
    """L_m = mean (Δ̂ - Δ)^2 + λ_g gradient loss of (x0 + Δ̂) against x4; all B x C x H x W."""
    squares = (difference - (last - first)).square().mean()
    if not gradient_weight:
        return squares
    return squares + gradient_weight * gradient_loss(first + difference, last)
