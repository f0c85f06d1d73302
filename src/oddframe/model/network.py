"""The whole network: two streams and the clusters over their joint code (method sections 2 to 5).

`Network` is the module that torch trains and runs; `oddframe.model.state.NetworkState` is what it
has learned.
"""

from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from oddframe.core.records import NO_CROP, CropOffset
from oddframe.errors import BundleError, SettingsError
from oddframe.model.autoencoders import AppearanceAutoencoder, MotionAutoencoder
from oddframe.model.clusters import Clusters, join_codes
from oddframe.model.config import NetworkConfig
from oddframe.model.state import NetworkState


class Outputs(NamedTuple):
    """What the two streams compute for a batch of clips; a stream that is left out gives None.

    Attributes:
        frames: The clips as the network sees them, B x 5 x C x H x W in [0, 1].
        rebuilt: x̂, B x C x H x W, the frame that the spatial stream rebuilds.
        difference: Δ̂, B x C x H x W, the predicted x4 - x0.
        codes: Codes of the streams in use, each B x 8c x h x w.
    """

    frames: Tensor
    rebuilt: Tensor | None
    difference: Tensor | None
    codes: list[Tensor]


class Network(nn.Module):
    """Appearance and motion streams, and the clusters over their joint code.

    Args:
        config: The settings of the network; weights are drawn from torch's global random state.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        shape = (config.colours, config.channels, config.stem_stride, config.code_norm)
        empty_shape = (config.height, config.width) if config.empty_scene else None
        self.appearance = (
            AppearanceAutoencoder(*shape, config.decoder_channels, empty_shape)
            if config.appearance
            else None
        )
        self.motion = (
            MotionAutoencoder(*shape, config.attention, config.skips, config.decoder_channels)
            if config.motion
            else None
        )
        self.clusters = Clusters(config.clusters, config.code_width) if config.clusters else None

    @classmethod
    def of(cls, trained: NetworkState) -> Self:
        """Build a network with the weights of a trained one, in evaluation mode on the CPU.

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
        """Copy what the network has learned, in float32 on the CPU."""
        weights = {
            name: tensor.detach().cpu().numpy().copy(order="C")
            for name, tensor in self.state_dict().items()
        }
        return NetworkState(self.config, weights)

    def frames(self, clips: Tensor) -> Tensor:
        """Scale clips to [0, 1]: uint8 B x T x H x W x C -> float B x T x C x H x W.

        Pixels are scaled nowhere else: whoever has a network gives it bytes.
        """
        # A network in float64, as the tests have it, must not lose digits here.
        dtype = next(self.parameters()).dtype
        # B T H W C -> B T C H W
        return clips.permute(0, 1, 4, 2, 3).to(dtype) / 255.0

    @property
    def rebuilt_index(self) -> int:
        """Position in the clip, 0 or 4, of the frame that the spatial stream rebuilds."""
        return 0 if self.config.rebuilt_frame == "first" else 4

    def forward(self, clips: Tensor, crop: CropOffset | Tensor = NO_CROP) -> Outputs:
        """Run both streams on clips.

        Args:
            clips: uint8 B x 5 x H x W x C in 0..255, whole frames or one crop of all of them.
            crop: Where the crop begins in the whole frame, in pixels; as a tensor where a step is
                recorded.
        """
        frames = self.frames(clips)
        rebuilt = difference = None
        codes = []
        if self.appearance is not None:
            rebuilt, code = self.appearance(frames[:, self.rebuilt_index], crop)
            codes.append(code)
        if self.motion is not None:
            # The four frames become channels: B 4 C H W -> B 4C H W.
            difference, code = self.motion(frames[:, :4].flatten(1, 2))
            codes.append(code)
        return Outputs(frames, rebuilt, difference, codes)

    def cluster_map(self, codes: list[Tensor]) -> Tensor | None:
        """Compute w_p, B x h x w at the codes' resolution; None without clusters."""
        if self.clusters is None:
            return None
        w: Tensor = self.clusters(join_codes(codes))  # B P
        return w.reshape(w.shape[0], *codes[0].shape[-2:])  # B P -> B h w

    def last_convolutions(self) -> list[nn.Parameter]:
        """List the weights of each encoder's last convolution, which L_c trains (section 6)."""
        streams = [stream for stream in (self.appearance, self.motion) if stream is not None]
        return [weight for stream in streams for weight in stream.to_code.parameters()]

    @torch.no_grad()
    def place_empty_scene(self, frame: Tensor) -> None:
        """Set the learned picture of the empty scene, if any, to a frame H x W x C in 0..255."""
        if self.appearance is not None and self.appearance.empty is not None:
            self.appearance.empty.copy_(self.frames(frame[None, None])[0, 0])

    @torch.no_grad()
    def place_centres(self, centres: Tensor) -> None:
        """Set the centres, K x D, for instance to those of k-means.

        Raises:
            SettingsError: If the network has no clusters.
        """
        if self.clusters is None:
            raise SettingsError("network.clusters must be above 0 to place centres, got 0")
        self.clusters.centres.copy_(centres)
