"""Thresholds in memory, and models that travel to other processes."""

import itertools
import json
import math
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

import oddframe
from oddframe.errors import BundleError, InputError, SettingsError
from oddframe.inference.loading import compile_if_long, load
from oddframe.inference.model import Model
from oddframe.inference.selection import InferenceOptions
from tests.support.scorers import CompilableFake, FakeScorer
from tests.support.tiny import bytes_of, walk


@pytest.fixture(scope="module")
def model(tiny_run):
    return load(tiny_run, device="cpu")


def test_a_budget_at_loading_leaves_the_disk_alone(tiny_run, model):
    before = bytes_of(tiny_run / "bundle")
    strict = load(tiny_run, device="cpu", false_alarms="1/month")
    loose = model.with_threshold("60/hour")
    assert bytes_of(tiny_run / "bundle") == before
    assert strict.threshold > loose.threshold
    assert loose.bundle.calibration.budget == "60/hour"
    # The network is there once.
    assert loose.scorer is model.scorer


def test_a_budget_in_memory_is_the_one_that_calibrate_writes(tiny_run, model, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(tiny_run / "bundle", run)
    oddframe.calibrate(run, false_alarms="6/hour")
    assert model.with_threshold("6/hour").bundle.calibration == load(run).bundle.calibration


def test_another_threshold_makes_other_scores_and_events(model, video):
    path = video(frames=30, draw=walk)
    raw = [score.raw for score in model.scores(path)]
    low = model.with_threshold(raw=min(filter(None, raw)) / 2)
    assert [score.raw for score in low.scores(path)] == raw
    assert all(score.score > 0.5 for score in low.scores(path) if score.score is not None)
    assert [event.phase for event in low.events(path) if event.kind == "anomaly"][-1] == "end"
    high = model.with_threshold(raw=max(filter(None, raw)) * 2)
    assert not [event for event in high.events(path) if event.kind == "anomaly"]


def test_the_threshold_of_the_calibration_has_its_own_release(model):
    known = model.bundle.calibration
    again = model.with_threshold(raw=known.threshold).bundle.calibration
    assert again.release == pytest.approx(known.release)
    bare = oddframe.Model(replace(model.bundle, normal=None), model.scorer)
    half = bare.with_threshold(raw=known.threshold / 2).bundle.calibration
    assert half.release == pytest.approx(known.release / 2)


def test_what_is_no_threshold_is_refused(model):
    for wrong in ((), ("6/hour", 0.5)):
        with pytest.raises(SettingsError, match="either a budget"):
            model.with_threshold(*wrong[:1], **({"raw": wrong[1]} if wrong[1:] else {}))
    with pytest.raises(SettingsError, match="must read like 1/day"):
        model.with_threshold("often")
    with pytest.raises(InputError, match="raw score above 0, got -1"):
        model.with_threshold(raw=-1)
    bare = oddframe.Model(replace(model.bundle, normal=None), model.scorer)
    with pytest.raises(InputError, match="the model keeps none; calibrate it with footage"):
        bare.with_threshold("6/hour")


def test_an_attribute_that_would_have_no_effect_cannot_be_set(model):
    with pytest.raises(AttributeError, match=r"threshold that could be set.*with_threshold"):
        model.threshold = 0.002
    with pytest.raises(oddframe.OddframeError, match="sensitivity"):
        model.sensitivity = 3


def test_a_model_arrives_with_its_threshold_and_without_its_weights(model, video):
    path = video(frames=12, draw=walk)
    sent = model.with_threshold("6/hour")
    content = pickle.dumps(sent)
    assert len(content) < 20_000
    there = pickle.loads(content)
    assert there.threshold == sent.threshold
    assert list(there.scores(path)) == list(sent.scores(path))
    # A second one of the same place shares the network of the first.
    assert pickle.loads(pickle.dumps(model)).scorer is there.scorer


def test_another_model_at_the_place_is_an_error(tiny_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(tiny_run / "bundle", run)
    content = pickle.dumps(load(run, device="cpu"))
    replace_card(run)
    assert pickle.loads(content).path == run
    made = load(run, device="cpu")
    other = oddframe.Model(
        replace(made.bundle, graphs={"model.onnx": b"other"}),
        made.scorer, made.backend, (), made.path,
    )  # fmt: skip
    with pytest.raises(BundleError, match="holds another one: its hash differs"):
        pickle.loads(pickle.dumps(other))


def replace_card(run):
    """Change what is no part of the network: its hash stays."""
    oddframe.calibrate(run, false_alarms="2/week")


def test_a_model_of_a_bundle_in_memory_stays_here(model):
    with pytest.raises(InputError, match="loaded from a folder"):
        pickle.dumps(load(model.bundle, device="cpu"))


_THERE = """
import json, pickle, sys
model = pickle.load(sys.stdin.buffer)
print(json.dumps([score.raw for score in model.scores(sys.argv[1])]))
"""


@pytest.mark.slow
def test_another_process_gives_the_same_scores(model, video):
    path = video(frames=12, draw=walk)
    done = subprocess.run(
        [sys.executable, "-c", _THERE, str(path)],
        input=pickle.dumps(model), capture_output=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == [score.raw for score in model.scores(path)]


def model_of(loaded, scorer, **options):
    """A model that another scorer runs, and that was loaded with these options."""
    said = ("said before",)
    return Model(loaded.bundle, scorer, "torch float32", said, options=InferenceOptions(**options))


@pytest.mark.parametrize(
    ("clips", "step_s", "why"),
    # A batch has four clips: where it takes a second, compiling saves 0.0875 s of each clip.
    [
        (1000.0, 1.0, "1,000 clips are to come"),
        (600.0, 1.0, None),
        (math.inf, 1e-6, "live cameras have no end"),
    ],
)
def test_a_network_is_compiled_for_a_long_run_and_not_for_a_short_one(clips, step_s, why, model):
    scorer = CompilableFake(FakeScorer())
    before = model_of(model, scorer)
    looks = itertools.count(0.0, step_s)
    found = compile_if_long(
        before, lambda: clips, can_compile=lambda: True, clock=lambda: next(looks)
    )
    if why is None:
        assert found is before
        return
    assert found.scorer is scorer.becomes
    assert found.bundle is before.bundle
    assert found.notices == (
        "said before",
        f"the network was compiled in {step_s:.0f} s, since {why}; --no-compile leaves that out",
    )


def test_clips_are_not_counted_where_nobody_could_compile(model):
    def count():
        raise AssertionError("clips were counted")

    compilable = CompilableFake(FakeScorer())
    for scorer, options, able in (
        (compilable, {"compiled": False}, True),
        # It was compiled when it was loaded.
        (compilable, {"compiled": True}, True),
        (compilable, {}, False),
        (FakeScorer(), {}, True),
    ):
        before = model_of(model, scorer, **options)
        assert compile_if_long(before, count, can_compile=lambda able=able: able) is before


def test_a_network_on_the_processor_is_not_compiled_on_demand(tiny_run):
    with pytest.raises(SettingsError, match=r"but this one runs elsewhere \(torch float32\)"):
        load(tiny_run, device="cpu", backend="torch", precision="float32", compiled=True)
