"""Instruments of `oddframe bench`: the machine's description, a stopwatch, and peak memory."""

import math
import os
import platform
import resource
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from oddframe._version import __version__
from oddframe.inference.cores import usable_cores

_PACKAGES = ("torch", "onnxruntime", "openvino", "numpy", "av")
# A machine counts as idle while other programs use no more than this share of its cores.
_IDLE = 0.25


def machine(gpu: str | None = None) -> dict[str, Any]:
    """Describe this machine in plain values.

    Args:
        gpu: Name of the GPU; None where none is measured.

    Returns:
        Processor, cores that this process may use, memory, GPU, system, load and versions.
    """
    return {
        "processor": _processor(),
        "cores": usable_cores(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "gpu": gpu,
        "system": f"{platform.system()} {platform.machine()}",
        "load": round(os.getloadavg()[0], 1),
        "versions": {"oddframe": __version__, "python": platform.python_version(), **_versions()},
    }


def busy(found: dict[str, Any]) -> tuple[str, ...]:
    """Name what makes the figures of a machine worth less, a sentence each.

    Args:
        found: The machine, as `machine` describes it.
    """
    notices = []
    if found["load"] > _IDLE * found["cores"]:
        notices.append(
            f"the machine was busy at the start (load {found['load']} on {found['cores']} cores): "
            "the figures of an idle machine are higher"
        )
    if threads := os.environ.get("OMP_NUM_THREADS"):
        notices.append(f"OMP_NUM_THREADS is {threads}: no network computes on more")
    return tuple(notices)


def _processor() -> str:
    """The processor's name, as the kernel has it."""
    # Python's own answer is empty on most Linux machines.
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _versions() -> dict[str, str]:
    """The versions of the packages that speed depends on, where they are installed."""
    found = {}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def repeated(
    work: Callable[[], object],
    seconds: float,
    least: int = 2,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Do some work again and again, and time each repetition.

    Args:
        work: The work.
        seconds: No repetition begins after so many seconds.
        least: Repetitions that are done in any case.
        clock: The time in seconds.

    Returns:
        The seconds of each repetition.
    """
    took: list[float] = []
    began = now = clock()
    while len(took) < least or now - began < seconds:
        work()
        before, now = now, clock()
        took.append(now - before)
    return took


def rate(count: int, seconds: Sequence[float]) -> float:
    """Units per second, by the median time.

    Args:
        count: Units in a repetition.
        seconds: The seconds of each repetition.
    """
    # Not the mean: one repetition may be disturbed by whatever else runs on the machine.
    return count / median(seconds)


def p95(values: Sequence[float]) -> float:
    """The 95th percentile by the nearest rank, so that it is one of the values."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def peak_rss_mb() -> float:
    """The most memory that this process had resident so far, in megabytes of 10^6 bytes."""
    # Not getrusage where there is another way: a process inherits the peak of the one that started
    # it.
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
