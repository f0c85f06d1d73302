"""Snapshots of a training from which it goes on exactly: safetensors and JSON, no pickle."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from oddframe.errors import RunError
from oddframe.files import fsync_path, output_error
from oddframe.training.trainer import Trainer

_NETWORK, _DISCRIMINATOR, _OPTIMISERS, _AVERAGE = (
    "network",
    "discriminator",
    "optimisers",
    "average",
)
_STATE = "state.json"

SHARD_BYTES = 16_000_000
"""Largest file of a checkpoint, unless one tensor alone is larger; small files pass where large ones are refused."""


def save_checkpoint(folder: Path, trainer: Trainer, facts: Mapping[str, Any]) -> None:
    """Write a checkpoint and remove older ones.

    Each checkpoint is a numbered folder of its own that appears complete or not at all.

    Args:
        folder: Where the run's checkpoints live.
        trainer: Network, discriminator, optimisers and average, between two steps.
        facts: What the caller needs to go on, as JSON values.

    Raises:
        OutputError: If it cannot be written; the one before stays.
    """
    older = _numbered(folder)
    target = folder / f"{int(older[-1].name) + 1 if older else 1:06d}"
    temporary: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left_over in folder.glob(".writing-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        temporary = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
        parts = {
            _NETWORK: trainer.network.state_dict(),
            _OPTIMISERS: dict(_optimiser_tensors(trainer)),
        }
        if trainer.discriminator is not None:
            parts[_DISCRIMINATOR] = trainer.discriminator.state_dict()
        if trainer.average is not None:
            parts[_AVERAGE] = trainer.average.state
        shards = {name: _save(tensors, temporary, name) for name, tensors in parts.items()}
        state = {
            "step": trainer.step,
            "centred": trainer.centred,
            "shards": shards,
            "facts": dict(facts),
        }
        (temporary / _STATE).write_text(json.dumps(state, indent=2))
        for path in (*temporary.iterdir(), temporary):
            fsync_path(path)
        temporary.rename(target)
        fsync_path(folder)
    except (OSError, SafetensorError) as error:
        raise output_error(target, as_os_error(error)) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    for path in older:
        shutil.rmtree(path, ignore_errors=True)


def restore_checkpoint(folder: Path, trainer: Trainer) -> dict[str, Any] | None:
    """Bring a trainer to the newest checkpoint; returns its facts, or None where there is none.

    Raises:
        RunError: If the checkpoint cannot be read or belongs to other settings.
    """
    numbered = _numbered(folder)
    if not numbered:
        return None
    newest = numbered[-1]
    try:
        state = json.loads((newest / _STATE).read_text())
        shards = state["shards"]
        trainer.network.load_state_dict(
            _load(newest, _NETWORK, shards[_NETWORK], device=str(trainer.device))
        )
        _load_optimisers(trainer, _load(newest, _OPTIMISERS, shards[_OPTIMISERS], device="cpu"))
        if trainer.discriminator is not None:
            weights = _load(
                newest, _DISCRIMINATOR, shards[_DISCRIMINATOR], device=str(trainer.device)
            )
            trainer.discriminator.load_state_dict(weights)
        if trainer.average is not None:
            trainer.average.state = _load(
                newest, _AVERAGE, shards[_AVERAGE], device=str(trainer.device)
            )
        trainer.step, trainer.centred = int(state["step"]), bool(state["centred"])
        facts: dict[str, Any] = state["facts"]
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise RunError(
            f"{newest} must be a checkpoint of this run's settings, but cannot be restored: {error}; "
            "train into another folder, or again from the start with --overwrite"
        ) from error
    return facts


def as_os_error(error: OSError | SafetensorError) -> OSError:
    """The system's error behind one of safetensors, which only quotes it."""
    if isinstance(error, OSError):
        return error
    _, _, code = str(error).partition("os error ")
    digits = code.partition(")")[0].partition(",")[0].strip()
    return OSError(int(digits), str(error)) if digits.isdigit() else OSError(str(error))


def _numbered(folder: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(
        (path for path in folder.iterdir() if path.name.isdigit()), key=lambda path: int(path.name)
    )


def _save(tensors: Mapping[str, Tensor], folder: Path, name: str) -> int:
    """Write tensors in order into shards of at most `SHARD_BYTES`; returns how many there are."""
    shards: list[dict[str, Tensor]] = [{}]
    room = SHARD_BYTES
    for key, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        if size > room and shards[-1]:
            shards.append({})
            room = SHARD_BYTES
        shards[-1][key] = tensor.contiguous()
        room -= size
    for number, shard in enumerate(shards):
        save_file(shard, _shard(folder, name, number))
    return len(shards)


def _load(folder: Path, name: str, shards: int, *, device: str) -> dict[str, Tensor]:
    """Read back what `_save` wrote."""
    tensors: dict[str, Tensor] = {}
    for number in range(shards):
        tensors |= load_file(_shard(folder, name, number), device=device)
    return tensors


def _shard(folder: Path, name: str, number: int) -> Path:
    return folder / f"{name}.{number:02d}.safetensors"


def _optimiser_tensors(trainer: Trainer) -> Iterator[tuple[str, Tensor]]:
    """State of the optimisers as (optimiser.parameter.quantity, tensor); rates are a function of the step."""
    for name, optimiser in trainer.optimisers():
        for number, quantities in optimiser.state_dict()["state"].items():
            for quantity, value in quantities.items():
                yield f"{name}.{number}.{quantity}", value


def _load_optimisers(trainer: Trainer, tensors: Mapping[str, Tensor]) -> None:
    for name, optimiser in trainer.optimisers():
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            owner, number, quantity = key.split(".")
            if owner == name:
                state.setdefault(int(number), {})[quantity] = value
        with torch.no_grad():
            optimiser.load_state_dict(
                {"state": state, "param_groups": optimiser.state_dict()["param_groups"]}
            )
