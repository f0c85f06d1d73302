"""Several processes train as one does with the same total batch; they talk through gloo."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.support.process_group_runs import train_in_group
from tests.support.tiny import bytes_of, tiny_settings

LOSSES, WEIGHTS = 1e-4, 2e-3
"""How far losses and weights may differ, relative to their size, after twelve steps of Adam.

Sums over processes are added in another order than those over one batch.
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Writes settings of a network that is wide enough for both of its streams to learn."""

    def write(**changes):
        settings = tiny_settings(**{"precision": "float32", "batch_norm": "frozen", **changes})
        settings = replace(settings, network=replace(settings.network, channels=4))
        path = tmp_path_factory.mktemp("config") / "settings.json"
        path.write_text(json.dumps(settings.as_dict()))
        return path

    return write


@pytest.fixture(scope="module")
def alone(config, footage, tmp_path_factory):
    """The run folder of a training in one process, with the batches that several would make."""

    def train(**changes):
        place = tmp_path_factory.mktemp("alone")
        flags = ("-o", place / "run", "-c", config(**changes))
        left = train_in_group(1, place / "output", footage, *flags)
        assert left.codes == [0], left.err
        return place / "run"

    return train


def logged(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def weights_apart(first, second):
    """Distance of the weights of two runs, relative to their size: that of the worst tensor."""
    ours, theirs = (load_file(run / "bundle" / "model.safetensors") for run in (first, second))
    assert set(ours) == set(theirs)
    return max(
        np.linalg.norm(ours[name].astype(np.float64) - theirs[name])
        / max(np.linalg.norm(ours[name]), 1e-6)
        for name in ours
    )


def losses_apart(first, second, steps=None):
    """Distance of the first logged losses of two runs, relative to their size: the worst."""
    pairs = list(zip(logged(first), logged(second), strict=True))[:steps]
    assert all(
        ours.keys() == theirs.keys() and ours["step"] == theirs["step"] for ours, theirs in pairs
    )
    values = [
        (ours.get("held_out", ours), theirs.get("held_out", theirs)) for ours, theirs in pairs
    ]
    names = ("appearance", "motion", "cluster", "repulsion")
    return max(
        abs(ours[name] / theirs[name] - 1)
        for ours, theirs in values
        for name in names
        if name in ours
    )


@pytest.mark.slow
def test_two_processes_train_as_one_does(config, alone, footage, tmp_path):
    expected, run = alone(), tmp_path / "run"
    left = train_in_group(2, tmp_path / "output", footage, "-o", run, "-c", config(), "--json")
    assert left.codes == [0, 0], left.err
    assert losses_apart(expected, run) < LOSSES
    assert weights_apart(expected, run) < WEIGHTS
    # Both hold the same weights to the bit, and the first alone has written and talked.
    assert len(set(left.weights)) == 1
    assert set(bytes_of(run)) == {
        name for name in bytes_of(expected) if name != "bundle/model.onnx"
    }
    assert json.loads(left.out[0])["steps"] == 12
    assert left.out[1] == ""
    (centres,) = [entry for entry in logged(run) if entry["phase"] == "centres"]
    assert sum(centres["sizes"]) == 200
    ours, theirs = (
        load_file(folder / "bundle" / "normal.safetensors") for folder in (run, expected)
    )
    assert ours["time_s"].tolist() == theirs["time_s"].tolist()
    assert ours["raw"] == pytest.approx(theirs["raw"], rel=1e-2)


@pytest.mark.slow
def test_where_the_batch_does_not_divide_every_clip_counts_once(config, alone, footage, tmp_path):
    changes = {"batch_size": 7, "repulsion": 0.01, "discrimination": 0.01, "averaging": 0.9}
    expected, run = alone(**changes), tmp_path / "run"
    left = train_in_group(3, tmp_path / "output", footage, "-o", run, "-c", config(**changes))
    assert left.codes == [0, 0, 0], left.err
    assert losses_apart(expected, run) < LOSSES
    assert weights_apart(expected, run) < WEIGHTS


@pytest.mark.slow
def test_statistics_of_a_batch_are_those_of_all_its_rows(config, alone, footage, tmp_path):
    changes = {"batch_norm": "batch", "batch_size": 7}
    expected, run = alone(**changes), tmp_path / "run"
    left = train_in_group(3, tmp_path / "output", footage, "-o", run, "-c", config(**changes))
    assert left.codes == [0, 0, 0], left.err
    assert len(set(left.weights)) == 1
    assert losses_apart(expected, run, steps=3) < 1e-5
    # BatchNorm takes away the bias of the convolution before it, whose gradient is rounding alone,
    # and Adam makes whole steps of that: from here on such biases go their own ways.
    assert losses_apart(expected, run) < 1e-3


@pytest.mark.slow
def test_a_first_pass_and_a_kill_and_going_on_give_the_same_bits(config, footage, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    arguments = ["-c", config(), "--drop-odd"]
    assert train_in_group(2, tmp_path / "1", footage, "-o", whole, *arguments).codes == [0, 0]
    left = train_in_group(2, tmp_path / "2", footage, "-o", killed, *arguments, killed_in=8)
    assert left.codes == [-signal.SIGKILL] * 2
    assert train_in_group(2, tmp_path / "3", footage, "-o", killed, "--resume").codes == [0, 0]
    same = ("log.jsonl", "bundle/*", "footage.json")
    assert bytes_of(killed, same) == bytes_of(whole, same)


@pytest.mark.slow
def test_what_one_process_began_several_go_on_with(config, alone, footage, tmp_path):
    run = tmp_path / "run"
    flags = ("-o", run, "-c", config())
    left = train_in_group(1, tmp_path / "first", footage, *flags, killed_in=8)
    assert left.codes == [-signal.SIGKILL]
    assert train_in_group(2, tmp_path / "output", footage, "-o", run, "--resume").codes == [0, 0]
    assert losses_apart(alone(), run) < LOSSES


@pytest.mark.slow
def test_what_the_first_process_cannot_do_ends_the_others_too(config, footage, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "settings.json").write_text("{}")
    left = train_in_group(2, tmp_path / "output", footage, "-o", tmp_path / "run", "-c", config())
    assert left.codes == [2, 2]
    assert "--overwrite" in left.err[0]
    assert "the first process could not go on" in left.err[1]


@pytest.mark.slow
def test_torchrun_starts_them(config, alone, footage, tmp_path):
    run = tmp_path / "run"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    torchrun = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
    ]
    finished = subprocess.run(
        [*torchrun, "-m", "oddframe", "train", footage, "-o", run, "-c", config(), "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["steps"] == 12
    assert losses_apart(alone(), run) < LOSSES
