"""Mistakes on the command line in our words, `oddframe help`, and the completion of shells."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).parent / "oddframe"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("train", "normal", "-o", "run", "--preset", "fst"),
            "'--preset': it must be one of fast, paper, got 'fst'; did you mean fast?",
        ),
        (
            ("train", "normal", "-o", "run", "--preset", "walkway"),
            "'--preset': it must be one of fast, paper, got 'walkway'; what was that preset is a "
            "file now: --preset fast --config benchmarks/walkway.toml",
        ),
        (
            ("score", "a.mp4", "-m", "ped2", "-o", "out", "--backend", "quick"),
            "'--backend': it must be one of auto, torch, onnx, openvino, got 'quick'",
        ),
        (
            ("export", "run", "--to", "opnvino"),
            "'--to': it must be one of onnx, openvino, got 'opnvino'; did you mean openvino?",
        ),
        (
            ("train", "normal", "-o", "run", "--epochs", "many"),
            "'--epochs': it must be a number, got 'many'",
        ),
        (
            ("train", "normal", "-o", "run", "--workers", "2.5"),
            "'--workers': it must be a whole number, got '2.5'",
        ),
        (
            ("train", "normal", "-o", "run", "--nice", "30"),
            "'--nice': it must be at most 19, got '30'",
        ),
        (("report", "out", "--events", "-1"), "'--events': it must be at least 0, got '-1'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_value_says_what_there_is(arguments, sentence, oddframe_command):
    left = oddframe_command(*arguments, "--json")
    assert left.code == 2
    assert left.json["error"].removeprefix("Invalid value for ") == sentence


@pytest.mark.parametrize("before", [(), ("help",)], ids=["alone", "help"])
def test_an_unknown_command_says_which_there_are(before, oddframe_command):
    left = oddframe_command(*before, "scroe")
    assert left.code == 2
    told = " ".join(left.err.replace("│", " ").split())
    assert "a command must be one of " in told
    assert "train, score, calibrate, watch" in told
    assert "got 'scroe'; did you mean score?" in told
    left = oddframe_command(*before, "data", "chekc")
    assert "must be one of check, got 'chekc'; did you mean check?" in " ".join(left.err.split())


@pytest.mark.parametrize("verb", [(), ("score",), ("data",), ("data", "check"), ("help",)])
def test_help_is_a_command_too(verb, oddframe_command):
    left = oddframe_command("help", *verb)
    assert (left.code, left.err) == (0, "")
    assert left.out == oddframe_command(*verb, "--help").out


@pytest.mark.parametrize(
    ("shell", "file"),
    [
        ("bash", ".bashrc"),
        ("zsh", ".zfunc/_oddframe"),
        ("fish", ".config/fish/completions/oddframe.fish"),
    ],
)
def test_completion_installs(shell, file, tmp_path):
    # The program is told by its name which shell asks, as the shell's own process would tell.
    code = f"import shellingham; shellingham.detect_shell = lambda: ({shell!r}, '')\n"
    code += "import sys; sys.argv = ['oddframe', '--install-completion']\n"
    code += "from oddframe.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{shell} completion installed" in done.stdout
    assert "oddframe" in (tmp_path / file).read_text()


@pytest.mark.parametrize(
    ("line", "offered"),
    [("oddframe sco", {"score"}), ("oddframe train --pre", {"--preset"})],
)
def test_bash_completes_what_is_typed(line, offered):
    done = subprocess.run(
        [COMMAND],
        env={
            **os.environ,
            "_ODDFRAME_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split()) - 1),
        },
        capture_output=True,
        text=True,
    )
    assert set(done.stdout.split()) == offered
