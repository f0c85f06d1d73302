import os

import pytest

from oddframe.errors import SettingsError
from oddframe.inference.cores import check_threads, default_threads, usable_cores


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Make a machine of four processors, two of each core, of which this process may use some."""

    def make(allowed, limits=None):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: allowed)
        for cpu in range(4):
            place = tmp_path / f"cpus/cpu{cpu}/topology"
            place.mkdir(parents=True)
            (place / "thread_siblings_list").write_text(f"{cpu % 2},{cpu % 2 + 2}\n")
        for name, text in (limits or {}).items():
            path = tmp_path / "groups" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "cpus", tmp_path / "groups"

    return make


@pytest.mark.parametrize(
    ("allowed", "cores"), [({0, 1, 2, 3}, 2), ({0, 2}, 1), ({0, 1}, 2), ({3}, 1)]
)
def test_hardware_threads_of_one_core_count_once(allowed, cores, machine):
    assert usable_cores(*machine(allowed)) == cores


def test_processors_count_where_the_system_does_not_describe_cores(machine, tmp_path):
    machine({0, 1, 2, 3})
    assert usable_cores(tmp_path / "elsewhere", tmp_path / "elsewhere") == 4


@pytest.mark.parametrize(
    ("limits", "cores"),
    [
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "max 100000\n"}, 2),
        ({"cpu.max": "nonsense"}, 2),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2),
    ],
)
def test_the_time_that_a_container_has_is_a_limit(limits, cores, machine):
    assert usable_cores(*machine({0, 1, 2, 3}, limits)) == cores


@pytest.mark.parametrize(("text", "threads"), [("3", 3), ("5,2", 5), ("0", 0), ("", 0), ("x", 0)])
def test_the_variable_of_openmp_is_the_default(text, threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert default_threads() == (threads or usable_cores())


@pytest.mark.parametrize("threads", [0, -3])
def test_there_is_at_least_one_thread(threads):
    with pytest.raises(SettingsError, match=f"threads must be at least 1, got {threads}"):
        check_threads(threads)
    check_threads(1)
    check_threads(None)
