"""Learns cameras for the web app: a recording and a training, each in a process of its own.

The processes are `oddframe record` and `oddframe train`, at low priority, so that watching goes
first. What is to be done stands in the data folder, and both commands can resume: a server that
was stopped or killed goes on where they were.

| in the data folder | |
|---|---|
| learning/CAMERA/learning.json | what is to be done, and how far that is |
| learning/CAMERA/log.txt | what the processes said |
| learning/CAMERA/left-out.csv | outliers that are left out of the training |
| footage/CAMERA/ | what was recorded |
| models/RUN/ | the run folder of the training |
"""

import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from oddframe.core.alerts import safe_name
from oddframe.errors import OddframeError, OutputError, SettingsError
from oddframe.files import move_folder, output_error, write_text
from oddframe.monitoring.footage import PROGRESS_FILE, list_segments, remove_footage
from oddframe.training.progress import TrainingProgress, read_progress
from oddframe.training.run_folder import RunFolder
from oddframe.web.learning_order import (
    Learning,
    OutlierVerdict,
    order_folder,
    read_orders,
    write_order,
)
from oddframe.web.learning_process import (
    process_arguments,
    read_log,
    recording_arguments,
    send_signal,
    start_process,
    training_arguments,
)

TRAINING_SETTINGS = "learning.toml"
"""File in the data folder with settings for trainings, as `oddframe train --config` takes it."""

_LOOK_S = 0.5
_END_S = 20.0
"""How long a process may take to end when it is asked to, in seconds; then it is killed."""


class Learner:
    """Carries out what is to be learnt, one process for each camera.

    Any thread may call the methods.

    Args:
        data: The data folder.
        address_of: Gives the address of a watched camera with its secrets; None where there is no
            such camera.
        adopt: Called with a learning whose model is there, and another budget than its own or None:
            has the camera watched with the new model.
        on_change: Called with the name of a camera whose learning has changed; must not wait.
        redirects: Whether a camera's server may send its reader to another address.
    """

    def __init__(
        self,
        data: Path,
        *,
        address_of: Callable[[str], str | None],
        adopt: Callable[[Learning, str | None], None],
        on_change: Callable[[str], None] = lambda name: None,
        redirects: bool = False,
    ) -> None:
        self._data, self._address_of, self._adopt = data, address_of, adopt
        self._on_change, self._redirects = on_change, redirects
        self._lock = threading.RLock()
        self._learnings = read_orders(data)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        # Processes that were asked to end, with the time at which they are killed.
        self._ending: dict[str, float] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="learn", daemon=True)

    def start(self) -> None:
        """Begin to work, in a thread; what was interrupted goes on."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the processes to end; they finish what they are writing, and nobody waits for it."""
        self._stopping.set()
        with self._lock:
            for process in self._processes.values():
                send_signal(process.pid, signal.SIGTERM)
                # Somebody has to take note of its end while this program still runs.
                threading.Thread(target=process.wait, daemon=True).start()
        if self._thread.ident is not None:
            self._thread.join(1.0)

    def learnings(self) -> list[Learning]:
        """Return all learnings, by name."""
        with self._lock:
            return [self._learnings[name] for name in sorted(self._learnings)]

    def learning(self, name: str) -> Learning | None:
        """Return the learning of a camera; None where there is none."""
        with self._lock:
            return self._learnings.get(name)

    def footage(self, name: str) -> Path:
        """Return the folder with what was recorded of a camera."""
        return self._data / "footage" / safe_name(name)

    def run_folder(self, learning: Learning) -> RunFolder:
        """Return the run folder of a learning."""
        return RunFolder(self._data / "models" / learning.run)

    def progress(self, learning: Learning) -> TrainingProgress | None:
        """Return how far the present stage is; None where that is not known yet."""
        if learning.stage == "record":
            return read_progress(self.footage(learning.name) / PROGRESS_FILE)
        return read_progress(self.run_folder(learning).progress)

    def losses(self, learning: Learning) -> dict[str, Any]:
        """Return the last entry of the training's log; empty where there is none."""
        if learning.stage == "record":
            return {}
        entries = [entry for entry in self.run_folder(learning).entries() if "held_out" in entry]
        return entries[-1] if entries else {}

    def notices(self, name: str) -> list[str]:
        """Return what the processes said people should know, oldest first."""
        marks = ("note: ", "error: ")
        # A pause and a restart end a process: that is no news to anybody.
        lines = [line for line in read_log(self._log(name)) if line != "error: interrupted"]
        return [line.removeprefix("note: ") for line in lines if line.startswith(marks)]

    def begin(self, learning: Learning) -> None:
        """Begin to learn a camera; footage that is there is learnt from too.

        Raises:
            SettingsError: If the camera is being learnt already.
            OutputError: If it cannot be written down.
        """
        with self._lock:
            before = self._learnings.get(learning.name)
            if before is not None and not before.is_over:
                raise SettingsError(
                    f"{learning.name} must not be learnt twice at once; cancel what runs first"
                )
            if learning.file is not None or not learning.for_s:
                learning = replace(learning, stage="train")
            if before is not None:
                # What somebody knows of the footage holds for what was kept of it.
                learning = replace(learning, judged=before.judged)
            place = self._place(learning.name)
            try:
                place.mkdir(parents=True, exist_ok=True)
                self._log(learning.name).unlink(missing_ok=True)
            except OSError as error:
                raise output_error(place, error) from error
            self._save(replace(learning, run=_new_run(learning.name)))

    def judge(
        self,
        name: str,
        source: str,
        start_s: float,
        end_s: float,
        verdict: OutlierVerdict | None,
    ) -> None:
        """Note what somebody says of an outlier; see `Learning.judge`."""
        with self._lock:
            learning = self._learnings.get(name)
            if learning is not None:
                judged = learning.judge(source, start_s, end_s, verdict)
                self._save(replace(learning, judged=judged))

    def train_again(self, name: str) -> None:
        """Train anew on the footage that is there, without what is left out.

        Raises:
            SettingsError: If there is no trained model, or no footage any more.
        """
        with self._lock:
            learning = self._learnings.get(name)
            if learning is None or learning.stage not in ("ready", "done"):
                raise SettingsError(f"{name} must have a trained model, but has none")
            if learning.file is None and not list_segments(self.footage(name)):
                raise SettingsError(
                    f"the video of {name} must be there to train on it again, but it was deleted; "
                    "learn the camera anew, and keep the video"
                )
            if learning.stage == "done":
                learning = replace(learning, previous=f"models/{learning.run}")
            # The model stays, and may be used; its frames are those that are decoded anew.
            shutil.rmtree(self.run_folder(learning).cache, ignore_errors=True)
            self._save(replace(learning, stage="train", run=_new_run(name), pid=None))

    def go_live(self, name: str, false_alarms: str | None) -> None:
        """Have a camera watched with the model that waits for it.

        Args:
            name: The camera.
            false_alarms: Another budget than that of the model; None takes that one.

        Raises:
            OddframeError: If no model waits, or the camera cannot be watched with it.
        """
        learning = self.learning(name)
        if learning is None or learning.stage != "ready":
            raise SettingsError(f"{name} must have a model that waits to go live, but has none")
        self._finish(learning, None if false_alarms == learning.false_alarms else false_alarms)

    def pause(self, name: str) -> None:
        """Stop working on a camera until `resume`."""
        self._change(name, is_paused=True)
        self._end(name)

    def resume(self, name: str) -> None:
        """Go on with a camera that was paused, or that failed."""
        learning = self.learning(name)
        anew: dict[str, Any] = {}
        if learning is not None and learning.error is not None and learning.stage == "record":
            # A recording that got no picture is over; what is left of it would be nothing.
            anew = {"pid": None}
        self._change(name, is_paused=False, error=None, **anew)

    def remove(self, name: str, *, footage: bool) -> None:
        """Forget the learning of a camera, with what is half done.

        Args:
            name: The camera.
            footage: Whether what was recorded goes too.

        Raises:
            OutputError: If something cannot be removed.
        """
        with self._lock:
            learning = self._learnings.pop(name, None)
            process = self._processes.get(name)
        if process is not None:
            self._end(name)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
            process.kill()
            with self._lock:
                self._processes.pop(name, None)
                self._ending.pop(name, None)
        if learning is not None:
            run = self.run_folder(learning)
            # A model that is complete may be used.
            if learning.stage != "done" and not run.bundle.exists():
                shutil.rmtree(run.path, ignore_errors=True)
            shutil.rmtree(self._place(name), ignore_errors=True)
        if footage:
            remove_footage(self.footage(name))
        self._on_change(name)

    def rename(self, name: str, new_name: str) -> None:
        """Let a learning that is over, and what was recorded, follow a camera to another name.

        Raises:
            OutputError: If something cannot be moved.
        """
        with self._lock:
            move_folder(self.footage(name), self.footage(new_name))
            learning = self._learnings.pop(name, None)
            if learning is not None:
                move_folder(self._place(name), self._place(new_name))
                file = learning.file
                # What was sent for it has moved with it.
                if file == str(self._data / "uploads" / safe_name(name)):
                    file = str(self._data / "uploads" / safe_name(new_name))
                self._save(replace(learning, name=new_name, file=file))

    # The thread.

    def _run(self) -> None:
        for learning in self.learnings():
            self._end_leftover(learning)
        while not self._stopping.wait(_LOOK_S):
            for learning in self.learnings():
                try:
                    self._step(learning)
                except OddframeError as error:
                    self._fail(learning, str(error))

    def _step(self, learning: Learning) -> None:
        """Start what is due, and go on to the next stage where one has ended."""
        name = learning.name
        process = self._processes.get(name)
        if process is None:
            if learning.state in ("recording", "training"):
                self._launch(name)
            return
        code = process.poll()
        if code is None:
            if time.monotonic() > self._ending.get(name, float("inf")):
                send_signal(process.pid, signal.SIGKILL)
            return
        with self._lock:
            del self._processes[name]
            was_asked = self._ending.pop(name, None) is not None
        if was_asked or self._stopping.is_set():
            return
        if code:
            errors = [line for line in read_log(self._log(name)) if line.startswith("error: ")]
            reason = errors[-1].removeprefix("error: ") if errors else f"it ended with code {code}"
            self._fail(learning, reason)
        elif learning.stage == "record":
            self._change(name, stage="train")
        else:
            # First: where it cannot be watched with the model, the model is there all the same.
            self._change(name, stage="ready")
            if learning.at_once:
                self._finish(learning, None)

    def _finish(self, learning: Learning, false_alarms: str | None) -> None:
        """Have a camera watched with its new model, and clear up."""
        self._adopt(learning, false_alarms)
        self._change(learning.name, stage="done")
        if not learning.keep_footage:
            remove_footage(self.footage(learning.name))

    def _launch(self, name: str) -> None:
        """Start the process of the present stage, unless it is not wanted any more."""
        with self._lock:
            learning = self._learnings.get(name)
            if learning is None or learning.state not in ("recording", "training"):
                return
            if learning.stage == "record":
                arguments, text = self._recording(learning)
            else:
                arguments, text = self._training(learning), ""
            process = start_process(arguments, text, self._log(name))
            self._processes[name] = process
            self._change(name, pid=process.pid)

    def _recording(self, learning: Learning) -> tuple[list[str], str]:
        """Return the arguments of a recording and what it reads from standard input."""
        address = learning.source or self._address_of(learning.name)
        if address is None:
            raise SettingsError(f"{learning.name} must be a camera that is there, but is none")
        arguments = recording_arguments(
            learning, self.footage(learning.name), redirects=self._redirects
        )
        recorded = learning.recorded_address(address)
        return arguments, f"{safe_name(learning.name)}={recorded}\n"

    def _training(self, learning: Learning) -> list[str]:
        """Return the arguments of a training; what is left out of it is written down first."""
        left_out = None
        if table := learning.left_out():
            left_out = self._place(learning.name) / "left-out.csv"
            write_text(left_out, table)
        footage = self.footage(learning.name) if learning.file is None else Path(learning.file)
        run, settings = self.run_folder(learning), self._data / TRAINING_SETTINGS
        return training_arguments(
            learning, footage, run, left_out, settings if settings.exists() else None
        )

    def _end(self, name: str) -> None:
        """Ask the process of a camera to end."""
        with self._lock:
            process = self._processes.get(name)
            if process is not None and name not in self._ending:
                self._ending[name] = time.monotonic() + _END_S
                send_signal(process.pid, signal.SIGTERM)

    def _end_leftover(self, learning: Learning) -> None:
        """End the process of a server that was killed: it would work beside the new one."""
        pid, until_s = learning.pid, time.monotonic() + _END_S
        mine = {str(self.footage(learning.name)), str(self.run_folder(learning).path)}
        while pid is not None and mine & set(process_arguments(pid)):
            send_signal(pid, signal.SIGTERM if time.monotonic() < until_s else signal.SIGKILL)
            if self._stopping.wait(_LOOK_S):
                return

    def _fail(self, learning: Learning, reason: str) -> None:
        self._change(learning.name, error=reason)

    def _change(self, name: str, **changes: Any) -> None:
        with self._lock:
            learning = self._learnings.get(name)
            if learning is None:
                return
            # A disk that is full must not end the work; after a restart a stage is done again.
            with suppress(OutputError):
                self._save(replace(learning, **changes))

    def _save(self, learning: Learning) -> None:
        self._learnings[learning.name] = learning
        self._on_change(learning.name)
        write_order(self._data, learning)

    def _log(self, name: str) -> Path:
        return self._place(name) / "log.txt"

    def _place(self, name: str) -> Path:
        return order_folder(self._data, name)


def _new_run(name: str) -> str:
    """Name the run folder of a new training of a camera."""
    return f"{safe_name(name)}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
