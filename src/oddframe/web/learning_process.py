"""The processes that learn a camera: `oddframe record` and `oddframe train`, and what they leave.

What a process is to do stands in its arguments, so that one of a server that was killed is known
by them; only an address, which may hold a password, goes through a pipe.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from oddframe.errors import OutputError
from oddframe.monitoring.recording_order import has_order
from oddframe.training.run_folder import RunFolder
from oddframe.web.learning_order import Learning

_LOG_BYTES = 64_000
"""So much of the end of a log is read."""


def recording_arguments(learning: Learning, folder: Path, *, redirects: bool) -> list[str]:
    """Return the arguments of `oddframe` that record a camera, whose address comes by a pipe.

    Args:
        learning: What is to be learnt.
        folder: Where its footage goes.
        redirects: Whether a camera's server may send its reader to another address.
    """
    arguments = ["record", "-", "-o", str(folder), "--most-gb", f"{learning.most_gb:g}"]
    if learning.stretch_s is not None and learning.every_s is not None:
        arguments += ["--stretch", f"{learning.stretch_s:g}s"]
        arguments += ["--every", f"{learning.every_s:g}s"]
    for hours in learning.armed:
        arguments += ["--armed", hours]
    if learning.time_zone is not None:
        arguments += ["--time-zone", learning.time_zone]
    if not redirects:
        arguments.append("--no-redirects")
    # What was recorded for an earlier learning stays, and is not resumed.
    if learning.pid is not None and has_order(folder):
        return [*arguments, "--resume"]
    return [*arguments, "--for", f"{learning.for_s:g}s"]


def training_arguments(
    learning: Learning, footage: Path, run: RunFolder, left_out: Path | None, settings: Path | None
) -> list[str]:
    """Return the arguments of `oddframe` that train a model, or go on where one was broken off.

    Args:
        learning: What is to be learnt.
        footage: The recordings to learn from.
        run: The run folder of the training.
        left_out: A table of what is not to be learnt; None where that is nothing.
        settings: A file with settings of the training; None where there is none.
    """
    arguments = ["train", str(footage), "-o", str(run.path), "--nice", "19"]
    arguments += ["--false-alarms", learning.false_alarms]
    if run.holds_training:
        return [*arguments, "--resume"]
    arguments += ["--preset", learning.preset]
    if left_out is not None:
        arguments += ["--leave-out", str(left_out)]
    return arguments if settings is None else [*arguments, "--config", str(settings)]


def start_process(arguments: list[str], text: str, log: Path) -> subprocess.Popen[bytes]:
    """Start `oddframe` with arguments; what it says is added to a log.

    Args:
        arguments: Its arguments.
        text: What it reads from standard input.
        log: The log.

    Raises:
        OutputError: If it cannot be started.
    """
    # The log is for programs, whatever the server's own output is.
    variables = {key: value for key, value in os.environ.items() if key != "FORCE_COLOR"}
    try:
        with log.open("ab") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "oddframe", *arguments],
                # An address may hold a password, which arguments and variables would show.
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=said,
                env=variables,
                # Ctrl-C in a terminal is for the server, which ends the others in order.
                start_new_session=True,
            )
        assert process.stdin is not None, "a pipe was asked for"
        with suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(text.encode())
    except OSError as error:
        raise OutputError(f"learning could not be started: {error.strerror}") from error
    return process


def read_log(path: Path) -> list[str]:
    """Read the lines at the end of a log; none where there is no log yet."""
    try:
        with path.open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - _LOG_BYTES))
            return log.read().decode(errors="replace").splitlines()
    except OSError:
        return []


def send_signal(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process, which may have ended."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def process_arguments(pid: int) -> list[str]:
    """Return the arguments of a process; none where it is not there or has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []
