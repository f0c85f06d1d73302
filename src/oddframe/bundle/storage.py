"""The folder of a bundle: files that are replaced in one step, and a manifest with their hashes.

New files are written beside the old ones as ``NAME.new``, then the manifest is replaced, which is
the moment of change, then the new files take their places. A reader that finds a file which is not
the manifest's looks for ``NAME.new`` before it refuses. So a kill at any moment leaves the old
bundle or the new one.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oddframe.errors import BundleError
from oddframe.files import output_error, write_bytes, write_json

FORMAT = 2
"""Version of the folder's layout; a reader refuses others. 2 is the first that was released."""

WEIGHTS, CONFIG, CALIBRATION, CARD = (
    "model.safetensors",
    "config.json",
    "calibration.json",
    "README.md",
)
MANIFEST = "manifest.json"

_NEEDED = {WEIGHTS, CONFIG, CALIBRATION, CARD}
"""The files that every bundle has."""


def replace_some(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Replace some files of a bundle in one step; the others stay.

    Args:
        folder: The bundle.
        contents: The new contents, by file name.

    Raises:
        BundleError: If there is no bundle.
        OutputError: If it cannot be written; what was there stays.
    """
    # First what a kill left undone: its new files are among those that stay.
    _finish(folder)
    kept = {name: digest for name, digest in read_hashes(folder).items() if name not in contents}
    _replace(folder, contents, kept)


def replace_all(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Make some files the whole bundle in one step.

    Args:
        folder: The bundle; it is made where it is missing.
        contents: The contents of all of its files, by file name.

    Raises:
        OutputError: If it cannot be written; what was there stays.
    """
    _replace(folder, contents, {})


def _replace(folder: Path, contents: Mapping[str, bytes], kept: Mapping[str, str]) -> None:
    """Make the bundle of ``contents`` and of the files in ``kept``, of which it has the hashes."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    _finish(folder)
    try:
        for name, content in contents.items():
            write_bytes(folder / f"{name}.new", content)
        # Writing the manifest is the moment of change; write_json() does it in one step.
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        write_json(folder / MANIFEST, {"format": FORMAT, "sha256": {**kept, **hashes}})
    finally:
        # Where the manifest was not written, this takes the new files back.
        _finish(folder)


def _finish(folder: Path) -> None:
    """Finish a replacement that was cut short, or take it back.

    New files that the manifest names take their places; those of a replacement that never came to
    its manifest go.
    """
    try:
        hashes = read_hashes(folder)
    except BundleError:
        # No manifest: the first writing of this bundle was cut short, and nothing of it counts.
        hashes = {}
    try:
        for path in folder.glob("*.new"):
            # A leading dot is a file that was never written to its end.
            if path.name.startswith(".") or _sha256(path) != hashes.get(path.stem):
                path.unlink()
            else:
                path.replace(folder / path.stem)
        for path in folder.glob(".manifest.*.json"):
            path.unlink()
    except OSError as error:
        raise output_error(folder, error) from error


def read_hashes(folder: Path) -> Mapping[str, str]:
    """Read the SHA-256 of each file of a bundle, by name, from its manifest.

    Raises:
        BundleError: If the manifest cannot be read, is of another format, leaves a file out or
            names one outside of the folder.
    """
    path = folder / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text())
        version = manifest["format"]
        # What another version calls its hashes is not looked at.
        hashes = dict(manifest["sha256"]) if version == FORMAT else {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(
            f"{path} must be a bundle's manifest, but cannot be read: {error}"
        ) from error
    if version != FORMAT:
        raise BundleError(
            f"{path} must be of format {FORMAT}, found {version}; "
            "use the Oddframe version that wrote it"
        )
    missing = _NEEDED - set(hashes)
    if missing:
        raise BundleError(
            f"{path} must name every file of the bundle, {', '.join(sorted(missing))} is missing"
        )
    # A manifest comes from anywhere: a name such as ../../x must not reach out of the folder.
    if odd := [name for name in hashes if Path(name).name != name]:
        raise BundleError(f"{path} must name files of its own folder only, found {odd[0]}")
    return hashes


def read_checked(folder: Path, name: str, digest: str) -> bytes:
    """Read a file of a bundle, or ``NAME.new`` where a replacement was cut short.

    Args:
        folder: The bundle.
        name: Name of the file.
        digest: Its SHA-256, in hexadecimal digits.

    Raises:
        BundleError: If neither file is there with that hash; the file is named.
    """
    found = []
    for path in (folder / name, folder / f"{name}.new"):
        if not path.is_file():
            continue
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BundleError(f"{path} cannot be read: {error.strerror}") from error
        if hashlib.sha256(content).hexdigest() == digest:
            return content
        found.append(path)
    if not found:
        raise BundleError(f"{folder / name} is missing; copy the whole bundle again")
    raise BundleError(
        f"{found[0]} is truncated or altered: its SHA-256 is not the manifest's; "
        "copy the bundle again or retrain"
    )


def _sha256(path: Path) -> str:
    """Hash a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
