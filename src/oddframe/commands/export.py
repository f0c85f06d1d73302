"""The verb `oddframe export`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from oddframe.commands.options import AsJson, Fps
from oddframe.commands.shown import duration, parity_line, print_json, warn

__all__ = ["export"]


class Target(StrEnum):
    """What a graph is for."""

    onnx = "onnx"
    openvino = "openvino"


def export(
    model: Annotated[str, typer.Argument(help="A run folder or a model bundle.")],
    to: Annotated[Target, typer.Option("--to", help="What runs the graph.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="8-bit whole numbers, set by normal footage; for OpenVINO.")
    ] = False,
    normal: Annotated[
        list[str] | None,
        typer.Option(help="Normal footage of the camera; else frames that the training left in the run folder serve."),
    ] = None,
    clips: Annotated[list[str] | None, typer.Option(help="Footage with something odd in it, compared as well.")] = None,
    labelled: Annotated[Path | None, typer.Option(help="A labelled test set on which the AUC must not change.")] = None,
    fps: Fps = None,
    as_json: AsJson = False,
) -> None:
    """Add a graph to a model that runs without torch, once it answers as the trained network does."""
    from oddframe.exporting import export as run_export
    from oddframe.terminal import bars, show_facts

    with bars(quiet=as_json) as on_progress:
        report = run_export(
            model,
            to.value,
            int8=int8,
            normal=normal or None,
            clips=clips or None,
            labelled=labelled,
            fps=fps,
            on_progress=on_progress,
        )
    if as_json:
        print_json(report)
        return
    warn(report.notices)
    show_facts(
        {
            **{name: f"{size:,} bytes" for name, size in report.files.items()},
            **{name: parity_line(found) for name, found in report.parity.items()},
            "took": duration(report.seconds),
            "model": f"[bold]{report.bundle}[/bold]",
        }
    )
