"""Alerts to people by mail, chat or phone, through apprise: some hundred services by address.

Apprise makes the requests; here are the text, the picture, and what becomes of a failure. Its log
holds addresses with passwords in them, so nothing of it is shown but the status of an answer.
"""

import io
import logging
import re
import threading
import warnings
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import unquote, urlsplit

from oddframe.core.alerts import CameraStatus
from oddframe.errors import DeliveryError, MissingExtraError, SettingsError
from oddframe.settings import ListOf, settings_dataclass
from oddframe.sinks.rules import AlertRules
from oddframe.sinks.sink import Message, MessagePhase, Retry, is_wanted
from oddframe.sinks.webhook import MESSAGE_NAMES, Body

_PICTURE_WAIT_S = 2.0
"""How long the picture of an event that has just begun is waited for, in seconds."""

_STATUS = re.compile(r"error=(\d{3})")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://.+", re.IGNORECASE)

# A person is told that something began, and then of all that was like it within ten minutes.
_RULES = AlertRules(digest_s=600.0)


@settings_dataclass("apprise")
class ChatConfig:
    """Whom to tell, and what.

    Attributes:
        urls: Addresses as apprise has them, such as ``mailto://user:password@example.org``; they
            hold passwords and are never shown.
        title: The title, with ``$name`` for each value of a message, as a webhook's template.
        template: The text, likewise.
        phases: Which of "start", "update", "end" and "description" to tell.
        picture: Whether the picture of the event goes along, where the service takes one.
        retry: When to try again.
        rules: Which alerts it gets; like ones are told together unless ``digest_s`` is 0.
    """

    urls: ListOf[str] = field(repr=False)
    title: str = "Oddframe: $source"
    template: str = "$text\n$when\n$link"
    phases: ListOf[MessagePhase] = ("start",)
    picture: bool = True
    retry: Retry = field(default_factory=Retry)
    rules: AlertRules = field(default_factory=lambda: _RULES)

    def __post_init__(self) -> None:
        # These sentences hold nothing of an address, in which a password may stand.
        if not self.urls or not all(_SCHEME.fullmatch(url) for url in self.urls):
            raise SettingsError(
                "an apprise sink's urls must be a list of addresses such as "
                '"mailto://user:password@example.org", and hold at least one'
            )
        for name, text in (("title", self.title), ("template", self.template)):
            unknown = sorted(set(Template(text).get_identifiers()) - MESSAGE_NAMES)
            if unknown or not Template(text).is_valid():
                raise SettingsError(
                    f"an apprise sink's {name} must use names of "
                    f"{', '.join(sorted(MESSAGE_NAMES))}, got ${unknown[0] if unknown else ''}; "
                    "write $$ for the sign itself"
                )

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that nobody may be shown: the addresses, and the parts of them that may be keys."""
        found: set[str] = set()
        for url in self.urls:
            rest = url.partition("://")[2]
            parts = urlsplit(f"http://{rest}")
            # In many of these addresses the host, too, is a key.
            pieces = re.split(r"[/@:?&=]", rest)
            found |= {url, parts.netloc, *(piece for piece in pieces if len(piece) >= 8)}
            with suppress(ValueError):
                found |= {parts.password or ""}
        return tuple(filter(None, found | {unquote(secret) for secret in found}))


class Chat:
    """Tells people through each address; one that fails is tried again, the others are not."""

    durable = True

    def __init__(self, config: ChatConfig, folder: Path) -> None:
        """Check the addresses; nothing is sent yet.

        Args:
            config: Whom to tell, and what.
            folder: The store's folder, from which the paths of pictures are seen.

        Raises:
            MissingExtraError: If apprise is not installed.
            SettingsError: If it does not know an address.
        """
        self.retry = config.retry
        self._config, self._folder = config, folder
        # It imports what newer versions of Python will not have any more; that is no news here.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self._library = _import_library()
            self._services = [self._library.Apprise.instantiate(url) for url in config.urls]
        for number, service in enumerate(self._services):
            if service is None:
                raise SettingsError(
                    f"address {number + 1} of an apprise sink must be one that apprise knows, but "
                    f"it is not, or a part of it is missing: {self._name(number)}"
                )
        self._title, self._body = (
            Body(text, "text/plain") for text in (config.title, config.template)
        )
        # Addresses that have the present message already, by its key.
        self._told: tuple[str, set[int]] = ("", set())
        self._closing = threading.Event()

    def deliver(self, message: Message) -> None:
        """Tell all addresses that have not been told.

        Raises:
            DeliveryError: If one of the services did not take it.
        """
        if not is_wanted(message, self._config.phases):
            return
        if self._told[0] != message["key"]:
            self._told = (message["key"], set())
        told = self._told[1]
        title = self._title.of(message).decode().strip()
        text = self._body.of(message).decode().strip()
        picture = self._picture(message)
        failures = []
        for number, service in enumerate(self._services):
            if number not in told:
                failure = self._tell(service, title, text, picture)
                if failure is None:
                    told.add(number)
                else:
                    failures.append(f"{self._name(number)} {failure}")
        if failures:
            raise DeliveryError(f"{'; '.join(failures)}; the alert is sent again")

    def report(self, status: CameraStatus) -> None:
        """Send nothing: people get the health events of a camera instead."""

    def close(self) -> None:
        """Wait for no picture any more; no connection is open between two messages."""
        self._closing.set()

    def _tell(self, service: Any, title: str, text: str, picture: Path | None) -> str | None:
        """Tell one address; returns why that failed, None where it did not."""
        attach = None
        if picture is not None and service.attachment_support:
            attach = self._library.AppriseAttachment(str(picture))
        log = io.StringIO()
        handler = logging.StreamHandler(log)
        self._library.logger.addHandler(handler)
        try:
            taken = service.notify(body=text, title=title, attach=attach)
        finally:
            self._library.logger.removeHandler(handler)
        if taken:
            return None
        status = _STATUS.search(log.getvalue())
        return f"answered {status[1]}" if status else "could not be reached or refused it"

    def _picture(self, message: Message) -> Path | None:
        """Return the picture of an event; None where there is none, or it does not come."""
        if not self._config.picture or message["snapshot"] is None:
            return None
        path = self._folder / str(message["snapshot"])
        # It is written by another thread, at the same time as this message was put.
        step_s = 0.1
        for _ in range(round(_PICTURE_WAIT_S / step_s)):
            if path.is_file() or self._closing.wait(step_s):
                break
        return path if path.is_file() else None

    def _name(self, number: int) -> str:
        """Return what may be shown of an address."""
        return f"{self._config.urls[number].partition('://')[0]}://..."


def _import_library() -> Any:
    """Import apprise, and have it write nothing by itself.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        import apprise
    except ImportError as error:
        raise MissingExtraError("telling people through apprise", "chat") from error
    # Without a handler Python writes warnings to standard error, with the addresses in them.
    apprise.logger.addHandler(logging.NullHandler())
    apprise.logger.propagate = False
    return apprise
