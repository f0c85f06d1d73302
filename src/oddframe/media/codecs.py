"""What the FFmpeg that PyAV carries can do."""

from typing import Any

import av

__all__ = ["codecs"]

_DECODED = ("h264", "hevc", "mpeg4", "vp9", "av1", "mjpeg", "png", "tiff")
_ENCODED = ("libx264", "mpeg4")


def codecs() -> dict[str, Any]:
    """The FFmpeg version as ``ffmpeg``, and as ``codecs`` whether each codec that matters here is there.

    Encoders count as one: either will do for overlays.
    """
    found = {name: _has(name, "r") for name in _DECODED}
    found["h264 or mpeg4 encoder"] = any(_has(name, "w") for name in _ENCODED)
    return {"ffmpeg": av.ffmpeg_version_info, "codecs": found}


def _has(name: str, mode: str) -> bool:
    try:
        av.Codec(name, "r" if mode == "r" else "w")
    except av.codec.codec.UnknownCodecError:
        return False
    return True
