"""The curve of a recording's scores as a picture.

A picture of the losses of a training.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from oddframe.errors import InputError
from oddframe.extras import require_extra
from oddframe.files import replace_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_CALM, _ALARM, _TRUTH, _FAINT, _TEXT = "#2f7fc1", "#d8342c", "#3f9b58", "#9aa1ad", "#2b2f38"
_SIZE_IN, _DPI = (11.0, 3.4), 110

_Series = Sequence[float] | npt.NDArray[np.floating]
_Spans = Sequence[tuple[float, float]]


def can_draw() -> bool:
    """Whether Matplotlib is installed."""
    return find_spec("matplotlib") is not None


def save_curve(
    path: str | Path,
    times_s: _Series,
    scores: _Series,
    threshold: float = 0.5,
    events: _Spans = (),
    truth: _Spans | None = None,
    title: str | None = None,
) -> None:
    """Draw scores over time as a PNG.

    Args:
        path: Where the PNG goes; an old one is replaced in one step.
        times_s: Times of the frames in seconds, increasing.
        scores: Their scores in (0, 1); NaN where there is none, which leaves a gap.
        threshold: Where the dashed line is drawn.
        events: (start, end) in seconds of what was found; shaded.
        truth: (start, end) in seconds of what was there, where that is known; a bar under the
            curve.
        title: Stands above the curve.

    Raises:
        InputError: If times and scores differ in number.
        OutputError: If the file cannot be written.
        MissingExtraError: If Matplotlib is not installed.
    """
    with require_extra("drawing the curve of scores"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

    times, values = np.asarray(times_s, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if times.shape != values.shape or times.ndim != 1:
        raise InputError(
            f"times_s and scores must be rows of the same length, got the shapes {times.shape} and {values.shape}"
        )
    figure = Figure(figsize=_SIZE_IN, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _draw_spans(axes, times, events, truth)
    _draw_scores(axes, times, values, threshold)
    _dress(axes, times, title)
    with replace_file(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def _draw_spans(
    axes: "Axes", times: npt.NDArray[np.float64], events: _Spans, truth: _Spans | None
) -> None:
    # A single frame would be narrower than a pixel on a long recording.
    least = 0.003 * float(np.ptp(times)) if times.size else 0.0
    for number, (start, end) in enumerate(_widened(events, least)):
        axes.axvspan(
            start,
            end,
            color=_ALARM,
            alpha=0.16,
            linewidth=0,
            label=None if number else "event found",
        )
    for number, (start, end) in enumerate(_widened(truth or (), least)):
        label = None if number else "labelled abnormal"
        axes.axvspan(start, end, ymax=0.035, color=_TRUTH, linewidth=0, label=label)


def _widened(spans: _Spans, least: float) -> Iterator[tuple[float, float]]:
    for start, end in spans:
        short = max(0.0, least - (end - start)) / 2
        yield start - short, end + short


def _draw_scores(
    axes: "Axes", times: npt.NDArray[np.float64], values: npt.NDArray[np.float64], threshold: float
) -> None:
    axes.axhline(
        threshold,
        color=_FAINT,
        linewidth=1,
        linestyle=(0, (6, 4)),
        label=f"threshold {threshold:g}",
    )
    axes.plot(times, values, color=_CALM, linewidth=1.3, solid_joinstyle="round", label="score")
    axes.fill_between(
        times,
        threshold,
        values,
        where=values > threshold,
        interpolate=True,
        color=_ALARM,
        alpha=0.55,
        linewidth=0,
    )
    # A score between two frames without one would be invisible as a line.
    known = np.pad(np.isfinite(values), 1)
    alone = known[1:-1] & ~known[:-2] & ~known[2:]
    axes.plot(times[alone], values[alone], ".", color=_CALM, markersize=4)


def _dress(axes: "Axes", times: npt.NDArray[np.float64], title: str | None) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_ylim(0, 1)
    if times.size > 1 and times[-1] > times[0]:
        axes.set_xlim(times[0], times[-1])
    axes.set_ylabel("score", color=_TEXT)
    axes.set_xlabel("time (min:s)" if times.size and times[-1] >= 60 else "time (s)", color=_TEXT)
    if times.size and times[-1] >= 60:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=10, steps=[1, 1.5, 2, 3, 6, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(_minutes))
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.tick_params(colors=_TEXT, labelsize=9, length=3)
    axes.grid(axis="y", color=_FAINT, alpha=0.25, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_FAINT)
    if title is not None:
        # Names of files may hold $ and _, which must not be read as formulas.
        axes.set_title(title, loc="left", color=_TEXT, fontsize=12, parse_math=False)
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=4,
        frameon=False,
        fontsize=9,
        labelcolor=_TEXT,
        borderaxespad=0.2,
    )


def _minutes(seconds: float, _position: int | None = None) -> str:
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


_COLOURS = {
    "appearance": "#1b6ca8",
    "motion": "#c8553d",
    "cluster": "#5b8c5a",
    "repulsion": "#8a5fbf",
    "discrimination": "#b8860b",
}


def save_loss_curves(path: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """Draw the losses in a run's log as a PNG: training as lines, held-out footage as dots, phases marked.

    Args:
        path: Where to write it.
        entries: Lines of the log with ``step``, ``phase`` and losses, or ``held_out`` with losses.

    Raises:
        OutputError: If it cannot be written.
    """
    training = [
        entry for entry in entries if "held_out" not in entry and entry["phase"] != "centres"
    ]
    held_out = [entry for entry in entries if "held_out" in entry]
    names = [name for name in _COLOURS if any(name in entry for entry in training)]
    figure = Figure(figsize=(8, 2.2 * max(1, len(names))), layout="constrained")
    FigureCanvasAgg(figure)
    for number, name in enumerate(names):
        axes = figure.add_subplot(len(names), 1, number + 1)
        steps = [entry["step"] for entry in training if name in entry]
        values = [entry[name] for entry in training if name in entry]
        axes.plot(steps, values, color=_COLOURS[name], alpha=0.25, linewidth=0.8)
        axes.plot(steps, _smooth(values), color=_COLOURS[name], linewidth=1.6, label="training")
        dots = [
            (entry["step"], entry["held_out"][name])
            for entry in held_out
            if name in entry["held_out"]
        ]
        if dots:
            axes.plot(
                *zip(*dots, strict=True), "o", color="#333333", markersize=3.5, label="held out"
            )
        for entry in entries:
            if entry["phase"] == "centres":
                axes.axvline(entry["step"], color="#999999", linestyle=":", linewidth=1)
        axes.set_yscale("log")
        axes.set_ylabel(f"{name} loss")
        axes.grid(visible=True, which="major", alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="upper right")
        if number == len(names) - 1:
            axes.set_xlabel("step (dotted: centres placed, joint training begins)")
    with replace_file(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _smooth(values: Sequence[float]) -> list[float]:
    """Mean over the last tenth of the curve at most, so that the trend is seen through the noise."""
    window = max(1, min(25, len(values) // 10))
    return [float(np.mean(values[max(0, end - window) : end])) for end in range(1, len(values) + 1)]
