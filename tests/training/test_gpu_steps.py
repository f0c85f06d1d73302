"""Captured steps and the feed of batches, with stand-ins for what only a GPU has.

A stand-in graph remembers the step that it was to capture and takes it at each replay, so that what
is replayed is what a GPU would do.
"""

from contextlib import contextmanager, nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch

from oddframe.core.records import NO_CROP, CropOffset
from oddframe.datasets.clip_dataset import Batch
from oddframe.errors import SettingsError
from oddframe.model.config import NetworkConfig
from oddframe.model.network import Network
from oddframe.training import gpu_steps
from oddframe.training.gpu_steps import DeviceFeed, StepGraph, choose_gpu_steps, compile_parts
from oddframe.training.settings import TrainingConfig
from oddframe.training.trainer import Trainer

CPU, GPU = torch.device("cpu"), torch.device("cuda")
NETWORK = NetworkConfig(height=64, width=64, channels=4, clusters=3)
TRAINING = TrainingConfig(
    pretrain_steps=6,
    joint_steps=8,
    learning_rate=1e-3,
    cluster_learning_rate=1e-4,
    precision="float32",
)
OURS = replace(TRAINING, repulsion=0.1, discrimination=0.01, gradient_clip=0.5)


class Waiting:
    """A stand-in for streams and events, on which nobody has to wait."""

    def __init__(self, *_args):
        self.asked = []

    def __getattr__(self, name):
        return lambda *_args: self.asked.append(name)


class Graph:
    """A stand-in for a CUDA graph: it takes the step anew at each replay."""

    captured = ()

    def replay(self):
        self.losses.update(self.update(self.inputs))


@pytest.fixture
def stand_ins(monkeypatch):
    """Replace what only a GPU has."""
    for name in ("Stream", "Event", "current_stream", "set_stream"):
        monkeypatch.setattr(torch.cuda, name, Waiting)
    monkeypatch.setattr(torch.cuda, "stream", nullcontext)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(gpu_steps, "pinned_like", torch.empty_like)


class StandInGraph(StepGraph):
    """Captures without taking a step."""

    def capture(self, inputs):
        with self.prepared():
            self.graph = Graph()
            self.graph.update, self.graph.inputs = self.update, inputs
            self.losses = self.graph.losses = {}


def batch_of(seed, count=4, part=NO_CROP, marked=40):
    random = np.random.default_rng(seed)
    clips = random.integers(0, 256, (count, 5, 64, 64, 3), np.uint8)
    abnormal = np.zeros((count, 64, 64), np.bool_)
    abnormal[0, :32, :marked] = True
    return Batch(clips, clips[:, 0].copy(), clips[:, 4].copy(), clips[:, 0].copy(), abnormal, part)


def start(training=TRAINING, network=NETWORK, *, fixed=True):
    torch.manual_seed(0)
    trainer = Trainer(Network(network), training, CPU)
    trainer.fixed_shapes = fixed
    return trainer


def run(trainer, steps, batches=batch_of):
    """Take so many steps, with centres in their place."""
    history = []
    for _ in range(steps):
        if trainer.needs_centres:
            trainer.place_centres(trainer.codes(batches(0).clips))
        losses = trainer.train_step(batches(trainer.step))
        history.append({name: loss.item() for name, loss in losses.items()})
    return history


def weights(trainer):
    return torch.cat([value.flatten().double() for value in trainer.network.state_dict().values()])


@pytest.mark.parametrize("training", [TRAINING, OURS], ids=["published", "ours"])
def test_steps_of_fixed_shapes_are_the_same_within_rounding(training):
    free, fixed = start(training, fixed=False), start(training)
    assert run(free, 10)[-1] == pytest.approx(run(fixed, 10)[-1], rel=1e-3)
    torch.testing.assert_close(weights(free), weights(fixed), rtol=1e-3, atol=1e-4)


def test_a_batch_without_abnormal_places_has_losses_of_zero_for_them():
    def as_filmed(seed):
        return batch_of(seed, marked=0)

    trainer = start(OURS)
    losses = run(trainer, 8, as_filmed)[-1]
    assert losses["repulsion"] == 0.0
    assert all(map(np.isfinite, losses.values()))


@pytest.mark.parametrize("training", [TRAINING, OURS], ids=["published", "ours"])
def test_replayed_steps_are_the_steps(training, stand_ins):
    plain, captured = start(training), start(training)
    captured.captured = StandInGraph(captured.update)
    first = [run(plain, 6), run(captured, 6)]
    assert captured.captured.graph is not None
    # Another phase has a graph of its own.
    run(plain, 1)
    run(captured, 1)
    assert captured.captured.graph is None
    second = [run(plain, 6), run(captured, 6)]
    assert captured.captured.graph is not None
    for left, right in (first, second):
        assert left[-1] == pytest.approx(right[-1], rel=1e-6)
    assert torch.equal(weights(plain), weights(captured))
    assert captured.captured.notices == []


def test_a_step_that_cannot_be_captured_is_taken_all_the_same(stand_ins, monkeypatch):
    @contextmanager
    def graph(*_args, **_more):
        raise RuntimeError("operation not permitted when stream is capturing\nand more")
        yield

    monkeypatch.setattr(torch.cuda, "graph", graph)
    plain, captured = start(), start()
    captured.captured = StepGraph(captured.update)
    run(plain, 10), run(captured, 10)
    assert torch.equal(weights(plain), weights(captured))
    (notice,) = captured.captured.notices
    assert notice == (
        "training kernel by kernel, since no step could be captured: "
        "RuntimeError: operation not permitted when stream is capturing"
    )


def test_without_a_compiler_steps_are_taken_all_the_same(stand_ins):
    def fails(*_args):
        raise RuntimeError("no compiler")

    trainer = start()
    part = gpu_steps.CompiledPart(trainer.network.motion, "features", fails)
    trainer.captured = StandInGraph(trainer.update, [part])
    run(trainer, 5)
    assert trainer.captured.notices == [
        "training without compiled kernels: RuntimeError: no compiler"
    ]
    assert "features" not in vars(trainer.network.motion)


def test_compiled_parts_compute_the_same(stand_ins, monkeypatch):
    compiled = torch.compile
    monkeypatch.setattr(
        torch, "compile", lambda part, **more: compiled(part, backend="aot_eager", **more)
    )
    plain, captured = start(), start()
    captured.captured = StandInGraph(captured.update, compile_parts(captured.network))
    assert run(plain, 3)[-1] == pytest.approx(run(captured, 3)[-1], rel=1e-4)


@pytest.mark.parametrize("top", [0, 32])
def test_a_crop_whose_place_is_a_tensor_is_the_same(top):
    network = replace(NETWORK, empty_scene=True, height=96)
    trainer = start(network=network)
    part = CropOffset(top, 0)
    with torch.no_grad():
        trainer.network.appearance.empty.normal_()
        frame = torch.rand(2, 3, 64, 64)
        plain, _ = trainer.network.appearance(frame, part)
        there, _ = trainer.network.appearance(frame, torch.tensor(part))
    assert torch.equal(plain, there)


def test_a_feed_gives_the_batches_in_order(stand_ins):
    feed = DeviceFeed(lambda step: batch_of(step, part=CropOffset(step, 2 * step)), CPU)
    for step in range(6):
        found = feed.take(step)
        wanted = batch_of(step)
        assert np.array_equal(found.clips.numpy(), wanted.clips)
        assert np.array_equal(found.abnormal.numpy(), wanted.abnormal)
        assert found.part.tolist() == [step, 2 * step]
        if step % 3:
            feed.prepare(step + 1)
            # The batch that is learned from stays what it is meanwhile.
            assert np.array_equal(found.clips.numpy(), wanted.clips)


@pytest.mark.parametrize(
    ("asked", "device", "processes", "steps", "chosen"),
    [
        ("auto", CPU, 1, 10_000, "eager"),
        ("graph", CPU, 1, 10_000, "eager"),
        ("auto", GPU, 2, 10_000, "eager"),
        ("auto", GPU, 1, 100, "graph"),
        ("compiled", GPU, 1, 100, "compiled"),
        ("eager", GPU, 1, 10_000, "eager"),
    ],
)
def test_how_steps_are_taken(asked, device, processes, steps, chosen):
    assert choose_gpu_steps(asked, device, processes, steps) == chosen


def test_another_way_is_refused():
    with pytest.raises(SettingsError, match=r"gpu_steps must be one of auto, .*, got 'fast'"):
        choose_gpu_steps("fast", CPU, 1, 1)
