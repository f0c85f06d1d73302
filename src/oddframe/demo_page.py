"""What the demo's pages say beside what a report says: what there was to find, and how much of it was found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oddframe.core.records import Event
from oddframe.report.index_page import Intro
from oddframe.report.page import plural
from oddframe.report.score_page import Extra
from oddframe.reporting import write_report

__all__ = ["DemoRecording", "write_page"]


@dataclass(frozen=True, kw_only=True)
class DemoRecording:
    """What was found in one recording of the demo.

    Attributes:
        name: The recording.
        kinds: What is unusual in it.
        truth: (start, end) in seconds of what is unusual.
        events: What the model found.
        true: How many true events there are: stretches of frames in which anything unusual is visible.
        found: How many of them an event of ours overlaps.
        false: Events of ours that overlap none.
    """

    name: str
    kinds: tuple[str, ...]
    truth: tuple[tuple[float, float], ...]
    events: tuple[Event, ...]
    true: int
    found: int
    false: int


_VERDICT = (
    "It watched a few minutes of ordinary life on a drawn plaza, and nothing else. Then it saw recordings in which "
    "something is unusual, and was never told what. Each recording's page shows when, where and why."
)
_NOTE = (
    "Beside this page: results/ has scores, events and videos, run/ the model and the report of its training, truth/ "
    "masks, tracks and labels of what was really there."
)


def write_page(
    path: Path, recordings: Sequence[DemoRecording], figures: Mapping[str, Any], results: Path, device: str = "auto"
) -> None:
    """Write the page over all recordings, and those of each beside its results.

    Args:
        path: The page over all.
        recordings: What was found.
        figures: The figures at the top, as in ``oddframe demo --json``.
        results: Folder of what `score` wrote.
        device: Where heat maps are computed again.

    Raises:
        OutputError: If something cannot be written.
    """
    tiles = [
        ("Found", f"{figures['events_found']} of {figures['events_total']}", "unusual events"),
        ("False events", str(figures["false_events"]), "where nothing was unusual"),
        ("Frame AUC", f"{figures['auc_raw']:.3f}", "one threshold for all"),
        ("Plain frame difference", f"{figures['baseline_auc_raw']:.3f}", "its AUC, to compare"),
        ("Time", f"{figures['seconds']:.0f} s", "for all of it"),
    ]
    write_report(
        results,
        extras={one.name: Extra(truth=one.truth, sentence=_sentence(one)) for one in recordings},
        intro=Intro(title="What Oddframe found", verdict=_VERDICT, tiles=tiles, note=_NOTE),
        index=path,
        only={one.name for one in recordings},
        device=device,
    )


def _sentence(one: DemoRecording) -> str:
    kinds = ", ".join(kind.replace("_", " ") for kind in one.kinds)
    return f"There was: {kinds}. {one.found} of {plural(one.true, 'event')} found, {one.false or 'none'} false."
