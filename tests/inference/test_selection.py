import json
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from oddframe.errors import BundleError, InputError, MissingExtraError, SettingsError
from oddframe.inference.backends import Backend
from oddframe.inference.selection import InferenceOptions, select_backend
from tests.support.scorers import FakeScorer, flat_maps

TORCH, ONNX, OPENVINO, INT8 = (
    Backend("torch"),
    Backend("onnx"),
    Backend("openvino"),
    Backend("openvino", "int8"),
)


class Timed(NamedTuple):
    """A backend that takes so many seconds for a batch, and is off by a factor."""

    seconds: float
    factor: float = 1.0


class Machine:
    """A machine whose backends are fakes and whose clock moves only while one of them scores.

    So no test waits or depends on how busy the real machine is.
    """

    def __init__(self, backends):
        self.backends, self.loaded, self.now_s = backends, [], 0.0
        self.threads = None

    def make(self, bundle, name, precision, device, batch_size, threads):
        self.loaded.append(Backend(name, precision))
        self.threads = threads
        backend = self.backends[Backend(name, precision)]
        if isinstance(backend, Exception):
            raise backend

        def raw(clips):
            self.now_s += backend.seconds
            return backend.factor * (1 + clips.mean(axis=(1, 2, 3, 4), dtype=np.float32))

        return FakeScorer(raw, maps=flat_maps(2, 2), batch_size=batch_size)

    def select(self, bundle, **options):
        return select_backend(
            bundle,
            InferenceOptions(**options),
            list_available=lambda bundle, device: tuple(self.backends),
            make=self.make,
            clock=lambda: self.now_s,
        )


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """The folder that remembers selections; empty at first."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_fastest_is_selected_and_remembered(bundle):
    machine = Machine({TORCH: Timed(0.03), ONNX: Timed(0.002), OPENVINO: Timed(0.015)})
    choice = machine.select(bundle, batch_size=4)
    assert choice.backend == ONNX
    assert "onnx float32, the fastest here (clips per second: torch float32" in choice.notice
    machine.loaded.clear()
    again = machine.select(bundle, batch_size=4)
    assert (again.backend, again.notice) == (ONNX, None)
    assert machine.loaded == [ONNX]


def test_a_backend_with_other_results_is_not_selected(bundle):
    machine = Machine({TORCH: Timed(0.02), ONNX: Timed(0.001, factor=1.01), OPENVINO: Timed(0.005)})
    choice = machine.select(bundle)
    assert choice.backend == OPENVINO
    assert "onnx float32 differs" in choice.notice


def test_a_backend_that_does_not_run_is_not_selected(bundle):
    machine = Machine({TORCH: Timed(0.02), ONNX: BundleError("too new"), OPENVINO: Timed(0.005)})
    choice = machine.select(bundle)
    assert choice.backend == OPENVINO
    assert "onnx float32 does not run: too new" in choice.notice


def test_an_error_says_why_none_runs(bundle):
    machine = Machine({TORCH: BundleError("a"), ONNX: BundleError("b")})
    with pytest.raises(
        InputError, match="torch float32 does not run: a; onnx float32 does not run: b"
    ):
        machine.select(bundle)


@pytest.mark.parametrize(("factor", "chosen"), [(1.1, INT8), (1.6, OPENVINO), (688.0, OPENVINO)])
def test_whole_numbers_may_be_off_a_little(factor, chosen, bundle):
    machine = Machine({OPENVINO: Timed(0.02), INT8: Timed(0.002, factor)})
    assert machine.select(bundle).backend == chosen


@pytest.mark.parametrize(("times_as_fast", "chosen"), [(1.05, OPENVINO), (1.2, INT8)])
def test_coarser_numbers_must_be_clearly_faster(times_as_fast, chosen, bundle):
    machine = Machine({OPENVINO: Timed(0.012), INT8: Timed(0.012 / times_as_fast)})
    assert machine.select(bundle).backend == chosen


@pytest.mark.parametrize(("factor", "chosen"), [(1.01, "bfloat16"), (1.1, "float32")])
def test_half_precision_on_a_gpu_must_agree_with_the_network_there(factor, chosen, bundle):
    machine = Machine(
        {TORCH: Timed(0.026), Backend("torch", "bfloat16"): Timed(0.013, factor=factor)}
    )
    selected = machine.select(bundle, device="cuda")
    assert selected.backend == Backend("torch", chosen)
    assert selected.scorer.batch_size == 64
    assert (chosen == "bfloat16") != ("torch bfloat16 differs" in selected.notice)


@pytest.mark.parametrize(
    ("options", "clips"),
    [({}, 8), ({"device": "cpu"}, 8), ({"device": "cuda:1"}, 64), ({"batch_size": 3}, 3)],
)
def test_a_gpu_that_is_asked_for_gets_larger_batches(options, clips):
    assert InferenceOptions(**options).clips_at_a_time == clips


def test_the_fastest_is_found_for_each_number_of_threads(bundle):
    machine = Machine({TORCH: Timed(0.03), ONNX: Timed(0.002)})
    machine.select(bundle, threads=3)
    assert (machine.loaded, machine.threads) == ([TORCH, ONNX], 3)
    machine.select(bundle, threads=3)
    assert machine.loaded == [TORCH, ONNX, ONNX]
    machine.select(bundle, threads=1)
    assert machine.loaded == [TORCH, ONNX, ONNX, TORCH, ONNX]


@pytest.mark.parametrize("threads", [0, -2])
def test_there_is_at_least_one_thread(threads):
    with pytest.raises(SettingsError, match=f"threads must be at least 1, got {threads}"):
        InferenceOptions(threads=threads)


def test_what_is_asked_for_is_taken_without_a_comparison(bundle):
    machine = Machine(
        {TORCH: Timed(0.001), ONNX: Timed(0.01), OPENVINO: Timed(0.001), INT8: Timed(0.001)}
    )
    assert machine.select(bundle, backend="onnx").backend == ONNX
    assert machine.select(bundle, precision="int8").backend == INT8
    assert machine.select(bundle, backend="torch", precision="float32").backend == TORCH
    assert machine.loaded == [ONNX, INT8, TORCH]


def test_another_model_device_or_batch_size_is_compared_anew(bundle):
    machine = Machine({TORCH: Timed(0.001), ONNX: Timed(0.002)})
    for model, options in (
        (bundle, {}),
        (replace(bundle, graphs={"model.onnx": b"other"}), {}),
        (bundle, {"device": "cpu"}),
        (bundle, {"batch_size": 2}),
    ):
        machine.loaded.clear()
        assert machine.select(model, **options).notice is not None
        assert set(machine.loaded) == {TORCH, ONNX}
    # A threshold has no part in speed.
    other = replace(bundle, calibration=replace(bundle.calibration, threshold=3.0))
    assert machine.select(other).notice is None


@pytest.mark.parametrize("content", ["", "[]", "{", '{"x": 3}'])
def test_a_broken_cache_is_no_error(content, bundle, cache):
    machine = Machine({TORCH: Timed(0.001), ONNX: Timed(0.002)})
    path = cache / "oddframe" / "backends.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert machine.select(bundle).notice
    assert machine.select(bundle).notice is None
    # A backend that is remembered may be gone by now.
    known = json.loads(path.read_text())
    path.write_text(json.dumps({key: {"backend": "gone"} for key in known}))
    assert machine.select(bundle).backend in (TORCH, ONNX)


def test_a_cache_that_cannot_be_written_is_no_error(bundle, cache):
    machine = Machine({TORCH: Timed(0.001), ONNX: Timed(0.002)})
    cache.write_text("a file stands in its place")
    assert machine.select(bundle).notice
    assert machine.select(bundle).notice


def test_without_any_backend_the_command_that_helps_is_named(bundle):
    with pytest.raises(
        MissingExtraError,
        match=r"oddframe export MODEL --to onnx.*pip install \"oddframe\[train\]\"",
    ):
        Machine({}).select(bundle)


def test_the_real_backends_agree_here(bundle):
    choice = select_backend(bundle, InferenceOptions(batch_size=2))
    for name in ("torch float32", "onnx float32", "openvino float32"):
        assert name in choice.notice
    assert "differs" not in choice.notice
    assert choice.scorer.batch_size == 2
