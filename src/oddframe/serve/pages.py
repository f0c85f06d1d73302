"""The front end's files, from memory: a path of a request is looked up in a list, never joined to a folder."""

import hashlib
import mimetypes
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

__all__ = ["Pages"]

FOLDER = Path(__file__).parent / "static"

_TYPES = {
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}


class Pages:
    """Answers requests for the front end.

    Args:
        folder: Where its files are.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files = {
            "/" + path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()
        }
        self._read: dict[str, tuple[int, bytes, str]] = {}

    def answer(self, request: Request) -> Response:
        """A file, or that there is none."""
        name = "/index.html" if request.url.path == "/" else request.url.path
        path = self._files.get(name)
        if path is None:
            return PlainTextResponse("There is no such page.", 404)
        content, tag = self._content(name, path)
        headers = {"cache-control": "no-cache", "etag": tag}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return Response(content, media_type=kind, headers=headers)

    def _content(self, name: str, path: Path) -> tuple[bytes, str]:
        changed = path.stat().st_mtime_ns
        if name not in self._read or self._read[name][0] != changed:
            content = path.read_bytes()
            self._read[name] = (changed, content, f'"{hashlib.sha256(content).hexdigest()[:16]}"')
        return self._read[name][1:]
