"""Assembles the parts of the web app and serves it until a signal comes: `oddframe serve`."""

import ipaddress
import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import uvicorn
from pydantic import Field

from oddframe.errors import OutputError, SettingsError
from oddframe.files import output_error
from oddframe.inference.cores import check_threads
from oddframe.settings import AnyPath, ListOf, settings_dataclass
from oddframe.sinks.links import Links, read_secret
from oddframe.sinks.prometheus import CameraMetrics
from oddframe.sinks.sink import AlertSink
from oddframe.web.app import make_app
from oddframe.web.auth import Access, TrustedProxy, read_hash
from oddframe.web.broadcaster import Broadcaster
from oddframe.web.changes import change_camera
from oddframe.web.context import AppContext
from oddframe.web.event_pictures import HeatPictures
from oddframe.web.learning import Learner
from oddframe.web.learning_order import Learning
from oddframe.web.live_updates import EventHub, LivePictures
from oddframe.web.people import (
    AUDIT_FILE,
    TOKENS_FILE,
    AuditLog,
    Cameras,
    NamedTokens,
    Role,
)
from oddframe.web.security import SecurityMiddleware
from oddframe.web.supervisor import Supervisor
from oddframe.web.uploads import Uploads

if TYPE_CHECKING:
    from oddframe.sinks.push import Push

ACCESS_FILE = "access.hash"
"""File in the data folder with the hash of the token, where there is one."""

_MOST_CONNECTIONS = 1_000
_STOP_S = 1.7
"""How long the watcher may take to end, so that the whole program ends within two seconds."""


@settings_dataclass()
class ServeSettings:
    """Where the web app is served, and who may use it.

    Attributes:
        data: The data folder.
        host: Address to listen at.
        port: Port to listen at; 0 takes a free one.
        token_hash: Hash of the token that is needed; None takes that of the data folder.
        hosts: Names under which the server is reached, beside its address.
        media: Folders whose files may be watched, beside the data folder.
        redirects: Whether a camera's server may send its reader to another address.
        device: "auto", "cpu" or a GPU such as "cuda:0".
        threads: Threads that the networks compute on; see `oddframe.load`.
        upload_gb: Most gigabytes that recordings may have together that are sent by browsers.
        trusted_proxy: IP address of a reverse proxy that signs people in; None where none does.
        user_header: Name of the header in which it says who somebody is.
        proxy_role: Role of those whom it names and who have no account; None refuses them.
        certificate: File with a certificate, as PEM, to serve HTTPS; None serves HTTP.
        certificate_key: File with its key, where that is not in the same file.
    """

    data: AnyPath
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8750
    token_hash: str | None = None
    hosts: ListOf[str] = ()
    media: ListOf[AnyPath] = ()
    redirects: bool = False
    device: str = "auto"
    threads: int | None = None
    upload_gb: Annotated[float, Field(gt=0, le=1e6)] = 100.0
    trusted_proxy: str | None = None
    user_header: str = "X-Forwarded-User"
    proxy_role: Role | None = None
    certificate: AnyPath | None = None
    certificate_key: AnyPath | None = None

    @property
    def proxy(self) -> TrustedProxy | None:
        """The proxy that signs people in; None where none does."""
        if self.trusted_proxy is None:
            return None
        return TrustedProxy(self.trusted_proxy, self.user_header, self.proxy_role)

    def __post_init__(self) -> None:
        check_threads(self.threads)
        for folder in self.media:
            if not folder.is_dir():
                raise SettingsError(f"--media must be a folder, but {folder} is not")
        # A wrong address must be refused now, and a role without a proxy would do nothing.
        if self.proxy is None and self.proxy_role is not None:
            raise SettingsError("--proxy-role must have --trusted-proxy with it")
        self._check_certificate()

    def _check_certificate(self) -> None:
        """Refuse a certificate that cannot be used now, and not at the first request."""
        if self.certificate is None:
            if self.certificate_key is not None:
                raise SettingsError("--certificate-key must have --certificate with it")
            return
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate, self.certificate_key, password="")
        except (OSError, ValueError) as error:
            raise SettingsError(
                "--certificate must be a PEM file with a certificate, with its key in it or in "
                f"--certificate-key and without a password, but: {error}"
            ) from error


def serve(
    settings: ServeSettings,
    on_start: Callable[[str], None] = lambda url: None,
    on_notice: Callable[[str], None] = lambda notice: None,
) -> None:
    """Serve until SIGINT or SIGTERM, and end within two seconds of it.

    To be called by the main thread, which alone can handle signals.

    Args:
        settings: Where the web app is served, and who may use it.
        on_start: Called with the address once the server listens.
        on_notice: Called with a sentence about what could not be kept, by any thread.

    Raises:
        SettingsError: If it would listen beyond this machine without a token, or `cameras.toml` is
            wrong.
        OutputError: If the data folder cannot be written to, or the port is taken.
        OddframeError: If a model or the store cannot be used.
    """
    data = settings.data.absolute()
    # The folder holds pictures of people and addresses with passwords: for its owner only.
    umask = os.umask(0o077)
    try:
        _serve(settings, data, on_start, on_notice)
    finally:
        os.umask(umask)


def _serve(
    settings: ServeSettings,
    data: Path,
    on_start: Callable[[str], None],
    on_notice: Callable[[str], None],
) -> None:
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(data, error) from error
    token_hash = settings.token_hash or read_hash(data / ACCESS_FILE)
    is_open = token_hash is None and not NamedTokens(data / TOKENS_FILE).all()
    is_open = is_open and settings.proxy is None
    if is_open and not is_local(settings.host):
        raise SettingsError(
            "the web app must have a token when other machines can reach it, but --host is "
            f"{settings.host} and there is none; "
            f"make one: oddframe serve --data {settings.data} --make-token"
        )
    listening = _listen(settings.host, settings.port)
    try:
        app, context = assemble(settings, data, token_hash, on_notice)
        _run(settings, app, context, listening, on_start)
    finally:
        listening.close()


def is_local(host: str) -> bool:
    """Whether an address can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def assemble(
    settings: ServeSettings,
    data: Path,
    token_hash: str | None,
    on_notice: Callable[[str], None] = lambda notice: None,
) -> tuple[SecurityMiddleware, AppContext]:
    """Make the app and its parts; the supervisor is not started yet.

    Args:
        settings: As for `serve`.
        data: The data folder, which exists, as an absolute path.
        token_hash: Hash of the token; None lets everybody in.
        on_notice: As for `serve`.

    Raises:
        OddframeError: As `serve`.
    """
    hub, metrics = EventHub(), CameraMetrics()
    broadcaster = Broadcaster(hub)
    tokens, log = NamedTokens(data / TOKENS_FILE), AuditLog(data / AUDIT_FILE)
    access = Access(token_hash, tokens=tokens, proxy=settings.proxy)
    push = _push(data, access)
    sinks: dict[str, AlertSink] = {"metrics": metrics}
    if push is not None:
        sinks["push"] = push
    supervisor = Supervisor(
        data,
        on_alert=broadcaster.take,
        on_notice=on_notice,
        sinks=sinks,
        redirects=settings.redirects,
        device=settings.device,
        threads=settings.threads,
    )
    broadcaster.watch(supervisor)
    describe = supervisor.plan.settings.describe
    if describe is not None and describe.notice is not None:
        on_notice(describe.notice)
    media = tuple(folder.absolute() for folder in settings.media)
    pictures, heat = LivePictures(supervisor.watcher), HeatPictures(supervisor.registry)
    learner = Learner(
        data,
        address_of=supervisor.address_of,
        # Called once the server runs, when the context is there.
        adopt=lambda learning, budget: _adopt(context, learning, budget),
        on_change=lambda name: hub.publish("changed", {"what": "learning", "camera": name}),
        redirects=settings.redirects,
    )
    public_url = supervisor.plan.settings.public_url
    links = Links(read_secret(data), public_url)
    if push is not None and public_url is not None and public_url.startswith("https:"):
        push.contact = public_url
    context = AppContext(
        supervisor=supervisor,
        hub=hub,
        access=access,
        pictures=pictures,
        heat_pictures=heat,
        learner=learner,
        links=links,
        uploads=Uploads(data, settings.upload_gb),
        tokens=tokens,
        log=log,
        push=push,
        media=media,
    )
    # Under these names people reach the server; `SecurityMiddleware` refuses all others.
    hosts = {*settings.hosts, socket.gethostname(), settings.host}
    if public_url is not None:
        hosts.add(urlsplit(public_url).hostname or settings.host)

    def note_change(*change: Any) -> None:
        try:
            log.write(*change)
        except OSError as error:
            on_notice(f"a change is missing in {AUDIT_FILE}: {error.strerror}")

    return make_app(context, metrics, broadcaster, hosts, note_change), context


def _push(data: Path, access: Access) -> "Push | None":
    """Make what tells browsers of alerts; None where the extra for it is not installed."""
    try:
        from oddframe.sinks.push import Push
    except ImportError:
        return None

    def cameras_of(name: str) -> Cameras:
        person = access.person_named(name)
        if person is None:
            raise LookupError(name)
        return person.cameras

    return Push(data, cameras_of)


def _adopt(context: AppContext, learning: Learning, budget: str | None) -> None:
    """Watch a camera with the model that was learnt of it, for its own budget or another one."""
    supervisor, name = context.supervisor, learning.name
    values: dict[str, Any] = {"model": f"models/{learning.run}", "false_alarms": budget}
    if supervisor.camera(name) is not None:
        # With a revision, so that one can go back to the model and the threshold of before.
        change_camera(context, name, values)
    else:
        known = {key: value for key, value in values.items() if value is not None}
        added = {"name": name, "source": learning.source, **known}
        if str((supervisor.data / (learning.source or "")).resolve()) == learning.file:
            # A recording is shown again and again, in place of a camera.
            added["loop"] = True
        supervisor.edit(lambda file, accept: file.add(added, accept))
    context.hub.publish("changed", {"what": "cameras", "camera": name})


def _run(
    settings: ServeSettings,
    app: SecurityMiddleware,
    context: AppContext,
    listening: socket.socket,
    on_start: Callable[[str], None],
) -> None:
    supervisor = context.supervisor
    config = uvicorn.Config(
        app,
        # The library never logs by itself: the command line tells what people need to know.
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        lifespan="on",
        ws="none",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=1,
        limit_concurrency=_MOST_CONNECTIONS,
        # Longest head of a request; cookies and tokens are far shorter.
        h11_max_incomplete_event_size=32 * 1024,
        # With such a header anybody could claim another address and evade the limit on attempts.
        proxy_headers=False,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.certificate_key,
    )
    server = _Server(config, [context.hub.close_soon, supervisor.stop])
    supervisor.start()
    _stop_with(supervisor, server)
    # An IPv6 address stands in brackets, so that its colons are not taken for the port.
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    scheme = "http" if settings.certificate is None else "https"
    on_start(f"{scheme}://{shown}:{listening.getsockname()[1]}/")
    try:
        server.run(sockets=[listening])
    finally:
        supervisor.stop()
        supervisor.join(_STOP_S)
    if supervisor.failure is not None:
        raise supervisor.failure


class _Server(uvicorn.Server):
    """A server that ends the event streams as soon as it is to stop: alone they would never end.

    Args:
        config: Settings of uvicorn.
        on_exit: Functions to call when a signal comes; they must not wait.
    """

    _was_signalled = False

    def __init__(self, config: uvicorn.Config, on_exit: Sequence[Callable[[], None]]) -> None:
        super().__init__(config)
        self._on_exit = on_exit

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; a second SIGINT stops at once."""
        for function in self._on_exit:
            function()
        self.should_exit = True
        if sig == signal.SIGINT and self._was_signalled:
            self.force_exit = True
        self._was_signalled = True


def _stop_with(supervisor: Supervisor, server: uvicorn.Server) -> None:
    """Stop the server when the watcher ends: without it, pictures and alarms would stand still."""

    def wait() -> None:
        while not supervisor.join(1.0):
            if server.should_exit:
                return
        server.should_exit = True

    threading.Thread(target=wait, name="serve", daemon=True).start()


def _listen(host: str, port: int) -> socket.socket:
    """Open a socket that listens: a taken port is an error before any camera is opened."""
    listening: socket.socket | None = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        listening = socket.socket(family, kind, protocol)
        # Without it a restart would have to wait until the connections of before are forgotten.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        # From here on browsers are queued and not refused, though the app starts only later.
        listening.listen(128)
    except OSError as error:
        if listening is not None:
            listening.close()
        raise OutputError(
            f"the web app could not be served at {host} port {port}: "
            f"{error.strerror or error}; choose another --port"
        ) from error
    listening.set_inheritable(True)
    return listening
