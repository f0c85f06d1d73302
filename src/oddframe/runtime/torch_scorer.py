"""Scoring with PyTorch."""

import torch

from oddframe.core.records import Pixels
from oddframe.errors import SettingsError
from oddframe.model.fusion import FusedScorer
from oddframe.model.network import Network
from oddframe.runtime.scorer import ClipScores

__all__ = ["TorchScorer", "pick_device"]


def pick_device(name: str) -> torch.device:
    """The device that ``auto``, ``cpu`` or ``cuda:0`` names; auto is a GPU where there is one.

    Raises:
        SettingsError: If there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SettingsError(f"device must be auto, cpu or a GPU that is there such as cuda:0, got {name!r}") from error
    return device


class TorchScorer:
    """Runs the network in eager PyTorch.

    Args:
        network: The trained network; moved to ``device``.
        device: Where it runs.
        batch_size: Clips at a time.
    """

    def __init__(self, network: Network, device: torch.device, batch_size: int) -> None:
        if batch_size < 1:
            raise SettingsError(f"batch_size must be at least 1, got {batch_size}")
        self.batch_size = batch_size
        self._device = device
        self._network = FusedScorer(network).to(device).eval()

    @torch.inference_mode()
    def score(self, clips: Pixels) -> ClipScores:
        """Score clips, uint8 batch_size x 5 x H x W x C."""
        scored = self._network(torch.from_numpy(clips).to(self._device))
        return ClipScores(*(part.float().cpu().numpy() for part in scored))
