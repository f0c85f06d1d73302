"""What the processes of a training share out and add up, each seen by itself."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oddframe.errors import SettingsError
from oddframe.model.config import NetworkConfig
from oddframe.model.network import Network
from oddframe.training.distributed import SINGLE_PROCESS, LaunchInfo, ProcessGroup
from oddframe.training.settings import TrainingConfig
from oddframe.training.trainer import Trainer


@given(st.integers(0, 200), st.integers(1, 9))
def test_rows_are_dealt_out_once_and_evenly(count, size):
    parts = [range(count)[ProcessGroup(rank, size).rows(count)] for rank in range(size)]
    assert [row for part in parts for row in part] == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@given(st.integers(0, 200), st.integers(1, 9), st.integers(1, 9))
def test_batches_are_dealt_out_whole(count, batch, size):
    numbers = np.arange(count) + 5
    parts = [ProcessGroup(rank, size).share(numbers, batch) for rank in range(size)]
    assert sorted(np.concatenate(parts)) == numbers.tolist()
    # A batch of a process is one of the batches that a single process has: its kernels give the
    # same bits.
    whole = {tuple(numbers[begin : begin + batch]) for begin in range(0, count, batch)}
    assert {
        tuple(part[begin : begin + batch]) for part in parts for begin in range(0, len(part), batch)
    } == whole


def test_in_a_group_of_one_everything_stays_what_it_is():
    tensor, rows = torch.tensor([1.0, 3.0]), np.arange(6.0)
    SINGLE_PROCESS.sum([tensor])
    assert tensor.tolist() == [1.0, 3.0]
    assert SINGLE_PROCESS.mean(tensor, 99) == 2.0
    assert SINGLE_PROCESS.weighted_mean(tensor, 1, 99) is tensor
    assert SINGLE_PROCESS.counts([tensor > 2, tensor > 0]) == (1, 2)
    assert SINGLE_PROCESS.stack(tensor).tolist() == [[1.0, 3.0]]
    assert SINGLE_PROCESS.gather(rows, 6, 2) is rows
    assert SINGLE_PROCESS.broadcast(rows) is rows
    assert SINGLE_PROCESS.rank_zero_first(lambda shared: [shared, "done"], len) == [None, "done"]
    assert (SINGLE_PROCESS.device("auto"), SINGLE_PROCESS.device("cpu")) == ("auto", "cpu")


def test_parts_of_means_add_up():
    values = torch.arange(7.0)
    groups = [ProcessGroup(rank, 3) for rank in range(3)]
    parts = [values[group.rows(7)] for group in groups]
    means = [group.mean(part, 7) for group, part in zip(groups, parts, strict=True)]
    weighted = [
        group.weighted_mean(part.mean(), len(part), 7)
        for group, part in zip(groups, parts, strict=True)
    ]
    assert sum(means) == pytest.approx(3.0)
    assert sum(weighted) == 3.0
    assert ProcessGroup(0, 3).mean(values[:0], 7) == 0.0  # none of the places is here


def test_a_gpu_by_name_cannot_be_everybodys(monkeypatch):
    for name, value in {
        "RANK": 0,
        "WORLD_SIZE": 2,
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": 1,
    }.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(SettingsError, match="auto or cpu"):
        ProcessGroup.join("cuda:0")


def test_a_batch_must_be_enough_for_all():
    network = Network(NetworkConfig(height=32, width=32, channels=2, clusters=3))
    with pytest.raises(SettingsError, match="at least the number of processes, 5, got 4"):
        Trainer(network, TrainingConfig(batch_size=4), torch.device("cpu"), ProcessGroup(0, 5))


LAUNCHED = {
    "RANK": "1",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "0",
    "MASTER_ADDR": "10.0.0.1",
    "MASTER_PORT": "29500",
}


def test_torchrun_says_to_each_process_which_it_is():
    assert LaunchInfo.of(LAUNCHED) == LaunchInfo(rank=1, size=4, local_rank=0)
    assert not LaunchInfo.of(LAUNCHED).is_first
    assert LaunchInfo.of(LAUNCHED | {"RANK": "0"}).is_first


@pytest.mark.parametrize("missing", ["RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"])
def test_without_all_of_the_variables_it_is_a_single_process(missing):
    # Schedulers set some of these for jobs that have nothing to do with training.
    environment = {name: text for name, text in LAUNCHED.items() if name != missing}
    assert LaunchInfo.of(environment) == LaunchInfo()
    assert LaunchInfo().is_first


@pytest.mark.parametrize(
    "odd", [{"RANK": "one"}, {"RANK": "4"}, {"WORLD_SIZE": "-1"}, {"WORLD_SIZE": ""}]
)
def test_launch_variables_that_do_not_fit_are_refused(odd):
    with pytest.raises(SettingsError, match="let torchrun set"):
        LaunchInfo.of(LAUNCHED | odd)
