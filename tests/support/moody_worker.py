"""A worker that lives as its recordings are called; it is imported by the processes of workers."""

import os
import signal
import time
from pathlib import Path

from oddframe.batch.tasks import Task
from oddframe.batch.worker import Outcome


class Moody:
    """Dies over some recordings, takes its time over others and leaves a file for the rest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def score(self, task: Task) -> Outcome:
        if task.name.startswith("kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        if task.name == "leave":
            os._exit(7)
        if task.name == "slow":
            time.sleep(600)
        (self.folder / f"{task.name}.{os.getpid()}").touch()
        return Outcome(task=task, frames=os.getpid())
