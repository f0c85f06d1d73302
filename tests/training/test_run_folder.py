"""The run folder: a training is announced, settled, abandoned and read back."""

import json
from dataclasses import asdict, replace

import pytest

from oddframe.errors import OutputError, RunError
from oddframe.settings import from_mapping
from oddframe.training.run_folder import RunFolder, RunRecord
from oddframe.training.settings import Settings
from tests.support.dying import dying_at, full_at
from tests.support.tiny import tiny_settings

RECORD = RunRecord(
    oddframe="0.1.0",
    normal=["door.mp4"],
    rate_fps=10.0,
    cache_bytes=10**9,
    epochs=None,
    drop_odd=False,
    footage="ae8f",
)
OLD, NEW = tiny_settings(seed=1), tiny_settings(seed=2)


@pytest.fixture
def run(tmp_path):
    """A run with a training in it."""
    run = RunFolder(tmp_path / "run")
    run.start(OLD, RECORD, overwrite=False)
    run.settle(OLD, RECORD)
    run.append(step=1)
    run.checkpoint.mkdir()
    (run.checkpoint / "state").touch()
    return run


def test_settings_and_record_are_read_as_they_were(run):
    assert run.read_settings() == (OLD, RECORD)


def test_a_used_folder_is_refused_and_left_alone(run):
    with pytest.raises(
        RunError, match=r"holds a training; go on with --resume, start again with --overwrite"
    ):
        run.start(NEW, RECORD, overwrite=False)
    assert run.read_settings() == (OLD, RECORD)


def test_overwriting_takes_hold_when_it_is_settled(run):
    run.start(NEW, RECORD, overwrite=True)
    assert run.entries() == [{"step": 1}]
    run.settle(NEW, replace(RECORD, rate_fps=5.0))
    assert run.read_settings() == (NEW, replace(RECORD, rate_fps=5.0))
    assert run.entries() == []
    assert not run.checkpoint.exists()


def test_an_abandoned_training_leaves_the_one_before(run):
    run.start(NEW, RECORD, overwrite=True)
    run.abandon()
    assert run.read_settings() == (OLD, RECORD)
    assert run.checkpoint.exists()


def test_an_abandoned_first_training_leaves_nothing(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.start(NEW, RECORD, overwrite=False)
    run.cache.mkdir()
    (run.cache / "frames.u8").touch()
    run.abandon()
    assert not run.path.exists()


def test_abandoning_leaves_what_is_not_ours(tmp_path):
    run = RunFolder(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    run.start(NEW, RECORD, overwrite=False)
    run.abandon()
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_what_was_announced_is_resumed_whenever_it_dies(run):
    """Once announced, the new training is resumed, and never sees the old checkpoint."""
    with dying_at(None, run.path) as watch:
        run.start(NEW, RECORD, overwrite=True)
        run.settle(NEW, RECORD)
    for number in range(watch.count):
        again = RunFolder(run.path)
        again.start(OLD, RECORD, overwrite=True)
        again.settle(OLD, RECORD)
        again.checkpoint.mkdir()
        (again.checkpoint / "state").touch()
        with dying_at(number, run.path):
            again.start(NEW, RECORD, overwrite=True)
            again.settle(NEW, RECORD)
        settings, record = RunFolder(run.path).read_settings()
        assert settings == NEW or again.checkpoint.exists()
        RunFolder(run.path).settle(settings, record)
        assert settings == OLD or not again.checkpoint.exists()


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "[]",
        "{}",
        '{"settings": {}, "colour": 1}',
        '{"settings": {"netwrok": {}}}',
        '{"settings": 3}',
    ],
)
def test_settings_that_cannot_be_read_are_named(text, run):
    path = run.path / "settings.json"
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(RunError, match=r"settings\.json"):
        run.read_settings()


def test_the_log_is_cut_to_where_a_checkpoint_stood(run):
    length = run.log_bytes()
    run.append(step=2, held_out={"motion": 0.5})
    assert run.entries() == [{"step": 1}, {"step": 2, "held_out": {"motion": 0.5}}]
    run.cut_log(length)
    assert run.entries() == [{"step": 1}]
    run.cut_log(10_000)
    assert run.entries() == [{"step": 1}]
    run.cut_log(0)
    assert run.entries() == []


@pytest.mark.parametrize(
    "tail", ['{"step": 2', '{"step": 2, "held_out": {"motion": 0.5}', '{"step": 2}']
)
def test_a_line_that_a_kill_cut_short_is_left_out(tail, run):
    with run.log.open("a") as file:
        file.write(tail)
    assert run.entries() == [{"step": 1}]


def test_a_new_folder_has_no_log(tmp_path):
    run = RunFolder(tmp_path / "none")
    run.cut_log(0)
    assert (run.log_bytes(), run.entries()) == (0, [])


def test_a_full_disk_is_an_error_and_leaves_what_is_there(run):
    with full_at(0, run.path):
        with pytest.raises(OutputError, match=r"log\.jsonl could not be written: the disk is full"):
            run.append(step=2)
        with pytest.raises(OutputError, match="the disk is full"):
            run.start(NEW, RECORD, overwrite=True)
    assert run.read_settings() == (OLD, RECORD)
    assert run.entries() == [{"step": 1}]


def test_settings_hold_the_record_and_then_the_settings(run):
    content = json.loads((run.path / "settings.json").read_text())
    assert list(content) == [*asdict(RECORD), "settings"]
    # JSON has lists only.
    written = {**asdict(RECORD), "left_out": []}
    assert {name: content[name] for name in asdict(RECORD)} == written
    assert from_mapping(content["settings"], Settings()) == OLD


def test_footage_of_an_unfinished_training_is_not_known(run):
    assert run.read_footage() is None
    run.footage.write_text('{"stretches": [], "odd": [], "dropped": false, "more": 1}')
    assert run.read_footage() == {
        "stretches": [],
        "odd": [],
        "dropped": False,
        "calibrated": [],
    }


@pytest.mark.parametrize("text", ["", "[]", '{"stretches": []}'])
def test_footage_that_cannot_be_read_is_named(text, run):
    run.footage.write_text(text)
    with pytest.raises(RunError, match=r"footage\.json must say which footage was used"):
        run.read_footage()
