"""The files of the front end: read once, compressed once, and kept by browsers.

The page itself is asked for each time and answered with "not changed" in most cases. Everything
that it loads lies under ``v/<hash of all files>/``, so browsers keep it for ever: with a change of
any file all addresses are new, and an update never mixes old files with new ones.
"""

import gzip
import hashlib
import mimetypes
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from oddframe.web.compression import takes_gzip

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

_IMPORTS = re.compile(r'^import \{[^}]*\}\s+from "([^"]+)"', re.MULTILINE)

_FIRST = ("js/app.js", "js/cameras.js", "js/events.js")
"""The app, and the views with which visits begin; modules of other views come when they open."""

_REFERENCES = re.compile(r'(href|src)="((?:css|js|shared)/|icon\.svg)')


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
        digest = hashlib.sha256()
        for name, content in found.items():
            digest.update(f"{name}\n{len(content)}\n".encode())
            digest.update(content)
        self._prefix = f"v/{digest.hexdigest()[:16]}/"
        found[_PAGE] = self._page(found[_PAGE].decode(), found).encode()
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
        if file.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        content = file.content
        if file.compressed is not None and takes_gzip(request.headers):
            content = file.compressed
            headers["content-encoding"] = "gzip"
        return Response(content, media_type=file.kind, headers=headers)

    def _page(self, text: str, files: dict[str, bytes]) -> str:
        """Return the page with the lasting addresses of what it loads.

        The browser learns at once of all modules with which a visit begins: one that is imported by
        another one would otherwise be asked for only when that one is there.
        """
        text = _REFERENCES.sub(rf'\1="{self._prefix}\2', text)
        links = "".join(
            f'<link rel="modulepreload" href="{self._prefix}{name}">\n'
            for name in _imported(files)
            if f'{name}"' not in text
        )
        return text.replace("</head>", f"{links}</head>")


def _imported(files: Mapping[str, bytes]) -> list[str]:
    """Return the modules with which a visit begins, and all that they import, by name."""
    found: set[str] = set()
    waiting = list(_FIRST)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            folder = posixpath.dirname(name)
            waiting += [
                posixpath.normpath(posixpath.join(folder, where))
                for where in _IMPORTS.findall(files[name].decode())
            ]
    return sorted(found)
