"""Decoding video with the circuits that NVIDIA's GPUs have for it, NVDEC, as far as that goes.

Whether it goes depends on how PyAV's FFmpeg was built, on the driver and on how a recording is
coded. Where it does not, the processor decodes, and a notice says why. Frames come back into the
machine's memory, where they are converted as all others.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import av
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.container import InputContainer

_FORMATS = frozenset({"nv12", "nv16", "p010le", "p012le", "p016le", "yuv444p", "yuv444p16le"})
"""Pixel formats of frames that come from NVDEC; what decodes on the processor gives others."""


class OpenFile(Protocol):
    """Opens a file as `av.open` does."""

    def __call__(self, *, hwaccel: HWAccel | None = None) -> InputContainer:
        """Open it, for decoding on a device where one is given."""
        ...


@dataclass(frozen=True, slots=True)
class Nvdec:
    """Decodes recordings on a GPU.

    Attributes:
        gpu: The number of the GPU, as in "cuda:0".
    """

    gpu: int = 0

    @classmethod
    def of_device(cls, device: str) -> "Nvdec":
        """Take the GPU that a network runs on, or the first one where it runs elsewhere."""
        number = device.partition(":")[2]
        return cls(int(number) if number.isdecimal() else 0)

    def open(self, open_file: OpenFile, notice: Callable[[str], None]) -> InputContainer:
        """Open a file for decoding on the GPU.

        Args:
            open_file: Opens it.
            notice: Told why the processor decodes it, a sentence.

        Returns:
            The file; its video decodes on the processor where the GPU cannot.

        Raises:
            av.FFmpegError: If it cannot be opened at all.
        """
        if "cuda" not in hwdevices_available():
            notice(_fallback("the FFmpeg of this PyAV was built without it"))
            return open_file()
        accel = HWAccel("cuda", self.gpu, allow_software_fallback=True)
        try:
            container = open_file(hwaccel=accel)
        except av.FFmpegError as error:
            # The file's own errors come again here; what is left is that of the GPU.
            container = open_file()
            notice(_fallback(f"GPU {self.gpu} cannot be used ({error.strerror or error})"))
            return container
        contexts = [
            stream.codec_context for stream in container.streams.video if stream.codec_context
        ]
        if contexts and not any(context.is_hwaccel for context in contexts):
            notice(_fallback(f"it has no decoder for {contexts[0].name}"))
        return container

    def check_frame(self, decoded: av.VideoFrame, notice: Callable[[str], None]) -> None:
        """Look at the first frame of a stream that NVDEC was to decode.

        FFmpeg goes over to the processor without a word where the profile or the size is not one
        that the GPU has circuits for.
        """
        if decoded.format.name not in _FORMATS:
            notice(_fallback("the GPU has no circuits for video that is coded like this"))


def _fallback(reason: str) -> str:
    return f"decoded on the processor and not with NVDEC: {reason}"
