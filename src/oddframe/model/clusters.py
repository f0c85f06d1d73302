"""Deep k-means over the joint code of both streams (method section 5).

A joint code r_p, a vector of length D for each place p of the codes' grid, is compared with K
trainable centres c_k. Training pulls normal codes and centres together, so an abnormal code lies
far from every centre.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from oddframe._types import Float32
from oddframe.errors import InputError

SHARPNESS = 25.0
"""How quickly soft assignment falls with distance (the 25 of s_pk = softmax(-25 d_pk))."""

_LEAST_SQUARE = 1e-10
"""Least squared distance: the gradient of a root does not exist at 0, where rounding can lead."""


def join_codes(codes: list[Tensor], *, normalise: bool = True) -> Tensor:
    """Join the streams' codes to r_p at every place: B x P x D from codes of B x C x H x W.

    Args:
        codes: Codes of the streams in use, appearance first.
        normalise: Whether each vector gets Euclidean norm 1; distances are always taken on
            normalised ones, and ``False`` serves only the research code's k-means, which was fitted
            without (the trap of section 5).
    """
    joint = torch.cat(codes, dim=1).flatten(2).transpose(1, 2)  # B D H W -> B D P -> B P D
    return nn.functional.normalize(joint, dim=2, eps=1e-12) if normalise else joint


class Clusters(nn.Module):
    """K trainable centres of normal codes.

    Args:
        count: Number of centres K.
        width: Length D of a joint code.
    """

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        # Only a start of the right length: `fit_centres` replaces it after pre-training.
        self.centres = nn.Parameter(nn.functional.normalize(torch.randn(count, width), dim=1))

    def distances(self, joint: Tensor) -> Tensor:
        """Compute d_pk = ||r_p - c_k||, B x P x K, of joint codes B x P x D."""
        # |r|^2 - 2 r c + |c|^2 is one matrix product; the differences themselves would be
        # B x P x K x D numbers.
        squares = (
            joint.square().sum(dim=2, keepdim=True)  # B P 1
            - 2.0 * joint @ self.centres.t()  # B P K
            + self.centres.square().sum(dim=1)  # K
        )
        return squares.clamp_min(_LEAST_SQUARE).sqrt()

    def weighted_distances(self, joint: Tensor) -> Tensor:
        """Compute s_pk d_pk, B x P x K, with s_pk = softmax over k of (-25 d_pk)."""
        distances = self.distances(joint)
        return torch.softmax(-SHARPNESS * distances, dim=2) * distances

    def loss(self, joint: Tensor) -> Tensor:
        """Compute L_c, a scalar: the mean over places of the sum over k of s_pk d_pk."""
        return self.weighted_distances(joint).sum(dim=2).mean()

    def forward(self, joint: Tensor) -> Tensor:
        """Compute w_p = mean over k of s_pk d_pk, B x P (method section 6)."""
        return self.weighted_distances(joint).mean(dim=2)


def fit_centres(codes: Float32, count: int, seed: int) -> tuple[Float32, npt.NDArray[np.int64]]:
    """Fit the first centres by k-means++ and Lloyd's iterations.

    Args:
        codes: N x D joint codes, in the space in which distances will be taken.
        count: Number of centres K, at most N.
        seed: Seed of the start.

    Returns:
        K x D centres, and how many codes each of them holds.

    Raises:
        InputError: If there are fewer codes than centres.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    if len(codes) < count:
        raise InputError(
            f"k-means needs at least as many codes as centres: {count} centres, {len(codes)} codes"
        )
    # Lloyd's partial sums are added in the order in which threads finish: one thread keeps a
    # resumed run bit-identical.
    with threadpool_limits(limits=1):
        fitted = KMeans(count, init="k-means++", n_init=1, max_iter=50, random_state=seed).fit(
            codes
        )
    centres = np.ascontiguousarray(fitted.cluster_centers_, dtype=np.float32)
    return centres, np.bincount(fitted.labels_, minlength=count)
