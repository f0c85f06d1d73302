"""From templates and facts to one HTML file that needs nothing else, and may do nothing else.

Style and scripts are written into the file, and its content security policy names them by their
hashes; pictures are addresses of themselves. So the page loads nothing, and text that gets into it
from the name of a file cannot run.

Pictures as they travel inside a page: small WebP files written into the text.
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
from oddframe.media.convert import encode_webp
from oddframe.media.overlay import clock_text

_SHARED = files("oddframe") / "web" / "static" / "shared"
"""Palette, charts and formats that the app has, too. They are read, never imported: a report needs
the files of the package but not the libraries of the server."""

_OWN = files("oddframe.report") / "static"

_STYLES = (_SHARED / "tokens.css", _OWN / "page.css")
_SCRIPTS = (
    _SHARED / "format.js",
    _SHARED / "time_chart.js",
    _OWN / "charts.js",
    _OWN / "page.js",
)
"""In the order of their imports: together they become one module, in which names are unique."""

_IMPORT = re.compile(r'^import \{[^}]*\}\s+from "\.[^"]+";\n', re.MULTILINE)


def rendered(template: str, **facts: Any) -> str:
    """A page.

    Args:
        template: The template's file name.
        facts: What it shows; all text in it is escaped.
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
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"clock": clock_text, "rarity": rarity, "plural": plural}
    return environment


@cache
def _style() -> str:
    return "".join(path.read_text(encoding="utf-8") for path in _STYLES)


@cache
def _script() -> str:
    """The modules as one, without their imports of each other: in a page there are no files."""
    return _IMPORT.sub("", "".join(path.read_text(encoding="utf-8") for path in _SCRIPTS))


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def rarity(exponent: float) -> str:
    """How rare a value is: "1 in 340", from -log10 of the share of normal frames that reach it."""
    if exponent >= 6:
        return "beyond 1 in a million"
    odds = 10**exponent
    digits = 10 ** max(0, len(str(int(odds))) - 2)
    return "as usual" if odds < 2 else f"1 in {round(odds / digits) * digits:,}"


def plural(count: int, one: str, many: str = "") -> str:
    """A number with its noun."""
    if count == 1:
        return f"1 {one}"
    number = f"{count:,}" if count else "no"
    return f"{number} {many or one + 's'}"


def length_text(seconds: float) -> str:
    """A length of time as people say it."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


_LOWEST_QUALITY = 12


def data_uri(picture: Pixels, quality: int = 60) -> str:
    """A picture as the address of itself.

    Args:
        picture: uint8 H x W x 1, 3 or 4 (with opacity).
        quality: 0 to 100.
    """
    return "data:image/webp;base64," + base64.b64encode(encode_webp(picture, quality)).decode()


def within(pictures: list[Pixels], most_bytes: int, quality: int = 60) -> list[str]:
    """Pictures of one size as addresses of themselves, together no longer than this.

    Where they would be, first their quality gives way and then their size.
    """
    while True:
        found = [data_uri(picture, quality) for picture in pictures]
        length = sum(map(len, found))
        if length <= most_bytes or (quality <= _LOWEST_QUALITY and pictures[0].shape[1] <= 32):
            return found
        if quality > _LOWEST_QUALITY:
            quality = max(_LOWEST_QUALITY, min(quality - 8, int(quality * most_bytes / length)))
        else:
            pictures = [resized(picture, picture.shape[1] * 3 // 4) for picture in pictures]


def resized(picture: Pixels, width: int, height: int | None = None) -> Pixels:
    """A picture, uint8 H x W x C, at another width, its aspect ratio kept where no height is given."""
    if height is None:
        height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    if (height, width) == picture.shape[:2]:
        return picture
    smaller = Image.fromarray(_plain(picture)).resize((width, height), Image.Resampling.LANCZOS)
    found: Pixels = np.asarray(smaller).reshape(height, width, picture.shape[2])
    return found


def _plain(picture: Pixels) -> Pixels:
    return np.ascontiguousarray(picture[:, :, 0] if picture.shape[2] == 1 else picture)
