"""What the chain relies on in every backend."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import ClassVar

import numpy as np
import onnxruntime
import pytest
import torch

from oddframe.bundle.bundle import ONNX, find_bundle, read_bundle
from oddframe.errors import BundleError, InputError, SettingsError
from oddframe.inference.onnx_backend import OnnxScorer
from oddframe.inference.openvino_backend import OpenvinoScorer
from oddframe.inference.parity import clips_of, drawn_frames
from oddframe.inference.scorer import PARTS, pad_batch
from oddframe.inference.torch_backend import TorchScorer
from oddframe.model.network import Network

BACKENDS = ("torch", "onnx", "openvino")


def made(name, trained, graph, batch_size, threads=1):
    if name == "torch":
        network = Network.of(trained)
        return TorchScorer(network, torch.device("cpu"), batch_size, threads=threads)
    if name == "onnx":
        return OnnxScorer(graph, batch_size, threads)
    return OpenvinoScorer(graph, b"", batch_size, threads=threads)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_clip_scores_the_same_alone_and_in_every_slot(name, trained, graph, clips):
    """To the bit, whatever its neighbours are."""
    scorer = made(name, trained, graph, 5)
    alone = scorer.score(clips[:1])
    for slot in range(5):
        among = scorer.score(np.roll(clips, slot, axis=0))
        for part in PARTS:
            np.testing.assert_array_equal(getattr(among, part)[slot], getattr(alone, part)[0])


@pytest.mark.parametrize("name", BACKENDS)
def test_scores_stay_when_others_are_asked_for(name, trained, graph, clips):
    scorer = made(name, trained, graph, 2)
    first = scorer.score(clips[:2])
    kept = first.maps.copy()
    scorer.score(clips[2:4])
    np.testing.assert_array_equal(first.maps, kept)


@pytest.mark.parametrize("name", BACKENDS[1:])
def test_backends_agree_with_the_network(name, trained, graph, clips):
    ours, theirs = (
        made(name, trained, graph, 4).score(clips[:3]),
        made("torch", trained, graph, 4).score(clips[:3]),
    )
    for part in PARTS:
        right = getattr(theirs, part)
        np.testing.assert_allclose(getattr(ours, part), right, rtol=1e-3, atol=1e-5 * right.max())
        assert len(getattr(ours, part)) == 3


@pytest.mark.parametrize("name", BACKENDS)
def test_a_batch_holds_at_least_one_clip(name, trained, graph):
    with pytest.raises(SettingsError, match="batch_size must be at least 1, got 0"):
        made(name, trained, graph, 0)


@pytest.mark.parametrize("name", BACKENDS[1:])
def test_a_graph_that_is_none_is_refused(name, trained):
    with pytest.raises(
        BundleError, match=f"export it again with: oddframe export MODEL --to {name}"
    ):
        made(name, trained, b"no graph", 1)


class GpuSession:
    """A session of ONNX Runtime as on a GPU: the processor computes, and batches are counted."""

    made: ClassVar[list["GpuSession"]] = []
    works = True

    def __init__(self, graph, options, providers):
        self.providers, self.batches = providers, []
        self._session = ONNX_SESSION(graph, options, providers=["CPUExecutionProvider"])
        GpuSession.made.append(self)

    def get_providers(self):
        if not self.works:
            return ["CPUExecutionProvider"]
        return [one if isinstance(one, str) else one[0] for one in self.providers]

    def run(self, names, feeds):
        self.batches.append(len(feeds["clips"]))
        return self._session.run(names, feeds)


ONNX_SESSION = onnxruntime.InferenceSession
CUDA, TENSORRT = "CUDAExecutionProvider", "TensorrtExecutionProvider"


@pytest.fixture
def gpu_runtime(monkeypatch):
    """Lets ONNX Runtime have providers of a GPU; gives what sets them."""
    monkeypatch.setattr(onnxruntime, "InferenceSession", GpuSession)
    monkeypatch.setattr(GpuSession, "made", [])

    def set_providers(*names):
        known = [*names, "CPUExecutionProvider"]
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: known)

    set_providers(CUDA)
    return set_providers


def test_onnx_runtime_takes_whole_batches_to_a_gpu(gpu_runtime, graph, clips):
    expected = made("onnx", None, graph, 4).score(clips[:3])
    scorer = OnnxScorer(graph, 4, gpu=1)
    found = scorer.score(clips[:3])
    session = GpuSession.made[-1]
    assert session.providers == [
        (CUDA, {"device_id": 1, "use_tf32": 0}),
        "CPUExecutionProvider",
    ]
    assert session.batches == [4]
    for part in PARTS:
        assert len(getattr(found, part)) == 3
        right = getattr(expected, part)
        np.testing.assert_allclose(getattr(found, part), right, rtol=1e-4, atol=1e-6 * right.max())


def test_tensorrt_comes_first_where_it_is_and_keeps_its_engines(
    gpu_runtime, graph, tmp_path, monkeypatch
):
    gpu_runtime(TENSORRT, CUDA)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    OnnxScorer(graph, 2, gpu=0)
    tensorrt, cuda, processor = GpuSession.made[-1].providers
    folder = tmp_path / "oddframe" / "tensorrt"
    assert folder.is_dir()
    assert tensorrt == (
        TENSORRT,
        {
            "device_id": 0,
            "trt_engine_cache_enable": True,
            "trt_engine_cache_path": str(folder),
        },
    )
    assert (cuda[0], processor) == (CUDA, "CPUExecutionProvider")


def test_a_gpu_that_onnx_runtime_cannot_set_up_is_an_error(gpu_runtime, graph, monkeypatch):
    """It would compute on the processor without a word."""
    monkeypatch.setattr(GpuSession, "works", False)
    with pytest.raises(SettingsError, match="got cuda:1, which it could not set up"):
        OnnxScorer(graph, 2, gpu=1)


@pytest.mark.parametrize("count", [0, 6])
def test_batches_are_of_the_size_agreed_to(count, clips):
    with pytest.raises(InputError, match=f"1 to 5 clips, got {count}"):
        pad_batch(np.concatenate([clips, clips])[:count], 5)


def test_half_precision_is_near(trained, clips):
    network = Network.of(trained)
    whole = TorchScorer(network, torch.device("cpu"), 5).score(clips)
    half = TorchScorer(network, torch.device("cpu"), 5, "bfloat16").score(clips)
    assert half.raw.dtype == np.float32
    assert (half.raw != whole.raw).any()
    np.testing.assert_allclose(half.raw, whole.raw, rtol=0.1)
    with pytest.raises(
        SettingsError, match="precision must be one of float32, bfloat16, float16 for torch"
    ):
        TorchScorer(network, torch.device("cpu"), 5, "int8")


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKENDS[1:])
def test_a_clip_of_a_large_network_scores_the_same_in_every_slot_too(name):
    shipped = read_bundle(find_bundle("ped2"))
    stretch = drawn_frames(shipped.network, 8)
    clips = clips_of(stretch, 1)
    scorer = made(name, shipped.network, shipped.graphs[ONNX], len(clips))
    alone = scorer.score(clips[:1])
    for slot in range(len(clips)):
        among = scorer.score(np.roll(clips, slot, axis=0))
        for part in PARTS:
            np.testing.assert_array_equal(getattr(among, part)[slot], getattr(alone, part)[0])


@pytest.mark.parametrize("name", BACKENDS[1:])
def test_scores_are_the_same_on_any_number_of_threads(name, trained, graph, clips):
    """To the bit, so that recordings can be scored side by side; torch is not promised to."""
    one, two = (made(name, trained, graph, 5, threads).score(clips[:5]) for threads in (1, 2))
    for part in PARTS:
        np.testing.assert_array_equal(getattr(one, part), getattr(two, part))


@pytest.mark.parametrize("name", BACKENDS)
def test_four_threads_share_a_scorer_and_each_gets_what_it_gets_alone(name, trained, graph, clips):
    """To the bit, although all of them ask at the same time."""
    scorer = made(name, trained, graph, 5)
    mine = [np.roll(clips, number, axis=0) for number in range(4)]
    alone = [scorer.score(batch) for batch in mine]
    start = Barrier(len(mine))

    def ask(batch):
        start.wait()
        return [scorer.score(batch) for _ in range(20)]

    with ThreadPoolExecutor(len(mine)) as pool:
        for right, found in zip(alone, pool.map(ask, mine), strict=True):
            for one in found:
                for part in PARTS:
                    np.testing.assert_array_equal(getattr(one, part), getattr(right, part))


def test_torch_computes_on_as_many_threads_as_it_is_told(trained, clips):
    before = torch.get_num_threads()
    try:
        made("torch", trained, None, 5, before + 1).score(clips[:5])
        assert torch.get_num_threads() == before + 1
        # Who is not told leaves the number alone.
        made("torch", trained, None, 5, None).score(clips[:5])
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_openvino_computes_on_one_thread_that_is_tied_to_no_core(trained, graph):
    import openvino

    settings = {}

    class Core(openvino.Core):
        def compile_model(self, model, device, options):
            settings.update(options)
            return super().compile_model(model, device, options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openvino, "Core", Core)
        OpenvinoScorer(graph, b"", 1, threads=1)
    assert settings["INFERENCE_NUM_THREADS"] == 1
    assert settings["ENABLE_CPU_PINNING"] is False
