"""A worker pool of Ray actors, on one machine or on as many as its cluster has."""

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

        # Ray would send usage statistics to its makers.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        self._ray = ray
        self._started_here = not ray.is_initialized()
        try:
            if self._started_here:
                ray.init(log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise RunError(f"a Ray cluster must be there or be startable: {error}") from error
        total = ray.cluster_resources()
        processors, gpus = total.get("CPU", 1.0), total.get("GPU", 0.0)
        if on_gpu and not gpus:
            # Nobody has the pool yet, so nobody else can end what was started for it.
            if self._started_here:
                ray.shutdown()
            raise SettingsError("device must be auto or cpu, since the Ray cluster has no GPU")
        # Two processors for each worker: one decodes while the other scores.
        self.size = size or max(1, int(gpus if on_gpu else processors // 2))
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        each = [resources["CPU"] for resources in nodes if resources.get("CPU")]
        # No actor may ask for more than the smallest node has: it would wait for ever.
        share = min(processors / self.size, *each) if each else 1.0
        needs = {
            "num_cpus": int(share) or share,
            "num_gpus": min(1.0, gpus / self.size) if on_gpu else 0,
        }
        # Ray must not restart or retry by itself, since `run_all` counts the deaths.
        self._actor = ray.remote(Worker).options(
            **needs, max_restarts=0, max_task_retries=0, scheduling_strategy="SPREAD"
        )
        self._job = job
        self._actors: dict[int, Any] = {}
        self._submitted: dict[Any, tuple[int, Task]] = {}

    def submit(self, slot: int, task: Task) -> None:
        """Have an idle worker score a recording; see `WorkerPool.submit`."""
        if slot not in self._actors:
            self._actors[slot] = self._actor.remote(self._job)
        self._submitted[self._actors[slot].score.remote(task)] = (slot, task)

    def wait(self) -> tuple[int, Outcome | WorkerDied]:
        """Wait until any worker has finished or died; see `WorkerPool.wait`."""
        (ready, *_), _ = self._ray.wait(list(self._submitted), num_returns=1)
        slot, task = self._submitted.pop(ready)
        try:
            outcome: Outcome = self._ray.get(ready)
        except self._ray.exceptions.RayError as error:
            # One that cannot be reached just now may live on. The files that it writes are the same
            # as those of the worker that replaces it, but it must give no second outcome.
            self._ray.kill(self._actors.pop(slot))
            return slot, WorkerDied(task, " ".join(str(error).split())[:300])
        return slot, outcome

    def close(self) -> None:
        """End all workers, and the cluster if it was started here; see `WorkerPool.close`."""
        for actor in self._actors.values():
            self._ray.kill(actor)
        self._actors.clear()
        if self._started_here:
            self._ray.shutdown()
