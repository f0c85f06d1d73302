"""The model bundle: a folder with everything that scoring needs, and hashes that say it is whole.

    model.safetensors   weights
    config.json         network and frame rate
    calibration.json    threshold and where it comes from
    normal.safetensors  scores of the normal footage behind it, so that it can be redone in seconds; may be left out
    README.md           model card
    health.safetensors  what is usual for the camera; left out where that is not known
    manifest.json       format version, SHA-256 of every other file

A bundle is replaced in one step: new files are written beside the old ones as ``NAME.new``, then the manifest is
replaced, which is the moment of change, then the new files take their places. A reader that finds a file which is not
the manifest's looks for ``NAME.new`` before it refuses.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays
from safetensors.torch import load, save

from oddframe.config import from_mapping
from oddframe.core.calibration import Calibration, uncalibrated
from oddframe.core.health_reference import HealthReference
from oddframe.core.normal_scores import ARRAYS, NormalScores
from oddframe.errors import BundleError, InputError, SourceNotFoundError
from oddframe.files import output_error, write_bytes, write_json
from oddframe.model.network import Network, NetworkConfig

__all__ = ["FORMAT", "Bundle", "find_bundle", "read_bundle", "read_hashes", "write_bundle", "write_calibration"]

SHIPPED = Path(__file__).parent / "models"
"""Where bundles that come with the package are, a folder each."""

FORMAT = 2
"""Version of the folder's layout; a reader refuses others."""
WITHOUT_BUDGET = 1
"""The version before, whose threshold keeps no false-alarm budget: it is read only to be calibrated anew."""

WEIGHTS, CONFIG, CALIBRATION, CARD = "model.safetensors", "config.json", "calibration.json", "README.md"
HEALTH, NORMAL = "health.safetensors", "normal.safetensors"
MANIFEST = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A trained model and what is needed to use it.

    Attributes:
        network: The network with its weights.
        rate_fps: Frames per second that it was trained at.
        calibration: Threshold and where it comes from.
        card: What it is, on what and how it was trained, as Markdown for people.
        health: What is usual for the camera; None where that is not known.
        normal: Scores of the normal footage behind the calibration; None where they are not kept.
    """

    network: Network
    rate_fps: float
    calibration: Calibration
    card: str
    health: HealthReference | None = None
    normal: NormalScores | None = field(default=None, compare=False)


def find_bundle(model: str | Path) -> Path:
    """The bundle folder that MODEL names: a run folder, a bundle or a model that comes with the package.

    An existing path wins over a shipped model of the same name.

    Raises:
        SourceNotFoundError: If there is none.
    """
    path = Path(model)
    shipped = [] if path.exists() or path.name != str(model) else [SHIPPED / path.name]
    for folder in (path, path / "bundle", *shipped):
        if (folder / MANIFEST).is_file():
            return folder
    found = "neither it nor its bundle folder has a manifest.json" if path.exists() else "nothing is there"
    raise SourceNotFoundError(
        f"{path} must be a run folder, a model bundle or the name of a shipped model, but {found}; "
        "oddframe train makes one"
    )


def write_bundle(folder: Path, bundle: Bundle) -> None:
    """Write a bundle, or replace one in one step.

    Raises:
        OutputError: If it cannot be written; what was there stays.
    """
    config = {"network": asdict(bundle.network.config), "rate_fps": bundle.rate_fps}
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in bundle.network.state_dict().items()}
    contents = {WEIGHTS: save(weights), CONFIG: _json(config)}
    if bundle.health is not None:
        contents[HEALTH] = save_arrays(bundle.health.as_arrays())
    _replace(folder, {**contents, **_calibrated(bundle.calibration, bundle.normal, bundle.card)}, {})


def write_calibration(folder: Path, calibration: Calibration, normal: NormalScores, card: str) -> None:
    """Replace the calibration of a bundle and what says so, in one step; the rest stays as it is.

    Raises:
        BundleError: If there is no bundle.
        OutputError: If it cannot be written; what was there stays.
    """
    contents = _calibrated(calibration, normal, card)
    _settle(folder)
    kept = {name: digest for name, digest in read_hashes(folder).items() if name not in contents}
    _replace(folder, contents, kept)


def _calibrated(calibration: Calibration, normal: NormalScores | None, card: str) -> dict[str, bytes]:
    """The files that a calibration decides."""
    contents = {CALIBRATION: _json(calibration.as_dict()), CARD: card.encode()}
    if normal is None:
        return contents
    arrays = {name: np.ascontiguousarray(getattr(normal, name)) for name in ARRAYS}
    arrays |= {"rate_fps": np.array([normal.rate_fps]), "in_sample": np.array([normal.in_sample])}
    return {**contents, NORMAL: save_arrays(arrays)}


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


def read_bundle(folder: Path, *, to_calibrate: bool = False) -> Bundle:
    """Read a bundle after checking every file of it; the network is in evaluation mode on the CPU.

    Args:
        folder: The bundle.
        to_calibrate: Whether it is about to be calibrated: then one of the format before budgets will do, and comes
            with a stand-in for a calibration.

    Raises:
        BundleError: If a file is missing, truncated, altered or of another format; it is named.
    """
    version, hashes = _manifest(folder)
    if version != FORMAT and not to_calibrate:
        raise BundleError(
            f"{folder} must be of format {FORMAT}, found {version}, whose threshold keeps no false-alarm budget; "
            f"bring it up to date with: oddframe calibrate {folder} NORMAL"
        )
    contents = {name: _checked(folder, name, digest) for name, digest in hashes.items()}
    try:
        config = json.loads(contents[CONFIG])
        network = Network(from_mapping(config["network"], NetworkConfig(), "network"))
        known = version == FORMAT
        calibration = Calibration.from_dict(json.loads(contents[CALIBRATION])) if known else uncalibrated()
        normal = _normal(contents[NORMAL]) if NORMAL in contents else None
        rate_fps = float(config["rate_fps"])
        health = HealthReference.from_arrays(load_arrays(contents[HEALTH])) if HEALTH in contents else None
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, InputError) as error:
        raise BundleError(f"{folder} is not a bundle that this version understands: {error}") from error
    try:
        network.load_state_dict(load(contents[WEIGHTS]))
    except (SafetensorError, RuntimeError) as error:
        raise BundleError(f"{folder / WEIGHTS} does not hold the weights of {CONFIG}: {error}") from error
    return Bundle(
        network=network.eval(),
        rate_fps=rate_fps,
        calibration=calibration,
        card=contents[CARD].decode(),
        health=health,
        normal=normal,
    )


def _normal(content: bytes) -> NormalScores:
    arrays = load_arrays(content)
    rate_fps, in_sample = float(arrays.pop("rate_fps")[0]), bool(arrays.pop("in_sample")[0])
    return NormalScores(**arrays, rate_fps=rate_fps, in_sample=in_sample)


def read_hashes(folder: Path) -> Mapping[str, str]:
    """SHA-256 of each file of a bundle, by name, as its manifest says.

    Raises:
        BundleError: If the manifest cannot be read, is of another format or leaves a file out.
    """
    return _manifest(folder)[1]


def _manifest(folder: Path) -> tuple[int, Mapping[str, str]]:
    """Format and hashes."""
    path = folder / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text())
        version = manifest["format"]
        readable = version in (FORMAT, WITHOUT_BUDGET)
        hashes = dict(manifest["sha256"]) if readable else {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path} must be a bundle's manifest, but cannot be read: {error}") from error
    if not readable:
        raise BundleError(f"{path} must be of format {FORMAT}, found {version}; use the Oddframe version that wrote it")
    missing = {WEIGHTS, CONFIG, CALIBRATION, CARD} - set(hashes)
    if missing:
        raise BundleError(f"{path} must name every file of the bundle, {', '.join(sorted(missing))} is missing")
    if odd := [name for name in hashes if Path(name).name != name]:
        raise BundleError(f"{path} must name files of its own folder only, found {odd[0]}")
    return version, hashes


def _checked(folder: Path, name: str, digest: str) -> bytes:
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


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
