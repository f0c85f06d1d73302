"""A worker that fails as the names of its recordings say, and a recording that kills any worker.

It is a module of its own because the processes of workers import it.
"""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from oddframe._types import Progress, silent
from oddframe.batch.tasks import Task
from oddframe.batch.worker import Outcome
from oddframe.core.records import Frame
from oddframe.media.recording import Recording
from oddframe.media.source import FrameFormat


class FailingWorker:
    """Dies over some recordings, takes its time over others and leaves a file for the rest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def score(self, task: Task, on_progress: Progress = silent) -> Outcome:
        """Do as the name says; the frames of the outcome are the id of this process."""
        if task.name.startswith("kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        if task.name == "leave":
            os._exit(7)
        if task.name == "slow":
            time.sleep(600)
        (self.folder / f"{task.name}.{os.getpid()}").touch()
        return Outcome(task=task, frames=os.getpid())


class DeadlyRecording(Recording):
    """Kills the process that reads it."""

    def frames(self, wanted: FrameFormat) -> Iterator[Frame]:
        """Kill this process."""
        os.kill(os.getpid(), signal.SIGKILL)
        return super().frames(wanted)
