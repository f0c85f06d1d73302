"""What a table of speeds was measured on.

Repeat a thing for a while and say how long it took.

How much memory this process had at most.
"""

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

_PACKAGES = ("torch", "onnxruntime", "openvino", "numpy", "av")
_IDLE = 0.25
"""Share of the cores up to which others may be at work."""


def machine(gpu: str | None = None) -> dict[str, Any]:
    """Plain values: processor, cores that this process may use, memory, GPU, system, versions, load."""
    return {
        "processor": _processor(),
        "cores": _cores(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "gpu": gpu,
        "system": f"{platform.system()} {platform.machine()}",
        "load": round(os.getloadavg()[0], 1),
        "versions": {"oddframe": __version__, "python": platform.python_version(), **_versions()},
    }


def busy(found: dict[str, Any]) -> tuple[str, ...]:
    """What about a machine makes its figures worth less, a sentence each."""
    notices = []
    if found["load"] > _IDLE * found["cores"]:
        notices.append(
            f"the machine was busy at the start (load {found['load']} on {found['cores']} cores): "
            "the figures of an idle machine are higher"
        )
    if threads := os.environ.get("OMP_NUM_THREADS"):
        notices.append(
            f"OMP_NUM_THREADS is {threads}: it limits torch, and perhaps other libraries"
        )
    return tuple(notices)


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def repeated(work: Callable[[], object], seconds: float, least: int = 2) -> list[float]:
    """Seconds of each time that ``work`` was done: again and again until ``seconds`` have passed, ``least`` times."""
    took: list[float] = []
    began = now = time.perf_counter()
    while len(took) < least or now - began < seconds:
        work()
        before, now = now, time.perf_counter()
        took.append(now - before)
    return took


def rate(count: int, seconds: Sequence[float]) -> float:
    """How many per second where ``count`` of them take so long, by the median time."""
    return count / median(seconds)


def p95(values: Sequence[float]) -> float:
    """The 95th percentile, a value that is among them."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def peak_rss_mb() -> float:
    """Most memory that was resident, in megabytes of 10^6 bytes."""
    # Not getrusage where it can be helped: its peak is handed on from the process that started this
    # one.
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
