"""Renders a template and facts to one HTML file that needs nothing else, and may do nothing else.

Style, scripts and pictures are written into the file, and its content security policy names style
and scripts by their hashes. So the page loads nothing, and text that gets into it from the name of
a file cannot run.
"""

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from oddframe._types import Pixels
from oddframe._version import __version__
from oddframe.core.recalibration import raw_score_text
from oddframe.media.convert import encode_webp
from oddframe.media.overlay import clock_text

_SHARED = files("oddframe") / "web" / "static" / "shared"
"""Colours, charts and formats that the web app has, too.

They are read as files: importing `oddframe.web` would need the libraries of the server.
"""

_OWN = files("oddframe.report") / "static"

_STYLES = (_SHARED / "tokens.css", _OWN / "page.css")
_SCRIPTS = (
    _SHARED / "format.js",
    _SHARED / "time_chart.js",
    _OWN / "charts.js",
    _OWN / "page.js",
)
"""In the order of their imports: together they become one module, in which names are unique."""

_LOWEST_QUALITY = 12
"""Below this quality, a smaller picture shows more than a worse one."""

_IMPORT = re.compile(r'^import \{[^}]*\}\s+from "\.[^"]+";\n', re.MULTILINE)


def render(template: str, **facts: Any) -> str:
    """Render a page as HTML.

    Args:
        template: The template's file name.
        facts: What the template shows; all text is escaped.
    """
    style, script = _style(), _script()
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; "
        f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )
    page = _environment().get_template(template)
    return page.render(facts, style=style, script=script, policy=policy, version=__version__)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("oddframe.report"),
        autoescape=True,
        # A fact with a wrong name must be an error and not an empty place.
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "clock": clock_text,
        "plural": plural,
        "rarity": rarity,
        "raw_score": raw_score_text,
    }
    return environment


@cache
def _style() -> str:
    return "".join(path.read_text(encoding="utf-8") for path in _STYLES)


@cache
def _script() -> str:
    """Return all modules as one, without their imports of each other: a page has no files."""
    return _IMPORT.sub("", "".join(path.read_text(encoding="utf-8") for path in _SCRIPTS))


def _hash(text: str) -> str:
    # Of the very characters between the tags: templates add no space around them.
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def rarity(value: float) -> str:
    """Say how rare a value is, such as "1 in 340".

    Args:
        value: -log10 of the share of normal frames that reach it, from 0.
    """
    # Calibrations have too few frames to tell rarer things apart.
    if value >= 6:
        return "beyond 1 in a million"
    odds = 10**value
    # Rounded to two digits: the rest is chance.
    digits = 10 ** max(0, len(str(int(odds))) - 2)
    return "as usual" if odds < 2 else f"1 in {round(odds / digits) * digits:,}"


def plural(count: int, one: str, many: str = "") -> str:
    """Write a number with its noun, such as "no events", "1 event", "1,200 events"."""
    if count == 1:
        return f"1 {one}"
    number = f"{count:,}" if count else "no"
    return f"{number} {many or one + 's'}"


def length_text(seconds: float) -> str:
    """Write a length of time, such as "29.9 s", "12 min 34 s" or "2 h 2 min"."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def data_uri(picture: Pixels, quality: int = 60) -> str:
    """Return a picture as a data URI, which holds the whole file.

    Args:
        picture: uint8 H x W x 1, 3 or 4 (with opacity).
        quality: 0 to 100.
    """
    return "data:image/webp;base64," + base64.b64encode(encode_webp(picture, quality)).decode()


def data_uris_within(pictures: list[Pixels], most_bytes: int, quality: int = 60) -> list[str]:
    """Return pictures as data URIs that together are no longer than a limit.

    Where they would be longer, first their quality is lowered and then their size.

    Args:
        pictures: uint8 H x W x C, all of one size.
        most_bytes: Most characters of all of them together.
        quality: The quality to begin with, 0 to 100.
    """
    while True:
        uris = [data_uri(picture, quality) for picture in pictures]
        length = sum(map(len, uris))
        # Of pictures 32 pixels wide nothing could be seen if they were smaller still.
        is_smallest = quality <= _LOWEST_QUALITY and pictures[0].shape[1] <= 32
        if length <= most_bytes or is_smallest:
            return uris
        if quality > _LOWEST_QUALITY:
            quality = max(_LOWEST_QUALITY, min(quality - 8, int(quality * most_bytes / length)))
        else:
            pictures = [resize(picture, picture.shape[1] * 3 // 4) for picture in pictures]


def resize(picture: Pixels, width: int, height: int | None = None) -> Pixels:
    """Resize a picture, uint8 H x W x C; without a height its aspect ratio is kept."""
    if height is None:
        height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    if (height, width) == picture.shape[:2]:
        return picture
    smaller = Image.fromarray(_plain(picture)).resize((width, height), Image.Resampling.LANCZOS)
    resized: Pixels = np.asarray(smaller).reshape(height, width, picture.shape[2])
    return resized


def _plain(picture: Pixels) -> Pixels:
    # Pillow knows grey pictures as H x W only.
    return np.ascontiguousarray(picture[:, :, 0] if picture.shape[2] == 1 else picture)
