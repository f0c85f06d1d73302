"""The model bundle: a folder with all that scoring needs, and hashes that say that it is whole.

| file | content |
|---|---|
| model.safetensors | weights |
| config.json | settings of the network, and the frame rate |
| calibration.json | threshold and where it comes from |
| normal.safetensors | scores of the normal footage behind it; may be left out |
| README.md | model card |
| model.onnx | the network with all that turns clips into scores; may be left out |
| int8.xml, int8.bin | the same in whole numbers, for OpenVINO; may be left out |
| parity.json | how near those came to the trained network when they were made |
| health.safetensors | what is usual for the camera; left out where that is not known |
| manifest.json | format version, and the SHA-256 of every other file |

The scores of normal footage let a threshold be set anew in seconds, and the graphs let a machine
without torch score. A bundle is replaced in one step; see `oddframe.bundle.storage`.
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
    MANIFEST,
    WEIGHTS,
    read_checked,
    read_hashes,
    replace_all,
    replace_some,
)
from oddframe.core.calibration import ARRAYS, Calibration, NormalScores
from oddframe.core.health.monitor import HealthReference
from oddframe.errors import BundleError, InputError, SourceNotFoundError
from oddframe.model.config import NetworkConfig
from oddframe.model.state import NetworkState
from oddframe.settings import from_mapping

SHIPPED = Path(__file__).parents[1] / "models"
"""The bundles that come with the package, a folder each."""

HEALTH, NORMAL = "health.safetensors", "normal.safetensors"
ONNX, INT8 = "model.onnx", ("int8.xml", "int8.bin")
"""Files of the exported graphs; both files of an int8 graph are written and used together."""
PARITY = "parity.json"


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A trained model and what is needed to use it.

    Attributes:
        network: The network with its weights.
        rate_fps: Frames per second that it was trained at.
        calibration: Threshold and where it comes from.
        card: The model card, as Markdown.
        health: What is usual for the camera; None where that is not known.
        normal: Scores of the normal footage behind the calibration; None where they are not kept.
        picture_aspect: Width by height of the pictures that it was trained on, as players show
            them. None where that is not known: bundles of 0.1.0 took stored pixels for square.
        graphs: Contents of exported graphs, by file name.
        parity: How near each graph came to the trained network, by backend and precision; see
            `oddframe.inference.parity`.
    """

    network: NetworkState
    rate_fps: float
    calibration: Calibration
    card: str
    health: HealthReference | None = None
    normal: NormalScores | None = field(default=None, compare=False)
    picture_aspect: float | None = None
    graphs: Mapping[str, bytes] = field(default_factory=dict, compare=False, repr=False)
    parity: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def fingerprint(self) -> str:
        """Hash what gives the raw scores: weights and graphs, whatever the threshold is."""
        digest = hashlib.sha256(save_arrays(dict(self.network.weights)))
        for name, content in sorted(self.graphs.items()):
            digest.update(name.encode() + hashlib.sha256(content).digest())
        return digest.hexdigest()


def find_bundle(model: str | Path) -> Path:
    """Find the folder of a bundle.

    Args:
        model: A run folder, a bundle, or the name of a model that comes with the package; an
            existing path wins over a shipped model of the same name.

    Raises:
        SourceNotFoundError: If there is none.
    """
    path = Path(model)
    shipped = [] if path.exists() or path.name != str(model) else [SHIPPED / path.name]
    # A path with a folder in it cannot mean a shipped model, and a path that exists never does.
    for folder in (path, path / "bundle", *shipped):
        if (folder / MANIFEST).is_file():
            return folder
    found = "nothing is there"
    if path.exists():
        found = "neither it nor its bundle folder has a manifest.json"
    names = ", ".join(sorted(place.parent.name for place in SHIPPED.glob(f"*/{MANIFEST}")))
    raise SourceNotFoundError(
        f"{path} must be a run folder, a model bundle or the name of a shipped model, "
        f"but {found}; shipped are: {names or 'none'}; oddframe train makes another one"
    )


def write_bundle(folder: Path, bundle: Bundle) -> None:
    """Write a bundle, or replace one in one step.

    Raises:
        OutputError: If it cannot be written; what was there stays.
    """
    config = {"network": asdict(bundle.network.config), "rate_fps": bundle.rate_fps}
    if bundle.picture_aspect is not None:
        config["picture_aspect"] = bundle.picture_aspect
    contents = {
        WEIGHTS: save_arrays(dict(bundle.network.weights)),
        CONFIG: _json(config),
        **bundle.graphs,
    }
    if bundle.parity:
        contents[PARITY] = _json(dict(bundle.parity))
    if bundle.health is not None:
        contents[HEALTH] = save_arrays(bundle.health.as_arrays())
    replace_all(
        folder, {**contents, **_calibration_files(bundle.calibration, bundle.normal, bundle.card)}
    )


def write_calibration(
    folder: Path, calibration: Calibration, normal: NormalScores, card: str
) -> None:
    """Replace the calibration of a bundle, its scores and its card in one step; the rest stays.

    Raises:
        BundleError: If there is no bundle.
        OutputError: If it cannot be written; what was there stays.
    """
    replace_some(folder, _calibration_files(calibration, normal, card))


def write_graphs(folder: Path, graphs: Mapping[str, bytes], parity: Mapping[str, Any]) -> None:
    """Add graphs to a bundle, or replace them, in one step.

    Args:
        folder: The bundle.
        graphs: Contents of the new graphs, by file name.
        parity: How near each graph comes to the network, those that are there already included.

    Raises:
        BundleError: If there is no bundle.
        OutputError: If it cannot be written; what was there stays.
    """
    replace_some(folder, {**graphs, PARITY: _json(dict(parity))})


def _calibration_files(
    calibration: Calibration, normal: NormalScores | None, card: str
) -> dict[str, bytes]:
    """Lay out the files that change with a calibration."""
    contents = {CALIBRATION: _json(calibration.as_dict()), CARD: card.encode()}
    if normal is None:
        return contents
    # safetensors holds arrays alone: the two numbers become arrays of one.
    arrays = {name: np.ascontiguousarray(getattr(normal, name)) for name in ARRAYS}
    arrays |= {"rate_fps": np.array([normal.rate_fps]), "in_sample": np.array([normal.in_sample])}
    return {**contents, NORMAL: save_arrays(arrays)}


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle after checking every file of it.

    Raises:
        BundleError: If a file is missing, truncated, altered or of another format; it is named.
    """
    hashes = read_hashes(folder)
    contents = {name: read_checked(folder, name, digest) for name, digest in hashes.items()}
    try:
        config = json.loads(contents[CONFIG])
        network = from_mapping(config["network"], NetworkConfig(), "network")
        calibration = Calibration.from_dict(json.loads(contents[CALIBRATION]))
        normal = _normal(contents[NORMAL]) if NORMAL in contents else None
        rate_fps = float(config["rate_fps"])
        aspect = None if (known := config.get("picture_aspect")) is None else float(known)
        health = None
        if HEALTH in contents:
            health = HealthReference.from_arrays(load_arrays(contents[HEALTH]))
        parity = json.loads(contents.get(PARITY, b"{}"))
    # Whole files can still be nonsense, for instance JSON of another shape.
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
        picture_aspect=aspect,
        graphs={name: contents[name] for name in (ONNX, *INT8) if name in contents},
        parity=parity,
    )


def _normal(content: bytes) -> NormalScores:
    """Read back the scores that `_calibration_files` wrote."""
    arrays = load_arrays(content)
    rate_fps, in_sample = float(arrays.pop("rate_fps")[0]), bool(arrays.pop("in_sample")[0])
    return NormalScores(**arrays, rate_fps=rate_fps, in_sample=in_sample)


def _json(value: object) -> bytes:
    """Write JSON as a file that people can read and compare."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
