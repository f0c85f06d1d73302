"""Which addresses a user of the web app may have watched."""

import re
from collections.abc import Sequence
from pathlib import Path

from oddframe.errors import SettingsError

__all__ = ["checked_source"]

_SCHEMES = ("rtsp", "rtsps", "http", "https")
_DEVICE = re.compile(r"(?:/dev/video)?\d{1,3}")


def checked_source(text: str, data: Path, media: Sequence[Path]) -> str:
    """An address fit for `cameras.toml`.

    Args:
        text: What a user gave: ``rtsp(s)://``, ``http(s)://``, a camera's number, or a file.
        data: The data folder; files in it may be watched, and relative paths begin there.
        media: More folders whose files may be watched.

    Raises:
        SettingsError: If it may not be watched. What was given is not repeated: it may hold a password.
    """
    text = text.strip()
    if "${" in text:
        # Somebody could have our environment's secrets sent to a server of his own.
        raise SettingsError("an address must not contain ${...} here; variables are for cameras.toml only")
    if "://" in text:
        if text.partition("://")[0].lower() not in _SCHEMES:
            schemes = ", ".join(f"{scheme}://" for scheme in _SCHEMES)
            raise SettingsError(f"an address must begin with {schemes}, or be the path of a file")
        return text
    if _DEVICE.fullmatch(text):
        return text
    folders = [data.resolve(), *(folder.resolve() for folder in media)]
    path = (data / text).resolve()
    if not any(path.is_relative_to(folder) for folder in folders):
        raise SettingsError("the file must lie in the data folder or in a folder given with --media")
    if not path.exists():
        raise SettingsError(
            "an address must begin with rtsp:// or http(s)://, or be the path of a file on the "
            "server, but there is no such file"
        )
    return path.relative_to(folders[0]).as_posix() if path.is_relative_to(folders[0]) else str(path)
