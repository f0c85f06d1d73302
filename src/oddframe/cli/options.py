"""What several verbs share: their options, the panels of the help pages, the exit codes.

This file is imported for every `oddframe --help`, so it imports nothing heavy.
"""

import re
from enum import StrEnum
from typing import Annotated, Literal

import typer

from oddframe.errors import SettingsError
from oddframe.inference import BackendName
from oddframe.inference import Precision as PrecisionName

FINDING = 1
"""Exit code: a check found something, or a recording of an archive failed."""
UNUSABLE = 2
"""Exit code: the input cannot be used; nothing is lost."""
INTERRUPTED = 130
"""Exit code: stopped by Ctrl-C or SIGTERM."""

MACHINE, LEARNING, OUTPUT = "Hardware and speed", "Training", "Output"
SCORES, ARCHIVE = "Scores from another program", "Large archives"
"""Titles of panels: the help pages group options by them."""


class Preset(StrEnum):
    """Where the settings of a training start."""

    # The names of PRESETS once more: reading them from there would import pydantic and the data
    # sets for every --help. A test holds the two together. It is an enum, and no Literal as below,
    # since Typer takes no list of Literals.
    fast = "fast"
    paper = "paper"


BackendChoice = Literal["auto", BackendName]
"""What runs a network; "auto" measures and selects."""
PrecisionChoice = Literal["auto", PrecisionName]
"""The number format that a network computes in; "auto" follows the backend."""

Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="Run folder, model bundle, or name of the shipped demonstration, ped2.",
    ),
]
Device = Annotated[
    str,
    typer.Option(
        help="Where to compute: auto (a GPU if there is one), cpu, or a GPU such as cuda:0.",
        rich_help_panel=MACHINE,
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        help="Number of clips that the network processes at once.",
        show_default="8, with --device cuda 64",
        rich_help_panel=MACHINE,
    ),
]
Backend = Annotated[
    BackendChoice,
    typer.Option(
        help="Library that runs the network. auto: the fastest one on this machine whose results "
        "match the trained network; measured once and remembered.",
        rich_help_panel=MACHINE,
    ),
]
Precision = Annotated[
    PrecisionChoice,
    typer.Option(
        help="Number format that the network computes in. auto: chosen together with the backend; "
        "int8 needs a model from oddframe export --int8.",
        rich_help_panel=MACHINE,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        help="Number of threads that networks compute on. Fewer leave cores to other programs.",
        show_default="every core that may be used, or OMP_NUM_THREADS",
        rich_help_panel=MACHINE,
    ),
]
Compile = Annotated[
    bool | None,
    typer.Option(
        "--compile/--no-compile",
        help="Compile the network, which takes about a minute; with torch on a GPU.",
        show_default="where a run is long enough to pay for it",
        rich_help_panel=MACHINE,
    ),
]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON object instead of text and progress bars.",
        rich_help_panel=OUTPUT,
    ),
]
Budget = Annotated[
    str,
    typer.Option(
        "--false-alarms",
        metavar="N/UNIT",
        help="Allowed false alarms per camera, such as 6/hour, 1/day, 2/week or 1/month. "
        "Fewer makes the model less sensitive.",
    ),
]
Fps = Annotated[
    float | None,
    typer.Option(
        help="Frames per second of image folders, instead of the times in the images' names, and "
        "of raw streams (.h264, .mjpeg) that state none; other videos have their own timestamps.",
        show_default="those times, or the model's rate; 10 for train",
    ),
]
JsonProgress = Annotated[
    bool,
    typer.Option(
        "--json-progress",
        help="Print the progress on standard error as JSON, one object in each line, as "
        "progress.json in the folder has it.",
        rich_help_panel=OUTPUT,
    ),
]

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def parse_time(option: str, text: str | None) -> float | None:
    """Read a length of time such as 90s, 30m, 8h, 7d or 1h30m.

    Args:
        option: The option that it was given with, for errors.
        text: What was given; None where nothing was.

    Returns:
        Seconds; None of None.

    Raises:
        SettingsError: If it is no length of time.
    """
    if text is None:
        return None
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip())
    if not parts or re.sub(r"\s", "", text) != "".join(map("".join, parts)):
        raise SettingsError(
            f"{option} must be a length of time with its unit, such as 90s, 30m, 8h or 7d, "
            f"got {text!r}"
        )
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
