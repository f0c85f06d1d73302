"""The page of stored events: what a filter of the web app shows, as one file to keep or pass on.

Events that are alike stand together, as on the app's page Events: the one with the highest score
with its picture, and small pictures of others.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from oddframe._types import Pixels
from oddframe.report.charts import part_bars
from oddframe.report.page import data_uris_within, length_text, plural, render, resize
from oddframe.report.score_page import where
from oddframe.store.events import StoredEvent
from oddframe.store.stacks import EventStack, StackPage

MOST_STACKS = 200
"""Most stacks in a page, which stays below some ten megabytes then."""

_WIDTH, _FILM_WIDTH = 480, 128
_LENGTH, _FILM_LENGTH = 40_000, 24_000
"""Most characters of the large picture of a stack in the page, and of its small ones together."""

_VERDICTS = ("important", "unsure", "normal")


def events_page(page: StackPage, folder: Path, filters: Mapping[str, str], made: datetime) -> str:
    """Render stored events as HTML that needs no other file.

    Args:
        page: The events, as stacks.
        folder: The store's folder, from which the paths of pictures are seen.
        filters: What was asked for: names of filters with what they say, for people.
        made: Now; all times are shown in its time zone.
    """
    stacks = page.stacks[:MOST_STACKS]
    zone = made.tzname() or "UTC"
    judged = Counter(_verdict(stack.shown) for stack in stacks for _ in stack.rows)
    cameras = {stack.shown.alert.event.source for stack in stacks}
    notes = []
    if page.stack_count > len(stacks):
        left = page.stack_count - len(stacks)
        notes.append(f"{plural(left, 'further stack')} of events are left out: filter for fewer.")
    if page.is_cut:
        notes.append("Older events are left out, since there are too many.")
    return render(
        "events.html",
        title="Events",
        verdict=_summary(page.event_count, len(cameras), judged),
        tiles=[
            ("Events", f"{page.event_count:,}", f"on {plural(page.stack_count, 'stack')}"),
            ("Cameras", str(len(cameras)), ""),
            ("Not reviewed", f"{judged['']:,}", f"{judged['important']:,} important"),
            ("Made", _day_and_time(made), zone),
        ],
        filters=list(filters.items()),
        notes=notes,
        stacks=[_facts(stack, folder, made) for stack in stacks],
    )


def _summary(events: int, cameras: int, judged: Counter[str]) -> str:
    """Say what is in the page, as a sentence."""
    parts = [f"{judged[name]:,} {name}" for name in _VERDICTS if judged[name]]
    found = f"{plural(events, 'event')} of {plural(cameras, 'camera')}".capitalize()
    return f"{found}: {', '.join(parts)}." if parts else f"{found}."


def _verdict(event: StoredEvent) -> str:
    return "" if event.review is None else event.review.verdict or ""


def _facts(stack: EventStack, folder: Path, made: datetime) -> dict[str, Any]:
    """Return what the template shows of a stack."""
    shown, event = stack.shown, stack.shown.alert.event
    review = shown.review
    large = _pictures([shown], folder, _WIDTH, _LENGTH)
    others = [one for one in stack.pictured if one.row != shown.row]
    film = _pictures(others, folder, _FILM_WIDTH, _FILM_LENGTH)
    end_us = shown.alert.end_us
    return {
        "camera": event.source,
        "reason": event.reason.rstrip("."),
        "is_fault": event.kind == "health",
        "start": _local(shown.alert.start_us, made),
        "length": "" if end_us is None else length_text((end_us - shown.alert.start_us) / 1e6),
        "count": len(stack.rows),
        "first": _local(stack.first_us, made),
        "last": _local(stack.last_us, made),
        "score": stack.score,
        "box": event.box,
        "where": where(event),
        "bars": part_bars(event),
        "picture": next(iter(large), None),
        "film": film,
        "verdict": _verdict(shown),
        "by": "" if review is None else review.by,
        "note": "" if review is None else review.note,
        "description": shown.description or "",
    }


def _pictures(
    events: Sequence[StoredEvent], folder: Path, width: int, most: int
) -> list[dict[str, Any]]:
    """Read the pictures of events; those that are not there are left out."""
    found = [picture for event in events if (picture := _picture(event, folder, width)) is not None]
    # All of one camera, but its picture may have changed its size.
    size = found[0].shape if found else ()
    alike = [picture for picture in found if picture.shape == size]
    uris = data_uris_within(alike, most) if alike else []
    return [{"src": uri, "width": size[1], "height": size[0]} for uri in uris]


def _picture(event: StoredEvent, folder: Path, width: int) -> Pixels | None:
    """Read the picture of an event, uint8 H x W x 3; None where it is not there."""
    if event.alert.snapshot is None:
        return None
    root = (folder / "events").resolve()
    path = (folder / event.alert.snapshot).resolve()
    # A changed database must not put other files of the machine into the page.
    if not path.is_relative_to(root):
        return None
    try:
        with Image.open(path) as opened:
            pixels: Pixels = np.asarray(opened.convert("RGB"))
    except OSError:
        return None
    return resize(pixels, min(width, pixels.shape[1]))


def _local(at_us: int, made: datetime) -> str:
    return _day_and_time(datetime.fromtimestamp(at_us / 1e6, made.tzinfo))


def _day_and_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
