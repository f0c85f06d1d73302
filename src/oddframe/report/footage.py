"""The recording behind some results, found again."""

from pathlib import Path

from oddframe.errors import SourceError, SourceNotFoundError
from oddframe.media.finding import open_source
from oddframe.media.sources import Source
from oddframe.report.facts import input_size
from oddframe.report.results import Results

__all__ = ["open_footage"]


def open_footage(results: Results, elsewhere: Path | None = None) -> Source:
    """The recording that results are of.

    Args:
        results: What was found in it.
        elsewhere: Where recordings are now, if not where they were when they were scored: a folder of them, or the
            recording itself.

    Raises:
        SourceNotFoundError: If it is gone.
        SourceError: If it is not known or not the same any more.
    """
    facts = results.facts
    if facts is None:
        raise SourceError(
            f"{results.name} was scored by an earlier version, which did not save the path of the recording"
        )
    there = Path(facts.recording)
    if elsewhere is not None:
        # Folders of images are often told apart by the folder above alone: 01/frames, 02/frames.
        places = (elsewhere / there.name, elsewhere / there.parent.name / there.name, elsewhere)
        there = next((one for one in places if one.exists() and one.name == there.name), elsewhere / there.name)
    if not there.exists():
        raise SourceNotFoundError(
            f"the recording is no longer at {there}, so there are no pictures; "
            "say where it is now: oddframe report --footage FOLDER"
        )
    source = open_source(there, facts.rate_fps)
    found = input_size(there, source)
    if found != facts.input_size:
        raise SourceError(
            f"{there} is not what was scored: it has {found} {'images' if there.is_dir() else 'bytes'} "
            f"and had {facts.input_size}; score it again"
        )
    return source
