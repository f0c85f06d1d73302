"""Runs batch scoring in processes of their own, and finds the one to kill."""

import os
import subprocess
import sys
import time
from pathlib import Path

import duckdb

from oddframe.media.video_writer import VideoWriter
from tests.support.tiny import walk


def film(path: Path, frames: int) -> None:
    """Write a recording of so many frames, 10 a second."""
    with VideoWriter(path, 10.0, (64, 48)) as video:
        for number in range(frames):
            video.write(walk(number))


def starting(archive: Path, model: Path, out: Path, *flags: object) -> subprocess.Popen[str]:
    """Start ``oddframe score ARCHIVE`` with some flags; it prints its report as JSON."""
    fixed = ["--backend", "torch", "--precision", "float32", "--json"]
    command = [
        sys.executable,
        "-m",
        "oddframe",
        "score",
        archive,
        "-m",
        model,
        "-o",
        out,
        *fixed,
        *flags,
    ]
    return subprocess.Popen(
        [str(argument) for argument in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Ray's workers yield to everything else on the machine, which other tests are.
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "RAY_ADDRESS": "local",
            "RAY_worker_niceness": "0",
        },
    )


def busy_worker(program: int, out: Path, title: str) -> int:
    """Wait until a recording is done and another has begun; gives the process that works on it.

    Args:
        program: The program that was started; only processes that come of it are looked at.
        out: Its results.
        title: What stands in the command line of a worker's process.
    """
    until = time.monotonic() + 300
    while time.monotonic() < until:
        if any((out / "recordings").glob("*/*.json")) and any((out / ".unfinished").glob("*/*")):
            found = [pid for pid in _offspring(program) if title in _command(pid)]
            if found:
                return found[0]
        time.sleep(0.01)
    raise TimeoutError("no worker was seen at work")


def doubled_or_lost(out: Path, recordings: int, frames: int) -> list[str]:
    """Name what is wrong with the tables as DuckDB sees them, a phrase each."""
    scores = f"'{out}/scores/*/*.parquet'"
    rows = duckdb.sql(
        f"SELECT recording, count(*), count(DISTINCT frame), count(DISTINCT filename) "
        f"FROM read_parquet({scores}, filename=true) GROUP BY 1"
    ).fetchall()
    wrong = [str(row) for row in rows if row[1:] != (frames, frames, 1)]
    if len(rows) != recordings:
        wrong.append(f"{len(rows)} recordings have scores")
    records = f"read_json('{out}/recordings/*/*.json')"
    done = duckdb.sql(f"SELECT count(*) FROM {records} WHERE state = 'done'").fetchall()
    if done != [(recordings,)]:
        wrong.append(f"{done} recordings are done")
    if left := list((out / ".unfinished").iterdir()):
        wrong.append(f"unfinished: {left}")
    return wrong


def _offspring(program: int) -> list[int]:
    """The ids of the children of a process, of their children and so on."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int(
                    (entry / "stat").read_text().rpartition(")")[2].split()[1]
                )
            except OSError:
                continue  # It has just ended.
    found, fresh = [], [program]
    while fresh:
        fresh = [pid for pid, parent in parents.items() if parent in fresh]
        found += fresh
    return found


def _command(pid: int) -> str:
    """The command line of a process; empty where it has ended."""
    try:
        return (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    except OSError:
        return ""
