"""The front end's files; a browser asks each time whether the one that it has is the present one."""

import mimetypes
import os
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

__all__ = ["Pages"]

FOLDER = Path(__file__).parent / "static"

# Machines differ in what they take these for, and browsers run no script of another type.
_TYPES = {
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}


class Pages(StaticFiles):
    """Answers requests for the front end."""

    def __init__(self) -> None:
        for suffix, kind in _TYPES.items():
            mimetypes.add_type(kind, suffix)
        super().__init__(directory=FOLDER, html=True)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file, or say that there is none."""
        try:
            return await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != 404:
                raise
            return PlainTextResponse("There is no such page.", 404)

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """Return a file, or that the browser has it."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["cache-control"] = "no-cache"
        return response
