import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from oddframe.process_title import hide_in_process_title

PROGRAM = """
import sys
from pathlib import Path
from oddframe.media.stream_address import stream_address
from oddframe.process_title import hide_in_process_title
before = Path("/proc/self/comm").read_text()
notices = hide_in_process_title(stream_address(sys.argv[1]).secrets)
print(ascii(Path("/proc/self/cmdline").read_text(errors="replace")))
print(ascii(sys.argv[1:]))
print(ascii(notices))
print(Path("/proc/self/comm").read_text() == before)
"""
ADDRESS = "rtsp://bob:s3cret%40@cam/x?token=t0ken"


def run(program, arguments, environment=None):
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return [ast.literal_eval(line) for line in ran.stdout.splitlines()]


def test_passwords_in_arguments_are_hidden_from_others_and_not_from_the_program():
    arguments = [ADDRESS, "--out", "folder"]
    shown, own, notices, same_name = run(PROGRAM, arguments)
    assert own == arguments
    assert "rtsp://*************@cam/x?token=***** --out folder" in shown
    assert "s3cret" not in shown
    assert "t0ken" not in shown
    assert notices == ()
    assert same_name


def test_a_file_name_that_is_no_text_is_no_obstacle():
    shown, own, notices, _ = run(PROGRAM, [ADDRESS, os.fsdecode(b"caf\xe9")])
    assert "s3cret" not in shown
    assert own[1] == os.fsdecode(b"caf\xe9")
    assert notices == ()


def test_nothing_happens_where_there_is_nothing_to_hide():
    before = Path("/proc/self/cmdline").read_bytes()
    assert hide_in_process_title(["no such text in here", ""]) == ()
    assert Path("/proc/self/cmdline").read_bytes() == before


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (
            'import sys; sys.modules["setproctitle"] = None',
            r'pip install "oddframe\[watch\]"; or put them in variables',
        ),
        # What the library does where a program starts without any variable.
        ("import setproctitle; setproctitle.setproctitle = str", "put it in a variable instead"),
    ],
)
def test_where_it_cannot_be_done_a_sentence_says_so(program, said):
    shown, _, (notice,), _ = run(program + "\n" + PROGRAM, [ADDRESS])
    assert "s3cret" in shown
    assert "s3cret" not in notice
    assert re.search(said, notice)
