"""Fills a disk to its last byte."""

from pathlib import Path


def fill_up(folder: Path) -> Path:
    """Write a file into a folder until its disk has no byte left; gives the file."""
    path = folder / "ballast"
    with path.open("wb", buffering=0) as file:
        # Ever smaller pieces: a large one is refused while smaller ones still fit.
        for size in (65536, 4096, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue
    return path
