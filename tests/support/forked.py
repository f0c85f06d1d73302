"""Runs the command line in processes that can be killed.

Run as a program it imports heavy libraries once, and forks for each worker of the test run that
connects to its socket. What is forked reads orders from there, a JSON object in each line, and
forks for each of them. Each process has its own arguments, its own output, and where a test wants
it something that goes wrong.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Self, TextIO

from filelock import FileLock

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class CommandResult:
    """How a command ended.

    Attributes:
        code: Its exit code; below 0 the signal that killed it.
        out: What it wrote to standard output.
        err: What it wrote to standard error.
    """

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one line with one JSON object."""
        assert self.out.endswith("\n")
        assert self.out.count("\n") == 1
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    @property
    def error(self) -> str:
        """The one line of standard error that says what is wrong."""
        assert "Traceback" not in self.err
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.err
        return lines[0].removeprefix("error: ")


class Commands:
    """Gives orders to the program that this file is; the first worker with an order starts it.

    The one that started it waits at its end until the others are done with it.

    Args:
        shared: A folder that all workers of the run see.
    """

    def __init__(self, shared: Path) -> None:
        self._shared = shared
        self._program: subprocess.Popen[str] | None = None
        self._orders: TextIO | None = None

    def __enter__(self) -> Self:
        self._place = tempfile.TemporaryDirectory()
        return self

    def __exit__(self, *_: object) -> None:
        if self._orders is not None:
            self._orders.close()
        if self._program is not None:
            self._program.communicate()
        self._place.cleanup()

    def _connected(self) -> TextIO:
        """Connect to the program, and start it where it does not run."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120", "NO_COLOR": "1"}
        address = self._shared / "commands.address"
        with FileLock(address.with_suffix(".lock")):
            if address.exists() and (orders := _connect(address.read_text(), environment)):
                return orders
            # Not in the folder of the run: a socket's path has at most a hundred letters.
            path = Path(self._place.name) / "socket"
            self._program = subprocess.Popen(
                [sys.executable, "-m", "tests.support.forked", path],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )
            assert self._program.stdout is not None
            assert self._program.stdout.readline() == "ready\n"
            address.write_text(str(path))
        orders = _connect(str(path), environment)
        assert orders is not None
        return orders

    def __call__(self, *arguments: str | Path | float, **trouble: Any) -> CommandResult:
        """Run ``oddframe`` with arguments.

        Args:
            arguments: The verb and what follows it.
            trouble: What goes wrong: ``phase`` and ``done`` (a signal comes when a phase is so
                far), ``step`` (it comes in this training step), ``signal`` (which one, SIGKILL when
                left out), ``operation`` and ``folder`` (killed at this file operation under it),
                ``full`` and ``folder`` (from this operation on the disk is full), ``unreadable`` (a
                file that the system refuses to open), ``without`` (a package that is not
                installed). ``curves`` and ``graph`` are no trouble but time: only with the one a
                training draws its losses and writes its page, only with the other it exports its
                network.
        """
        self._orders = self._orders or self._connected()
        out, err = (Path(self._place.name) / name for name in ("out", "err"))
        order = {
            "arguments": [str(argument) for argument in arguments],
            "out": str(out),
            "err": str(err),
            "trouble": trouble,
        }
        self._orders.write(json.dumps(order, default=str) + "\n")
        self._orders.flush()
        code = int(self._orders.readline())
        return CommandResult(code, out.read_text(), err.read_text())


def _connect(path: str, environment: Mapping[str, str]) -> TextIO | None:
    """Connect to the program and say in what environment its commands run; None if it has ended."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
            orders = connection.makefile("rw")
            orders.write(json.dumps(dict(environment)) + "\n")
            orders.flush()
            if orders.readline() == "ready\n":
                return orders
        except OSError:
            pass
    return None


def _main(path: str) -> None:
    """Listen, and fork for each that connects, until all are done and standard input ends."""
    import oddframe.tasks.demo
    import oddframe.tasks.doctor
    import oddframe.tasks.evaluate
    import oddframe.tasks.watch
    import oddframe.web.server  # noqa: F401

    _warm_up()
    served, wanted = set[int](), True
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while wanted or served:
            ready, _, _ = select.select([listening, *[sys.stdin] * wanted], [], [], 0.2)
            wanted = wanted and sys.stdin not in ready
            if listening in ready:
                connection, _ = listening.accept()
                child = os.fork()
                if not child:
                    listening.close()
                    leave_after(lambda accepted=connection: _serve(accepted))
                connection.close()
                served.add(child)
            if served:
                served.discard(os.waitpid(-1, os.WNOHANG)[0])


def _serve(connection: socket.socket) -> None:
    """Obey the orders of one worker, each in a process of its own."""
    orders = connection.makefile("rw")
    os.environ.clear()
    os.environ.update(json.loads(orders.readline()))
    orders.write("ready\n")
    orders.flush()
    for line in orders:
        child = os.fork()
        if not child:
            _obey(json.loads(line))
        _, status = os.waitpid(child, 0)
        orders.write(f"{os.waitstatus_to_exitcode(status)}\n")
        orders.flush()


def _warm_up() -> None:
    """Train and score once: most of a tiny training is what libraries do for the first time."""
    from oddframe.media.video_writer import VideoWriter
    from oddframe.tasks.score import score
    from oddframe.tasks.train import train
    from tests.support.tiny import tiny_settings, walk

    with tempfile.TemporaryDirectory() as folder:
        normal = Path(folder) / "a.mp4"
        with VideoWriter(normal, 10.0, (64, 48)) as video:
            for number in range(60):
                video.write(walk(number))
        train(normal, Path(folder) / "run", settings=tiny_settings(), export=False)
        score(normal, Path(folder) / "run", Path(folder) / "out")


def _obey(order: dict[str, Any]) -> None:
    """Run the command in this process, and end the process."""
    for number, name in ((1, "out"), (2, "err")):
        descriptor = os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, number)
    from oddframe.cli import main

    # Ignored where the tests were started in the background of a shell.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def command() -> None:
        _make_trouble(**order["trouble"])
        sys.argv = ["oddframe", *order["arguments"]]
        main()

    leave_after(command)


def leave_after(work: Callable[[], object]) -> NoReturn:
    """Do some work, and end this process with its exit code."""
    code = 0
    try:
        work()
    except SystemExit as left:
        if isinstance(left.code, str):
            print(left.code, file=sys.stderr)
        code = left.code if isinstance(left.code, int) else 1
    except BaseException:  # noqa: BLE001 - this is the end of the process
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _make_trouble(
    *,
    phase: str | None = None,
    done: int = 0,
    operation: int | None = None,
    full: int | None = None,
    folder: str = "",
    step: int | None = None,
    signal: int = signal.SIGKILL,
    unreadable: str | None = None,
    without: str | None = None,
    curves: bool = False,
    graph: bool = False,
) -> None:
    import oddframe.tasks.train
    from tests.support import dying

    if phase is not None:
        _signal_at(phase, done, signal)
    if operation is not None:
        dying.kill_for_good(operation, Path(folder))
    if full is not None:
        dying.fill_for_good(full, Path(folder))
    if step is not None:
        _signal_in(step, signal)
    if unreadable is not None:
        _refuse(unreadable)
    if without is not None:
        sys.modules[without] = None  # type: ignore[assignment]
    if not curves:
        oddframe.tasks.train.save_loss_curves = lambda path, entries: None
        oddframe.tasks.train.write_training_page = lambda path, **_: path
    if not graph:
        oddframe.training.ending.make_graph = lambda bundle: (b"", ())


def _signal_at(phase: str, done: int, number: int) -> None:
    """Send a signal to this process when a phase has come so far."""
    from oddframe.cli import output

    def report(
        self: object, now: str, so_far: int, total: int, values: Mapping[str, float]
    ) -> None:
        if now == phase and so_far >= done:
            os.kill(os.getpid(), number)

    # Which of them is called depends on whether the command is quiet.
    output.ProgressBars.__call__ = report  # type: ignore[method-assign]
    output.ProgressLines.__call__ = report  # type: ignore[method-assign]


def _signal_in(step: int, number: int) -> None:
    """Send a signal to this process in a training step."""
    from oddframe.training.trainer import Trainer

    taken = Trainer.train_step

    def train_step(self: Trainer, *batch: Any, **more: Any) -> Any:
        if self.step == step:
            os.kill(os.getpid(), number)
        return taken(self, *batch, **more)

    Trainer.train_step = train_step  # type: ignore[method-assign]


def _refuse(path: str) -> None:
    """Make the system refuse to open a file, for Python and for FFmpeg."""
    import errno

    import av

    refusal = PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    opened = av.open

    def open_(file: Any, *arguments: Any, **options: Any) -> Any:
        if str(file) == path:
            raise refusal
        return opened(file, *arguments, **options)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and str(arguments[0]) == path:
            raise refusal

    av.open = open_
    sys.addaudithook(hook)


if __name__ == "__main__":
    _main(sys.argv[1])
