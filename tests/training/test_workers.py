"""Worker processes of one machine: how many there are, and that they train as they should."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from oddframe.errors import RunError, SettingsError
from oddframe.tasks.train import train
from oddframe.training import workers as room
from oddframe.training.settings import PRESETS
from oddframe.training.workers import choose_workers, start_workers, worker_bytes
from tests.support.group_norm_work import die
from tests.support.tiny import bytes_of, tiny_settings

FAST = PRESETS["fast"]
SAME = ("log.jsonl", "bundle/*", "footage.json")


def steps(count, **changes):
    training = replace(FAST.training, pretrain_steps=0, joint_steps=count, **changes)
    return replace(FAST, training=training)


@pytest.fixture
def machine(monkeypatch):
    """A machine of some cores and some free memory."""

    def have(cores, free_bytes=None):
        monkeypatch.setattr("oddframe.training.workers.usable_cores", lambda: cores)
        monkeypatch.setattr("oddframe.training.workers.free_bytes", lambda: free_bytes)

    return have


def test_there_is_one_for_each_core_unless_that_is_not_worth_it(machine):
    machine(4)
    assert choose_workers(None, FAST, "cpu") == 4
    assert choose_workers(None, steps(12), "cpu") == 1
    assert choose_workers(None, tiny_settings(), "cpu") == 1
    # Two clips each, at least.
    assert choose_workers(None, steps(5_000, batch_size=6), "cpu") == 3
    assert choose_workers(None, steps(5_000, batch_size=1), "cpu") == 1
    machine(1)
    assert choose_workers(None, FAST, "cpu") == 1


def test_they_keep_within_the_memory_that_is_free(machine):
    for fitting in (1, 2, 3, 4):
        machine(4, fitting * worker_bytes(FAST, fitting))
        assert choose_workers(None, FAST, "cpu") == fitting
    machine(4, 1)
    assert choose_workers(None, FAST, "cpu") == 1
    # Who asks for more gets more.
    assert choose_workers(3, FAST, "cpu") == 3


@pytest.mark.parametrize("asked", [0, -1, 9])
def test_a_number_that_cannot_be_is_refused(asked):
    with pytest.raises(SettingsError, match="at least 1 and at most the clips of a batch, 8, got"):
        choose_workers(asked, FAST, "cpu")


def test_a_gpu_has_one():
    assert choose_workers(None, FAST, "cuda:0") == 1
    with pytest.raises(SettingsError, match=r"must be 1 on a GPU, got 2; .*docs/scale.md"):
        choose_workers(2, FAST, "cuda:0")


def test_what_is_free_is_read_from_the_system():
    free = room.free_bytes()
    assert free is None or 0 < free < 1 << 50


@pytest.fixture(scope="module")
def unbroken(footage, tiny_config, oddframe_command, tmp_path_factory):
    """A training with two workers that nothing disturbed."""
    run = tmp_path_factory.mktemp("two") / "run"
    left = oddframe_command("train", footage, "-o", run, "-c", tiny_config, "--workers", 2)
    assert left.code == 0, left
    return run


def test_a_training_that_was_killed_and_resumed_equals_the_unbroken_one(
    unbroken, footage, tiny_config, oddframe_command, tmp_path
):
    run = tmp_path / "run"
    killed = oddframe_command(
        "train", footage, "-o", run, "-c", tiny_config, "--workers", 2, step=8
    )
    assert killed.code == -signal.SIGKILL
    refused = oddframe_command("train", footage, "-o", run, "--resume", "--workers", 1)
    assert refused.code == 2
    assert "other workers" in refused.error
    left = oddframe_command("train", footage, "-o", run, "--resume", "--json")
    assert left.code == 0, left
    assert left.json["workers"] == 2
    assert bytes_of(run, SAME) == bytes_of(unbroken, SAME)


def test_a_killed_worker_ends_the_training_with_a_sentence(footage, tmp_path):
    def kill(phase, done, total, values):
        if phase == "joint":
            for child in descendants(os.getpid()):
                os.kill(child, signal.SIGKILL)

    threads = torch.get_num_threads()
    with pytest.raises(RunError, match=r"worker 2 of 2 did not.*exit code.*--resume"):
        train(
            footage,
            tmp_path / "run",
            settings=tiny_settings(),
            workers=2,
            export=False,
            device="cpu",
            on_progress=kill,
        )
    assert torch.get_num_threads() == threads
    assert descendants(os.getpid()) == []


def test_a_worker_that_cannot_start_ends_it_too():
    with (
        pytest.raises(RunError, match=r"worker 2 of 2 did not"),
        start_workers(2, die),
    ):
        pass


def descendants(pid):
    """The workers under a process: children of the servers that it has started."""
    found = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, listed.read_text().split()):
            command = Path(f"/proc/{child}/cmdline").read_bytes()
            found += [child] * (b"isolation" in command) + descendants(child)
    return found
