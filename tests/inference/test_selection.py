import json
from dataclasses import replace

import numpy as np
import pytest

from oddframe.errors import BundleError, InputError, MissingExtraError
from oddframe.inference import selection as choosing
from oddframe.inference.backends import Backend
from oddframe.inference.scorer import ClipScores
from oddframe.inference.selection import select_backend

TORCH, ONNX, OPENVINO, INT8 = (
    Backend("torch"),
    Backend("onnx"),
    Backend("openvino"),
    Backend("openvino", "int8"),
)


class Clock:
    """A clock that moves only where a scorer takes its time: no test waits, or depends on how busy the machine is."""

    now_s = 0.0

    @classmethod
    def perf_counter(cls):
        return cls.now_s


class Timed:
    """Takes its time, and is off by a factor."""

    batch_size = 4

    def __init__(self, wait_s, factor=1.0):
        self.wait_s, self.factor = wait_s, factor

    def score(self, clips):
        Clock.now_s += self.wait_s
        raw = self.factor * (1 + clips.mean(axis=(1, 2, 3, 4), dtype=np.float32))
        return ClipScores(raw, raw, raw, raw, raw[:, None, None] * np.ones((1, 2, 2), np.float32))


@pytest.fixture
def backends(monkeypatch, tmp_path):
    """Puts scorers of our own in the place of the real ones; gives what was asked for."""
    asked = []

    def put(scorers):
        def make(bundle, name, precision="float32", device="auto", batch_size=8):
            asked.append(Backend(name, precision))
            found = scorers[Backend(name, precision)]
            if isinstance(found, Exception):
                raise found
            return found

        monkeypatch.setattr(choosing, "time", Clock)
        monkeypatch.setattr(choosing, "available", lambda bundle, device: tuple(scorers))
        monkeypatch.setattr(choosing, "make_scorer", make)
        return asked

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return put


def test_the_fastest_is_chosen_and_remembered(backends, bundle):
    asked = backends({TORCH: Timed(0.03), ONNX: Timed(0.002), OPENVINO: Timed(0.015)})
    choice = select_backend(bundle, batch_size=4)
    assert choice.backend == ONNX
    assert "onnx float32, the fastest here (clips per second: torch float32" in choice.notice
    asked.clear()
    again = select_backend(bundle, batch_size=4)
    assert (again.backend, again.notice) == (ONNX, None)
    assert asked == [ONNX]


def test_what_says_something_else_is_not_chosen(backends, bundle):
    backends({TORCH: Timed(0.02), ONNX: Timed(0.001, factor=1.01), OPENVINO: Timed(0.005)})
    choice = select_backend(bundle)
    assert choice.backend == OPENVINO
    assert "onnx float32 differs" in choice.notice


def test_what_does_not_run_is_not_chosen(backends, bundle):
    backends({TORCH: Timed(0.02), ONNX: BundleError("too new"), OPENVINO: Timed(0.005)})
    choice = select_backend(bundle)
    assert choice.backend == OPENVINO
    assert "onnx float32 does not run: too new" in choice.notice


def test_where_nothing_runs_that_is_said(backends, bundle):
    backends({TORCH: BundleError("a"), ONNX: BundleError("b")})
    with pytest.raises(
        InputError, match="torch float32 does not run: a; onnx float32 does not run: b"
    ):
        select_backend(bundle)


@pytest.mark.parametrize(("factor", "chosen"), [(1.1, INT8), (1.6, OPENVINO), (688.0, OPENVINO)])
def test_whole_numbers_may_be_off_a_little(factor, chosen, backends, bundle):
    backends({OPENVINO: Timed(0.02), INT8: Timed(0.002, factor)})
    assert select_backend(bundle).backend == chosen


def test_coarser_numbers_must_be_clearly_faster(backends, bundle, monkeypatch):
    backends({OPENVINO: Timed(0.001), INT8: Timed(0.001)})
    for speed, chosen in ((105.0, OPENVINO), (120.0, INT8)):
        speeds = {OPENVINO: 100.0, INT8: speed}
        monkeypatch.setattr(choosing, "_clips_per_s", lambda *_, found=speeds: found)
        assert (
            select_backend(replace(bundle, card=f"{speed}"), batch_size=int(speed)).backend
            == chosen
        )


def test_what_is_asked_for_is_taken_untried(backends, bundle):
    asked = backends(
        {TORCH: Timed(0.001), ONNX: Timed(0.01), OPENVINO: Timed(0.001), INT8: Timed(0.001)}
    )
    assert select_backend(bundle, backend="onnx").backend == ONNX
    assert select_backend(bundle, precision="int8").backend == INT8
    assert select_backend(bundle, backend="torch", precision="float32").backend == TORCH
    assert asked == [ONNX, INT8, TORCH]


def test_another_model_device_or_batch_is_tried_anew(backends, bundle):
    asked = backends({TORCH: Timed(0.001), ONNX: Timed(0.002)})
    for one, more in (
        (bundle, {}),
        (replace(bundle, graphs={"model.onnx": b"other"}), {}),
        (bundle, {"device": "cpu"}),
        (bundle, {"batch_size": 2}),
    ):
        asked.clear()
        assert select_backend(one, **more).notice is not None
        assert set(asked) == {TORCH, ONNX}
    asked.clear()
    assert (
        select_backend(
            replace(bundle, calibration=replace(bundle.calibration, threshold=3.0))
        ).notice
        is None
    )


@pytest.mark.parametrize("content", ["", "[]", "{", '{"x": 3}'])
def test_a_broken_memory_is_no_error(content, backends, bundle, tmp_path):
    backends({TORCH: Timed(0.001), ONNX: Timed(0.002)})
    place = tmp_path / "cache" / "oddframe" / "backends.json"
    place.parent.mkdir(parents=True)
    place.write_text(content)
    assert select_backend(bundle).notice
    assert select_backend(bundle).notice is None
    # What is remembered may be of no use any more.
    known = json.loads(place.read_text())
    place.write_text(json.dumps({key: {"backend": "gone"} for key in known}))
    assert select_backend(bundle).backend in (TORCH, ONNX)


def test_a_memory_that_cannot_be_written_is_no_error(backends, bundle, tmp_path):
    backends({TORCH: Timed(0.001), ONNX: Timed(0.002)})
    (tmp_path / "cache").write_text("a file stands in its place")
    assert select_backend(bundle).notice
    assert select_backend(bundle).notice


def test_without_anything_the_command_that_helps_is_named(backends, bundle):
    backends({})
    with pytest.raises(
        MissingExtraError,
        match=r"oddframe export MODEL --to onnx.*pip install \"oddframe\[train\]\"",
    ):
        select_backend(bundle)


def test_the_real_ones(bundle, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    choice = select_backend(bundle, batch_size=2)
    for name in ("torch float32", "onnx float32", "openvino float32"):
        assert name in choice.notice
    assert "differs" not in choice.notice
    assert choice.scorer.batch_size == 2
