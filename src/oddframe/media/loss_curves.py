"""A picture of the losses of a training."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from oddframe.files import replace_file

__all__ = ["save_loss_curves"]

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
    training = [entry for entry in entries if "held_out" not in entry and entry["phase"] != "centres"]
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
        dots = [(entry["step"], entry["held_out"][name]) for entry in held_out if name in entry["held_out"]]
        if dots:
            axes.plot(*zip(*dots, strict=True), "o", color="#333333", markersize=3.5, label="held out")
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
