"""The pool of Ray actors on a stand-in for Ray; real actors work in `services/test_ray.py`."""

import os
import sys
from types import ModuleType, SimpleNamespace

import pytest

from oddframe.batch import ray_pool
from oddframe.batch.pool import WorkerDied, run_all
from oddframe.batch.ray_pool import RayPool
from oddframe.batch.tasks import Task
from oddframe.batch.worker import Job, Outcome
from oddframe.errors import MissingExtraError, RunError, SettingsError

JOB = Job(key="k", model="/model", out="/out")


class RayError(Exception):
    """What Ray raises for a dead actor."""


class Begun:
    """What an actor was asked for and has yet to do."""

    def __init__(self, worker, task):
        self.worker, self.task = worker, task


class Ray(ModuleType):
    """Ray with a cluster of one's choice, whose actors are objects of this process.

    What an actor is asked for is done when its result is fetched. The one that began last has
    finished first, so that no caller can count on an order.
    """

    def __init__(self, *nodes, running=False):
        super().__init__("ray")
        self.exceptions = SimpleNamespace(RayError=RayError)
        self.cluster, self.running = nodes, running
        self.calls, self.needs, self.actors, self.killed = [], {}, [], []
        self.unreachable = None
        self.deaths = {}

    def is_initialized(self):
        return self.running

    def init(self, **_):
        self.calls.append("init")
        if self.unreachable:
            raise self.unreachable
        self.running = True

    def shutdown(self):
        self.calls.append("shutdown")
        self.running = False

    def nodes(self):
        return [{"Alive": True, **node} for node in self.cluster]

    def cluster_resources(self):
        alive = [node["Resources"] for node in self.nodes() if node["Alive"]]
        names = {name for resources in alive for name in resources}
        return {name: sum(one.get(name, 0.0) for one in alive) for name in names}

    def remote(self, kind):
        def options(**needs):
            self.needs = needs
            return SimpleNamespace(remote=lambda *given: self.start(kind(*given)))

        return SimpleNamespace(options=options)

    def start(self, worker):
        def begin(task):
            assert actor not in self.killed
            return Begun(worker, task)

        actor = SimpleNamespace(score=SimpleNamespace(remote=begin), worker=worker)
        self.actors.append(actor)
        return actor

    def wait(self, begun, num_returns):
        assert num_returns == 1
        return begun[-1:], begun[:-1]

    def get(self, begun):
        if self.deaths.get(begun.task.name, 0):
            self.deaths[begun.task.name] -= 1
            raise RayError("The actor died\n   unexpectedly" + "." * 1_000)
        return begun.worker.score(begun.task)

    def kill(self, actor):
        self.killed.append(actor)


class CountingWorker:
    """Says as the frames of an outcome how many recordings it has scored."""

    def __init__(self, job):
        self.job, self.scored = job, 0

    def score(self, task):
        self.scored += 1
        return Outcome(task=task, frames=self.scored)


def node(**resources):
    return {"Resources": {name: float(count) for name, count in resources.items()}}


def task(name):
    return Task(name, f"/archive/{name}", "")


@pytest.fixture(autouse=True)
def install(monkeypatch):
    """Puts a cluster in the place of Ray: `install(Ray(node(CPU=4)))`."""
    # Set first, so that what the pool sets is taken back.
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "")
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED")
    monkeypatch.setattr(ray_pool, "Worker", CountingWorker)

    def put(ray):
        monkeypatch.setitem(sys.modules, "ray", ray)
        return ray

    return put


@pytest.mark.parametrize(
    ("nodes", "size", "on_gpu", "found"),
    [
        # Two processors for each worker where nobody says how many there are.
        ([node(CPU=9)], None, False, (4, 2, 0)),
        ([node(CPU=1)], None, False, (1, 1, 0)),
        # One worker for each GPU.
        ([node(CPU=12, GPU=3)], None, True, (3, 4, 1.0)),
        # Those that were asked for share what there is.
        ([node(CPU=8, GPU=2)], 4, True, (4, 2, 0.5)),
        ([node(CPU=2, GPU=2)], 4, False, (4, 0.5, 0)),
        # None asks for more than the smallest node has.
        ([node(CPU=14), node(CPU=2)], 2, False, (2, 2, 0)),
        ([node(CPU=14), node(memory=1)], 2, False, (2, 7, 0)),
        ([node(CPU=14), {**node(CPU=1), "Alive": False}], 2, False, (2, 7, 0)),
        ([node(memory=1)], 2, False, (2, 1, 0)),
    ],
)
def test_workers_share_what_the_cluster_has(nodes, size, on_gpu, found, install):
    ray = install(Ray(*nodes))
    pool = RayPool(JOB, size, on_gpu=on_gpu)
    assert (pool.size, ray.needs["num_cpus"], ray.needs["num_gpus"]) == found


def test_ray_neither_restarts_an_actor_nor_reports_to_its_makers(install):
    ray = install(Ray(node(CPU=4)))
    RayPool(JOB, None, on_gpu=False)
    assert (ray.needs["max_restarts"], ray.needs["max_task_retries"]) == (0, 0)
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


@pytest.mark.parametrize(
    ("running", "calls"), [(False, ["init", "shutdown"]), (True, [])], ids=["own", "of others"]
)
def test_without_a_gpu_none_can_be_asked_for(running, calls, install):
    ray = install(Ray(node(CPU=4), running=running))
    with pytest.raises(SettingsError, match=r"device must be auto or cpu.*has no GPU"):
        RayPool(JOB, None, on_gpu=True)
    assert ray.calls == calls


@pytest.mark.parametrize("error", [ConnectionError, RuntimeError, ValueError, OSError])
def test_a_cluster_that_cannot_be_reached_is_named(error, install):
    install(Ray(node(CPU=4))).unreachable = error("nobody at 10.0.0.1:6379")
    with pytest.raises(RunError, match=r"a Ray cluster must be there.*nobody at 10\.0\.0\.1"):
        RayPool(JOB, None, on_gpu=False)


def test_without_ray_its_extra_is_named(install):
    install(None)
    with pytest.raises(MissingExtraError, match=r'--engine ray needs .*"oddframe\[ray\]"'):
        RayPool(JOB, None, on_gpu=False)


def test_each_place_has_one_actor_and_its_outcome_comes_with_the_place(install):
    ray = install(Ray(node(CPU=4)))
    pool = RayPool(JOB, None, on_gpu=False)
    first, second, third = (task(name) for name in "abc")
    pool.submit(0, first)
    pool.submit(1, second)
    assert pool.wait() == (1, Outcome(task=second, frames=1))
    pool.submit(1, third)
    assert pool.wait() == (1, Outcome(task=third, frames=2))
    assert pool.wait() == (0, Outcome(task=first, frames=1))
    assert [actor.worker.job for actor in ray.actors] == [JOB, JOB]


def test_a_dead_actor_is_told_and_another_takes_its_place(install):
    ray = install(Ray(node(CPU=4)))
    ray.deaths["a"] = 1
    pool = RayPool(JOB, None, on_gpu=False)
    pool.submit(0, task("a"))
    slot, died = pool.wait()
    assert isinstance(died, WorkerDied)
    assert (slot, died.task) == (0, task("a"))
    assert died.reason.startswith("The actor died unexpectedly.")
    assert len(died.reason) == 300
    # It may live on, and must give no second outcome.
    assert ray.killed == ray.actors
    pool.submit(0, task("a"))
    assert pool.wait() == (0, Outcome(task=task("a"), frames=1))
    assert len(ray.actors) == 2


def test_every_recording_has_one_outcome_though_actors_die(install):
    ray = install(Ray(node(CPU=6)))
    ray.deaths = {"b": 1, "d": 99}
    results = list(run_all(RayPool(JOB, None, on_gpu=False), [task(name) for name in "abcdef"]))
    outcomes = {one.task.name: one for one in results if isinstance(one, Outcome)}
    assert sorted(outcomes) == list("abcdef")
    assert [name for name, one in outcomes.items() if one.error] == ["d"]
    assert "cost 3 workers" in outcomes["d"].error
    assert len(results) - len(outcomes) == 4
    assert len(ray.killed) == 4


@pytest.mark.parametrize(
    ("running", "calls"), [(False, ["init", "shutdown"]), (True, [])], ids=["own", "of others"]
)
def test_closing_ends_the_actors_and_only_a_cluster_of_its_own(running, calls, install):
    ray = install(Ray(node(CPU=4), running=running))
    pool = RayPool(JOB, None, on_gpu=False)
    pool.submit(0, task("a"))
    pool.submit(1, task("b"))
    pool.close()
    assert ray.killed == ray.actors
    assert len(ray.actors) == 2
    assert ray.calls == calls
