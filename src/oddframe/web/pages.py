"""The files of the front end: read once, joined and compressed once, and kept by browsers.

The page itself is asked for each time and answered with "not changed" in most cases. Everything
that it loads lies under ``v/<hash of all files>/``, so browsers keep it for ever: with a change of
any file all addresses are new, and an update never mixes old files with new ones.

On a slow line each request costs more than its bytes, and a module's imports are known only once it
is there. So a visit loads three files, made here: all styles, the modules with which a visit to the
page Events begins, and all other modules once another view is opened.
"""

import base64
import gzip
import hashlib
import mimetypes
import posixpath
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from oddframe.web.compression import takes_gzip
from oddframe.web.security import content_policy

FOLDER = Path(__file__).parent / "static"
"""The files of the front end."""

_PAGE = "index.html"

# The type of a suffix depends on the machine, and browsers refuse scripts of a wrong type.
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}

_KEEP = "public, max-age=31536000, immutable"
_ASK = "no-cache"

_STYLES = ("shared/tokens.css", "css/app.css", "css/views.css")
_STYLE = "css/all.css"
"""All styles in one file; it lies where those are that name pictures beside them."""

_START, _REST = "js/start.js", "js/rest.js"
"""The modules of the first view, and all others."""

_FIRST = ("js/app.js", "js/events.js")
_EARLY = "js/early.js"
"""The script that stands in the page."""

_IMPORT = re.compile(r'^import \{([^}]*)\}\s+from "([^"]+)";\n', re.MULTILINE)
_LATER = re.compile(r'\bimport\("([^"]+)"\)')
_REFERENCES = re.compile(r'(href|src)="((?:css|js)/|icon\.svg)')
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE)
_COMMENT = re.compile(r"^ *//.*\n|^ +", re.MULTILINE)
"""A line that is a comment, or the space before code."""


@dataclass(frozen=True, slots=True)
class _StaticFile:
    """A file, ready to be sent.

    Attributes:
        content: Its bytes.
        compressed: The same for browsers that take gzip; None where that would be no shorter.
        kind: Its media type.
        tag: Its hash, in quotes.
    """

    content: bytes
    compressed: bytes | None
    kind: str
    tag: str

    @classmethod
    def of(cls, name: str, content: bytes) -> Self:
        """Compress and hash a file."""
        # Without the time of day, so that the same files give the same bytes.
        compressed = gzip.compress(content, mtime=0)
        kind = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0]
        return cls(
            content,
            compressed if len(compressed) < len(content) else None,
            kind or "application/octet-stream",
            f'"{hashlib.sha256(content).hexdigest()[:24]}"',
        )


class Pages:
    """Serves the files of the front end, out of memory: a few hundred kilobytes."""

    def __init__(self) -> None:
        found = {
            path.relative_to(FOLDER).as_posix(): path.read_bytes()
            for path in sorted(FOLDER.rglob("*"))
            if path.is_file()
        }
        found |= _joined(found)
        whole = hashlib.sha256()
        for name, content in found.items():
            whole.update(f"{name}\n{len(content)}\n".encode())
            whole.update(content)
        self._prefix = f"v/{whole.hexdigest()[:16]}/"
        early = _without_comments(found[_EARLY].decode())
        digest = base64.b64encode(hashlib.sha256(early.encode()).digest()).decode()
        self._policy = content_policy(f"'sha256-{digest}'")
        found[_PAGE] = self._page(found[_PAGE].decode(), early).encode()
        self._files = {name: _StaticFile.of(name, content) for name, content in found.items()}

    def answer(self, request: Request) -> Response:
        """Answer a request with a file, or with a sentence that there is none."""
        path = request.url.path.lstrip("/") or _PAGE
        is_kept = path.startswith(self._prefix)
        file = self._files.get(path.removeprefix(self._prefix))
        if file is None:
            return PlainTextResponse("There is no such page.", 404)
        headers = {
            "cache-control": _KEEP if is_kept else _ASK,
            "etag": file.tag,
            "vary": "accept-encoding",
        }
        if path == _PAGE:
            headers["content-security-policy"] = self._policy
        if file.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        content = file.content
        if file.compressed is not None and takes_gzip(request.headers):
            content = file.compressed
            headers["content-encoding"] = "gzip"
        return Response(content, media_type=file.kind, headers=headers)

    def _page(self, text: str, early: str) -> str:
        """Return the page with its early script and the lasting addresses of what it loads."""
        # Before the styles: a script waits for those above it.
        text = text.replace(f'<script src="{_EARLY}"></script>', f"<script>{early}</script>")
        for name in _STYLES[1:]:
            text = text.replace(f'<link rel="stylesheet" href="{name}">\n', "")
        text = text.replace(_STYLES[0], _STYLE).replace(_FIRST[0], _START)
        return _REFERENCES.sub(rf'\1="{self._prefix}\2', text)


def _joined(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files that are made of others, by name.

    A joined module holds one function for each of its modules, called in the order of their
    imports. What they export stands in one table, which the second file takes from the first: so
    each module runs once, as it would by itself.
    """
    texts = {name: content.decode() for name, content in files.items() if name.endswith(".js")}
    first = _in_order(_FIRST, texts)
    views = [_target(name, where) for name in first for where in _LATER.findall(texts[name])]
    rest = [name for name in _in_order(views, texts) if name not in first]
    start = "".join(_as_function(name, texts[name], first) for name in first)
    more = "".join(_as_function(name, texts[name], first) for name in rest)
    return {
        _STYLE: b"".join(files[name] for name in _STYLES),
        _START: f"export const modules = {{}};\n{start}".encode(),
        _REST: f'import {{ modules }} from "./{Path(_START).name}";\n{more}'.encode(),
    }


def _in_order(names: Iterable[str], texts: Mapping[str, str]) -> list[str]:
    """Return modules and all that they import, each after what it imports itself."""
    found: dict[str, None] = {}

    def add(name: str) -> None:
        if name not in found:
            for _, where in _IMPORT.findall(texts[name]):
                add(_target(name, where))
            found[name] = None

    for name in names:
        add(name)
    return list(found)


def _target(name: str, where: str) -> str:
    """Return the name of the module that another one imports as ``where``."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), where))


def _as_function(name: str, text: str, first: Collection[str]) -> str:
    """Return a module as a function that is called at once and puts its exports into the table."""

    def imported(found: re.Match[str]) -> str:
        names = found[1].replace(" as ", ": ")
        return f'const {{{names}}} = modules["{_target(name, found[2])}"];\n'

    def later(found: re.Match[str]) -> str:
        target = _target(name, found[1])
        there = "Promise.resolve()" if target in first else f'import("./{Path(_REST).name}")'
        return f'{there}.then(() => modules["{target}"])'

    exported = ", ".join(_EXPORT.findall(text))
    body = _LATER.sub(later, _IMPORT.sub(imported, _EXPORT.sub("", text)))
    body = _without_comments(body)
    return f'modules["{name}"] = (() => {{\n{body}return {{ {exported} }};\n}})();\n'


def _without_comments(text: str) -> str:
    """Leave out comments and indentation; no text of a script spans lines."""
    return _COMMENT.sub("", text)
