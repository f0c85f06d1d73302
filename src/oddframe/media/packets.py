"""Packets of a recording's video: past damaged data, and without timestamps that cannot be true.

A lone timestamp is a claim, and its neighbours are the evidence. One that lies far ahead or behind,
while time goes on behind it as if nothing had been, is damaged: its frame is left out, and the time
of all others stays. Where time goes on from there, two recordings were joined or there is a gap.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from itertools import islice, pairwise
from typing import TypeAlias

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from oddframe.core.clocks import count_damaged
from oddframe.core.records import FrameTiming

VideoPacket: TypeAlias = "av.Packet[VideoStream]"

_DEMUX_RETRIES = 100
"""How often reading goes on behind a damaged place before the rest is given up."""

_AHEAD_PACKETS, _AHEAD_BYTES = 250, 32_000_000
"""How far is read ahead at most, to find out whether a jump of the timestamps is real."""

_OPENING_PACKETS = 4
"""Packets that tell whether the first timestamp is damaged."""

_REORDERED_PERIODS = 17
"""How far ahead, in periods of the frame rate, the next packet of a coding may lie that codes
pictures out of order: at most 16 pictures lie between two that they refer to."""


def demux(container: InputContainer, stream: VideoStream) -> Iterator[VideoPacket]:
    """Read the packets of a stream from where the container stands."""
    return container.demux(stream)


def demux_past_damage(
    container: InputContainer, stream: VideoStream, notice: Callable[[str], None]
) -> Iterator[VideoPacket]:
    """Yield every packet that can be read, also those behind damaged places.

    Args:
        container: The open recording.
        stream: Its video stream.
        notice: Called with a sentence where the rest of the file cannot be read.
    """
    reason = ""
    # After an error FFmpeg looks for the next place where reading can go on.
    for _ in range(_DEMUX_RETRIES):
        try:
            yield from demux(container, stream)
        except av.FFmpegError as error:
            reason = error.strerror or str(error)
        except IndexError:
            # PyAV, at the end of a file in which damage made streams appear that the header does
            # not name.
            return
        else:
            return
    notice(f"ended early: reading failed ({reason})")


class TimestampCheck:
    """Passes the packets of one recording on, and finds the timestamps that are damaged.

    All packets are passed on, since the pictures of others may need theirs. Only where a timestamp
    jumps are packets read ahead.

    Args:
        packets: The packets, in the order of decoding.
        timing: How the frames follow each other.
        stream: Their stream.

    Attributes:
        found: How many damaged timestamps were found.
        is_first_damaged: Whether the very first is; then the file's stated start is of no use.
    """

    def __init__(
        self, packets: Iterator[VideoPacket], timing: FrameTiming, stream: VideoStream
    ) -> None:
        self.found = 0
        self.is_first_damaged = False
        self._packets = packets
        self._base_s = float(stream.time_base or 0)
        self._period_s = 1 / timing.rate_fps
        # Packets come in the order of decoding, which may differ from that of time.
        reordered = stream.codec_context.has_b_frames
        self._most_s = max(timing.gap_s, _REORDERED_PERIODS * self._period_s * reordered)
        self._ahead: deque[VideoPacket] = deque()
        self._ahead_bytes = 0
        self._is_over = False
        self._last_s: float | None = None
        # The timestamps of damaged frames to come; a good frame may have the same one later.
        self._damaged: Counter[int] = Counter()
        self._condemned = 0

    def __iter__(self) -> Iterator[VideoPacket]:
        while (packet := self._next()) is not None:
            pts = packet.pts
            if pts is not None and packet.size and not packet.is_discard and self._base_s:
                if not self._condemned:
                    self._condemned = self._count_damaged(pts * self._base_s)
                if self._condemned:
                    self._condemned -= 1
                    self.found += 1
                    self._damaged[pts] += 1
                else:
                    self._last_s = pts * self._base_s
            yield packet

    def leaves_out(self, pts: int | None) -> bool:
        """Tell whether the next decoded frame, of this timestamp, is to be left out."""
        if pts is None or not self._damaged[pts]:
            return False
        self._damaged[pts] -= 1
        return True

    def _next(self) -> "VideoPacket | None":
        if self._ahead:
            packet = self._ahead.popleft()
            self._ahead_bytes -= packet.size
            return packet
        return next(self._packets, None)

    def _count_damaged(self, time_s: float) -> int:
        """Count the timestamps from this one on that are damaged."""
        if self._last_s is None:
            self.is_first_damaged = self._opens_wrongly(time_s)
            return int(self.is_first_damaged)
        if abs(time_s - self._last_s) <= self._most_s:
            return 0
        times_s = [time_s, *self._times_ahead(_AHEAD_PACKETS)]
        if len(times_s) == 1 and self._is_over:
            # Nothing follows that would bear it out.
            return 1
        return count_damaged(self._last_s, times_s, self._period_s, self._most_s)

    def _opens_wrongly(self, time_s: float) -> bool:
        """Tell whether the first timestamp contradicts the next ones, which agree."""
        if self._most_s <= 0 or abs(self._step_to_next(time_s)) <= self._most_s:
            return False
        times_s = self._times_ahead(_OPENING_PACKETS)
        steps_s = [b - a for a, b in pairwise(times_s)]
        return len(steps_s) > 1 and all(abs(step_s) <= self._most_s for step_s in steps_s)

    def _step_to_next(self, time_s: float) -> float:
        times_s = self._times_ahead(1)
        return times_s[0] - time_s if times_s else 0.0

    def _times_ahead(self, most: int) -> list[float]:
        """Read ahead, and return the times of the packets there."""
        while len(self._ahead) < most and self._ahead_bytes < _AHEAD_BYTES and not self._is_over:
            packet = next(self._packets, None)
            # The last packet is empty: it asks the decoder for what it still holds.
            self._is_over = packet is None or not packet.size
            if packet is not None:
                self._ahead.append(packet)
                self._ahead_bytes += packet.size
        return [
            packet.pts * self._base_s
            for packet in islice(self._ahead, most)
            if packet.pts is not None and packet.size and not packet.is_discard
        ]
