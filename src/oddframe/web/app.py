"""The web app: the routes of the API, the files of the front end, and errors as sentences."""

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from sqlalchemy.exc import OperationalError

from oddframe._version import __version__
from oddframe.errors import OddframeError, OutputError
from oddframe.sinks.prometheus import CameraMetrics
from oddframe.web import (
    api_accounts,
    api_cameras,
    api_events,
    api_health,
    api_learning,
    api_learnt,
    api_models,
    api_onvif,
    api_push,
    api_review,
    api_settings,
    api_shared,
    api_sinks,
    api_system,
    api_thresholds,
    api_uploads,
    api_views,
)
from oddframe.web.broadcaster import Broadcaster
from oddframe.web.compression import CompressJson
from oddframe.web.context import AppContext
from oddframe.web.pages import Pages
from oddframe.web.people import Person
from oddframe.web.security import SecurityMiddleware


def make_app(
    context: AppContext,
    metrics: CameraMetrics,
    broadcaster: Broadcaster,
    hosts: Collection[str] = (),
    note_change: Callable[[Person, str, str, str, int], object] = lambda *change: None,
) -> SecurityMiddleware:
    """Make the app, with its middleware around it.

    Args:
        context: The server's parts.
        metrics: The figures that ``/metrics`` serves.
        broadcaster: Started and stopped together with the app.
        hosts: As for `SecurityMiddleware`.
        note_change: As for `SecurityMiddleware`.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        # Here and not before: the hub needs the event loop, which runs from now on.
        context.hub.open()
        broadcaster.start()
        context.learner.start()
        yield
        context.learner.stop()
        broadcaster.stop()
        context.hub.close()

    app = FastAPI(
        title="Oddframe",
        version=__version__,
        summary="Finds what is abnormal in video after learning only from normal video.",
        openapi_url="/api/v1/openapi.json",
        # FastAPI's pages of documentation load scripts from other servers.
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        responses={
            401: {"description": "A token is needed."},
            422: {"description": "What is wrong, as a sentence."},
        },
    )
    app.state.context = context
    for part in (
        api_system,
        api_cameras,
        api_thresholds,
        api_events,
        api_review,
        api_shared,
        api_models,
        api_health,
        api_learning,
        api_learnt,
        api_uploads,
        api_views,
        api_settings,
        api_onvif,
        api_accounts,
        api_sinks,
        api_push,
    ):
        app.include_router(part.router)
    app.add_exception_handler(OddframeError, _refusal_response)
    app.add_exception_handler(RequestValidationError, _validation_response)
    app.add_exception_handler(OperationalError, _database_response)
    # FastAPI's own answer to a body that is no text; no route of ours answers so.
    app.add_exception_handler(400, _unreadable_response)
    _add_plain_routes(app, context, metrics)
    return SecurityMiddleware(CompressJson(app), context.access, hosts, note_change)


def _add_plain_routes(app: FastAPI, context: AppContext, metrics: CameraMetrics) -> None:
    pages = Pages()

    @app.get("/healthz", include_in_schema=False)
    def healthz() -> Response:
        return PlainTextResponse("ok\n")

    @app.get("/readyz", include_in_schema=False)
    def readyz() -> Response:
        ready = context.supervisor.is_watching
        return PlainTextResponse("ready\n" if ready else "not watching\n", 200 if ready else 503)

    @app.get("/metrics", include_in_schema=False)
    def metrics_page(request: Request) -> Response:
        if request.scope["person"].cameras is not None:
            return PlainTextResponse("the metrics are of all cameras, but you see some only\n", 403)
        # Imported here: the library takes long, and most servers are never asked for metrics.
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        # Cameras that were removed must not go on with their last values.
        metrics.keep({camera.name for camera in context.supervisor.plan.cameras})
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    # The last route, since it matches every path.
    @app.api_route("/{path:path}", methods=["GET", "HEAD"], include_in_schema=False)
    async def page(request: Request) -> Response:
        return pages.answer(request)


async def _refusal_response(_request: Request, error: Exception) -> Response:
    """Answer with the sentence of one of our errors: 507 if nothing could be written, else 422."""
    status = 507 if isinstance(error, OutputError) else 422
    # Some errors have several lines, for terminals; the front end shows one.
    return JSONResponse({"detail": " ".join(str(error).split())}, status)


async def _database_response(_request: Request, error: Exception) -> Response:
    """Answer that the database refused a change, with SQLite's own reason where there is one."""
    reason = getattr(error, "orig", None) or "the database does not accept changes"
    return JSONResponse({"detail": f"the change could not be saved: {reason}"}, 507)


async def _unreadable_response(_request: Request, _error: Exception) -> Response:
    """Answer that a body is no JSON, like to any other body that cannot be taken."""
    return JSONResponse({"detail": "the body must be JSON in UTF-8, but cannot be read"}, 422)


async def _validation_response(_request: Request, error: Exception) -> Response:
    """Answer which fields are wrong and why, without their values: one may be a password."""
    assert isinstance(error, RequestValidationError)
    sentences = []
    for problem in error.errors():
        # The first part of the location is "body", "query" or "path".
        field = ".".join(map(str, problem["loc"][1:])) or "the request"
        sentences.append(f"{field}: {problem['msg']}")
    return JSONResponse({"detail": "; ".join(sentences)}, 422)
