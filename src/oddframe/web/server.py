"""Serve the web app: the verb `oddframe serve`."""

import ipaddress
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated

import uvicorn
from pydantic import Field

from oddframe.errors import OutputError, SettingsError
from oddframe.files import output_error
from oddframe.settings import AnyPath, ListOf, settings_dataclass
from oddframe.sinks.prometheus import CameraMetrics
from oddframe.web.app import make_app
from oddframe.web.auth import Access, read_hash
from oddframe.web.broadcaster import Broadcaster
from oddframe.web.context import AppContext
from oddframe.web.live_updates import EventHub, LivePictures
from oddframe.web.security import SecurityMiddleware
from oddframe.web.supervisor import Supervisor

ACCESS_FILE = "access.hash"
"""In the data folder: the hash of the token, where there is one."""

_MOST_CONNECTIONS = 1_000
_GOODBYE_S = 0.8
"""How long answers that are on their way may take when the server stops."""
_STOP_S = 1.7


@settings_dataclass()
class ServeSettings:
    """Where and for whom to serve.

    Attributes:
        data: The data folder.
        host: Address to listen at.
        port: Port to listen at; 0 takes a free one.
        token_hash: Hash of the token that lets somebody in; the data folder's own when None.
        hosts: Names under which the server is reached, beside its address.
        media: Folders whose files may be watched, beside the data folder.
        redirects: Whether a camera's server may send its reader to another address.
        device: "auto", "cpu" or a GPU such as "cuda:0".
    """

    data: AnyPath
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8750
    token_hash: str | None = None
    hosts: ListOf[str] = ()
    media: ListOf[AnyPath] = ()
    redirects: bool = False
    device: str = "auto"

    def __post_init__(self) -> None:
        for folder in self.media:
            if not folder.is_dir():
                raise SettingsError(f"--media must be a folder, but {folder} is not")


def serve(settings: ServeSettings, on_start: Callable[[str], None] = lambda url: None) -> None:
    """Serve until SIGINT or SIGTERM; ends within two seconds of it. To be called by the main thread.

    Args:
        settings: Where and for whom.
        on_start: Told the address once it listens.

    Raises:
        SettingsError: If it would listen beyond this machine without a token, or `cameras.toml` is
            wrong.
        OutputError: If the data folder cannot be written to, or the port is taken.
        OddframeError: If a model or the store cannot be used.
    """
    data = settings.data.absolute()
    # Pictures of people, addresses with passwords: for nobody else's eyes.
    umask = os.umask(0o077)
    try:
        _serve(settings, data, on_start)
    finally:
        os.umask(umask)


def _serve(settings: ServeSettings, data: Path, on_start: Callable[[str], None]) -> None:
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(data, error) from error
    token_hash = settings.token_hash or read_hash(data / ACCESS_FILE)
    if token_hash is None and not is_local(settings.host):
        raise SettingsError(
            "the web app must have a token when other machines can reach it, but --host is "
            f"{settings.host} and there is none; "
            f"make one: oddframe serve --data {settings.data} --make-token"
        )
    listening = _listen(settings.host, settings.port)
    try:
        _run(settings, data, token_hash, listening, on_start)
    finally:
        listening.close()


def is_local(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def assemble(
    settings: ServeSettings, data: Path, token_hash: str | None
) -> tuple[SecurityMiddleware, AppContext]:
    """The app and its parts; the supervisor is not started yet.

    Args:
        settings: As for `serve`.
        data: The data folder, which exists, as an absolute path.
        token_hash: Hash of the token; None lets everybody in.

    Raises:
        OddframeError: As `serve`.
    """
    hub, metrics = EventHub(), CameraMetrics()
    tellers = Broadcaster(hub)
    supervisor = Supervisor(
        data,
        on_alert=tellers.take,
        sinks={"metrics": metrics},
        redirects=settings.redirects,
        device=settings.device,
    )
    tellers.watch(supervisor)
    media = tuple(folder.absolute() for folder in settings.media)
    site = AppContext(supervisor, hub, Access(token_hash), LivePictures(supervisor.watcher), media)
    hosts = {*settings.hosts, socket.gethostname(), settings.host}
    return make_app(site, metrics, tellers, hosts), site


def _run(
    settings: ServeSettings,
    data: Path,
    token_hash: str | None,
    listening: socket.socket,
    on_start: Callable[[str], None],
) -> None:
    app, site = assemble(settings, data, token_hash)
    supervisor = site.supervisor
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        lifespan="on",
        ws="none",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=1,
        limit_concurrency=_MOST_CONNECTIONS,
        h11_max_incomplete_event_size=32 * 1024,
        proxy_headers=False,
    )
    server = _Server(config, [site.hub.close_soon, supervisor.stop])
    supervisor.start()
    _stop_with(supervisor, server)
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    on_start(f"http://{shown}:{listening.getsockname()[1]}/")
    try:
        server.run(sockets=[listening])
    finally:
        supervisor.stop()
        supervisor.join(_STOP_S)
    if supervisor.failure is not None:
        raise supervisor.failure


class _Server(uvicorn.Server):
    """A server that lets its listeners go as soon as it is told to stop: their answers never end by themselves."""

    def __init__(self, config: uvicorn.Config, on_exit: Sequence[Callable[[], None]]) -> None:
        super().__init__(config)
        self._on_exit = on_exit

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came."""
        for leave in self._on_exit:
            leave()
        self.should_exit = True
        if sig == signal.SIGINT and self._told_once:
            self.force_exit = True
        self._told_once = True

    _told_once = False


def _stop_with(supervisor: Supervisor, server: uvicorn.Server) -> None:
    """A server whose watcher has died is of no use."""

    def wait() -> None:
        while not supervisor.join(1.0):
            if server.should_exit:
                return
        server.should_exit = True

    threading.Thread(target=wait, name="serve", daemon=True).start()


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens, so that a taken port is told before any camera is opened."""
    listening: socket.socket | None = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        # Whoever is told the address at once waits a moment instead of being refused.
        listening.listen(128)
    except OSError as error:
        if listening is not None:
            listening.close()
        raise OutputError(
            f"the web app could not be served at {host} port {port}: {error.strerror or error}; choose another --port"
        ) from error
    listening.set_inheritable(True)
    return listening
