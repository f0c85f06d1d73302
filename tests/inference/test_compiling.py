"""What comes of compiling a network, and when it pays; the compiler has a stand-in."""

import itertools
import math

import pytest
import torch

from oddframe.errors import SettingsError
from oddframe.inference.backends import Backend
from oddframe.inference.compiling import COMPILING_S, SAVED, compile_scorer, pays, time_clip
from oddframe.inference.loading import load
from oddframe.inference.torch_backend import GpuScorer
from oddframe.model.network import Network
from tests.support.scorers import CompilableFake, FakeScorer, brightness

TORCH = Backend("torch")


@pytest.fixture(scope="module")
def bundle(tiny_run):
    return load(tiny_run, device="cpu").bundle


def test_it_pays_where_the_network_works_for_long():
    enough = COMPILING_S / SAVED / 0.001
    assert pays(1.01 * enough, 0.001)
    assert not pays(0.99 * enough, 0.001)
    # A network twice as slow is worth it in half as many clips, and a camera has no end.
    assert pays(0.51 * enough, 0.002)
    assert pays(math.inf, 1e-6)


def test_a_clip_takes_its_part_of_the_fastest_full_batch(bundle):
    scorer = FakeScorer(batch_size=4)
    looks = itertools.accumulate([0.0, 9.0, 0.0, 2.0, 0.0, 5.0])
    assert time_clip(bundle, scorer, lambda: next(looks)) == 0.5
    assert [len(batch) for batch in scorer.batches] == [4] * 4


def test_a_network_that_agrees_takes_its_place(bundle):
    scorer = CompilableFake(FakeScorer())
    looks = itertools.count(0.0, 7.0)
    found, notice = compile_scorer(bundle, scorer, TORCH, clock=lambda: next(looks))
    assert found is scorer.becomes
    assert notice == "the network was compiled in 7 s"
    _, notice = compile_scorer(bundle, scorer, TORCH, "nights are long", lambda: next(looks))
    assert notice == (
        "the network was compiled in 7 s, since nights are long; --no-compile leaves that out"
    )


def test_a_network_that_differs_does_not(bundle):
    scorer = CompilableFake(FakeScorer(lambda clips: 1.01 * brightness(clips)))
    found, notice = compile_scorer(bundle, scorer, TORCH)
    assert found is scorer
    assert notice.startswith("scoring without a compiled network, which gives other results: ")
    assert "relative error of raw scores 0.01, at most 0.001" in notice
    # Half precision may differ by more.
    found, _ = compile_scorer(bundle, scorer, Backend("torch", "bfloat16"))
    assert found is scorer.becomes


def test_without_a_compiler_the_network_runs_as_it_is(bundle):
    scorer = CompilableFake(RuntimeError("Failed to find C compiler.\nPlease specify via CC"))
    found, notice = compile_scorer(bundle, scorer, TORCH)
    assert found is scorer
    assert notice == (
        "scoring without a compiled network, which failed to compile: "
        "RuntimeError: Failed to find C compiler."
    )


def test_what_runs_on_the_processor_is_not_compiled(bundle):
    with pytest.raises(SettingsError, match=r"but this one runs elsewhere \(onnx float32\)"):
        compile_scorer(bundle, FakeScorer(), Backend("onnx"))


def test_the_compiler_is_that_of_torch_with_one_shape(bundle, monkeypatch):
    compiled = []

    def compile_nothing(network, dynamic):
        compiled.append((type(network).__name__, dynamic))
        return network

    monkeypatch.setattr(torch, "compile", compile_nothing)
    scorer = GpuScorer(Network.of(bundle.network), torch.device("cpu"), 4)
    found, notice = compile_scorer(bundle, scorer, TORCH)
    assert compiled == [("AnomalyScorer", False)]
    assert notice.startswith("the network was compiled in ")
    assert isinstance(found, GpuScorer)
    assert found is not scorer
