"""The model bundle: a folder with everything that scoring needs, and hashes that say it is whole.

    model.safetensors   weights
    config.json         network and frame rate
    calibration.json    threshold and where it comes from
    normal.safetensors  scores of the normal footage behind it, so that it can be redone in seconds;
    may be left out README.md           model card
    model.onnx          the network with all that turns clips into scores, for whoever has no torch;
    may be left out int8.xml, int8.bin  the same in whole numbers, for OpenVINO; left out where
    nobody exported it parity.json         how near those came to the trained network when they were
    made health.safetensors  what is usual for the camera; left out where that is not known
    manifest.json       format version, SHA-256 of every other file

A bundle is replaced in one step; see `oddframe.bundle.storage`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from oddframe.bundle.storage import (
    CALIBRATION,
    CARD,
    CONFIG,
    FORMAT,
    MANIFEST,
    WEIGHTS,
    checked_file,
    read_manifest,
    replace_all,
    replace_some,
)
from oddframe.core.calibration import ARRAYS, Calibration, NormalScores, placeholder_calibration
from oddframe.core.health.monitor import HealthReference
from oddframe.errors import BundleError, InputError, SourceNotFoundError
from oddframe.model.config import NetworkConfig
from oddframe.model.state import NetworkState
from oddframe.settings import from_mapping

SHIPPED = Path(__file__).parents[1] / "models"
"""Where bundles that come with the package are, a folder each."""

HEALTH, NORMAL = "health.safetensors", "normal.safetensors"
ONNX, INT8 = "model.onnx", ("int8.xml", "int8.bin")
"""The graphs of a network; what one graph is made of is written and used together."""
PARITY = "parity.json"


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
        graphs: Files of exported graphs, by name.
        parity: How near each of them came to the trained network, by backend and precision; see
            `oddframe.parity`.
    """

    network: NetworkState
    rate_fps: float
    calibration: Calibration
    card: str
    health: HealthReference | None = None
    normal: NormalScores | None = field(default=None, compare=False)
    graphs: Mapping[str, bytes] = field(default_factory=dict, compare=False, repr=False)
    parity: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of what gives the scores: weights and graphs, whatever the threshold is."""
        digest = hashlib.sha256(save_arrays(dict(self.network.weights)))
        for name, content in sorted(self.graphs.items()):
            digest.update(name.encode() + hashlib.sha256(content).digest())
        return digest.hexdigest()


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
    found = (
        "neither it nor its bundle folder has a manifest.json"
        if path.exists()
        else "nothing is there"
    )
    names = ", ".join(sorted(place.parent.name for place in SHIPPED.glob(f"*/{MANIFEST}")))
    raise SourceNotFoundError(
        f"{path} must be a run folder, a model bundle or the name of a shipped model, but {found}; "
        f"shipped are: {names or 'none'}; oddframe train makes another one"
    )


def write_bundle(folder: Path, bundle: Bundle) -> None:
    """Write a bundle, or replace one in one step.

    Raises:
        OutputError: If it cannot be written; what was there stays.
    """
    config = {"network": asdict(bundle.network.config), "rate_fps": bundle.rate_fps}
    contents = {
        WEIGHTS: save_arrays(dict(bundle.network.weights)),
        CONFIG: _json(config),
        **bundle.graphs,
    }
    if bundle.parity:
        contents[PARITY] = _json(dict(bundle.parity))
    if bundle.health is not None:
        contents[HEALTH] = save_arrays(bundle.health.as_arrays())
    replace_all(folder, {**contents, **_calibrated(bundle.calibration, bundle.normal, bundle.card)})


def write_calibration(
    folder: Path, calibration: Calibration, normal: NormalScores, card: str
) -> None:
    """Replace the calibration of a bundle and what says so, in one step; the rest stays as it is.

    Raises:
        BundleError: If there is no bundle.
        OutputError: If it cannot be written; what was there stays.
    """
    replace_some(folder, _calibrated(calibration, normal, card))


def write_graphs(folder: Path, graphs: Mapping[str, bytes], parity: Mapping[str, Any]) -> None:
    """Add graphs to a bundle, or replace them, with all that is known of their parity, in one step.

    Raises:
        BundleError: If there is no bundle.
        OutputError: If it cannot be written; what was there stays.
    """
    replace_some(folder, {**graphs, PARITY: _json(dict(parity))})


def _calibrated(
    calibration: Calibration, normal: NormalScores | None, card: str
) -> dict[str, bytes]:
    """The files that a calibration decides."""
    contents = {CALIBRATION: _json(calibration.as_dict()), CARD: card.encode()}
    if normal is None:
        return contents
    arrays = {name: np.ascontiguousarray(getattr(normal, name)) for name in ARRAYS}
    arrays |= {"rate_fps": np.array([normal.rate_fps]), "in_sample": np.array([normal.in_sample])}
    return {**contents, NORMAL: save_arrays(arrays)}


def read_bundle(folder: Path, *, to_calibrate: bool = False) -> Bundle:
    """Read a bundle after checking every file of it.

    Args:
        folder: The bundle.
        to_calibrate: Whether it is about to be calibrated: then one of the format before budgets
            will do, and comes with a stand-in for a calibration.

    Raises:
        BundleError: If a file is missing, truncated, altered or of another format; it is named.
    """
    version, hashes = read_manifest(folder)
    if version != FORMAT and not to_calibrate:
        raise BundleError(
            f"{folder} must be of format {FORMAT}, found {version}, whose threshold keeps no false-alarm budget; "
            f"bring it up to date with: oddframe calibrate {folder} NORMAL"
        )
    contents = {name: checked_file(folder, name, digest) for name, digest in hashes.items()}
    try:
        config = json.loads(contents[CONFIG])
        network = from_mapping(config["network"], NetworkConfig(), "network")
        known = version == FORMAT
        calibration = (
            Calibration.from_dict(json.loads(contents[CALIBRATION]))
            if known
            else placeholder_calibration()
        )
        normal = _normal(contents[NORMAL]) if NORMAL in contents else None
        rate_fps = float(config["rate_fps"])
        health = (
            HealthReference.from_arrays(load_arrays(contents[HEALTH]))
            if HEALTH in contents
            else None
        )
        parity = json.loads(contents.get(PARITY, b"{}"))
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, InputError) as error:
        raise BundleError(
            f"{folder} is not a bundle that this version understands: {error}"
        ) from error
    try:
        weights = load_arrays(contents[WEIGHTS])
    except SafetensorError as error:
        raise BundleError(f"{folder / WEIGHTS} does not hold weights: {error}") from error
    return Bundle(
        network=NetworkState(network, weights),
        rate_fps=rate_fps,
        calibration=calibration,
        card=contents[CARD].decode(),
        health=health,
        normal=normal,
        graphs={name: contents[name] for name in (ONNX, *INT8) if name in contents},
        parity=parity,
    )


def _normal(content: bytes) -> NormalScores:
    arrays = load_arrays(content)
    rate_fps, in_sample = float(arrays.pop("rate_fps")[0]), bool(arrays.pop("in_sample")[0])
    return NormalScores(**arrays, rate_fps=rate_fps, in_sample=in_sample)


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
