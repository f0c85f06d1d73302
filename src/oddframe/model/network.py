"""The whole network: two streams and their clusters (method sections 2 to 5).

A trained network as arrays: what a bundle holds, and what nobody needs torch to read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from oddframe.core.records import NO_CROP, CropOffset
from oddframe.errors import BundleError, SettingsError
from oddframe.model.autoencoders import AppearanceAutoencoder, MotionAutoencoder
from oddframe.model.clusters import Clusters, join_codes
from oddframe.model.config import NetworkConfig

_COUNTED_ALONG = ("running_mean", "running_var", "num_batches_tracked")
"""What batch normalisation keeps beside its parameters."""


@dataclass(frozen=True, eq=False)
class NetworkState:
    """What a network is and what it has learned; `oddframe.model.network.Network.of` runs it in torch.

    Attributes:
        config: What it is.
        weights: Its parameters and running statistics by name, float32 or float16.
    """

    config: NetworkConfig
    weights: Mapping[str, npt.NDArray[Any]]

    @property
    def parameters(self) -> int:
        """How many numbers were learned."""
        return sum(
            value.size for name, value in self.weights.items() if not name.endswith(_COUNTED_ALONG)
        )

    def halved(self) -> Self:
        """The same with its weights rounded to float16, for half the size."""
        halves = {
            name: value.astype(np.float16) if value.dtype == np.float32 else value
            for name, value in self.weights.items()
        }
        return type(self)(self.config, halves)


class Outputs(NamedTuple):
    """What the streams say of a batch of clips; what a configuration leaves out is None.

    Attributes:
        frames: The clips as the network sees them, B x 5 x C x H x W in [0, 1].
        rebuilt: x̂, B x C x H x W.
        difference: Δ̂, B x C x H x W.
        codes: Codes of the streams in use, each B x 8c x h x w.
    """

    frames: Tensor
    rebuilt: Tensor | None
    difference: Tensor | None
    codes: list[Tensor]


class Network(nn.Module):
    """Appearance and motion streams, and the clusters over their joint code.

    Args:
        config: What to build.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        shape = (config.colours, config.channels, config.stem_stride, config.code_norm)
        narrow = config.decoder_channels
        empty_shape = (config.height, config.width) if config.empty_scene else None
        self.appearance = (
            AppearanceAutoencoder(*shape, narrow, empty_shape) if config.appearance else None
        )
        self.motion = (
            MotionAutoencoder(*shape, config.attention, config.skips, narrow)
            if config.motion
            else None
        )
        self.clusters = Clusters(config.clusters, config.code_width) if config.clusters else None

    @classmethod
    def of(cls, trained: NetworkState) -> Self:
        """A network with the weights of a trained one, in evaluation mode on the CPU.

        Raises:
            BundleError: If the weights are not those of such a network.
        """
        network = cls(trained.config)
        try:
            # A copy: arrays of a file are read-only, and torch warns of them.
            network.load_state_dict(
                {name: torch.tensor(value) for name, value in trained.weights.items()}
            )
        except RuntimeError as error:
            raise BundleError(
                f"the weights of a model must be those of its settings, but are not: {error}"
            ) from error
        return network.eval()

    def trained(self) -> NetworkState:
        """A copy of what it has learned."""
        weights = {
            name: tensor.detach().cpu().numpy().copy(order="C")
            for name, tensor in self.state_dict().items()
        }
        return NetworkState(self.config, weights)

    def frames(self, clips: Tensor) -> Tensor:
        """Scale clips to [0, 1]: uint8 B x T x H x W x C -> float B x T x C x H x W. The only place that does."""
        dtype = next(self.parameters()).dtype
        return clips.permute(0, 1, 4, 2, 3).to(dtype) / 255.0

    @property
    def rebuilt_index(self) -> int:
        """Position in the clip of the frame that the spatial stream rebuilds."""
        return 0 if self.config.rebuilt_frame == "first" else 4

    def forward(self, clips: Tensor, part: CropOffset = NO_CROP) -> Outputs:
        """Run both streams on clips, uint8 B x 5 x H x W x C in 0..255.

        Where the clips show a part of the frame, ``part`` says which.
        """
        frames = self.frames(clips)
        rebuilt = difference = None
        codes = []
        if self.appearance is not None:
            rebuilt, code = self.appearance(frames[:, self.rebuilt_index], part)
            codes.append(code)
        if self.motion is not None:
            difference, code = self.motion(frames[:, :4].flatten(1, 2))
            codes.append(code)
        return Outputs(frames, rebuilt, difference, codes)

    def cluster_map(self, codes: list[Tensor]) -> Tensor | None:
        """w_p, B x h x w at the codes' resolution; None without clusters."""
        if self.clusters is None:
            return None
        w: Tensor = self.clusters(join_codes(codes))
        return w.reshape(w.shape[0], *codes[0].shape[-2:])

    def last_convolutions(self) -> list[nn.Parameter]:
        """Weights of the last convolution of each encoder, which the cluster loss trains (method section 6)."""
        streams = [stream for stream in (self.appearance, self.motion) if stream is not None]
        return [weight for stream in streams for weight in stream.to_code.parameters()]

    @torch.no_grad()
    def place_empty_scene(self, frame: Tensor) -> None:
        """Start the picture of the empty scene, where there is one, from a frame H x W x C in 0..255."""
        if self.appearance is not None and self.appearance.empty is not None:
            self.appearance.empty.copy_(self.frames(frame[None, None])[0, 0])

    @torch.no_grad()
    def place_centres(self, centres: Tensor) -> None:
        """Set the centres, K x D, for instance those of k-means."""
        if self.clusters is None:
            raise SettingsError("network.clusters must be above 0 to place centres, got 0")
        self.clusters.centres.copy_(centres)
