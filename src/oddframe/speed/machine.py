"""What a table of speeds was measured on."""

import os
import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from oddframe._version import __version__

__all__ = ["busy", "machine"]

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
        notices.append(f"OMP_NUM_THREADS is {threads}: it limits torch, and perhaps other libraries")
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
