"""Options that several verbs take, and the panels of the help pages."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer

__all__ = [
    "ARCHIVE",
    "LEARNING",
    "MACHINE",
    "OUTPUT",
    "SCORES",
    "AsJson",
    "Backend",
    "BackendName",
    "BatchSize",
    "Budget",
    "Device",
    "Fps",
    "Model",
    "Numbers",
    "Precision",
    "Preset",
    "one_or_many",
]


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


MACHINE, LEARNING, OUTPUT, SCORES = "Machine", "What is learned", "Output", "Anybody's scores"
ARCHIVE = "Archives"
Model = Annotated[
    str, typer.Option("--model", "-m", help="A run folder, a model bundle or the name of a shipped model.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, or a GPU such as cuda:0.", rich_help_panel=MACHINE)]
BatchSize = Annotated[int, typer.Option(help="Clips that run through the network at a time.", rich_help_panel=MACHINE)]
Backend = Annotated[
    BackendName,
    typer.Option(
        help="What runs the network. auto: the fastest here that says what the trained network says; tried once.",
        rich_help_panel=MACHINE,
    ),
]
Precision = Annotated[
    Numbers,
    typer.Option(help="What the network computes in. int8 needs oddframe export.", rich_help_panel=MACHINE),
]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object to standard output and nothing else.", rich_help_panel=OUTPUT),
]
Budget = Annotated[
    str,
    typer.Option(
        "--false-alarms", metavar="N/UNIT", help="False alarms agreed to for a camera: 6/hour, 1/day, 2/week, 1/month."
    ),
]
Fps = Annotated[
    float | None,
    typer.Option(help="Frames per second of folders of images; recordings have times of their own."),
]


def one_or_many(what: list[str]) -> str | Sequence[str]:
    """What was named on the command line, as the library takes it."""
    return what[0] if len(what) == 1 else what
