"""How many cores this process may use, and how many threads a network computes on by default."""

import math
import os
from contextlib import suppress
from pathlib import Path

from oddframe.errors import SettingsError

_CPUS = Path("/sys/devices/system/cpu")
_GROUPS = Path("/sys/fs/cgroup")


def default_threads() -> int:
    """Return the number of threads to compute on where nobody says how many.

    That is ``OMP_NUM_THREADS`` where it is set, which only some libraries heed by themselves, and
    else every core that this process may use.
    """
    # OpenMP takes a list, too: a number for each level of nested loops.
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(asked) if asked.isdecimal() and int(asked) else usable_cores()


def check_threads(threads: int | None) -> None:
    """Refuse a number of threads below 1; None stands for the default.

    Raises:
        SettingsError: If it is below 1.
    """
    if threads is not None and threads < 1:
        raise SettingsError(f"threads must be at least 1, got {threads}")


def usable_cores(cpus: Path = _CPUS, groups: Path = _GROUPS) -> int:
    """Count the cores that this process may use: at least 1, perhaps fewer than the machine has.

    Two hardware threads of one core count once, as torch, ONNX Runtime and OpenVINO count. The
    limits of a container count, whether they are of processors or of time.

    Args:
        cpus: Where Linux describes the processors.
        groups: Where Linux keeps the limits of groups of processes.
    """
    if hasattr(os, "sched_getaffinity"):
        allowed = os.sched_getaffinity(0)
    else:
        allowed = set(range(os.cpu_count() or 1))
    cores = len({_core(cpus, cpu) for cpu in allowed})
    quota = _quota(groups)
    return max(1, cores if quota is None else min(cores, math.ceil(quota)))


def _core(cpus: Path, cpu: int) -> str:
    """Name the core of a processor: all processors that are threads of it have the same name."""
    with suppress(OSError):
        return (cpus / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text().strip()
    return str(cpu)


def _quota(groups: Path) -> float | None:
    """Read how many processors' time the group of this process has; None without a limit."""
    with suppress(OSError, ValueError):  # version 2: "200000 100000", or "max 100000"
        share, period = (groups / "cpu.max").read_text().split()
        return None if share == "max" else int(share) / int(period)
    with suppress(OSError, ValueError):  # version 1, where -1 is no limit
        share, period = (
            (groups / "cpu" / name).read_text()
            for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        )
        return int(share) / int(period) if int(share) > 0 else None
    return None
