"""The command line: what it prints where, and how it leaves."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer.main

from oddframe import __version__, cli
from oddframe.training.run_folder import RunFolder
from tests.support.tiny import tiny_settings, walk

VERBS = ["record", "train", "score", "report", "calibrate", "eval", "bench", "doctor", "demo"]
ALL_VERBS = [*VERBS, "watch", "serve", "export", "help"]
COMMAND = Path(sys.executable).parent / "oddframe"


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_every_flag_and_leaves_with_0(verb, oddframe_command):
    left = oddframe_command(verb, "--help")
    assert left.code == 0
    assert left.err == ""
    assert "--json" in left.out
    assert oddframe_command(verb, "-h").out == left.out
    conventions = {
        "record": ["--out", "-o", "--for", "--stretch", "--every", "--resume", "--json-progress"],
        "train": [
            "--out",
            "-o",
            "--config",
            "-c",
            "--device",
            "--batch-size",
            "--epochs",
            "--seed",
            "--hold-out",
        ],
        "score": [
            "--out",
            "-o",
            "--model",
            "--device",
            "--batch-size",
            "--overlay",
            "--maps",
            "--parquet",
            "--report",
            "--compile",
            "--nvdec",
        ],
        "report": ["--footage", "--model", "--events", "--device"],
        "calibrate": ["--false-alarms", "--cool-down", "--device", "--batch-size"],
        "eval": ["--model", "--device", "--batch-size"],
        "bench": [
            "--model",
            "--preset",
            "--seconds",
            "--backend",
            "--device",
            "--batch-size",
            "--compile",
        ],
        "doctor": ["--model"],
        "demo": ["--out", "-o"],
    }
    for flag in conventions[verb]:
        assert flag in left.out


def command_of(path):
    """A verb by its words, as typer has built it."""
    command = typer.main.get_command(cli.app)
    for word in path:
        command = command.commands[word]
    return command


@pytest.mark.parametrize(
    "path", [*((verb,) for verb in ALL_VERBS), ("data", "check")], ids=" ".join
)
def test_every_help_shows_an_example_that_is_understood(path):
    (example,) = re.findall(r"Example: \[cyan\]oddframe (.*?)\[/cyan\]", command_of(path).help)
    words = shlex.split(example)
    assert tuple(words[: len(path)]) == path
    command_of(path).make_context(path[-1], words[len(path) :])


@pytest.mark.parametrize(
    "path", [*((verb,) for verb in ALL_VERBS), ("data", "check")], ids=" ".join
)
def test_every_flag_says_what_it_does(path):
    silent = [param.name for param in command_of(path).params if not getattr(param, "help", None)]
    assert silent == []


def test_the_first_page_shows_the_verbs_and_the_exit_codes(oddframe_command):
    left = oddframe_command("--help")
    assert left.code == 0
    for word in (*VERBS, "130 interrupted", "2 unusable input"):
        assert word in " ".join(left.out.split())


def test_the_version(oddframe_command):
    assert oddframe_command("--version").out == f"oddframe {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("trian",),
        ("train",),
        ("train", "normal"),
        ("train", "normal", "-o", "run", "--cash-gb", "4"),
        ("train", "normal", "-o", "run", "--preset", "quick"),
        ("train", "normal", "-o", "run", "--epochs", "many"),
        ("doctor", "what"),
        # The same mistakes with other verbs.
        pytest.param(("score", "a.mp4", "-o", "out"), marks=pytest.mark.slow),
        pytest.param(("eval",), marks=pytest.mark.slow),
        pytest.param(("demo", "--frames", "3"), marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_what_is_not_understood_leaves_with_2(arguments, oddframe_command):
    left = oddframe_command(*arguments)
    assert left.code == 2
    assert left.out == ""
    assert "Error" in left.err
    assert "Traceback" not in left.err
    left = oddframe_command(*arguments, "--json")
    assert left.code == 2
    assert left.json["error"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "none", "-o", "run"),
        ("score", "none", "-m", "none", "-o", "out"),
        ("eval", "none", "-m", "none"),
        ("demo", "-o", "/dev/null/demo"),
    ],
    ids=" ".join,
)
def test_errors_are_one_line_and_one_object(arguments, oddframe_command):
    left = oddframe_command(*arguments, "--json")
    assert left.code == 2
    assert left.json == {"error": left.error}
    assert left.err.count("\n") == 1


def test_square_brackets_in_names_are_printed_as_they_are(oddframe_command, tmp_path):
    left = oddframe_command(
        "score", tmp_path / "[red]door[/red].mp4", "-m", tmp_path, "-o", tmp_path
    )
    assert left.code == 2
    left = oddframe_command("train", tmp_path / "[bold]x.mp4", "-o", tmp_path / "run")
    assert "[bold]x.mp4" in left.error


def test_progress_and_notes_never_reach_standard_output(
    oddframe_command, footage, tiny_config, video, tmp_path
):
    (tmp_path / "bad.mp4").write_text("no video")
    run = tmp_path / "run"
    left = oddframe_command("train", footage, tmp_path / "bad.mp4", "-o", run, "-c", tiny_config)
    assert left.code == 0
    for phase in (
        "reading frames",
        "training the streams",
        "finding cluster centres",
        "training all parts",
        "calibrating",
    ):
        assert phase in left.err
        assert phase not in left.out
    assert "bad.mp4" in left.err
    for fact in ("clips", "steps", "threshold", str(run / "bundle")):
        assert fact in left.out
    left = oddframe_command(
        "score", video("v.mp4", frames=12, draw=walk), "-m", run, "-o", tmp_path / "out"
    )
    assert left.code == 0
    assert "of 12" in left.err
    assert "of 12" not in left.out
    assert "v " in left.out


def test_json_of_train_and_score(oddframe_command, footage, tiny_config, tmp_path):
    run, out = tmp_path / "run", tmp_path / "out"
    left = oddframe_command("train", footage, "-o", run, "-c", tiny_config, "--json")
    assert left.err == ""
    assert left.json["bundle"] == str(run / "bundle")
    assert left.json["steps"] == 12
    assert left.json["skipped"] == []
    assert left.json["in_sample"] is False
    left = oddframe_command("score", footage, "-m", run, "-o", out, "--maps", "--json")
    assert left.err == ""
    assert [one["name"] for one in left.json["recordings"]] == ["a", "b", "c"]
    first = left.json["recordings"][0]
    assert (first["frames"], first["scored"]) == (40, 36)
    assert sorted(first["files"]) == sorted(str(path) for path in out.glob("a.*"))
    names = {
        "id",
        "kind",
        "phase",
        "source",
        "start_s",
        "end_s",
        "peak_s",
        "score",
        "box",
        "reason",
        "parts",
    }
    assert all(set(event) == names for event in first["events"])


def test_what_is_no_number_is_null_in_json(capsys):
    from oddframe.cli.output import print_json

    print_json(
        {"auc": float("nan"), "losses": [1.5, float("inf")], "path": Path("a/b"), "text": "ü"}
    )
    assert json.loads(capsys.readouterr().out) == {
        "auc": None,
        "losses": [1.5, None],
        "path": "a/b",
        "text": "ü",
    }


def test_settings_come_from_toml_and_flags_win(oddframe_command, footage, tiny_config, tmp_path):
    text = "[network]\nheight = 32\nwidth = 32\nchannels = 2\nstem_stride = 1\nclusters = 4\n"
    text += "score_windows = [8]\n"
    text += "[training]\npretrain_steps = 3\njoint_steps = 2\nseed = 5\ncentre_codes = 100\n"
    (tmp_path / "s.toml").write_text(text)
    command = (
        "train",
        footage,
        "-o",
        tmp_path / "run",
        "-c",
        tmp_path / "s.toml",
        "--batch-size",
        3,
        "--seed",
        8,
    )
    assert oddframe_command(*command, "--hold-out", 0.2, "--rate", 9).code == 0
    settings, record = RunFolder(tmp_path / "run").read_settings()
    assert (settings.training.pretrain_steps, settings.training.joint_steps) == (3, 2)
    assert (settings.training.batch_size, settings.training.seed) == (3, 8)
    assert settings.data.hold_out == 0.2
    assert record.rate_fps == 9.0


def test_the_settings_of_a_run_make_the_same_run(oddframe_command, footage, tiny_run, tmp_path):
    text = json.loads((tiny_run / "settings.json").read_text())["settings"]
    (tmp_path / "s.json").write_text(json.dumps(text))
    assert (
        oddframe_command("train", footage, "-o", tmp_path / "run", "-c", tmp_path / "s.json").code
        == 0
    )
    assert RunFolder(tmp_path / "run").read_settings()[0] == tiny_settings()


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("s.toml", "[network]\nheigth = 32\n", "network.heigth; did you mean height?"),
        ("s.json", '{"trainin": {}}', "trainin; did you mean training?"),
        ("s.toml", "[network\n", "s.toml must be a readable TOML or JSON file"),
        ("s.toml", "[training]\nbatch_size = 0\n", "training.batch_size must be above 0"),
        ("s.toml", '[data.counter_examples]\nkinds = ["sped"]\n', r"kinds[0] must be 'foreign'"),
        ("none.toml", None, "none.toml"),
    ],
)
def test_settings_that_cannot_be_are_named(name, text, named, oddframe_command, footage, tmp_path):
    if text is not None:
        (tmp_path / name).write_text(text)
    left = oddframe_command("train", footage, "-o", tmp_path / "run", "-c", tmp_path / name)
    assert left.code == 2
    assert named in left.error
    assert not (tmp_path / "run").exists()


def test_parquet_without_its_extra_says_what_to_install(
    oddframe_command, footage, tiny_run, tmp_path
):
    command = ("score", footage, "-m", tiny_run, "-o", tmp_path / "out", "--parquet")
    left = oddframe_command(*command, without="pyarrow")
    assert left.code == 2
    assert 'pip install "oddframe[parquet]"' in left.error
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_interrupted_scoring_leaves_nothing_half(
    number, oddframe_command, footage, tiny_run, tmp_path
):
    command = (
        "score",
        footage,
        "-m",
        tiny_run,
        "-o",
        tmp_path / "out",
        "--overlay",
        "--maps",
        "--json",
    )
    left = oddframe_command(*command, phase="b", done=20, signal=number)
    assert left.code == 130
    assert left.json == {"error": "interrupted"}
    assert {path.name.split(".")[0] for path in (tmp_path / "out").iterdir()} == {"a"}


@pytest.mark.slow
@pytest.mark.parametrize(("number", "ignored"), [(signal.SIGINT, False), (signal.SIGTERM, True)])
def test_a_real_process_is_stopped_politely(number, ignored, footage, tiny_config, tmp_path):
    """Also where it was started in the background of a shell, which has SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [
                COMMAND,
                "train",
                footage,
                "-o",
                tmp_path / "run",
                "-c",
                tiny_config,
                "--epochs",
                "100000",
                "--json",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    finally:
        signal.signal(signal.SIGINT, before)
    log = tmp_path / "run" / "log.jsonl"
    while process.poll() is None and not log.exists():
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert json.loads(out) == {"error": "interrupted"}
    assert "Traceback" not in err
