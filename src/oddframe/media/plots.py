"""The two pictures that Matplotlib draws: the scores of a recording, and the losses of a training.

Each is saved as a file or given as a `Chart`, which notebooks show. Both share one palette.
Matplotlib is an extra, and slow to import, so the functions import it when they draw.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from oddframe._types import Float64
from oddframe.errors import InputError
from oddframe.extras import require_extra
from oddframe.files import replace_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SCORE, _ALARM, _TRUTH, _FAINT, _TEXT = "#2f7fc1", "#d8342c", "#3f9b58", "#9aa1ad", "#2b2f38"

_LOSS_COLOURS = {
    "appearance": _SCORE,
    "motion": "#c8553d",
    "cluster": _TRUTH,
    "repulsion": "#8a5fbf",
    "discrimination": "#b8860b",
}
"""Colour of each loss, in the order in which the losses are drawn."""

_CURVE_SIZE_IN = (11.0, 3.4)
_CURVE_MARGINS_IN = (0.6, 0.15, 0.55, 0.35)
"""Left, right, bottom and top, in inches, with room for labels and, at the top, the legend.

Margins of our own: Matplotlib would draw everything twice to find them.
"""

_LOSS_WIDTH_IN, _LOSS_HEIGHT_IN = 8.0, 2.2
"""Width of the picture of losses and height of each of its rows, in inches."""

_LOSS_MARGINS_IN = (0.85, 0.15, 0.55, 0.15)
_LOSS_GAP_IN = 0.4
"""Between two rows of losses."""

_DPI = 110

_LEAST_SPAN = 0.003
"""Share of the picture's width that a span has at least: a single frame would be invisible."""

_MOST_SMOOTHED = 25
"""Steps over which a curve of losses is averaged at most."""

_Series = Sequence[float] | npt.NDArray[np.floating]
_Spans = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """A drawn picture, which a notebook shows.

    Attributes:
        png: The picture as a PNG file.
    """

    png: bytes = field(repr=False)

    def save(self, path: str | Path) -> None:
        """Write the picture as a PNG; an old file is replaced in one step.

        Raises:
            OutputError: If it cannot be written.
        """
        with replace_file(path) as temporary:
            temporary.write_bytes(self.png)

    def _repr_png_(self) -> bytes:
        # Notebooks look for a method of this name.
        return self.png


def can_draw() -> bool:
    """Tell whether Matplotlib is installed."""
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
    draw_curve(times_s, scores, threshold, events, truth, title).save(path)


def draw_curve(
    times_s: _Series,
    scores: _Series,
    threshold: float = 0.5,
    events: _Spans = (),
    truth: _Spans | None = None,
    title: str | None = None,
) -> Chart:
    """Draw scores over time; arguments and errors are those of `save_curve`."""
    times, values = np.asarray(times_s, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if times.shape != values.shape or times.ndim != 1:
        raise InputError(
            "times_s and scores must be rows of the same length, "
            f"got the shapes {times.shape} and {values.shape}"
        )
    figure = _new_figure(_CURVE_SIZE_IN, _CURVE_MARGINS_IN)
    axes = figure.add_subplot()
    _draw_spans(axes, times, events, truth)
    _draw_scores(axes, times, values, threshold)
    _finish_curve(axes, times, title)
    return _chart(figure)


def save_loss_curves(path: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """Draw the losses in a run's log as a PNG, one row for each loss.

    The losses of training are lines, those of held-out footage dots; a dotted line marks where the
    centres were placed and joint training begins.

    Args:
        path: Where to write it.
        entries: Lines of the log with ``step``, ``phase`` and losses, or ``held_out`` with losses.

    Raises:
        OutputError: If it cannot be written.
        MissingExtraError: If Matplotlib is not installed.
    """
    draw_losses(entries).save(path)


def draw_losses(entries: Sequence[Mapping[str, Any]]) -> Chart:
    """Draw the losses in a run's log; arguments and errors are those of `save_loss_curves`."""
    training = [
        entry for entry in entries if "held_out" not in entry and entry["phase"] != "centres"
    ]
    held_out = [entry for entry in entries if "held_out" in entry]
    centres = [entry["step"] for entry in entries if entry["phase"] == "centres"]
    names = [name for name in _LOSS_COLOURS if any(name in entry for entry in training)]
    size = (_LOSS_WIDTH_IN, _LOSS_HEIGHT_IN * max(1, len(names)))
    figure = _new_figure(size, _LOSS_MARGINS_IN)
    figure.subplots_adjust(hspace=_LOSS_GAP_IN / (_LOSS_HEIGHT_IN - _LOSS_GAP_IN))
    for number, name in enumerate(names, start=1):
        axes = figure.add_subplot(len(names), 1, number)
        _draw_loss(axes, name, training, held_out)
        for step in centres:
            axes.axvline(step, color=_FAINT, linestyle=":", linewidth=1)
        if number == len(names):
            axes.set_xlabel("step (dotted: centres placed, joint training begins)")
    return _chart(figure)


def _new_figure(
    size_in: tuple[float, float], margins_in: tuple[float, float, float, float]
) -> "Figure":
    with require_extra("drawing curves"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

    (width, height), (left, right, bottom, top) = size_in, margins_in
    figure = Figure(figsize=size_in)
    figure.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height)
    # Not pyplot: it would pick a window system and keep every figure.
    FigureCanvasAgg(figure)
    return figure


def _chart(figure: "Figure") -> Chart:
    content = io.BytesIO()
    # Without Matplotlib's version in it, so that the same curve is the same file.
    figure.savefig(content, format="png", dpi=_DPI, metadata={"Software": None})
    return Chart(content.getvalue())


def _draw_spans(axes: "Axes", times: Float64, events: _Spans, truth: _Spans | None) -> None:
    least_s = _LEAST_SPAN * float(np.ptp(times)) if times.size else 0.0
    # Only the first span of each kind has a label: the legend names it once.
    for number, (start, end) in enumerate(_widen(events, least_s)):
        axes.axvspan(
            start,
            end,
            color=_ALARM,
            alpha=0.16,
            linewidth=0,
            label=None if number else "event found",
        )
    for number, (start, end) in enumerate(_widen(truth or (), least_s)):
        label = None if number else "labelled abnormal"
        axes.axvspan(start, end, ymax=0.035, color=_TRUTH, linewidth=0, label=label)


def _widen(spans: _Spans, least_s: float) -> Iterator[tuple[float, float]]:
    """Widen spans that are shorter than `least_s`, on both sides."""
    for start, end in spans:
        short = max(0.0, least_s - (end - start)) / 2
        yield start - short, end + short


def _draw_scores(axes: "Axes", times: Float64, values: Float64, threshold: float) -> None:
    axes.axhline(
        threshold,
        color=_FAINT,
        linewidth=1,
        linestyle=(0, (6, 4)),
        label=f"threshold {threshold:g}",
    )
    axes.plot(times, values, color=_SCORE, linewidth=1.3, solid_joinstyle="round", label="score")
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
    # A score between two frames without one has no line to either side, so it gets a dot.
    known = np.pad(np.isfinite(values), 1)
    alone = known[1:-1] & ~known[:-2] & ~known[2:]
    axes.plot(times[alone], values[alone], ".", color=_SCORE, markersize=4)


def _finish_curve(axes: "Axes", times: Float64, title: str | None) -> None:
    """Set the axes, their labels, the title and the legend of a curve of scores."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_ylim(0, 1)
    if times.size > 1 and times[-1] > times[0]:
        axes.set_xlim(times[0], times[-1])
    axes.set_ylabel("score", color=_TEXT)
    axes.set_xlabel("time (min:s)" if times.size and times[-1] >= 60 else "time (s)", color=_TEXT)
    if times.size and times[-1] >= 60:
        # Steps of 15, 30 and 60 s read well as minutes and seconds; 25 and 50 s would not.
        axes.xaxis.set_major_locator(MaxNLocator(nbins=10, steps=[1, 1.5, 2, 3, 6, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(_format_minutes))
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


def _format_minutes(seconds: float, _position: int | None = None) -> str:
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def _draw_loss(
    axes: "Axes",
    name: str,
    training: Sequence[Mapping[str, Any]],
    held_out: Sequence[Mapping[str, Any]],
) -> None:
    """Draw one loss: every step faintly, the smoothed curve, and dots for held-out footage."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    colour = _LOSS_COLOURS[name]
    steps = [entry["step"] for entry in training if name in entry]
    values = [entry[name] for entry in training if name in entry]
    axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
    axes.plot(steps, _smooth(values), color=colour, linewidth=1.6, label="training")
    dots = [entry for entry in held_out if name in entry["held_out"]]
    if dots:
        axes.plot(
            [entry["step"] for entry in dots],
            [entry["held_out"][name] for entry in dots],
            "o",
            color=_TEXT,
            markersize=3.5,
            label="held out",
        )
    # Losses fall by orders of magnitude.
    axes.set_yscale("log")
    # Plain numbers: powers of ten are typeset as formulas, which takes most of the time.
    axes.yaxis.set_major_formatter(FuncFormatter(_format_plain))
    low, high = axes.get_ylim()
    # A narrow range has hardly a power of ten in it; a wide one has no room for more.
    minor = _format_plain if high < 10 * low else _format_some
    axes.yaxis.set_minor_formatter(FuncFormatter(minor) if high < 300 * low else NullFormatter())
    axes.set_ylabel(f"{name} loss")
    axes.grid(visible=True, which="major", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper right")


def _format_plain(value: float, _position: int | None = None) -> str:
    return f"{value:g}"


def _format_some(value: float, _position: int | None = None) -> str:
    """Format 0.02 and 0.05, but not 0.03."""
    return f"{value:g}" if f"{value:e}"[0] in "25" else ""


def _smooth(values: Sequence[float]) -> list[float]:
    """Average each value with those before it, over a tenth of the curve at most."""
    window = max(1, min(_MOST_SMOOTHED, len(values) // 10))
    return [float(np.mean(values[max(0, end - window) : end])) for end in range(1, len(values) + 1)]
