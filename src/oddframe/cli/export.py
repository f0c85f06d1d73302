"""The verb `oddframe export`: its options, and how close the exported network came."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from oddframe.cli.options import AsJson, Fps
from oddframe.cli.output import bars, duration, parity_line, print_json, show_facts, warn


def export(
    model: Annotated[
        str, typer.Argument(help="Run folder or model bundle; it gets the exported network.")
    ],
    to: Annotated[
        Literal["onnx", "openvino"],
        typer.Option("--to", help="Library that will run it: onnx (ONNX Runtime) or openvino."),
    ],
    int8: Annotated[
        bool,
        typer.Option(
            "--int8", help="Use 8-bit integers, set on normal footage; only with --to openvino."
        ),
    ] = False,
    normal: Annotated[
        list[str] | None,
        typer.Option(
            help="Normal footage of the camera, for comparing results and for --int8; may be "
            "repeated.",
            show_default="frames that the training left in the run folder",
        ),
    ] = None,
    clips: Annotated[
        list[str] | None,
        typer.Option(
            help="Footage with something abnormal, for comparing results; may be repeated."
        ),
    ] = None,
    labelled: Annotated[
        Path | None, typer.Option(help="Labelled test set on which the AUC must stay the same.")
    ] = None,
    fps: Fps = None,
    as_json: AsJson = False,
) -> None:
    """Add an exported network to a model, so that it runs faster and without PyTorch.

    It is added only if its results match those of the trained network.

    Example: [cyan]oddframe export runs/door --to openvino --int8[/cyan]
    """
    from oddframe.tasks.export import export as run_export

    # An empty list of flags means that nothing was given: the training's own frames are used.
    with bars(quiet=as_json) as on_progress:
        report = run_export(
            model,
            to,
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
