"""The verb `oddframe eval`."""

from pathlib import Path
from typing import Annotated

import typer

from oddframe.commands.options import (
    SCORES,
    AsJson,
    Backend,
    BackendName,
    BatchSize,
    Device,
    Numbers,
    Precision,
)
from oddframe.commands.shown import print_json, warn

__all__ = ["evaluate"]


def evaluate(
    dataset: Annotated[Path | None, typer.Argument(help="A labelled benchmark or test set; needs --model.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="A run folder, a model bundle or the name of a shipped model.")
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            help="Anybody's scores: a folder with a .npy or .csv per video, or one array of all; needs --labels.",
            rich_help_panel=SCORES,
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="A folder, benchmark, .npy, .csv or .mat with labels for --scores.", rich_help_panel=SCORES),
    ] = None,
    skip_first: Annotated[
        int, typer.Option(min=0, help="Frames at the start of each video without a score.", rich_help_panel=SCORES)
    ] = 0,
    skip_last: Annotated[
        int, typer.Option(min=0, help="Frames at the end of each video without a score.", rich_help_panel=SCORES)
    ] = 0,
    fps: Annotated[
        float | None, typer.Option(help="Frames per second of folders of images, and of --scores without times.")
    ] = None,
    device: Device = "auto",
    batch_size: BatchSize = 8,
    backend: Backend = BackendName.auto,
    precision: Precision = Numbers.auto,
    as_json: AsJson = False,
) -> None:
    """Say how well a model does on a labelled test set, or how good anybody's scores are."""
    from oddframe.terminal import bars, show_evaluation

    if scores is not None and labels is not None and dataset is None and model is None:
        from oddframe.score_evaluation import evaluate_scores

        report = evaluate_scores(scores, labels, skip_first=skip_first, skip_last=skip_last, fps=fps)
    elif dataset is not None and model is not None and scores is None and labels is None:
        if skip_first or skip_last:
            raise typer.BadParameter("--skip-first and --skip-last belong to --scores")
        from oddframe.evaluation import evaluate as run_evaluation

        with bars(quiet=as_json) as on_progress:
            report = run_evaluation(
                dataset,
                model,
                fps=fps,
                device=device,
                batch_size=batch_size,
                backend=backend.value,
                precision=precision.value,
                on_progress=on_progress,
            )
    else:
        raise typer.BadParameter("Give DATASET and --model, or --scores and --labels.")
    if as_json:
        print_json(report.as_dict())
        return
    warn(report.notices)
    show_evaluation(report)
