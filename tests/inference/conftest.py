"""A tiny trained network, its graph and a bundle of both."""

import numpy as np
import pytest

from oddframe.bundle.bundle import ONNX, read_bundle


@pytest.fixture(scope="session")
def bundle(exported_run):
    return read_bundle(exported_run / "bundle")


@pytest.fixture(scope="session")
def trained(bundle):
    return bundle.network


@pytest.fixture(scope="session")
def graph(bundle):
    return bundle.graphs[ONNX]


@pytest.fixture(scope="session")
def clips():
    return np.random.default_rng(0).integers(0, 256, (5, 5, 32, 32, 1), dtype=np.uint8)
