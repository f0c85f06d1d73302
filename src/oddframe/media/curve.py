"""The curve of a recording's scores as a picture."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from oddframe.errors import InputError
from oddframe.extras import naming_extras
from oddframe.files import replace_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["can_draw", "save_curve"]

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
        truth: (start, end) in seconds of what was there, where that is known; a bar under the curve.
        title: Stands above the curve.

    Raises:
        InputError: If times and scores differ in number.
        OutputError: If the file cannot be written.
        MissingExtraError: If Matplotlib is not installed.
    """
    with naming_extras("drawing the curve of scores"):
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


def _draw_spans(axes: "Axes", times: npt.NDArray[np.float64], events: _Spans, truth: _Spans | None) -> None:
    # A single frame would be narrower than a pixel on a long recording.
    least = 0.003 * float(np.ptp(times)) if times.size else 0.0
    for number, (start, end) in enumerate(_widened(events, least)):
        axes.axvspan(start, end, color=_ALARM, alpha=0.16, linewidth=0, label=None if number else "event found")
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
    axes.axhline(threshold, color=_FAINT, linewidth=1, linestyle=(0, (6, 4)), label=f"threshold {threshold:g}")
    axes.plot(times, values, color=_CALM, linewidth=1.3, solid_joinstyle="round", label="score")
    axes.fill_between(
        times, threshold, values, where=values > threshold, interpolate=True, color=_ALARM, alpha=0.55, linewidth=0
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
