"""The folder of a bundle: files that are replaced together in one step, and a manifest with their hashes.

New files are written beside the old ones as ``NAME.new``, then the manifest is replaced, which is
the moment of change, then the new files take their places. A reader that finds a file which is not
the manifest's looks for ``NAME.new`` before it refuses.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oddframe.errors import BundleError
from oddframe.files import output_error, write_bytes, write_json

FORMAT = 2
"""Version of the folder's layout; a reader refuses others."""
WITHOUT_BUDGET = 1
"""The version before, whose threshold keeps no false-alarm budget: it is read only to be calibrated anew."""

WEIGHTS, CONFIG, CALIBRATION, CARD = (
    "model.safetensors",
    "config.json",
    "calibration.json",
    "README.md",
)
MANIFEST = "manifest.json"


def replace_some(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Replace these files of a bundle in one step; the others stay.

    Raises:
        BundleError: If there is no bundle.
        OutputError: If it cannot be written; what was there stays.
    """
    _settle(folder)
    kept = {name: digest for name, digest in read_hashes(folder).items() if name not in contents}
    _replace(folder, contents, kept)


def replace_all(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Make these files the bundle in one step.

    Raises:
        OutputError: If it cannot be written; what was there stays.
    """
    _replace(folder, contents, {})


def _replace(folder: Path, contents: Mapping[str, bytes], kept: Mapping[str, str]) -> None:
    """Make ``contents`` and the files ``kept``, whose hashes those are, the bundle, in one step."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    _settle(folder)
    try:
        for name, content in contents.items():
            write_bytes(folder / f"{name}.new", content)
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        write_json(folder / MANIFEST, {"format": FORMAT, "sha256": {**kept, **hashes}})
    finally:
        _settle(folder)


def _settle(folder: Path) -> None:
    """Finish a replacement up to the manifest's word: its new files take their places, others go."""
    try:
        hashes = read_hashes(folder)
    except BundleError:
        hashes = {}
    try:
        for path in folder.glob("*.new"):
            if path.name.startswith(".") or _sha256(path) != hashes.get(path.stem):
                path.unlink()
            else:
                path.replace(folder / path.stem)
        for path in folder.glob(".manifest.*.json"):
            path.unlink()
    except OSError as error:
        raise output_error(folder, error) from error


def read_hashes(folder: Path) -> Mapping[str, str]:
    """SHA-256 of each file of a bundle, by name, as its manifest says.

    Raises:
        BundleError: If the manifest cannot be read, is of another format or leaves a file out.
    """
    return read_manifest(folder)[1]


def read_manifest(folder: Path) -> tuple[int, Mapping[str, str]]:
    """Format and hashes.

    Raises:
        BundleError: As in `read_hashes`.
    """
    path = folder / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text())
        version = manifest["format"]
        readable = version in (FORMAT, WITHOUT_BUDGET)
        hashes = dict(manifest["sha256"]) if readable else {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(
            f"{path} must be a bundle's manifest, but cannot be read: {error}"
        ) from error
    if not readable:
        raise BundleError(
            f"{path} must be of format {FORMAT}, found {version}; use the Oddframe version that wrote it"
        )
    missing = {WEIGHTS, CONFIG, CALIBRATION, CARD} - set(hashes)
    if missing:
        raise BundleError(
            f"{path} must name every file of the bundle, {', '.join(sorted(missing))} is missing"
        )
    if odd := [name for name in hashes if Path(name).name != name]:
        raise BundleError(f"{path} must name files of its own folder only, found {odd[0]}")
    return version, hashes


def checked_file(folder: Path, name: str, digest: str) -> bytes:
    """A file's content, or that of ``NAME.new`` where a replacement was cut short."""
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
        f"{found[0]} is truncated or altered: its SHA-256 is not the manifest's; copy the bundle again or retrain"
    )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
