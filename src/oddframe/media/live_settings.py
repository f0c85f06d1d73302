"""The knobs of a live stream; docs/streams.md says when to turn them."""

from typing import Annotated

from pydantic import Field

from oddframe.errors import SettingsError
from oddframe.settings import settings_dataclass

__all__ = ["LiveSettings"]

Seconds = Annotated[float, Field(gt=0, le=3600)]


@settings_dataclass("live")
class LiveSettings:
    """How a live stream is opened, watched over and kept.

    Attributes:
        open_timeout_s: Seconds in which a server must answer, and again in which it must say what it sends.
        read_timeout_s: Seconds without any data after which a connection counts as lost.
        quiet_s: Seconds without a frame after which a stream shows as stalled.
        stall_s: Seconds without a frame after which the connection is given up, whatever data comes.
        first_wait_s: The first wait before connecting again, in seconds; it doubles with every failure.
        longest_wait_s: The longest such wait.
        queue: Frames that wait for whoever takes them; of a live stream the oldest is dropped when there are more.
        decoder_threads: Threads that decode; more than one delays frames.
        keep_s: Seconds of encoded video to keep for clips, before now; 0 keeps none.
        keep_mb: Most memory for those, in megabytes of 10^6 bytes.
        redirects: Whether an http server may send the reader to another address.
    """

    open_timeout_s: Seconds = 10.0
    read_timeout_s: Seconds = 10.0
    quiet_s: Seconds = 3.0
    stall_s: Seconds = 20.0
    first_wait_s: Seconds = 1.0
    longest_wait_s: Seconds = 60.0
    queue: Annotated[int, Field(ge=1, le=256)] = 4
    decoder_threads: Annotated[int, Field(ge=1, le=256)] = 1
    keep_s: Annotated[float, Field(ge=0, le=3600)] = 0.0
    keep_mb: Annotated[float, Field(gt=0, le=3600)] = 64.0
    redirects: bool = True

    def __post_init__(self) -> None:
        if self.longest_wait_s < self.first_wait_s:
            raise SettingsError(
                f"longest_wait_s must be at least first_wait_s ({self.first_wait_s}), got {self.longest_wait_s}"
            )
