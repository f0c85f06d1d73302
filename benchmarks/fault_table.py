"""The tables of docs/faults.md, from what the tests against real servers measured.

ODDFRAME_FAULTS=faults.jsonl make test-services
python benchmarks/fault_table.py faults.jsonl
"""

import argparse
import json
import os
import platform
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import av

from oddframe._version import __version__

Row = Mapping[str, Any]


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; what is not there is a dash."""
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    lines += [
        "| " + " | ".join("-" if cell is None else str(cell) for cell in row) + " |" for row in rows
    ]
    return "\n".join(lines)


def watched(rows: Iterable[Row]) -> str:
    """Faults of cameras and on our side: events."""
    titles = ("fault", "shown", "reported", "lost", "sent twice", "recovered after", "reconnects")
    return table(
        titles,
        (
            (
                row["fault"],
                row["sent"],
                everywhere(row),
                row["lost"],
                row["twice"],
                seconds(row),
                row.get("reconnects"),
            )
            for row in rows
        ),
    )


def everywhere(row: Row) -> str:
    """How many events came everywhere, or where how many did."""
    counts = {
        name: row[name]
        for name in ("lines", "store", "webhook", "mqtt", "receiver", "down")
        if name in row
    }
    if len(set(counts.values())) == 1:
        return str(next(iter(counts.values())))
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def seconds(row: Row) -> str | None:
    """The time to recover, in seconds; None where nothing recovers."""
    return f"{row['recovered_s']:.1f} s" if "recovered_s" in row else None


def streams(rows: Iterable[Row]) -> str:
    """Faults of a stream alone: frames."""
    titles = ("fault", "recovered after", "frames lost", "reconnects")
    return table(
        titles, ((row["fault"], seconds(row), row.get("lost"), row["reconnects"]) for row in rows)
    )


def stops(rows: Iterable[Row]) -> str:
    """The table of stops and how long they took."""
    return table(
        ("while", "signal", "ended after"),
        ((r["stop"], r["signal"], f"{r['took_s']:.1f} s") for r in rows),
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", type=Path, help="the file that ODDFRAME_FAULTS named")
    parsed = (json.loads(line) for line in parser.parse_args().rows.read_text().splitlines())
    # A fault that was measured again: the last time counts.
    last = {
        (row.get("fault"), row.get("stop"), row.get("signal"), "sent" in row): row for row in parsed
    }
    rows = [last[key] for key in sorted(last, key=str)]
    about = {
        "oddframe": __version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
        "load": f"{os.getloadavg()[2]:.1f}",
        "PyAV": av.__version__,
        "SQLite": sqlite3.sqlite_version,
    }
    print(", ".join(f"{name} {value}" for name, value in about.items()), end="\n\n")
    print(watched(row for row in rows if "sent" in row and "mqtt" in row), end="\n\n")
    print(watched(row for row in rows if "sent" in row and "mqtt" not in row), end="\n\n")
    print(stops(row for row in rows if "stop" in row), end="\n\n")
    print(streams(row for row in rows if "fault" in row and "sent" not in row))


if __name__ == "__main__":
    main()
