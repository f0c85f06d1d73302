"""A sentence about each event, from a vision-language model of the user's own.

The picture of the event, with its box drawn in, and the reason go to a server that has the
chat-completions form of API, as Ollama, llama.cpp and vLLM serve it; a sentence comes back. Nothing
waits for that: a model that is slow or dead costs the sentence, never an alert.
"""

import base64
import io
import ipaddress
import json
import threading
from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field

from oddframe._background import BackgroundQueue
from oddframe.core.alerts import Alert
from oddframe.errors import DeliveryError
from oddframe.settings import settings_dataclass
from oddframe.sinks.http_client import Receiver, check_address, secrets_in

PROMPT = (
    "This is a picture of a fixed camera. A program that has learnt what is normal there found "
    "something unusual, for this reason: $reason. The box shows where. Say in one short sentence "
    "what can be seen in the box. Do not guess who people are, nor why they do it."
)
"""What the model is asked, where the user asks nothing else."""

MOST_WAITING = 20
"""So many events wait for the model at most; beyond it the oldest gets no sentence."""

MOST_LETTERS = 300
"""A longer answer is cut."""

_PICTURE_WAIT_S = 5.0
"""How long the picture of an event that has just begun is waited for, in seconds."""

_STEP_S = 0.1
_BOX, _SHADE = (255, 255, 255), (200, 40, 31)
_OWN_ENDINGS = (".local", ".lan", ".internal", ".home.arpa", ".localhost")


@settings_dataclass("describe")
class DescribeConfig:
    """Which model describes events. Address and key may be secrets: neither is ever shown.

    Attributes:
        url: Address of the API up to ``/v1``, such as ``http://127.0.0.1:11434/v1``.
        model: Name of the model, as the server has it.
        api_key: Sent as ``Authorization: Bearer``; none when empty.
        prompt: What the model is asked; ``$reason`` and ``$source`` stand for those of the event.
        timeout_s: Longest wait for a sentence, in seconds.
    """

    url: str = field(repr=False)
    model: Annotated[str, Field(min_length=1)]
    api_key: str = field(default="", repr=False)
    prompt: Annotated[str, Field(min_length=1)] = PROMPT
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 60.0

    def __post_init__(self) -> None:
        check_address("describe", self.url, self._headers)

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts of the address and the key that nobody may be shown."""
        # The path is that of the API, the same everywhere.
        known = {"v1", urlsplit(self.url).path.strip("/")}
        found = set(secrets_in(self.url, {})) | {self.api_key}
        return tuple(filter(None, found - known))

    @property
    def host(self) -> str:
        """The host of the address, which may be shown."""
        return urlsplit(self.url).hostname or ""

    @property
    def notice(self) -> str | None:
        """A warning where the model may be somebody else's; None where it is in the own network."""
        if is_in_own_network(self.host):
            return None
        return (
            f"pictures of events are sent to {self.host}, which does not look like an address of "
            "your own network; they may show people, so be sure that you may send them there"
        )

    def receiver(self) -> Receiver:
        """Make what sends requests to the server."""
        return Receiver("the model", self.url, self._headers, timeout_s=self.timeout_s)


def is_in_own_network(host: str) -> bool:
    """Whether a host looks like one of the own network, without asking a name server."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # A name without a dot is one of the own machines or containers.
        return "." not in host or host.lower().endswith(_OWN_ENDINGS)
    return address.is_private or address.is_loopback or address.is_link_local


class Describer:
    """Asks the model about events, one after the other, in a thread of its own.

    Args:
        config: Which model, and what it is asked.
        folder: The store's folder, from which the paths of pictures are seen.
        on_sentence: Called with an event and what the model says of it, by the thread.
    """

    def __init__(
        self, config: DescribeConfig, folder: Path, on_sentence: Callable[[Alert, str], object]
    ) -> None:
        self._config, self._folder, self._on_sentence = config, folder, on_sentence
        self._receiver = config.receiver()
        self._closing = threading.Event()
        self._error = ""
        self._queue: BackgroundQueue[Alert] = BackgroundQueue(
            "describe", self._describe_all, most=MOST_WAITING
        )
        self._queue.start()

    @property
    def error(self) -> str:
        """Why the last event has no sentence; empty where it has one. Never an address."""
        return self._error

    @property
    def dropped(self) -> int:
        """Events that have no sentence, since newer ones came while the model was busy."""
        return self._queue.dropped

    def put(self, alert: Alert) -> None:
        """Have an event described that begins; this never waits, and leaves other phases out."""
        event = alert.event
        if event.phase == "start" and event.kind == "anomaly" and alert.snapshot is not None:
            self._queue.put(alert)

    def flush(self, timeout_s: float) -> bool:
        """Wait until the model was asked about all that was put; returns whether it was."""
        return self._queue.flush(timeout_s)

    def close(self) -> None:
        """Ask nothing more; a request that goes on is left behind."""
        self._closing.set()
        self._queue.stop()

    def _describe_all(self, alerts: list[Alert]) -> None:
        for alert in alerts:
            if self._closing.is_set():
                return
            try:
                sentence = self._ask(alert)
            except DeliveryError as error:
                self._error = str(error).removesuffix("; the alert is sent again")
            else:
                self._error = ""
                self._on_sentence(alert, sentence)

    def _ask(self, alert: Alert) -> str:
        """Return what the model says of an event.

        Raises:
            DeliveryError: If there is no picture, no answer, or none with a sentence in it.
        """
        body = json.dumps(self._question(alert, self._picture(alert))).encode()
        path = f"{self._receiver.path.rstrip('/')}/chat/completions"
        headers = {"Content-Type": "application/json"}
        answer = self._receiver.send("POST", path, body, headers, read=True)
        if not answer.is_taken:
            raise DeliveryError(f"the model at {self._receiver.host} answered {answer.status}")
        return self._sentence(answer.body)

    def _question(self, alert: Alert, picture: bytes) -> dict[str, Any]:
        event = alert.event
        # Not a template with $ for all values: what people write may hold dollar signs.
        text = self._config.prompt.replace("$reason", event.reason.rstrip("."))
        image = "data:image/jpeg;base64," + base64.b64encode(picture).decode()
        content = [
            {"type": "text", "text": text.replace("$source", event.source)},
            {"type": "image_url", "image_url": {"url": image}},
        ]
        return {
            "model": self._config.model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": 200,
            "temperature": 0,
            "stream": False,
        }

    def _sentence(self, body: bytes) -> str:
        try:
            found = json.loads(body)["choices"][0]["message"]["content"]
            text = " ".join(str(found).split()) if isinstance(found, str) else ""
        except (ValueError, KeyError, IndexError, TypeError):
            text = ""
        if not text:
            raise DeliveryError(f"the answer of the model at {self._receiver.host} has no sentence")
        return text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 1].rstrip() + "…"

    def _picture(self, alert: Alert) -> bytes:
        """Return the picture of an event with its box drawn in, as a JPEG file."""
        # Pillow is an extra, which is there wherever pictures are kept.
        from PIL import Image, ImageDraw

        path = self._folder / str(alert.snapshot)
        # It is written by another thread, at the same time as this event was put.
        for _ in range(round(_PICTURE_WAIT_S / _STEP_S)):
            if path.is_file() or self._closing.wait(_STEP_S):
                break
        try:
            with Image.open(path) as opened:
                picture = opened.convert("RGB")
        except OSError as error:
            raise DeliveryError("the event has no picture that could be described") from error
        if alert.event.box is not None:
            x_min, y_min, x_max, y_max = alert.event.box
            width, height = picture.width - 1, picture.height - 1
            place = (x_min * width, y_min * height, x_max * width, y_max * height)
            draw = ImageDraw.Draw(picture)
            draw.rectangle(place, outline=_SHADE, width=3)
            draw.rectangle(place, outline=_BOX, width=1)
        content = io.BytesIO()
        picture.save(content, "JPEG", quality=85)
        return content.getvalue()
