"""The verb `oddframe eval`: of a model on a data set, or of anybody's scores with labels."""

from pathlib import Path
from typing import Annotated

import typer

from oddframe.cli.options import (
    SCORES,
    AsJson,
    Backend,
    BatchSize,
    Device,
    Precision,
)
from oddframe.cli.output import bars, print_json, show_evaluation, warn


def evaluate(
    dataset: Annotated[
        Path | None,
        typer.Argument(help="Folder of a benchmark or labelled test set; needs --model."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Run folder, model bundle, or name of a shipped model such as ped2.",
        ),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            help="Scores from any program: a folder with one .npy or .csv file per video, or one "
            "file for all videos; needs --labels.",
            rich_help_panel=SCORES,
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="Labels for --scores: a folder, a benchmark, or a .npy, .csv or .mat file.",
            rich_help_panel=SCORES,
        ),
    ] = None,
    skip_first: Annotated[
        int,
        typer.Option(
            min=0,
            help="Number of frames at the start of each video that have no score.",
            rich_help_panel=SCORES,
        ),
    ] = 0,
    skip_last: Annotated[
        int,
        typer.Option(
            min=0,
            help="Number of frames at the end of each video that have no score.",
            rich_help_panel=SCORES,
        ),
    ] = 0,
    fps: Annotated[
        float | None,
        typer.Option(help="Frames per second of image folders, and of --scores without times."),
    ] = None,
    device: Device = "auto",
    batch_size: BatchSize = None,
    backend: Backend = "auto",
    precision: Precision = "auto",
    as_json: AsJson = False,
) -> None:
    """Compare the scores of a model, or of any program, with labels: AUC, false alarms, delay.

    Example: [cyan]oddframe eval ped2/ --model ped2[/cyan]
    """
    # Two ways to call it that share no argument; anything mixed is a mistake.
    if scores is not None and labels is not None and dataset is None and model is None:
        from oddframe.tasks.evaluate import evaluate_scores

        report = evaluate_scores(
            scores, labels, skip_first=skip_first, skip_last=skip_last, fps=fps
        )
    elif dataset is not None and model is not None and scores is None and labels is None:
        if skip_first or skip_last:
            raise typer.BadParameter("--skip-first and --skip-last are for --scores only")
        from oddframe.tasks.evaluate import evaluate as run_evaluation

        # --scores takes seconds and has no bar.
        with bars(quiet=as_json) as on_progress:
            report = run_evaluation(
                dataset,
                model,
                fps=fps,
                device=device,
                batch_size=batch_size,
                backend=backend,
                precision=precision,
                on_progress=on_progress,
            )
    else:
        raise typer.BadParameter("Give either DATASET and --model, or --scores and --labels.")
    if as_json:
        print_json(report.as_dict())
        return
    warn(report.notices)
    show_evaluation(report)
