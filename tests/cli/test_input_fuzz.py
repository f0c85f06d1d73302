"""Changed inputs of every kind get a result or a sentence; `make fuzz-inputs` does it for long."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.input_fuzz import READERS

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_no_input_ends_in_a_traceback_a_crash_or_a_hang(tmp_path, run_seed):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.support.input_fuzz", "--minutes", "0.25"),
            *("--seed", str(run_seed), "--keep", tmp_path / "kept"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == list(READERS)
