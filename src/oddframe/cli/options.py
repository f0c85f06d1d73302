"""Options that several verbs take, and the panels of the help pages.

Exit codes other than 0.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer


class Preset(StrEnum):
    """Where the settings of a training start."""

    fast = "fast"
    paper = "paper"
    walkway = "walkway"


class BackendName(StrEnum):
    """What runs a network."""

    auto = "auto"
    torch = "torch"
    onnx = "onnx"
    openvino = "openvino"


class Numbers(StrEnum):
    """What a network computes in."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"
    int8 = "int8"


MACHINE, LEARNING, OUTPUT = "Hardware and speed", "Training", "Output"
SCORES, ARCHIVE = "Scores from another program", "Large archives"
Model = Annotated[
    str,
    typer.Option(
        "--model", "-m", help="Run folder, model bundle, or name of a shipped model such as ped2."
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
    int,
    typer.Option(
        help="Number of clips that the network processes at once.", rich_help_panel=MACHINE
    ),
]
Backend = Annotated[
    BackendName,
    typer.Option(
        help="Library that runs the network. auto: the fastest one on this machine whose results "
        "match the trained network; measured once and remembered.",
        rich_help_panel=MACHINE,
    ),
]
Precision = Annotated[
    Numbers,
    typer.Option(
        help="Number format that the network computes in. auto: chosen together with the backend; "
        "int8 needs a model from oddframe export --int8.",
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
        help="Frames per second of image folders; videos have their own timestamps.",
        show_default="the model's rate; 10 for train",
    ),
]


def one_or_many(what: list[str]) -> str | Sequence[str]:
    """What was named on the command line, as the library takes it."""
    return what[0] if len(what) == 1 else what


FINDING = 1
"""A check found something."""
UNUSABLE = 2
"""Input that cannot be used; nothing is lost."""
INTERRUPTED = 130
"""Stopped by Ctrl-C or SIGTERM."""
