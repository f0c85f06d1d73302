"""The web app: its routes put together, and its errors as sentences.

The front end's files; a browser asks each time whether the one that it has is the present one.
"""

import mimetypes
import os
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from oddframe._version import __version__
from oddframe.errors import OddframeError, OutputError
from oddframe.sinks.prometheus import CameraMetrics
from oddframe.web import api_cameras, api_events, api_health, api_models, api_system
from oddframe.web import api_thresholds as api_judging
from oddframe.web.broadcaster import Broadcaster
from oddframe.web.context import AppContext
from oddframe.web.security import SecurityMiddleware

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


def make_app(
    site: AppContext, metrics: CameraMetrics, tellers: Broadcaster, hosts: Collection[str] = ()
) -> SecurityMiddleware:
    """The app behind its guard.

    Args:
        site: The server's parts.
        metrics: What ``/metrics`` serves.
        tellers: What tells listeners of events and states.
        hosts: As in `Guard`.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        site.hub.open()
        tellers.start()
        yield
        tellers.stop()
        site.hub.close()

    app = FastAPI(
        title="Oddframe",
        version=__version__,
        summary="Finds what is abnormal in video after learning only from normal video.",
        openapi_url="/api/v1/openapi.json",
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        responses={
            401: {"description": "A token is needed."},
            422: {"description": "What is wrong, as a sentence."},
        },
    )
    app.state.site = site
    for part in (api_system, api_cameras, api_judging, api_events, api_models, api_health):
        app.include_router(part.router)
    app.add_exception_handler(OddframeError, _refused)
    app.add_exception_handler(RequestValidationError, _unfit)
    app.add_exception_handler(OperationalError, _unwritten)
    _add_plain_routes(app, site, metrics)
    return SecurityMiddleware(app, site.access, hosts)


def _add_plain_routes(app: FastAPI, site: AppContext, metrics: CameraMetrics) -> None:
    pages = Pages()

    @app.get("/healthz", include_in_schema=False)
    def healthz() -> Response:
        return PlainTextResponse("ok\n")

    @app.get("/readyz", include_in_schema=False)
    def readyz() -> Response:
        ready = site.supervisor.is_watching
        return PlainTextResponse("ready\n" if ready else "not watching\n", 200 if ready else 503)

    @app.get("/metrics", include_in_schema=False)
    def metrics_page() -> Response:
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        metrics.keep({camera.name for camera in site.supervisor.plan.cameras})
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @app.api_route("/{path:path}", methods=["GET", "HEAD"], include_in_schema=False)
    async def page(request: Request) -> Response:
        return await pages.get_response(pages.get_path(request.scope), request.scope)


async def _refused(_request: Request, error: Exception) -> Response:
    """What cannot be done, as a sentence."""
    return JSONResponse(
        {"detail": " ".join(str(error).split())}, 507 if isinstance(error, OutputError) else 422
    )


async def _unwritten(_request: Request, error: Exception) -> Response:
    said = getattr(error, "orig", None) or "the database does not accept changes"
    return JSONResponse({"detail": f"the change could not be saved: {said}"}, 507)


async def _unfit(_request: Request, error: Exception) -> Response:
    """Which value is wrong, without the value: it may be a password."""
    assert isinstance(error, RequestValidationError)
    said = [
        f"{'.'.join(map(str, one['loc'][1:])) or 'the request'}: {one['msg']}"
        for one in error.errors()
    ]
    return JSONResponse({"detail": "; ".join(said)}, 422)
