"""The page over the recordings of a folder, the most unusual first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from oddframe.errors import OddframeError
from oddframe.report.charts import vector_path
from oddframe.report.event_viewer import Viewer
from oddframe.report.page import length_text, plural, rendered
from oddframe.report.score_page import Extra, bands, verdict
from oddframe.results.reader import RecordingResults

THUMBNAIL_WIDTH = 256
_SIZE = (400, 60)
_GAP_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Intro:
    """What a page over recordings begins with, in place of its own words.

    Attributes:
        title: Its heading.
        verdict: The sentence under it.
        tiles: (name, value, what else) of each figure.
        note: What stands at the end.
    """

    title: str
    verdict: str
    tiles: Sequence[tuple[str, str, str]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class IndexRow:
    """A recording on the page.

    Attributes:
        results: What was found in it.
        thumbnail: Its frame at the highest score, as an address of itself; None where there is
            none.
        extra: What else is known of it.
    """

    results: RecordingResults
    thumbnail: str | None = field(repr=False)
    extra: Extra


def page_name(name: str) -> str:
    """The file of a recording's page."""
    return f"{name}.report.html"


def row_of(results: RecordingResults, viewer: Viewer | None, extra: Extra | None) -> IndexRow:
    """A recording for the page."""
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
    """The page over recordings, as HTML.

    Args:
        folder: What the folder is called.
        rows: The recordings.
        away: The way from this page to those of the recordings, with a slash at its end.
        intro: What it begins with.
    """
    ordered = sorted(
        rows, key=lambda row: (-row.results.peak, -len(row.results.events), row.results.name)
    )
    events = sum(len(row.results.events) for row in rows)
    seconds = sum(row.results.duration_s for row in rows)
    unusual = sum(bool(row.results.events) for row in rows)
    intro = intro or Intro(
        title=folder,
        verdict=f"{plural(events, 'unusual event').capitalize()} in {plural(unusual, 'recording')} of {len(rows)}.",
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
    return rendered(
        "index.html",
        title=intro.title,
        verdict=intro.verdict,
        tiles=intro.tiles,
        note=intro.note,
        rows=[_shown(row, away) for row in ordered],
        has_truth=any(row.extra.truth for row in rows),
    )


def _shown(row: IndexRow, away: str) -> Mapping[str, object]:
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
                [(one.start_s, one.end_s) for one in results.events], results.duration_s, _SIZE[0]
            ),
            "truth": bands(row.extra.truth, results.duration_s, _SIZE[0]),
        },
    }
