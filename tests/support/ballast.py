"""A disk without room."""

from pathlib import Path


def fill_up(folder: Path) -> Path:
    """Leave no byte."""
    path = folder / "ballast"
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue
    return path
