"""Deep k-means against slow loops, and the fit of the first centres."""

import numpy as np
import pytest
import torch
from torch import nn

from oddframe.errors import InputError
from oddframe.model.clusters import Clusters, fit_centres, join_codes


@pytest.fixture
def clusters():
    torch.manual_seed(0)
    return Clusters(count=4, width=5).double()


def test_joint_codes_are_the_unit_vectors_of_each_place(literal, draw):
    codes = [draw(2, 3, 2, 4, seed=1).abs(), draw(2, 2, 2, 4, seed=2)]
    found = join_codes(codes)
    assert found.shape == (2, 8, 5)
    for row in range(2):
        for number, place in enumerate(np.ndindex(2, 4)):
            expected = literal.joint([code[row].numpy() for code in codes], place)
            np.testing.assert_allclose(found[row, number].numpy(), expected)


def test_codes_may_be_joined_as_they_are(draw):
    code = draw(1, 3, 2, 2)
    raw = join_codes([code], normalise=False)
    assert torch.equal(raw[0, 3], code[0, :, 1, 1])


def test_distances_and_assignments_equal_loops(clusters, literal, draw):
    joint = join_codes([draw(2, 5, 2, 3)])
    centres = literal.array(clusters.centres)
    for row, place in np.ndindex(2, 6):
        vector = joint[row, place].numpy()
        d = [
            sum((a - b) ** 2 for a, b in zip(vector, centre, strict=True)) ** 0.5
            for centre in centres
        ]
        np.testing.assert_allclose(literal.array(clusters.distances(joint)[row, place]), d)
        expected = literal.soft_distances(vector, centres)
        np.testing.assert_allclose(
            literal.array(clusters.weighted_distances(joint)[row, place]), expected
        )


def test_loss_is_the_mean_over_places_of_the_sum_over_centres(clusters, literal, draw):
    joint = join_codes([draw(2, 5, 2, 3)])
    centres = literal.array(clusters.centres)
    sums = [sum(literal.soft_distances(vector, centres)) for vector in joint.flatten(0, 1).numpy()]
    assert clusters.loss(joint).item() == pytest.approx(sum(sums) / len(sums))


def test_distance_of_a_place_is_the_mean_over_centres(clusters, literal, draw):
    joint = join_codes([draw(2, 5, 2, 3)])
    centres = literal.array(clusters.centres)
    w = clusters(joint)
    assert w.shape == (2, 6)
    for row, place in np.ndindex(2, 6):
        weighted = literal.soft_distances(joint[row, place].numpy(), centres)
        assert w[row, place].item() == pytest.approx(sum(weighted) / 4)


def test_a_code_on_its_centre_has_no_distance_and_a_finite_gradient(clusters):
    joint = clusters.centres.detach().clone()[None].requires_grad_()
    distances = clusters.distances(joint)
    distances.sum().backward()
    assert distances.diagonal(dim1=1, dim2=2).max().item() <= 2e-5
    assert joint.grad is not None
    assert joint.grad.isfinite().all()


def test_distances_in_float32_stay_close_to_exact_ones(draw):
    clusters = Clusters(count=8, width=64)
    near = nn.functional.normalize(clusters.centres.detach().double() + 0.002 * draw(8, 64), dim=1)
    exact = torch.cdist(near, clusters.centres.detach().double())
    found = clusters.distances(near.float()[None])[0]
    # The squares are what is added up in float32; the root of a small one magnifies its error.
    np.testing.assert_allclose(
        found.detach().double().square().numpy(), exact.square().numpy(), rtol=1e-6, atol=2e-6
    )


def blobs(seed=0):
    """Four tight groups of 10, 20, 30 and 40 codes, and their middles."""
    random = np.random.default_rng(seed)
    middles = np.eye(4, 6, dtype=np.float32)
    codes = np.concatenate(
        [middle + 0.01 * random.normal(size=(10 * n, 6)) for n, middle in enumerate(middles, 1)]
    )
    return codes.astype(np.float32), middles


def test_centres_are_the_means_of_separate_groups():
    codes, middles = blobs()
    centres, sizes = fit_centres(codes, 4, seed=0)
    assert centres.dtype == np.float32
    order = centres.argmax(axis=1)
    np.testing.assert_allclose(centres, middles[order], atol=0.02)
    assert sizes.tolist() == [10 * (number + 1) for number in order]


def test_centres_depend_on_codes_and_seed_alone():
    codes = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32)
    one, other = fit_centres(codes, 8, seed=3)[0], fit_centres(codes, 8, seed=3)[0]
    assert np.array_equal(one, other)
    assert not np.array_equal(one, fit_centres(codes, 8, seed=4)[0])


def test_fewer_codes_than_centres_are_refused():
    with pytest.raises(InputError, match="4 centres, 3 codes"):
        fit_centres(np.zeros((3, 2), np.float32), 4, seed=0)
