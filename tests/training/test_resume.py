"""A training that was killed goes on exactly: same log, same weights, whenever it died."""

import json
import re
import signal

import pytest

from tests.support.tiny import bytes_of, left_over, tiny_settings

SAME = ("log.jsonl", "settings.json", "bundle/*", "checkpoint/*/*.safetensors")


@pytest.fixture(scope="module")
def train(oddframe_command, footage, tiny_config):
    """Trains in a folder, as new or resumed."""

    def run(run, *flags, resume=False, **trouble):
        more = ["--resume"] if resume else ["-c", tiny_config]
        return oddframe_command("train", footage, "-o", run, *more, *flags, **trouble)

    return run


def results(run):
    """What must be the same to the bit; the checkpoints count their own numbers."""
    return {re.sub(r"/\d+/", "/", name): content for name, content in bytes_of(run, SAME).items()}


def step_of_the_checkpoint(run):
    """That of the newest complete checkpoint; None where there is none."""
    numbered = [path for path in run.glob("checkpoint/*") if path.name.isdigit()]
    if not numbered:
        return None
    newest = max(numbered, key=lambda path: int(path.name))
    assert {path.name for path in newest.iterdir()} == {
        "network.00.safetensors",
        "optimisers.00.safetensors",
        "state.json",
    }
    return json.loads((newest / "state.json").read_text())["step"]


def test_the_same_training_twice_gives_the_same_bits(train, tiny_run, tmp_path):
    assert train(tmp_path / "run").code == 0
    assert results(tmp_path / "run") == results(tiny_run)
    assert len(results(tiny_run)) == 11


def test_another_seed_gives_other_weights(train, tiny_run, tmp_path):
    assert train(tmp_path / "run", "--seed", 1).code == 0
    ours, theirs = results(tmp_path / "run"), results(tiny_run)
    for name in ("log.jsonl", "bundle/model.safetensors"):
        assert ours[name] != theirs[name]


@pytest.mark.parametrize(
    ("phase", "done", "saved"),
    [
        pytest.param("read", 0, None, marks=pytest.mark.slow),
        pytest.param("read", 50, None, marks=pytest.mark.slow),
        ("pretrain", 4, None),
        pytest.param("centres", 0, 6, marks=pytest.mark.slow),
        ("joint", 8, 6),
        pytest.param("joint", 12, 6, marks=pytest.mark.slow),
        pytest.param("calibrate", 1, 12, marks=pytest.mark.slow),
    ],
)
def test_killed_in_any_phase(phase, done, saved, train, tiny_run, tmp_path):
    run = tmp_path / "run"
    assert train(run, phase=phase, done=done).code == -signal.SIGKILL
    assert step_of_the_checkpoint(run) == saved
    left = train(run, resume=True)
    assert left.code == 0, left.err
    assert results(run) == results(tiny_run)
    assert left_over(run) == []


@pytest.mark.slow
@pytest.mark.parametrize("operation", [9, 10, 12, 14])
def test_killed_while_a_checkpoint_is_written(operation, train, tiny_run, tmp_path):
    """The second one: among its files, before it is named, before and while the first one goes."""
    run = tmp_path / "run"
    assert train(run, operation=operation, folder=run / "checkpoint").code == -signal.SIGKILL
    assert step_of_the_checkpoint(run) == 6
    assert train(run, resume=True).code == 0
    assert results(run) == results(tiny_run)
    assert left_over(run) == []


@pytest.mark.parametrize("operation", [27])
def test_killed_while_the_bundle_is_written(operation, train, tiny_run, tmp_path):
    run = tmp_path / "run"
    assert train(run, operation=operation, folder=run / "bundle").code == -signal.SIGKILL
    assert train(run, resume=True).code == 0
    assert results(run) == results(tiny_run)
    assert left_over(run) == []


@pytest.mark.slow
@pytest.mark.parametrize("operation", range(130))
def test_killed_at_every_file_operation(operation, train, tiny_run, tmp_path):
    run = tmp_path / "run"
    assert train(run, operation=operation, folder=run, curves=True).code in (-signal.SIGKILL, 0)
    began = (run / "settings.json").exists() or (run / "settings.next.json").exists()
    assert train(run, resume=began).code == 0
    assert results(run) == results(tiny_run)
    # The run folder is not only ours: what a kill left under a name of chance lies there unread.
    assert [
        name for name in left_over(run) if not re.match(r"\.(settings|curves|footage|report)", name)
    ] == []


@pytest.mark.slow
def test_killed_twice(train, tiny_run, tmp_path):
    run = tmp_path / "run"
    assert train(run, phase="joint", done=8).code == -signal.SIGKILL
    assert train(run, resume=True, phase="joint", done=11).code == -signal.SIGKILL
    assert train(run, resume=True).code == 0
    assert results(run) == results(tiny_run)


def test_a_finished_training_resumes_to_itself(train, tiny_run, tmp_path):
    run = tmp_path / "run"
    assert train(run).code == 0
    first = train(run, "--json", resume=True)
    assert first.json["steps"] == 12
    assert set(first.json["losses"]) == {"appearance", "motion", "cluster"}
    assert results(run) == results(tiny_run)


@pytest.mark.parametrize(
    ("number", "step"),
    [pytest.param(signal.SIGINT, 3, marks=pytest.mark.slow), (signal.SIGTERM, 9)],
)
def test_interrupted_politely(number, step, train, tiny_run, tmp_path):
    run = tmp_path / "run"
    left = train(run, step=step, signal=number)
    assert left.code == 130
    assert left.error == "interrupted"
    assert train(run, resume=True).code == 0
    assert results(run) == results(tiny_run)


@pytest.mark.parametrize(
    "phase",
    [
        "read",
        pytest.param("centres", marks=pytest.mark.slow),
        pytest.param("calibrate", marks=pytest.mark.slow),
    ],
)
def test_interrupted_between_the_steps(phase, train, tiny_run, tmp_path):
    run = tmp_path / "run"
    left = train(run, phase=phase, done=1, signal=signal.SIGINT)
    assert (left.code, left.error) == (130, "interrupted")
    assert left_over(run) == (["settings.next.json"] if phase == "read" else [])
    assert train(run, resume=True).code == 0
    assert results(run) == results(tiny_run)


@pytest.mark.slow
def test_the_average_of_the_weights_is_what_it_would_have_been(train, tiny_run, tmp_path):
    config = tmp_path / "averaging.json"
    config.write_text(json.dumps(tiny_settings(averaging=0.9).as_dict()))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert train(whole, "-c", config).code == 0
    assert train(killed, "-c", config, phase="joint", done=8).code == -signal.SIGKILL
    for _ in range(2):  # The second time there is nothing left to train.
        assert train(killed, resume=True).code == 0
        assert results(killed) == results(whole)
    assert bytes_of(whole, ["log.jsonl"]) == bytes_of(tiny_run, ["log.jsonl"])
    assert bytes_of(whole, ["bundle/model.safetensors"]) != bytes_of(
        tiny_run, ["bundle/model.safetensors"]
    )


def test_a_used_folder_is_left_alone(train, tiny_run, footage, tmp_path):
    run = tmp_path / "run"
    assert train(run, phase="joint", done=8).code == -signal.SIGKILL
    before = bytes_of(run)
    left = train(run)
    assert left.code == 2
    assert "--resume" in left.error
    assert "--overwrite" in left.error
    assert bytes_of(run) == before


def test_overwriting_starts_from_the_beginning(train, tiny_run, tmp_path):
    run = tmp_path / "run"
    assert train(run, "--seed", 1, phase="joint", done=8).code == -signal.SIGKILL
    assert train(run, "--overwrite").code == 0
    assert results(run) == results(tiny_run)


@pytest.mark.slow
@pytest.mark.parametrize("operation", [10, 19])
def test_a_killed_overwriting_is_what_is_resumed(operation, train, tiny_run, tmp_path):
    """While the old training goes, and while the new settings are written."""
    run = tmp_path / "run"
    assert train(run, "--seed", 1, phase="joint", done=8).code == -signal.SIGKILL
    assert train(run, "--overwrite", operation=operation, folder=run).code == -signal.SIGKILL
    assert train(run, resume=True).code == 0
    assert results(run) == results(tiny_run)


def test_overwriting_with_unusable_footage_loses_nothing(
    train, oddframe_command, tiny_config, tiny_run, video, tmp_path
):
    run = tmp_path / "run"
    assert train(run, phase="joint", done=8).code == -signal.SIGKILL
    before = results(run)
    short = video("short/a.mp4", frames=3).parent
    assert oddframe_command("train", short, "-o", run, "-c", tiny_config, "--overwrite").code == 2
    assert results(run) == before
    assert train(run, resume=True).code == 0
    assert results(run) == results(tiny_run)


def test_nothing_to_resume(train, tmp_path):
    left = train(tmp_path / "run", resume=True)
    assert left.code == 2
    assert "settings.json" in left.error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--seed", 1), "settings"),
        pytest.param(("--preset", "paper"), "settings", marks=pytest.mark.slow),
        (("--epochs", 3), "epochs"),
        (("--rate", 5), "rate_fps"),
        pytest.param(("--batch-size", 8), "settings", marks=pytest.mark.slow),
        pytest.param(("--hold-out", 0.3), "settings", marks=pytest.mark.slow),
    ],
)
def test_other_settings_are_refused(flags, named, oddframe_command, footage, tiny_run):
    before = bytes_of(tiny_run)
    left = oddframe_command("train", footage, "-o", tiny_run, "--resume", *flags)
    assert left.code == 2
    assert f"started with other {named}" in left.error
    assert bytes_of(tiny_run) == before


def test_the_same_command_with_resume_behind_it_goes_on(
    oddframe_command, footage, tiny_config, tmp_path
):
    command = [
        "train",
        footage,
        "-o",
        tmp_path / "run",
        "-c",
        tiny_config,
        "--epochs",
        1,
        "--seed",
        3,
        "--rate",
        10,
    ]
    assert oddframe_command(*command, phase="joint", done=8).code == -signal.SIGKILL
    left = oddframe_command(*command, "--resume", "--json")
    assert left.code == 0, left.err
    assert left.json["steps"] == left.json["clips"] // 4


def test_other_footage_is_refused(train, oddframe_command, footage, tmp_path, video):
    run = tmp_path / "run"
    assert train(run, phase="joint", done=8).code == -signal.SIGKILL
    before = bytes_of(run)
    left = oddframe_command("train", footage, video("new.mp4", frames=60), "-o", run, "--resume")
    assert left.code == 2
    assert "footage" in left.error
    assert bytes_of(run) == before


def test_a_damaged_checkpoint_is_named(train, tmp_path):
    run = tmp_path / "run"
    assert train(run, phase="joint", done=8).code == -signal.SIGKILL
    (weights,) = run.glob("checkpoint/*/network.00.safetensors")
    weights.write_bytes(weights.read_bytes()[:-7])
    left = train(run, resume=True)
    assert left.code == 2
    assert str(weights.parent) in left.error
