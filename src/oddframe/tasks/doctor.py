"""Report what is installed and whether a bundle is complete: the verb `oddframe doctor`."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, get_args

from oddframe._version import __version__
from oddframe.bundle.bundle import find_bundle, read_bundle
from oddframe.bundle.storage import read_hashes
from oddframe.errors import OddframeError
from oddframe.inference import BackendName
from oddframe.inference.backends import available, installed, make_scorer
from oddframe.media.video_writer import list_codecs

PACKAGES = (
    "torch",
    "onnxruntime",
    "openvino",
    "nncf",
    "onnx",
    "numpy",
    "av",
    "scikit-learn",
    "scipy",
    "safetensors",
    "matplotlib",
    "pillow",
    "typer",
    "rich",
    "pyarrow",
)
"""Packages whose versions are reported, in this order."""


def examine(model: str | Path | None = None) -> dict[str, Any]:
    """Check this machine and, where one is named, a model.

    Args:
        model: A run folder, a model bundle or the name of a shipped model.

    Returns:
        Plain values: ``ok`` (whether every check passed), ``versions``, ``ffmpeg``, ``codecs``,
        ``backends``, ``devices``, and with a model ``bundle`` (its folder, whether it is complete,
        what is wrong with it, its facts, what can run it here) and ``parity`` (how close its graphs
        were to the trained network when they were made).
    """
    report: dict[str, Any] = {
        "ok": True,
        "versions": {"oddframe": __version__, "python": platform.python_version(), **_versions()},
        **list_codecs(),
        "backends": {name: installed(name) for name in get_args(BackendName)},
        "devices": _devices(),
    }
    if model is not None:
        report["bundle"], report["parity"] = _bundle(model)
        report["ok"] = report["bundle"]["ok"]
    # A missing codec is a problem; a backend or a package may be left out on purpose.
    missing = [name for name, there in report["codecs"].items() if not there]
    if missing:
        report["ok"] = False
    return report


def _versions() -> dict[str, str | None]:
    """The installed version of each package, None where it is missing."""
    found: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def _devices() -> list[dict[str, Any]]:
    """The processor and, where torch sees them, the GPUs."""
    processor: dict[str, Any] = {"name": "cpu", "cores": os.cpu_count()}
    devices = [processor]
    if not installed("torch"):
        return devices
    import torch

    processor |= {
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
    }
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        devices.append(
            {
                "name": f"cuda:{number}",
                "model": properties.name,
                "memory_gb": round(properties.total_memory / 1e9, 1),
            }
        )
    return devices


def _bundle(model: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Facts of a bundle, or what is wrong with it, and the parity of its graphs."""
    try:
        folder = find_bundle(model)
        bundle = read_bundle(folder)
        if installed("torch"):
            # Reading checks files and hashes; loading shows whether the weights fit the network.
            make_scorer(bundle, "torch", device="cpu")
    except OddframeError as error:
        return {"ok": False, "model": str(model), "problem": str(error)}, {}
    network = bundle.network.config
    facts = {
        "ok": True,
        "folder": str(folder),
        "frames": f"{network.width} x {network.height} {network.colour}",
        "parameters": bundle.network.parameters,
        "rate_fps": bundle.rate_fps,
        "picture_aspect": bundle.picture_aspect,
        "threshold": bundle.calibration.threshold,
        "in_sample": bundle.calibration.in_sample,
        "runs_with": [str(backend) for backend in available(bundle)],
        "sha256": dict(read_hashes(folder)),
    }
    return facts, dict(bundle.parity)
