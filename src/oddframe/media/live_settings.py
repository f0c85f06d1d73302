"""The knobs of a live stream; docs/streams.md says when to turn them."""

from dataclasses import dataclass

from oddframe.errors import SettingsError

__all__ = ["LiveSettings"]


@dataclass(frozen=True, slots=True)
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

    open_timeout_s: float = 10.0
    read_timeout_s: float = 10.0
    quiet_s: float = 3.0
    stall_s: float = 20.0
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    queue: int = 4
    decoder_threads: int = 1
    keep_s: float = 0.0
    keep_mb: float = 64.0
    redirects: bool = True

    def __post_init__(self) -> None:
        for name in ("open_timeout_s", "read_timeout_s", "quiet_s", "stall_s", "first_wait_s", "keep_mb"):
            if not 0 < getattr(self, name) <= 3600:
                raise SettingsError(f"{name} must be above 0 and at most 3600, got {getattr(self, name)}")
        if not self.first_wait_s <= self.longest_wait_s <= 3600:
            raise SettingsError(
                f"longest_wait_s must be at least first_wait_s ({self.first_wait_s}) and at most 3600, "
                f"got {self.longest_wait_s}"
            )
        if not 0 <= self.keep_s <= 3600:
            raise SettingsError(f"keep_s must be between 0 and 3600, got {self.keep_s}")
        for name in ("queue", "decoder_threads"):
            value = getattr(self, name)
            if not isinstance(value, int) or not 1 <= value <= 256:
                raise SettingsError(f"{name} must be a whole number between 1 and 256, got {value!r}")
