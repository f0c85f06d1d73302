"""The codes of clips, in the space in which their distances are taken (method section 5)."""

import numpy as np
import numpy.typing as npt
import torch

from oddframe.core.records import Pixels
from oddframe.model.clusters import join_codes
from oddframe.model.network import Network

__all__ = ["clip_codes"]


@torch.inference_mode()
def clip_codes(network: Network, clips: Pixels) -> npt.NDArray[np.float32]:
    """Joint codes of norm 1, float32 B x h x w x D, of clips, uint8 B x 5 x H x W x C."""
    device = next(network.parameters()).device
    codes = network(torch.from_numpy(clips).to(device)).codes
    joint: npt.NDArray[np.float32] = join_codes(codes).float().cpu().numpy()
    return joint.reshape(len(clips), *codes[0].shape[-2:], joint.shape[-1])
