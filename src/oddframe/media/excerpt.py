"""Some frames of a source again, by number, without decoding all that lies before them."""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from oddframe.core.records import Frame
from oddframe.errors import SourceError, SourceNotFoundError
from oddframe.media.convert import Converter
from oddframe.media.images import ImageFolder
from oddframe.media.recording import Recording
from oddframe.media.sources import FrameFormat, Source

__all__ = ["read_frames"]

_TOLERANCE_S = 1e-4
"""Times of the same frame differ by rounding alone."""


def read_frames(
    source: Source, wanted: FrameFormat, indices: Sequence[int], times_s: npt.NDArray[np.float64]
) -> list[Frame]:
    """The frames of a source with these numbers, as a whole pass would give them.

    A recording is entered at the picture before the first of them that can be decoded by itself. Where its timestamps
    cannot be trusted to lead there, which their times show, all of it is decoded up to the last.

    Args:
        source: A recording or a folder of images.
        wanted: The form of the frames.
        indices: Their numbers, increasing.
        times_s: The times that an earlier pass gave to them, in seconds.

    Returns:
        Those that are there, in order.

    Raises:
        SourceNotFoundError: If the source is no longer there.
        SourceError: If it cannot be read.
    """
    if not indices:
        return []
    if isinstance(source, ImageFolder):
        return list(source.frames(wanted, only=frozenset(indices)))
    found = _sought(source.path, wanted, indices, times_s) if isinstance(source, Recording) else None
    return _passed(source, wanted, indices) if found is None else found


def _sought(
    path: Path, wanted: FrameFormat, indices: Sequence[int], times_s: npt.NDArray[np.float64]
) -> list[Frame] | None:
    """The frames at these times, entered by seeking; None unless every one of them is met."""
    converter, found = Converter(wanted), []
    try:
        with av.open(str(path.absolute()), options={"protocol_whitelist": "file"}) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            base, zero = stream.time_base, stream.start_time or 0
            if base is None:
                return None
            container.seek(zero + max(0, int(times_s[0] / base)), stream=stream)
            for decoded in container.decode(stream):
                if decoded.pts is None:
                    return None
                time_s = float(decoded.pts - zero) * float(base)
                place = int(np.searchsorted(times_s, time_s - _TOLERANCE_S))
                if place < len(times_s) and abs(float(times_s[place]) - time_s) < _TOLERANCE_S:
                    frame = converter.frame(decoded, indices[place], float(times_s[place]), decoded.rotation)
                    found.append(frame)
                if time_s > times_s[-1] - _TOLERANCE_S:
                    break
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"{path} must be a recording, but nothing is there") from error
    except PermissionError as error:
        raise SourceError(f"{path} cannot be read: permission denied; change its permissions") from error
    except (av.FFmpegError, IndexError):
        # What is damaged is read as it was the first time: from the front, past the damage.
        return None
    return found if [frame.index for frame in found] == list(indices) else None


def _passed(source: Source, wanted: FrameFormat, indices: Sequence[int]) -> list[Frame]:
    """The frames with these numbers in a pass from the front."""
    chosen, found = frozenset(indices), []
    for frame in source.frames(wanted):
        if frame.index in chosen:
            found.append(frame)
        if frame.index >= indices[-1]:
            break
    return found
