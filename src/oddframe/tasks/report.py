"""Write pages about results or about a training: the verb `oddframe report`.

The function is not called report because `oddframe.report` is the room that it works with.
"""

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from oddframe._types import Progress, silent
from oddframe.bundle.bundle import find_bundle
from oddframe.errors import BundleError, OddframeError, RunError, SourceNotFoundError
from oddframe.files import write_text
from oddframe.inference.loading import load
from oddframe.inference.model import Model
from oddframe.report.event_viewer import Viewer
from oddframe.report.index_page import IndexRow, Intro, index_page, page_name, row_of
from oddframe.report.score_page import MOST_SHOWN, Extra, score_page
from oddframe.results.provenance import ModelOrigin, origin_of
from oddframe.results.reader import RecordingResults, find_results, open_footage, read_results

if TYPE_CHECKING:
    from oddframe.report.nearest_normal import NormalExamples


INDEX = "index.html"
MOST_THUMBNAILS = 200
"""So many recordings have a picture on the first page, where each takes some 6 kB."""
_NOTHING: Mapping[str, Extra] = {}


@dataclass(frozen=True, kw_only=True)
class PageReport:
    """What a call of `write_report` wrote.

    Example:
        >>> report = oddframe.score("monday.mp4", "runs/door", "pages")
        >>> oddframe.write_report("pages").page.name
        'monday.report.html'

    Attributes:
        page: The page to open first.
        pages: All pages, the first one included.
        notices: What could not be shown, and why, a sentence each.
        seconds: Wall-clock time.
    """

    page: Path
    pages: tuple[Path, ...]
    notices: tuple[str, ...]
    seconds: float


def write_report(
    path: str | Path,
    *,
    footage: str | Path | None = None,
    model: str | Path | None = None,
    events: int = MOST_SHOWN,
    device: str = "auto",
    only: Collection[str] | None = None,
    extras: Mapping[str, Extra] = _NOTHING,
    intro: Intro | None = None,
    index: str | Path | None = None,
    on_progress: Progress = silent,
) -> PageReport:
    """Write a page for each scored recording and one for all of them; or one for a training.

    Each page is one file that needs nothing else. Pictures are read from the recordings again, and
    heat maps are those that ``score --maps`` kept or are computed again; what is missing is named
    on the page.

    Example:
        >>> report = oddframe.score("monday.mp4", "runs/door", "pages")
        >>> pages = oddframe.write_report("pages", model="runs/door").pages
        >>> [page.name for page in pages]
        ['monday.report.html']

    Args:
        path: A folder that `score` wrote, one of its files, or a run folder.
        footage: Where the recordings are now, if not where they were.
        model: The model that they were scored with, if it is not where it was.
        events: Events with pictures on a page, the most unusual ones.
        device: "auto", "cpu" or a GPU such as "cuda:0".
        only: Names of the recordings whose pages are written; all of them when None.
        extras: What else is known of recordings, by name.
        intro: The beginning of the page for all recordings.
        index: Path of that page; ``index.html`` beside the results when None.
        on_progress: Called with the recordings done, as phase "report".

    Raises:
        SourceNotFoundError: If there is nothing to report on.
        SourceError: If results cannot be read.
        RunError: If a training cannot be.
        OutputError: If a page cannot be written.
    """
    began = time.monotonic()
    place = Path(path)
    if (place / "settings.json").is_file() and (place / "bundle").is_dir():
        from oddframe.report.training_page import (
            write_training_page,  # with torch, which pages of results do without
        )

        page = write_training_page(place, device=device)
        return PageReport(page=page, pages=(page,), notices=(), seconds=time.monotonic() - began)
    folder, names = find_results(place)
    wanted = [name for name in names if only is None or name in only]
    models = _Models(None if model is None else Path(model), device)
    pages: list[Path] = []
    rows: list[IndexRow] = []
    notices: list[str] = []
    for name in names:
        results, extra = read_results(folder, name), extras.get(name)
        # Every recording has a row on the first page, also those whose own pages stay as they are.
        evidence = _Evidence.find(
            results, None if footage is None else Path(footage), models, pictures=name in wanted
        )
        if name in wanted:
            on_progress("report", wanted.index(name), len(wanted), {})
            page = folder / page_name(name)
            content = score_page(
                results,
                evidence.viewer,
                evidence.examples,
                extra=extra,
                notices=evidence.notices,
                no_examples=evidence.no_examples,
                most_shown=events,
            )
            write_text(page, content)
            pages.append(page)
            notices += [f"{name}: {sentence}" for sentence in evidence.notices]
        rows.append(
            row_of(results, evidence.viewer if len(rows) < MOST_THUMBNAILS else None, extra)
        )
    on_progress("report", len(wanted), len(wanted), {})
    # One recording needs no page over it, unless there is something to say first.
    if len(names) > 1 or intro is not None:
        first = folder / INDEX if index is None else Path(index)
        away = os.path.relpath(folder, first.parent)
        write_text(
            first, index_page(folder.resolve().name, rows, "" if away == "." else f"{away}/", intro)
        )
        pages.insert(0, first)
    return PageReport(
        page=pages[0], pages=tuple(pages), notices=tuple(notices), seconds=time.monotonic() - began
    )


class _Models:
    """Loads the models that results name, each once."""

    def __init__(self, instead: Path | None, device: str) -> None:
        self._instead, self._device = instead, device
        self._loaded: dict[Path, Model] = {}
        self._examples: dict[Path, NormalExamples | str] = {}

    def find(self, origin: ModelOrigin) -> tuple[Path, Model]:
        """The model that results came from, and its bundle.

        Raises:
            OddframeError: If it is gone or another one.
        """
        if self._instead is None and origin.path is None:
            raise SourceNotFoundError(
                "the model was given as an object; name it: oddframe report --model MODEL"
            )
        folder = find_bundle(self._instead or Path(origin.path or ""))
        weights = origin_of(folder).weights
        # A run folder may hold a newer training under the same path.
        if origin.weights is not None and weights != origin.weights:
            raise BundleError(f"{folder} now holds another model than the one used for scoring")
        if folder not in self._loaded:
            self._loaded[folder] = load(folder, device=self._device)
        return folder, self._loaded[folder]

    def examples(self, folder: Path, model: Model) -> "NormalExamples | str":
        """Examples of what a model knows as normal, found once for each model."""
        if folder not in self._examples:
            self._examples[folder] = _examples(folder, model)
        return self._examples[folder]


def _examples(folder: Path, model: Model) -> "NormalExamples | str":
    """Find examples of what a model knows as normal; a sentence where there are none."""
    try:
        from oddframe.model.network import Network
        from oddframe.report.nearest_normal import NormalExamples
    except ImportError:
        return "No normal examples: they are found by the network's codes, which need torch."
    try:
        return NormalExamples.of(folder, Network.of(model.bundle.network))
    except RunError:
        return (
            "No normal examples: the frames that the model learned from are not beside it, "
            "as they are in a run folder with its cache."
        )


@dataclass(frozen=True, slots=True)
class _Evidence:
    """Pictures and examples for a page, and sentences about what is missing."""

    viewer: Viewer | None
    examples: "NormalExamples | None"
    notices: tuple[str, ...]
    no_examples: str = ""

    @classmethod
    def find(
        cls, results: RecordingResults, footage: Path | None, models: _Models, *, pictures: bool
    ) -> "_Evidence":
        """Find the recording and the model of results, as far as they are still there."""
        try:
            source = open_footage(results, footage)
        except OddframeError as error:
            return cls(None, None, (f"{error}.",))
        # Without events nothing is shown that needs the model, and loading it takes seconds.
        if not results.events or not pictures or results.facts is None:
            return cls(Viewer(results, source, None), None, ())
        try:
            folder, model = models.find(results.facts.model)
        except OddframeError as error:
            sentence = (
                "Without the model there are no normal examples, and heat maps only where they "
                f"were kept: {error}."
            )
            return cls(Viewer(results, source, None), None, (sentence,))
        examples = models.examples(folder, model)
        if isinstance(examples, str):
            return cls(Viewer(results, source, model), None, (), examples)
        return cls(Viewer(results, source, model), examples, ())
