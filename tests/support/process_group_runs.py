"""Runs `oddframe train` in several processes that talk to each other, as torchrun starts them.

Run as a program it forks them, so that what is heavy is imported once. Each process writes down at
the end what its weights are.
"""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from oddframe.datasets.clip_dataset import Batch

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class GroupRun:
    """How the processes of a group ended.

    Attributes:
        codes: Their exit codes; below 0 the signal that killed one.
        weights: A hash of the weights that each had after its last step; None where it had none.
        out: What each wrote to standard output.
        err: What each wrote to standard error.
    """

    codes: list[int]
    weights: list[str | None]
    out: list[str]
    err: list[str]


def train_in_group(
    processes: int, place: Path, *arguments: str | Path, killed_in: int | None = None
) -> GroupRun:
    """Run ``oddframe train`` in several processes; all are killed in step ``killed_in``, if any."""
    place.mkdir()
    order = {
        "place": str(place),
        "arguments": [str(argument) for argument in arguments],
        "killed_in": killed_in,
    }
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "120",
        "NO_COLOR": "1",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.support.process_group_runs",
            str(processes),
            json.dumps(order),
        ],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert finished.returncode == 0, finished.stderr

    def each(name: str) -> list[str | None]:
        paths = [place / f"{rank}.{name}" for rank in range(processes)]
        return [path.read_text() if path.exists() else None for path in paths]

    return GroupRun(json.loads(finished.stdout), each("weights"), each("out"), each("err"))  # type: ignore[arg-type]


def _main(processes: int, order: dict[str, Any]) -> None:
    import oddframe.tasks.train  # noqa: F401

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(processes):
        child = os.fork()
        if not child:
            _train_as(rank, processes, port, order)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    sys.stdout.write(json.dumps(codes))


def _train_as(rank: int, processes: int, port: int, order: dict[str, Any]) -> None:
    place = Path(order["place"])
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(place / f"{rank}.{name}", os.O_WRONLY | os.O_CREAT), number)
    # What torchrun sets for each process that it starts.
    environment = {
        "RANK": rank,
        "WORLD_SIZE": processes,
        "LOCAL_RANK": rank,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }
    os.environ.update({name: str(value) for name, value in environment.items()})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _watch(place / f"{rank}.weights", order["killed_in"])
    sys.argv = ["oddframe", "train", *order["arguments"]]
    code = 1
    try:
        from oddframe.cli import main

        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _watch(weights: Path, killed_in: int | None) -> None:
    """Leave out pictures and pages, write down the weights, and die in the step ``killed_in``."""
    import oddframe.tasks.train
    from oddframe.datasets.clip_dataset import ClipDataset
    from oddframe.training.loop import TrainingLoop
    from oddframe.training.trainer import Trainer

    oddframe.tasks.train.save_loss_curves = lambda path, entries: None
    oddframe.tasks.train.write_training_page = lambda path, **_: path  # type: ignore[assignment]
    oddframe.training.ending.make_graph = lambda bundle: (b"", ())
    run_loop, take_step = TrainingLoop.run, Trainer.train_step

    def run(self: TrainingLoop) -> dict[str, float]:
        losses = run_loop(self)
        digest = hashlib.sha256()
        for name, value in self.trainer.network.state_dict().items():
            digest.update(name.encode() + value.contiguous().numpy().tobytes())
        weights.write_text(digest.hexdigest())
        return losses

    def train_step(self: Trainer, *given: Any) -> "dict[str, Tensor]":
        if self.step == killed_in:
            os.kill(os.getpid(), signal.SIGKILL)
        return take_step(self, *given)

    TrainingLoop.run, Trainer.train_step = run, train_step  # type: ignore[method-assign]
    if os.environ["WORLD_SIZE"] == "1":
        # Every clip has a chance of its own, as it has where several processes make the batch.
        make_batch = ClipDataset.batch

        def batch(self: ClipDataset, *given: Any) -> "Batch":
            return make_batch(self, *given[:-1], slice(None))

        ClipDataset.batch = batch  # type: ignore[method-assign]


if __name__ == "__main__":
    _main(int(sys.argv[1]), json.loads(sys.argv[2]))
