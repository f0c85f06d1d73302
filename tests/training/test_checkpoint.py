"""Checkpoints: what they hold, that training goes on from them exactly, and what breaks them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch

from oddframe.datasets.clip_dataset import Batch
from oddframe.errors import OutputError, RunError
from oddframe.model.network import Network
from oddframe.training import checkpoint
from oddframe.training.checkpoint import restore_checkpoint, save_checkpoint
from oddframe.training.trainer import Trainer
from tests.support.dying import announce, dying_at, full_at
from tests.support.tiny import bytes_of, tiny_settings

CPU = torch.device("cpu")


def new_trainer(seed=0, **changes):
    torch.manual_seed(seed)
    settings = tiny_settings(**changes)
    return Trainer(Network(settings.network), settings.training, CPU)


def step(trainer):
    random = np.random.default_rng(trainer.step)
    clips = random.integers(0, 256, (2, 5, 32, 32, 1), dtype=np.uint8)
    first, last = clips[:, 0].copy(), clips[:, 4].copy()
    batch = Batch(clips, first, last, rebuilt=first, abnormal=np.zeros((2, 32, 32), bool))
    losses = trainer.train_step(batch)
    return {name: loss.item() for name, loss in losses.items()}


@pytest.fixture
def trainer():
    """In joint training, where every optimiser has a state."""
    trainer = new_trainer(pretrain_steps=1)
    step(trainer)
    trainer.place_centres(np.random.default_rng(0).normal(size=(50, 32)).astype(np.float32))
    step(trainer)
    return trainer


@pytest.fixture
def watched_saving(monkeypatch):
    """Has safetensors, which writes without Python, announce half and whole files."""
    whole = checkpoint.save_file

    def save_file(tensors, path):
        announce("begun", path)
        whole(tensors, path)
        data = Path(path).read_bytes()
        Path(path).write_bytes(data[: len(data) // 2])
        announce("half", path)
        Path(path).write_bytes(data)
        announce("whole", path)

    monkeypatch.setattr(checkpoint, "save_file", save_file)


def test_what_is_restored_goes_on_as_what_was_saved(trainer, tmp_path):
    save_checkpoint(tmp_path, trainer, {"log_bytes": 7})
    other = new_trainer(seed=1, pretrain_steps=1)
    assert restore_checkpoint(tmp_path, other) == {"log_bytes": 7}
    assert (other.step, other.centred, other.phase) == (2, True, "joint")
    for _ in range(3):
        assert step(other) == step(trainer)
    for name, tensor in trainer.network.state_dict().items():
        assert torch.equal(tensor, other.network.state_dict()[name]), name


@pytest.mark.parametrize("wanted", [{"averaging": 0.9}, {"discrimination": 0.5}])
def test_what_only_training_has_goes_on_too(wanted, tmp_path):
    trainer = new_trainer(**wanted)
    for _ in range(3):
        step(trainer)
    save_checkpoint(tmp_path, trainer, {})
    other = new_trainer(seed=1, **wanted)
    restore_checkpoint(tmp_path, other)
    for going_on in (trainer, other):
        step(going_on)
        going_on.adopt_average()
    for name, tensor in trainer.network.state_dict().items():
        assert torch.equal(tensor, other.network.state_dict()[name]), name


@pytest.mark.parametrize("wanted", [{"averaging": 0.9}, {"discrimination": 0.5}])
def test_a_checkpoint_without_what_is_wanted_is_refused(wanted, trainer, tmp_path):
    save_checkpoint(tmp_path, trainer, {})
    with pytest.raises(RunError, match="must be a checkpoint of this run's settings"):
        restore_checkpoint(tmp_path, new_trainer(**wanted))


def test_without_a_checkpoint_nothing_is_restored(trainer, tmp_path):
    before = step(new_trainer())
    fresh = new_trainer()
    assert restore_checkpoint(tmp_path / "none", fresh) is None
    assert restore_checkpoint(tmp_path, fresh) is None
    assert step(fresh) == before


def test_only_the_newest_is_kept_and_restored(trainer, tmp_path):
    for _ in range(12):
        save_checkpoint(tmp_path, trainer, {})
        step(trainer)
    (kept,) = tmp_path.iterdir()
    assert kept.name == "000012"
    other = new_trainer()
    restore_checkpoint(tmp_path, other)
    assert other.step == trainer.step - 1


def test_the_newest_is_known_by_its_number(trainer, tmp_path):
    save_checkpoint(tmp_path, trainer, {"at": "old"})
    (tmp_path / "000001").rename(tmp_path / "999999")
    shutil.copytree(tmp_path / "999999", tmp_path / "1000000")
    state = tmp_path / "1000000" / "state.json"
    state.write_text(state.read_text().replace("old", "new"))
    assert restore_checkpoint(tmp_path, new_trainer()) == {"at": "new"}


def test_files_are_safetensors_and_json(trainer, tmp_path):
    save_checkpoint(tmp_path, trainer, {})
    (folder,) = tmp_path.iterdir()
    assert sorted(path.name for path in folder.iterdir()) == [
        "network.00.safetensors",
        "optimisers.00.safetensors",
        "state.json",
    ]
    json.loads((folder / "state.json").read_text())
    for path in folder.glob("*.safetensors"):
        with safetensors.safe_open(path, "pt") as file:
            assert list(file.keys())


def test_a_kill_at_any_moment_leaves_a_complete_checkpoint(trainer, tmp_path, watched_saving):
    start = tmp_path / "start"
    save_checkpoint(start, trainer, {"at": 2})
    step(trainer)
    with dying_at(None, tmp_path / "dry") as watch:
        save_checkpoint(shutil.copytree(start, tmp_path / "dry"), trainer, {"at": 3})
    assert watch.count >= 15
    seen = set()
    for number in range(watch.count):
        folder = shutil.copytree(start, tmp_path / f"{number:02d}")
        with dying_at(number, folder):
            save_checkpoint(folder, trainer, {"at": 3})
        other = new_trainer()
        facts = restore_checkpoint(folder, other)
        assert facts == {"at": other.step}
        seen.add(other.step)
        save_checkpoint(folder, trainer, {"at": 3})
        assert len(list(folder.iterdir())) == 1
        assert restore_checkpoint(folder, other) == {"at": 3}
    assert seen == {2, 3}


def test_a_full_disk_leaves_the_checkpoint_before(trainer, tmp_path, watched_saving):
    folder = tmp_path / "checkpoint"
    save_checkpoint(folder, trainer, {})
    before = bytes_of(tmp_path)
    step(trainer)
    for number in range(4):
        with (
            full_at(number, folder),
            pytest.raises(OutputError, match="000002 could not be written: the disk is full"),
        ):
            save_checkpoint(folder, trainer, {})
        assert bytes_of(tmp_path) == before
        assert len(list(folder.iterdir())) == 1


def test_the_error_of_a_full_disk_is_read_out_of_that_of_safetensors():
    quoted = safetensors.SafetensorError(
        "Error while serializing: I/O error: No space left on device (os error 28)"
    )
    assert checkpoint.as_os_error(quoted).errno == 28
    assert checkpoint.as_os_error(safetensors.SafetensorError("something else")).errno is None


@pytest.mark.parametrize(
    "name", ["network.00.safetensors", "optimisers.00.safetensors", "state.json"]
)
@pytest.mark.parametrize("damage", ["gone", "cut", "empty"])
def test_a_damaged_checkpoint_is_named(name, damage, trainer, tmp_path):
    save_checkpoint(tmp_path, trainer, {})
    path = tmp_path / "000001" / name
    data = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(data[:-20] if damage == "cut" else b"")
    with pytest.raises(RunError, match="000001 must be a checkpoint"):
        restore_checkpoint(tmp_path, new_trainer())


def test_a_checkpoint_of_another_network_is_refused(trainer, tmp_path):
    save_checkpoint(tmp_path, trainer, {})
    settings = tiny_settings()
    wider = Trainer(
        Network(type(settings.network)(height=32, width=32, channels=3)), settings.training, CPU
    )
    with pytest.raises(RunError, match="000001 must be a checkpoint of this run's settings"):
        restore_checkpoint(tmp_path, wider)


def test_large_states_are_cut_into_shards(trainer, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SHARD_BYTES", 20_000)
    save_checkpoint(tmp_path, trainer, {})
    (folder,) = tmp_path.iterdir()
    for name in ("network", "optimisers"):
        shards = sorted(folder.glob(f"{name}.*.safetensors"))
        assert len(shards) > 2
        for shard in shards:
            with safetensors.safe_open(shard, "pt") as opened:
                sizes = [opened.get_tensor(key).nbytes for key in opened.keys()]  # noqa: SIM118
            assert sum(sizes) <= 20_000 or len(sizes) == 1
    other = new_trainer(seed=1, pretrain_steps=1)
    restore_checkpoint(tmp_path, other)
    assert step(other) == step(trainer)


def test_a_missing_shard_is_refused(trainer, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SHARD_BYTES", 20_000)
    save_checkpoint(tmp_path, trainer, {})
    next(tmp_path.glob("*/optimisers.01.safetensors")).unlink()
    with pytest.raises(RunError, match=r"optimisers\.01"):
        restore_checkpoint(tmp_path, new_trainer(seed=1, pretrain_steps=1))
