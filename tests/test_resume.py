"""A training that was killed goes on exactly: same log, same weights, whenever it died."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from forked import Trainings
from tiny import bytes_of, left_over

SIGKILL = -9
SAME = ("log.jsonl", "bundle/*", "settings.json", "checkpoint/*/network.safetensors", "checkpoint/*/optimisers.safetensors")


@pytest.fixture(scope="module")
def trainings() -> Iterator[Trainings]:
    with Trainings() as trainings:
        yield trainings


@pytest.fixture(scope="module")
def undisturbed(trainings: Trainings, footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing came in the way of."""
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    assert trainings.train(footage, run) == 0
    return run


def results(run: Path) -> dict[str, bytes]:
    """What must be the same to the bit; checkpoints count their own numbers."""
    return {
        "/".join(part for part in name.split("/") if not part.isdigit()): content
        for name, content in bytes_of(run, SAME).items()
    }


def whole_checkpoints(run: Path) -> list[Path]:
    folders = [path for path in run.glob("checkpoint/*") if path.name.isdigit()]
    for folder in folders:
        assert json.loads((folder / "state.json").read_text())["step"] > 0
    return folders


def test_the_same_training_twice_gives_the_same_bits(trainings, footage, undisturbed, tmp_path):
    assert trainings.train(footage, tmp_path / "run") == 0
    assert results(tmp_path / "run") == results(undisturbed)


@pytest.mark.parametrize(
    ("phase", "done"),
    [("read", 0), ("read", 40), ("pretrain", 1), ("pretrain", 7), ("centres", 0), ("joint", 13), ("joint", 24), ("calibrate", 1)],
)
@pytest.mark.parametrize("checkpoint_s", [0.0, 3600.0])
def test_killed_in_any_phase(phase, done, checkpoint_s, trainings, footage, undisturbed, tmp_path):
    run = tmp_path / "run"
    died = trainings.train(footage, run, die={"phase": phase, "done": done}, checkpoint_s=checkpoint_s)
    assert died == SIGKILL
    assert trainings.train(footage, run, resume=True) == 0
    assert results(run) == results(undisturbed)
    assert left_over(run) == []


