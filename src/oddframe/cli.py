"""The command line: one small function a verb; what is heavy is imported inside it.

It has this many lines because every flag's help stands beside the verb that takes it.
"""

import json
import math
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from oddframe import __version__
from oddframe.errors import OddframeError

if TYPE_CHECKING:
    from oddframe.config import Settings

__all__ = ["app", "main"]

FINDING, UNUSABLE, INTERRUPTED = 1, 2, 130

app = typer.Typer(
    name="oddframe",
    help="Finds what is abnormal in video after learning only from normal video.\n\n"
    "[bold]oddframe demo[/bold] shows all of it in five minutes. With footage of your own:\n\n"
    "[cyan]oddframe train normal/ -o runs/door[/cyan]\n\n"
    "[cyan]oddframe score monday.mp4 --model runs/door -o out --overlay[/cyan]",
    epilog="Exit codes: 0 done, 1 a finding (a failed check), 2 unusable input, 130 interrupted.",
    rich_markup_mode="rich",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Preset(StrEnum):
    """Where the settings of a training start."""

    fast = "fast"
    paper = "paper"


_MACHINE, _LEARNING, _OUTPUT, _SCORES = "Machine", "What is learned", "Output", "Anybody's scores"
Model = Annotated[
    str, typer.Option("--model", "-m", help="A run folder, a model bundle or the name of a shipped model.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, or a GPU such as cuda:0.", rich_help_panel=_MACHINE)]
BatchSize = Annotated[int, typer.Option(help="Clips that run through the network at a time.", rich_help_panel=_MACHINE)]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object to standard output and nothing else.", rich_help_panel=_OUTPUT),
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


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    # A polite stop is the same as Ctrl-C: what is half written is taken back, a training can be resumed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except OddframeError as error:
        _fail(str(error))
    except OSError as error:
        # What the system refuses where nobody expected it is still one line, with the file's name in it.
        _fail(str(error))
    except SystemExit as left:
        if left.code == INTERRUPTED:
            _fail("interrupted", INTERRUPTED)
        told = isinstance(left.__context__, typer.Exit)
        if left.code == UNUSABLE and "--json" in sys.argv and not told:
            # Typer has told people on standard error; programs read standard output.
            _print_json({"error": str(left.__context__)})
        raise
    sys.exit(0)


def _fail(sentence: str, code: int = UNUSABLE) -> NoReturn:
    """Say what is wrong in one line, as JSON too where that is wanted, and leave."""
    from oddframe.terminal import messages

    line = " ".join(sentence.split())
    if "--json" in sys.argv:
        _print_json({"error": line})
    messages.print(f"[bold red]error:[/bold red] {_escaped(line)}", soft_wrap=True)
    sys.exit(code)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"oddframe {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def train(
    normal: Annotated[
        list[str],
        typer.Argument(help="Normal video: recordings, folders or globs of them, folders of numbered images."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Run folder to make.")],
    preset: Annotated[
        Preset | None,
        typer.Option(
            help="fast: for machines without a GPU. paper: as published.",
            show_default="fast",
            rich_help_panel=_LEARNING,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="TOML or JSON with tables network, data and training, over the preset.",
            rich_help_panel=_LEARNING,
        ),
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(help="Passes over the footage, instead of the preset's steps.", rich_help_panel=_LEARNING),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Clips in a step.", rich_help_panel=_LEARNING)] = None,
    hold_out: Annotated[
        float | None,
        typer.Option(
            help="Share of the footage kept for validation and calibration [0.15]; 0 calibrates in-sample.",
            rich_help_panel=_LEARNING,
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.", rich_help_panel=_LEARNING)] = None,
    rate: Annotated[
        float | None,
        typer.Option(help="Frames per second to train at; faster footage is thinned.", rich_help_panel=_LEARNING),
    ] = None,
    fps: Fps = None,
    cache_gb: Annotated[
        float, typer.Option(help="Most gigabytes of decoded frames on disk.", rich_help_panel=_MACHINE)
    ] = 4.0,
    false_alarms: Budget = "1/day",
    drop_odd: Annotated[
        bool,
        typer.Option(
            "--drop-odd",
            help="Leave out clips unlike the rest of the footage; a first pass finds them, a quarter of the time more.",
            rich_help_panel=_LEARNING,
        ),
    ] = False,
    device: Device = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in the run folder.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start again over the training there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Learn what is normal; writes a run folder with the model bundle in it."""
    from oddframe.terminal import bars, show_facts

    changes = {"batch_size": batch_size, "seed": seed}
    settings = _settings(preset or Preset.fast, config, changes, hold_out)
    if resume and (preset, config, batch_size, hold_out, seed) == (None,) * 5:
        settings = None
    from oddframe.training import train as run_training

    with bars(quiet=as_json) as on_progress:
        report = run_training(
            _one_or_many(normal),
            out,
            settings=settings,
            epochs=epochs,
            fps=fps,
            rate_fps=rate,
            cache_gb=cache_gb,
            false_alarms=false_alarms,
            drop_odd=drop_odd,
            device=device,
            resume=resume,
            overwrite=overwrite,
            on_progress=on_progress,
        )
    if as_json:
        _print_json(report)
        return
    _warn((*report.skipped, *report.notices))
    origin = "[yellow]in-sample[/yellow]" if report.in_sample else f"{report.held_out} held-out clips"
    show_facts(
        {
            "clips": f"{report.clips}" + (f" ({report.share:.0%} of the footage)" if report.share < 1 else ""),
            "steps": report.steps,
            "losses": "  ".join(f"{name} {value:.2e}" for name, value in report.losses.items()),
            "threshold": f"{report.threshold:.4g} for {report.false_alarms} ({origin})",
            "took": _duration(report.seconds),
            "model": f"[bold]{report.bundle}[/bold]",
            "try it": f"oddframe score VIDEO --model {report.run} -o out --overlay",
        }
    )


@app.command()
def score(
    source: Annotated[
        list[str], typer.Argument(help="Recordings, folders or globs of them, folders of numbered images.")
    ],
    model: Model,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Also a video with heat map and curve.", rich_help_panel=_OUTPUT)
    ] = False,
    maps: Annotated[
        bool, typer.Option("--maps", help="Also the anomaly maps, compressed.", rich_help_panel=_OUTPUT)
    ] = False,
    parquet: Annotated[
        bool, typer.Option("--parquet", help="Also the scores as Parquet.", rich_help_panel=_OUTPUT)
    ] = False,
    zones: Annotated[
        Path | None, typer.Option("--zones", help="TOML or JSON with polygons to watch or to ignore, and a cool-down.")
    ] = None,
    no_health: Annotated[
        bool, typer.Option("--no-health", help="Also score what the camera's health says shows nothing.")
    ] = False,
    fps: Fps = None,
    device: Device = "auto",
    batch_size: BatchSize = 8,
    as_json: AsJson = False,
) -> None:
    """Score recordings; writes scores, events and a curve for each."""
    from oddframe.detect import Extras
    from oddframe.detect import score as run_score
    from oddframe.terminal import bars, show_rows
    from oddframe.zone_settings import read_zones

    chosen_zones = None if zones is None else read_zones(zones)
    with bars(quiet=as_json) as on_progress:
        report = run_score(
            _one_or_many(source),
            model,
            out,
            fps=fps,
            device=device,
            batch_size=batch_size,
            extras=Extras(parquet=parquet, maps=maps, overlay=overlay),
            zones=chosen_zones,
            health=not no_health,
            on_progress=on_progress,
        )
    if as_json:
        _print_json(report)
        return
    _warn((*report.skipped, *(f"{one.name}: {text}" for one in report.recordings for text in one.notices)))
    rows = [
        (
            one.name,
            str(one.frames),
            f"{one.peak:.2f}",
            str(len(one.events)),
            _spans(one.events),
        )
        for one in report.recordings
    ]
    show_rows(("recording", "frames", "peak", "events", "from - to"), rows)
    frames = sum(one.frames for one in report.recordings)
    from oddframe.terminal import console

    console.print(f"\n{frames} frames in {_duration(report.seconds)}; results in [bold]{out}[/bold]")


@app.command()
def calibrate(
    model: Annotated[str, typer.Argument(help="A run folder or a model bundle.")],
    normal: Annotated[
        list[str] | None,
        typer.Argument(help="Normal video that the model was not trained on; else scores kept in the bundle serve."),
    ] = None,
    false_alarms: Annotated[
        str | None,
        typer.Option(
            "--false-alarms",
            metavar="N/UNIT",
            help="False alarms agreed to for a camera: 6/hour, 1/day, 2/week, 1/month.",
            show_default="as before",
        ),
    ] = None,
    least: Annotated[
        float | None, typer.Option(help="Seconds that an event must last to start.", show_default="as before")
    ] = None,
    merge_gap: Annotated[
        float | None, typer.Option(help="Seconds of calm that an event goes on over.", show_default="as before")
    ] = None,
    cool_down: Annotated[
        float | None, typer.Option(help="Seconds after an event without another.", show_default="as before")
    ] = None,
    fps: Fps = None,
    device: Device = "auto",
    batch_size: BatchSize = 8,
    as_json: AsJson = False,
) -> None:
    """Set a model's threshold for a budget of false alarms, from normal video or scores kept in the bundle."""
    from oddframe.calibrating import calibrate as run_calibration
    from oddframe.terminal import bars, show_facts

    rules = {"least_s": least, "merge_gap_s": merge_gap, "cool_down_s": cool_down}
    with bars(quiet=as_json) as on_progress:
        report = run_calibration(
            model,
            _one_or_many(normal) if normal else None,
            false_alarms=false_alarms,
            rules={name: value for name, value in rules.items() if value is not None},
            fps=fps,
            device=device,
            batch_size=batch_size,
            on_progress=on_progress,
        )
    if as_json:
        _print_json(report)
        return
    _warn((*report.skipped, *report.notices))
    found = report.calibration
    before = "" if report.threshold_before is None else f", {report.threshold_before:.4g} before"
    show_facts(
        {
            "threshold": f"{found.threshold:.4g} ({found.threshold_low:.4g} to {found.threshold_high:.4g}{before})",
            "for": f"{found.budget} false alarms",
            "from": f"{found.clips} clips, {_duration(3600 * found.hours)}{', kept scores' * report.cached}",
            "took": _duration(report.seconds),
            "model": f"[bold]{report.bundle}[/bold]",
        }
    )


@app.command(name="eval")
def evaluate(
    dataset: Annotated[Path | None, typer.Argument(help="A labelled benchmark or test set; needs --model.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="A run folder, a model bundle or the name of a shipped model.")
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            help="Anybody's scores: a folder with a .npy or .csv per video, or one array of all; needs --labels.",
            rich_help_panel=_SCORES,
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="A folder, benchmark, .npy, .csv or .mat with labels for --scores.", rich_help_panel=_SCORES),
    ] = None,
    skip_first: Annotated[
        int, typer.Option(min=0, help="Frames at the start of each video without a score.", rich_help_panel=_SCORES)
    ] = 0,
    skip_last: Annotated[
        int, typer.Option(min=0, help="Frames at the end of each video without a score.", rich_help_panel=_SCORES)
    ] = 0,
    fps: Annotated[
        float | None, typer.Option(help="Frames per second of folders of images, and of --scores without times.")
    ] = None,
    device: Device = "auto",
    batch_size: BatchSize = 8,
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
                dataset, model, fps=fps, device=device, batch_size=batch_size, on_progress=on_progress
            )
    else:
        raise typer.BadParameter("Give DATASET and --model, or --scores and --labels.")
    if as_json:
        _print_json(report.as_dict())
        return
    _warn(report.notices)
    show_evaluation(report)


data = typer.Typer(name="data", help="Look at data sets.", no_args_is_help=True)
app.add_typer(data)


@data.command()
def check(
    path: Annotated[Path, typer.Argument(help="A benchmark, a labelled set of your own, or normal footage.")],
    as_json: AsJson = False,
) -> None:
    """Say what a data set was recognised as, what it holds and what is wrong with it.

    Exit code 2 where it is not recognised or contradicts itself; a partial copy is usable.
    """
    from oddframe.data_check import check_data
    from oddframe.terminal import bars, show_facts, show_rows

    with bars(quiet=as_json) as on_progress:
        report = check_data(path, on_progress=on_progress)
    if as_json:
        _print_json(report)
    else:
        counts, official = report.counts, report.official
        facts = {
            "recognised": f"[bold]{report.recognised}[/bold]",
            "name": _escaped(report.name),
            "training": _amount(counts.training_videos, counts.training_frames),
            "testing": _amount(counts.testing_videos, counts.testing_frames, counts.abnormal_frames),
        }
        if official is not None:
            training = _amount(official.training_videos, official.training_frames)
            testing = _amount(official.testing_videos, official.testing_frames, official.abnormal_frames)
            facts["officially"] = f"{training}; {testing}"
        facts["usable"] = _yes(report.usable) + (" (partial copy)" if report.partial else "")
        show_facts(facts)
        if report.testing:
            show_rows(
                ("test video", "frames", "abnormal", "share", "masks", "tracks", "labels = masks"),
                [
                    (
                        _escaped(one.name),
                        "-" if one.frames is None else str(one.frames),
                        "-" if one.abnormal_frames is None else str(one.abnormal_frames),
                        "-" if one.abnormal_share is None else f"{one.abnormal_share:.0%}",
                        _yes(one.masks),
                        _yes(one.tracks),
                        "-" if one.disagreements is None else _yes(not one.disagreements),
                    )
                    for one in report.testing
                ],
            )
        else:
            show_rows(
                ("recording", "frames", "frames/s", "took"),
                [
                    (_escaped(one.name), str(one.frames), f"{one.rate_fps:.4g}", _duration(one.duration_s))
                    for one in report.training
                ],
            )
        _warn(report.notices)
        _warn(report.contradictions, "[bold red]contradiction:[/bold red]")
    if not report.usable:
        raise typer.Exit(UNUSABLE)


@app.command()
def doctor(
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Also check this run or bundle, hashes and all.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what is installed here, and whether a bundle is whole."""
    from oddframe.doctor import examine
    from oddframe.terminal import show_facts

    report = examine(model)
    if as_json:
        _print_json(report)
    else:
        show_facts({**report["versions"], "ffmpeg": report["ffmpeg"]})
        show_facts({name: _yes(there) for name, there in report["codecs"].items()})
        for device in report["devices"]:
            show_facts(device)
        if "bundle" in report:
            hashes = report["bundle"].pop("sha256", {})
            show_facts({name: _yes(value) if name == "ok" else value for name, value in report["bundle"].items()})
            show_facts({name: f"sha256 {digest}" for name, digest in hashes.items()})
    if not report["ok"]:
        raise typer.Exit(FINDING)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for footage, model and pictures.")] = Path("demo"),
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Draw a plaza, learn its normal life, find what is odd in it; under five minutes on two cores."""
    from oddframe.demo import run_demo
    from oddframe.terminal import bars, show_facts, show_rows

    with bars(quiet=as_json) as on_progress:
        report = run_demo(out, device=device, on_progress=on_progress)
    if as_json:
        _print_json(report.as_dict())
        return
    show_rows(
        ("recording", "true", "found", "false", "what there was to see"),
        [(one.name, str(one.true), str(one.found), str(one.false), ", ".join(one.kinds)) for one in report.recordings],
    )
    show_facts(
        {
            "found": f"{report.events_found} of {report.events_total} true events, {report.false_events} false ones",
            "AUC": f"{report.auc_raw:.3f} (plain frame difference: {report.baseline_auc_raw:.3f})",
            "took": _duration(report.seconds),
            "look at": f"[bold]{report.page}[/bold]",
        }
    )


def _settings(
    preset: Preset, config: Path | None, changes: dict[str, int | None], hold_out: float | None
) -> "Settings | None":
    """The preset with a file's settings over it and the flags over both."""
    from oddframe.config import PRESETS, read_settings

    settings = PRESETS[preset.value]
    if config is not None:
        settings = read_settings(config, settings)
    given = {name: value for name, value in changes.items() if value is not None}
    data = settings.data if hold_out is None else replace(settings.data, hold_out=hold_out)
    return replace(settings, data=data, training=replace(settings.training, **given))  # type: ignore[arg-type]


def _one_or_many(what: list[str]) -> str | Sequence[str]:
    return what[0] if len(what) == 1 else what


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(_plain(value), ensure_ascii=False, allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    """A report as JSON values: dataclasses by field, paths as text, null for what is no number."""
    from dataclasses import fields, is_dataclass

    if isinstance(value, float) and not math.isfinite(value):
        return None
    if is_dataclass(value):
        # What a record's repr leaves out are its pictures.
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value) if item.repr}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _warn(sentences: Sequence[str], mark: str = "[yellow]note:[/yellow]") -> None:
    from oddframe.terminal import messages

    for sentence in sentences:
        messages.print(f"{mark} {_escaped(sentence)}", soft_wrap=True)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _spans(events: Sequence[Any]) -> str:
    shown = ", ".join(f"{event.start_s:.1f} - {event.end_s:.1f} s" for event in events[:4])
    return shown + (f" and {len(events) - 4} more" if len(events) > 4 else "")


def _amount(videos: int, frames: int | None, abnormal: int | None = None) -> str:
    amount = f"{videos} videos" + ("" if frames is None else f", {frames:,} frames")
    return amount + ("" if abnormal is None else f", {abnormal:,} abnormal")


def _yes(value: bool) -> str:
    return "[green]yes[/green]" if value else "[red]no[/red]"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
