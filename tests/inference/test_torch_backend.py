import numpy as np
import pytest
import torch

from oddframe.errors import SettingsError
from oddframe.inference.torch_backend import GpuScorer, TorchScorer, pick_device
from oddframe.model.fusion import AnomalyScorer, FusedScores
from oddframe.model.network import Network
from tests.support.tiny import tiny_settings

CPU = torch.device("cpu")


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Network(tiny_settings().network)


@pytest.fixture
def clips():
    return np.random.default_rng(0).integers(0, 256, (4, 5, 32, 32, 1), dtype=np.uint8)


def test_scores_are_those_of_the_network(network, clips):
    scored = TorchScorer(network, CPU, 4).score(clips)
    with torch.no_grad():
        expected = AnomalyScorer(network.eval())(torch.from_numpy(clips))
    for ours, theirs in zip(
        (scored.raw, scored.appearance, scored.motion, scored.cluster, scored.maps),
        expected,
        strict=True,
    ):
        assert isinstance(ours, np.ndarray)
        assert ours.dtype == np.float32
        np.testing.assert_array_equal(ours, theirs.numpy())
    assert scored.maps.shape == (4, 32, 32)
    assert (scored.raw > 0).all()


def test_neighbours_in_a_batch_change_nothing(network, clips):
    scorer = TorchScorer(network, CPU, 4)
    alone = scorer.score(np.repeat(clips[2:3], 4, axis=0))
    among = scorer.score(clips)
    np.testing.assert_array_equal(alone.raw[:1], among.raw[2:3])
    np.testing.assert_array_equal(alone.maps[3], among.maps[2])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_what_a_gpu_runs_computes_the_same_and_may_leave_out_the_maps(precision, network, clips):
    """On the processor, which runs the same operations."""
    expected = TorchScorer(network, CPU, 8, precision).score(clips)
    scorer = GpuScorer(network, CPU, 8, precision)
    given = clips.copy()
    finish, bare = scorer.begin(given, maps=True), scorer.begin(given, maps=False)
    given[:] = 0
    for found in (finish(), scorer.score(clips)):
        for name in ("raw", "appearance", "motion", "cluster", "maps"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    without = bare()
    np.testing.assert_array_equal(without.raw, expected.raw)
    assert without.maps.shape == (4, 0, 0)


def test_a_compiled_network_takes_the_place_of_the_eager_one_in_another_scorer(network, clips):
    """By a stand-in for the compiler; kernels are captured on a GPU only."""
    seen = []

    def compiler(whole):
        def run(batch):
            seen.append(batch.shape)
            scored = whole(batch)
            return FusedScores(2 * scored.raw, *scored[1:])

        return run

    eager = GpuScorer(network, CPU, 8)
    compiled = eager.compiled(compiler)
    # What it costs is paid before the first clips come.
    assert seen == [(8, 5, 32, 32, 1)]
    expected = eager.score(clips)
    np.testing.assert_array_equal(compiled.score(clips).raw, 2 * expected.raw)
    np.testing.assert_array_equal(compiled.score(clips).maps, expected.maps)
    assert len(seen) == 3


def test_what_a_compiler_raises_comes_when_it_compiles(network):
    def fail(whole):
        raise ImportError("no compiler")

    with pytest.raises(ImportError, match="no compiler"):
        GpuScorer(network, CPU, 8).compiled(fail)


def test_a_network_in_training_is_put_to_use_first(network, clips):
    network.train()
    one = TorchScorer(network, CPU, 4)
    np.testing.assert_array_equal(one.score(clips).raw, one.score(clips).raw)
    assert not network.training


def test_devices(monkeypatch):
    assert pick_device("cpu") == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == CPU
    for name in ("tpu", "", "cpu:x"):
        with pytest.raises(SettingsError, match="device must be auto, cpu or a GPU"):
            pick_device(name)
    with pytest.raises(SettingsError, match="a GPU that PyTorch finds, got 'cuda:99'"):
        pick_device("cuda:99")


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_holds_at_least_one_clip(size, network):
    with pytest.raises(SettingsError, match="batch_size must be at least 1"):
        TorchScorer(network, CPU, size)
