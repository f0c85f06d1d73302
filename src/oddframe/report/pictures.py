"""Pictures as they travel inside a page: small WebP files written into the text."""

import base64
import io

import numpy as np
from PIL import Image

from oddframe.core.records import Pixels

__all__ = ["data_uri", "resized", "within"]

_LOWEST_QUALITY = 12


def data_uri(picture: Pixels, quality: int = 60) -> str:
    """A picture as the address of itself.

    Args:
        picture: uint8 H x W x 1, 3 or 4 (with opacity).
        quality: 0 to 100.
    """
    return "data:image/webp;base64," + base64.b64encode(_encoded(picture, quality)).decode()


def within(pictures: list[Pixels], most_bytes: int, quality: int = 60) -> list[str]:
    """Pictures of one size as addresses of themselves, together no longer than this.

    Where they would be, first their quality gives way and then their size.
    """
    while True:
        found = [data_uri(picture, quality) for picture in pictures]
        length = sum(map(len, found))
        if length <= most_bytes or (quality <= _LOWEST_QUALITY and pictures[0].shape[1] <= 32):
            return found
        if quality > _LOWEST_QUALITY:
            quality = max(_LOWEST_QUALITY, min(quality - 8, int(quality * most_bytes / length)))
        else:
            pictures = [resized(picture, picture.shape[1] * 3 // 4) for picture in pictures]


def resized(picture: Pixels, width: int, height: int | None = None) -> Pixels:
    """A picture, uint8 H x W x C, at another width, its aspect ratio kept where no height is given."""
    if height is None:
        height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    if (height, width) == picture.shape[:2]:
        return picture
    smaller = Image.fromarray(_plain(picture)).resize((width, height), Image.Resampling.LANCZOS)
    found: Pixels = np.asarray(smaller).reshape(height, width, picture.shape[2])
    return found


def _encoded(picture: Pixels, quality: int) -> bytes:
    content = io.BytesIO()
    # Opacity is smooth here: a coarse one is a fraction of the size.
    Image.fromarray(_plain(picture)).save(content, "WEBP", quality=quality, alpha_quality=60, method=2)
    return content.getvalue()


def _plain(picture: Pixels) -> Pixels:
    return np.ascontiguousarray(picture[:, :, 0] if picture.shape[2] == 1 else picture)
