"""The page that the demo ends with."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from oddframe.core.records import Event
from oddframe.files import replace_file, write_text
from oddframe.media.curve import save_curve
from oddframe.media.finding import open_source
from oddframe.media.sources import FrameFormat

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


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Oddframe demo</title>
<style>
:root {{ color-scheme: light dark; --line: #8884; --soft: #8889; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ margin-bottom: 0; }}
.figures {{ display: flex; flex-wrap: wrap; gap: 1rem; margin: 1.5rem 0; padding: 0; list-style: none; }}
.figures li {{ border: 1px solid var(--line); border-radius: .6rem; padding: .8rem 1.2rem; }}
.figures b {{ display: block; font-size: 1.6rem; }}
article {{ border-top: 1px solid var(--line); padding: 1.5rem 0; }}
.pair {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(320px, 1fr)); gap: 1rem; align-items: start; }}
img, video {{ width: 100%; border-radius: .4rem; }}
p.note {{ color: var(--soft); }}
</style>
<h1>What Oddframe found</h1>
<p>It watched a few minutes of ordinary life on a drawn plaza, and nothing else. Then it saw six recordings in which
something is unusual, and was never told what. Heat shows where, the curve when; above the dashed line it says so.</p>
<ul class="figures">
<li><b>{events_found} of {events_total}</b> unusual events found</li>
<li><b>{false_events}</b> false events</li>
<li><b>{auc_raw:.3f}</b> frame AUC, one threshold for all</li>
<li><b>{baseline_auc_raw:.3f}</b> AUC of plain frame difference</li>
<li><b>{seconds:.0f} s</b> for all of it</li>
</ul>
{articles}
<p class="note">Green bars under the curves: what was really there. Shaded: what was found. Files: <code>results/</code>
(scores, events, videos), <code>run/</code> (the model), <code>truth/</code> (masks, tracks and labels).</p>
</html>
"""

_ARTICLE = """<article>
<h2>{name}: {kinds}</h2>
<p>{sentence}</p>
<div class="pair">
<video controls preload="none" poster="results/{name}.peak.png" src="results/{name}.overlay.mp4"
 aria-label="{name} with heat map and score curve"></video>
<img src="results/{name}.curve.png" alt="Score of {name} over time; {sentence}">
</div>
</article>
"""


def write_page(path: Path, recordings: Sequence[DemoRecording], figures: Mapping[str, Any], results: Path) -> None:
    """Write the page and the pictures on it.

    Args:
        path: The HTML file.
        recordings: What was found.
        figures: The figures at the top, as in ``oddframe demo --json``.
        results: Folder of the score tables and overlay videos; gets a snapshot of the highest score of each
            recording, and curves with the truth in them.

    Raises:
        OutputError: If something cannot be written.
    """
    articles = []
    for one in recordings:
        times_s, scores = _series(results / f"{one.name}.scores.csv")
        save_curve(
            results / f"{one.name}.curve.png",
            times_s,
            scores,
            events=[(event.start_s, event.end_s) for event in one.events],
            truth=one.truth,
            title=f"{one.name}: {_words(one.kinds)}",
        )
        _save_peak(results / f"{one.name}.overlay.mp4", float(times_s[np.nanargmax(scores)]), results)
        sentence = f"{one.found} of {one.true} unusual events found, {one.false or 'no'} false"
        articles.append(_ARTICLE.format(name=escape(one.name), kinds=escape(_words(one.kinds)), sentence=sentence))
    write_text(path, _PAGE.format(articles="\n".join(articles), **figures))


def _series(path: Path) -> tuple[np.ndarray[Any, np.dtype[np.float64]], np.ndarray[Any, np.dtype[np.float64]]]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    times_s = np.array([float(row["time_s"]) for row in rows])
    return times_s, np.array([float(row["score"] or "nan") for row in rows])


def _save_peak(video: Path, time_s: float, results: Path) -> None:
    """Save the frame of an overlay video at a time as ``<name>.peak.png``."""
    source = open_source(video)
    name = video.name.removesuffix(".overlay.mp4")
    for frame in source.frames(FrameFormat(2, 2, "rgb", picture_width=640)):
        if frame.time_s >= time_s - 1e-3 and frame.picture is not None:
            with replace_file(results / f"{name}.peak.png") as temporary:
                Image.fromarray(frame.picture).save(temporary, format="png")
            return


def _words(kinds: Sequence[str]) -> str:
    return ", ".join(kind.replace("_", " ") for kind in kinds)
