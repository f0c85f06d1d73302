import ast
import subprocess
import sys
from pathlib import Path

from oddframe.process_title import hide_in_process_title

PROGRAM = """
import sys
from pathlib import Path
from oddframe.media.stream_address import stream_address
from oddframe.process_title import hide_in_process_title
hide_in_process_title(stream_address(sys.argv[1]).secrets)
print(Path("/proc/self/cmdline").read_text().split("\\0")[3:])
print(sys.argv[1:])
"""


def test_passwords_in_arguments_are_hidden_from_others_and_not_from_the_program():
    arguments = ["rtsp://bob:s3cret%40@cam/x?token=t0ken", "--out", "folder"]
    ran = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True)
    shown, own = ran.stdout.splitlines()
    assert ast.literal_eval(own) == arguments
    assert ast.literal_eval(shown)[:3] == ["rtsp://*************@cam/x?token=*****", "--out", "folder"]


def test_nothing_happens_where_there_is_nothing_to_hide():
    before = Path("/proc/self/cmdline").read_bytes()
    hide_in_process_title(["no such text in here", ""])
    assert Path("/proc/self/cmdline").read_bytes() == before
