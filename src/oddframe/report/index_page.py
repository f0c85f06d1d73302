"""The page over the recordings of a folder, which lists the most unusual first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from oddframe.errors import OddframeError
from oddframe.report.charts import vector_path
from oddframe.report.event_viewer import Viewer
from oddframe.report.page import length_text, plural, render
from oddframe.report.score_page import Extra, bands, verdict
from oddframe.results.reader import RecordingResults

THUMBNAIL_WIDTH = 256

_SIZE = (400, 60)
"""The box of each small curve, as (width, height)."""

# The curves are small: a shorter gap could not be seen.
_GAP_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Intro:
    """The head of a page over recordings, in place of the one that the page makes itself.

    Attributes:
        title: Its heading.
        verdict: The sentence under it.
        tiles: (name, value, remark) of each figure.
        note: A sentence at the end.
    """

    title: str
    verdict: str
    tiles: Sequence[tuple[str, str, str]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class IndexRow:
    """A recording in the list.

    Attributes:
        results: What was found in it.
        thumbnail: Its frame at the highest score as a data URI; None where it cannot be read.
        extra: What else is known of the recording.
    """

    results: RecordingResults
    thumbnail: str | None = field(repr=False)
    extra: Extra


def page_name(name: str) -> str:
    """Return the file name of a recording's page."""
    return f"{name}.report.html"


def row_of(results: RecordingResults, viewer: Viewer | None, extra: Extra | None) -> IndexRow:
    """Make the row of a recording, with a thumbnail if there is a viewer."""
    thumbnail = None
    if viewer is not None:
        try:
            thumbnail = viewer.thumbnail(results.peak_s, THUMBNAIL_WIDTH)
        except OddframeError:
            # The recording's own page says what is wrong with it.
            thumbnail = None
    return IndexRow(results, thumbnail, extra or Extra())


def index_page(
    folder: str, rows: Sequence[IndexRow], away: str = "", intro: Intro | None = None
) -> str:
    """Render the page over recordings as HTML.

    Args:
        folder: The name of the folder, which is the heading.
        rows: The recordings, in any order.
        away: The relative path from this page to those of the recordings, with a slash at its end;
            empty if they lie in the same folder.
        intro: The head of the page; None counts the events.
    """
    # The name last, so that the order is the same however the folder was read.
    ordered = sorted(
        rows, key=lambda row: (-row.results.peak, -len(row.results.events), row.results.name)
    )
    events = sum(len(row.results.events) for row in rows)
    seconds = sum(row.results.duration_s for row in rows)
    unusual = sum(bool(row.results.events) for row in rows)
    intro = intro or Intro(
        title=folder,
        verdict=f"{plural(events, 'unusual event').capitalize()} in "
        f"{plural(unusual, 'recording')} of {len(rows)}.",
        tiles=[
            ("Events", str(events), ""),
            ("Recordings", str(len(rows)), f"{unusual} with something unusual"),
            ("Length", length_text(seconds), ""),
            (
                "Highest score",
                f"{max(row.results.peak for row in rows):.2f}",
                "the threshold is 0.5",
            ),
        ],
    )
    return render(
        "index.html",
        title=intro.title,
        verdict=intro.verdict,
        tiles=intro.tiles,
        note=intro.note,
        rows=[_row_facts(row, away) for row in ordered],
        has_truth=any(row.extra.truth for row in rows),
    )


def _row_facts(row: IndexRow, away: str) -> Mapping[str, object]:
    """Return what the template shows of a recording."""
    results, overlay = row.results, row.results.file(".overlay.mp4")
    return {
        "results": results,
        "thumbnail": row.thumbnail,
        "sentence": row.extra.sentence,
        "verdict": verdict(results),
        "page": quote(away + page_name(results.name)),
        "overlay": quote(away + overlay.name) if overlay.is_file() else "",
        "curve": {
            "path": vector_path(results.time_s, results.score, _GAP_S, results.duration_s, _SIZE),
            "events": bands(
                [(event.start_s, event.end_s) for event in results.events],
                results.duration_s,
                _SIZE[0],
            ),
            "truth": bands(row.extra.truth, results.duration_s, _SIZE[0]),
        },
    }
