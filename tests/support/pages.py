"""Reads pages as a browser would, with the standard library's parser."""

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

_VOID = {"meta", "img", "input", "br", "link"}


@dataclass
class Page:
    """The contents of an HTML page.

    Attributes:
        tags: (tag, attributes) in order.
        text: Text by the id of the elements around it, and all of it under "".
        raw: Contents of style and script elements, in order, as (tag, attributes, text).
    """

    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    text: dict[str, str] = field(default_factory=dict)
    raw: list[tuple[str, dict[str, str], str]] = field(default_factory=list)

    @property
    def data(self) -> Any:
        """The facts that the page gives to its script, as JSON."""
        (found,) = [text for tag, attributes, text in self.raw if attributes.get("id") == "data"]
        return json.loads(found)

    def all(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        """Attributes of the elements of a kind; ``class_`` is one of its classes."""
        kind = wanted.pop("class_", None)
        return [
            attributes
            for name, attributes in self.tags
            if name == tag
            and (kind is None or kind in attributes.get("class", "").split())
            and all(attributes.get(key) == value for key, value in wanted.items())
        ]

    def addresses(self) -> list[str]:
        """Return all addresses that the page refers to."""
        names = ("src", "href", "srcset", "poster", "action", "data", "xlink:href")
        return [
            value
            for _, attributes in self.tags
            for key, value in attributes.items()
            if key in names
        ]


def read_page(page: str | Path) -> Page:
    """Parse a page, given as a file or as text."""
    reader = _Reader()
    reader.feed(page.read_text(encoding="utf-8") if isinstance(page, Path) else page)
    reader.close()
    return reader.page


class _Reader(HTMLParser):
    """Collects tags and text while the parser reads."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self._open: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.page.tags.append((tag, attributes))
        if tag not in _VOID:
            self._open.append((tag, attributes))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        # Elements without an end tag, such as <p>, end with the one around them.
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1][0] in ("style", "script"):
            self.page.raw.append((*self._open[-1], data))
            return
        for where in (
            "",
            *(attributes["id"] for _, attributes in self._open if "id" in attributes),
        ):
            self.page.text[where] = self.page.text.get(where, "") + data
