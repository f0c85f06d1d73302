"""Copies what version 0.1.0 left; tests/fixtures/make_v0_1_0.py says how that was made."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from tests.support.surface import PLACE

STORED = Path(__file__).parents[1] / "fixtures" / "v0_1_0"

TOKEN = "only-for-tests-of-0.1.0"
"""What the web app of the stored data folder wants."""

EXACT = ("--backend", "torch", "--precision", "float32", "--device", "cpu", "--json")
"""How what is stored was scored."""


def copy_stored(place: Path) -> Path:
    """Copy all of it, as 0.1.0 would have left it in this place."""
    shutil.copytree(STORED, place)
    for path in place.rglob("*"):
        if path.suffix in (".json", ".jsonl", ".toml", ".md", ".html"):
            path.write_text(path.read_text().replace(PLACE, str(place)))
    for name, changed_ns in json.loads((place / "changed_ns.json").read_text()).items():
        os.utime(place / name, ns=(changed_ns, changed_ns))
    # What is the same in several places is stored once.
    shutil.copy(place / "training/stopped/cache/frames.u8", place / "training/whole/cache")
    bundle = place / "training/whole/bundle"
    shutil.copytree(bundle, place / "served/models/tiny")
    for path in bundle.iterdir():
        if not (place / "calibrated" / path.name).exists():
            shutil.copy(path, place / "calibrated")
    shutil.copy(place / "recordings/door.mp4", place / "served/yard.mp4")
    return place


def resettle(run: Path, footage: Path) -> None:
    """Make a run folder that of a training on footage in another place.

    A run and its cache know their footage by full names and times of change. This is how 0.1.0
    puts them into one text, written anew here: a later version that knew footage in another way
    could not go on with old trainings.
    """
    settings = json.loads((run / "settings.json").read_text())
    network = settings["settings"]["network"]
    wanted = {name: network[name] for name in ("width", "height", "colour")} | {
        "picture_width": None
    }
    sources = [(path.stem, _fingerprint(path), 10.0) for path in sorted(footage.glob("*.mp4"))]
    key = _hash(json.dumps([sources, wanted, settings["rate_fps"], settings["cache_bytes"]]))
    (run / "settings.json").write_text(json.dumps({**settings, "footage": key}))
    index = json.loads((run / "cache/index.json").read_text())
    (run / "cache/index.json").write_text(json.dumps({**index, "key": key}))


def without_moments(value: Any) -> Any:
    """A value of the web app without what is of the moment at which it was asked for."""
    if isinstance(value, dict):
        gone = ("now_us", "uptime_s", "recent", "inference_ms", "state", "score", "created")
        return {name: without_moments(one) for name, one in value.items() if name not in gone}
    return [without_moments(one) for one in value] if isinstance(value, list) else value


def _fingerprint(path: Path) -> str:
    state = path.stat()
    return _hash(f"{path.resolve()}\n{state.st_size}\n{state.st_mtime_ns}")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
