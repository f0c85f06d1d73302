"""Workers as actors of Ray, on one machine or on as many as its cluster has."""

import logging
import os
from typing import Any

from oddframe.batch.pool import WorkerDied
from oddframe.batch.tasks import Task
from oddframe.batch.worker import Job, Outcome, Worker
from oddframe.errors import RunError, SettingsError
from oddframe.extras import require_extra


class RayPool:
    """Actors of a Ray cluster, each with a worker in it.

    The cluster is the one that RAY_ADDRESS names or `ray start` began; where there is neither, one
    is started here. A dead actor is not restarted by Ray but replaced by a new one, so that every
    death is seen and counted.

    Args:
        job: What the workers need to know; paths in it must be the same on all machines.
        size: How many; one for each GPU or for two processors where None.
        on_gpu: Whether each needs a GPU.

    Raises:
        MissingExtraError: If Ray is not installed.
        SettingsError: If the cluster has no GPU and one is needed.
        RunError: If the cluster cannot be reached.
    """

    def __init__(self, job: Job, size: int | None, *, on_gpu: bool) -> None:
        with require_extra("--engine ray"):
            import ray as found
        ray: Any = found

        # It would tell its makers about its use.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        self._ray = ray
        self._ours = not ray.is_initialized()
        try:
            if self._ours:
                ray.init(log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise RunError(f"a Ray cluster must be there or be startable: {error}") from error
        total = ray.cluster_resources()
        processors, gpus = total.get("CPU", 1.0), total.get("GPU", 0.0)
        if on_gpu and not gpus:
            raise SettingsError("device must be auto or cpu, since the Ray cluster has no GPU")
        self.size = size or max(1, int(gpus if on_gpu else processors // 2))
        each = [
            node["Resources"]["CPU"]
            for node in ray.nodes()
            if node["Alive"] and node["Resources"].get("CPU")
        ]
        share = min(processors / self.size, *each) if each else 1.0
        needs = {
            "num_cpus": int(share) or share,
            "num_gpus": min(1.0, gpus / self.size) if on_gpu else 0,
        }
        self._actor = ray.remote(Worker).options(
            **needs, max_restarts=0, max_task_retries=0, scheduling_strategy="SPREAD"
        )
        self._job = job
        self._actors: dict[int, Any] = {}
        self._given: dict[Any, tuple[int, Task]] = {}

    def give(self, slot: int, task: Task) -> None:
        """See `Crew.give`."""
        if slot not in self._actors:
            self._actors[slot] = self._actor.remote(self._job)
        self._given[self._actors[slot].score.remote(task)] = (slot, task)

    def wait(self) -> tuple[int, Outcome | WorkerDied]:
        """See `Crew.wait`."""
        (ready, *_), _ = self._ray.wait(list(self._given), num_returns=1)
        slot, task = self._given.pop(ready)
        try:
            outcome: Outcome = self._ray.get(ready)
        except self._ray.exceptions.RayError as error:
            # One that cannot be reached just now may live on: its files would be the same, but it
            # must not be kept.
            self._ray.kill(self._actors.pop(slot))
            return slot, WorkerDied(task, " ".join(str(error).split())[:300])
        return slot, outcome

    def close(self) -> None:
        """See `Crew.close`."""
        for actor in self._actors.values():
            self._ray.kill(actor)
        self._actors.clear()
        if self._ours:
            self._ray.shutdown()
