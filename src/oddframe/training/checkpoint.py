"""Checkpoints of a training, from which it goes on exactly: safetensors and JSON, no pickle.

A checkpoint is a numbered folder that appears complete or not at all; only the newest one is kept.
It holds the network, the state of the optimisers and, where the settings have them, discriminator
and averaged weights, each cut into shards. ``state.json`` says where the training stood.
"""

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
"""Largest file of a checkpoint in bytes, unless one tensor alone is larger.

Some network disks and upload limits take small files where they refuse large ones.
"""


def save_checkpoint(folder: Path, trainer: Trainer, facts: Mapping[str, Any]) -> None:
    """Write a checkpoint and remove older ones.

    Args:
        folder: Folder of the run's checkpoints; it is made where it is missing.
        trainer: The trainer, between two steps.
        facts: What the caller needs to go on, as JSON values.

    Raises:
        OutputError: If it cannot be written; the checkpoint before stays.
    """
    older = _numbered(folder)
    target = folder / f"{int(older[-1].name) + 1 if older else 1:06d}"
    temporary: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # What a killed process was writing has this name, and nobody else is writing here.
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
        # Contents must be on the disk before the name is: after a power cut a checkpoint that has
        # its name is whole.
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
    """Bring a trainer to the newest checkpoint.

    Args:
        folder: Folder of the run's checkpoints.
        trainer: A trainer of the same settings; after an error it is of no use.

    Returns:
        The facts that were saved with it; None, with the trainer unchanged, without a checkpoint.

    Raises:
        RunError: If the checkpoint cannot be read or belongs to other settings.
    """
    numbered = _numbered(folder)
    if not numbered:
        return None
    newest, device = numbered[-1], str(trainer.device)
    try:
        state = json.loads((newest / _STATE).read_text())
        shards = state["shards"]
        trainer.network.load_state_dict(_load(newest, _NETWORK, shards[_NETWORK], device=device))
        # Adam's step counts belong on the CPU; load_state_dict() moves the rest to its parameters.
        _load_optimisers(trainer, _load(newest, _OPTIMISERS, shards[_OPTIMISERS], device="cpu"))
        if trainer.discriminator is not None:
            weights = _load(newest, _DISCRIMINATOR, shards[_DISCRIMINATOR], device=device)
            trainer.discriminator.load_state_dict(weights)
        if trainer.average is not None:
            trainer.average.state = _load(newest, _AVERAGE, shards[_AVERAGE], device=device)
        trainer.step, trainer.centred = int(state["step"]), bool(state["centred"])
        facts: dict[str, Any] = state["facts"]
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise RunError(
            f"{newest} must be a checkpoint of this run's settings, but cannot be restored: "
            f"{error}; train into another folder, or again from the start with --overwrite"
        ) from error
    return facts


def as_os_error(error: OSError | SafetensorError) -> OSError:
    """Find the error of the operating system behind one of safetensors, which only quotes it."""
    if isinstance(error, OSError):
        return error
    # Written in Rust, safetensors says "... (os error 28)" where Python would set errno.
    _, _, code = str(error).partition("os error ")
    digits = code.partition(")")[0].partition(",")[0].strip()
    return OSError(int(digits), str(error)) if digits.isdigit() else OSError(str(error))


def _numbered(folder: Path) -> list[Path]:
    """List complete checkpoints, oldest first; those being written have no number as a name."""
    if not folder.is_dir():
        return []
    # By number, since the millionth has a digit more.
    complete = [path for path in folder.iterdir() if path.name.isdigit()]
    return sorted(complete, key=lambda path: int(path.name))


def _save(tensors: Mapping[str, Tensor], folder: Path, name: str) -> int:
    """Write tensors in order into shards of at most `SHARD_BYTES`; returns how many there are."""
    shards: list[dict[str, Tensor]] = [{}]
    room = SHARD_BYTES
    for key, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        if size > room and shards[-1]:
            shards.append({})
            room = SHARD_BYTES
        # safetensors refuses tensors in channels_last order.
        shards[-1][key] = tensor.contiguous()
        room -= size
    for number, shard in enumerate(shards):
        save_file(shard, _shard(folder, name, number))
    return len(shards)


def _load(folder: Path, name: str, shards: int, *, device: str) -> dict[str, Tensor]:
    """Read back the tensors that `_save` wrote into so many shards."""
    tensors: dict[str, Tensor] = {}
    for number in range(shards):
        tensors |= load_file(_shard(folder, name, number), device=device)
    return tensors


def _shard(folder: Path, name: str, number: int) -> Path:
    return folder / f"{name}.{number:02d}.safetensors"


def _optimiser_tensors(trainer: Trainer) -> Iterator[tuple[str, Tensor]]:
    """Yield the state of the optimisers as ("optimiser.parameter.quantity", tensor).

    Learning rates are not in it: they are a function of the step.
    """
    for name, optimiser in trainer.optimisers():
        for number, quantities in optimiser.state_dict()["state"].items():
            for quantity, value in quantities.items():
                yield f"{name}.{number}.{quantity}", value


def _load_optimisers(trainer: Trainer, tensors: Mapping[str, Tensor]) -> None:
    """Give the optimisers the state that `_optimiser_tensors` named."""
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
            if trainer.fixed_shapes:
                _lay_out(optimiser)


def _lay_out(optimiser: torch.optim.Optimizer) -> None:
    """Lay each state out in memory as its parameter is, which one kernel for all of them wants."""
    for parameter, quantities in optimiser.state.items():
        for name, value in quantities.items():
            if value.shape == parameter.shape:
                quantities[name] = torch.empty_like(parameter).copy_(value)
