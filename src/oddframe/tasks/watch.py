"""Watch cameras: the verb `oddframe watch`."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from queue import SimpleQueue

from oddframe.core.alerts import Alert
from oddframe.inference.model import load_model
from oddframe.inference.selection import (
    DEFAULT_BATCH,
    BackendChoice,
    InferenceOptions,
    PrecisionChoice,
)
from oddframe.media.live_config import hide_in_process_title
from oddframe.monitoring.camera import CameraView, WatchHeader
from oddframe.monitoring.config import WatchPlan, WatchSettings, named_cameras
from oddframe.monitoring.watcher import Watcher

_LOOK_S = 0.25
_STOP_S = 1.7
"""How long a stop waits for the loop, which may be in the middle of a batch."""


@dataclass(frozen=True, slots=True)
class WatchSnapshot:
    """What is to be seen at one moment.

    Attributes:
        cameras: How each camera is doing.
        header: What there is to say of all of them.
        alerts: What has been told since the last look, oldest first.
    """

    cameras: tuple[CameraView, ...]
    header: WatchHeader
    alerts: tuple[Alert, ...]


@dataclass(frozen=True, kw_only=True)
class WatchReport:
    """What came of watching.

    Attributes:
        cameras: How each camera was doing at the end.
        out: Where everything is.
        stopped: Whether it was stopped; else all sources had ended.
        notices: What is worth knowing, a sentence each.
        seconds: Wall-clock time.
    """

    cameras: tuple[CameraView, ...]
    out: Path
    stopped: bool
    notices: tuple[str, ...]
    seconds: float


def watch(
    what: WatchPlan | str | Path | Sequence[str | Path],
    model: str | Path | None = None,
    out: str | Path = "watched",
    *,
    settings: WatchSettings | None = None,
    device: str = "auto",
    batch_size: int | None = None,
    backend: BackendChoice = "auto",
    precision: PrecisionChoice = "auto",
    stop: threading.Event | None = None,
    on_start: Callable[[Sequence[str]], None] = lambda notices: None,
    on_look: Callable[[WatchSnapshot], None] = lambda look: None,
) -> WatchReport:
    """Watch cameras, or files played as such, until all of them end or `stop` is set.

    Writes ``<name>.events.jsonl`` and, where SQLAlchemy is installed, a database with pictures and
    clips.

    Args:
        what: A plan, as `read_camera_file` reads one, or addresses and files.
        model: A run folder, a model bundle or the name of a shipped model; that of the plan when
            None.
        out: Folder for everything that is kept.
        settings: What is kept and told; the plan's, or the defaults, when None.
        device: "auto", "cpu" or a GPU such as "cuda:0".
        batch_size: Clips that run through the network at a time. When None, as many as there are
            cameras and at most 8; 8 with a file among them, as `score` does.
        backend: What runs the networks; see `oddframe.load`.
        precision: As above.
        stop: Set it to stop; `watch` returns within two seconds.
        on_start: Told what is worth knowing before the first frame, a sentence each.
        on_look: Told four times a second how all are doing.

    Raises:
        SourceError: If a file cannot be read or an address cannot be watched; a camera that cannot
            be reached is tried again and again.
        InputError: If the plan cannot be carried out.
        BundleError: If a model is unusable.
        OutputError: If the folder cannot be written to.
        StoreError: If another watcher uses it.
    """
    began_s = time.monotonic()
    plan = _plan(what, model, settings)
    hidden = hide_in_process_title(plan.secrets)
    size = _batch_size(plan) if batch_size is None else batch_size
    options = InferenceOptions(device, backend, precision, size)
    models = {
        name: load_model(name, options) for name in dict.fromkeys(map(plan.model_of, plan.cameras))
    }
    told: SimpleQueue[Alert] = SimpleQueue()
    watcher = Watcher(plan, models, out, on_alert=told.put)
    of_models = (notice for one in models.values() for notice in one.notices)
    notices = (*hidden, *watcher.notices, *of_models)
    on_start(notices)
    stop = stop or threading.Event()
    looks = _Looks(watcher, tuple(models), told)
    loop = _Loop(watcher)
    loop.start()
    while loop.is_alive() and not stop.is_set():
        on_look(looks.next())
        stop.wait(_LOOK_S)
    watcher.stop()
    # The loop may be in the middle of a batch; what it does not finish now is closed at the next
    # start.
    loop.join(_STOP_S if stop.is_set() else None)
    on_look(looks.next())
    if loop.failure is not None:
        raise loop.failure
    return WatchReport(
        cameras=tuple(watcher.views()),
        out=Path(out),
        stopped=stop.is_set(),
        notices=notices,
        seconds=time.monotonic() - began_s,
    )


class _Loop(threading.Thread):
    """A watcher's loop in a thread of its own, so that a signal is heard whatever it does."""

    def __init__(self, watcher: Watcher) -> None:
        super().__init__(name="watch", daemon=True)
        self.failure: BaseException | None = None
        self._watcher = watcher

    def run(self) -> None:
        try:
            self._watcher.run()
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for the loop
            self.failure = error


class _Looks:
    """Puts together what is to be seen, again and again."""

    def __init__(
        self, watcher: Watcher, models: tuple[str, ...], told: "SimpleQueue[Alert]"
    ) -> None:
        self._watcher, self._models, self._told = watcher, models, told
        self._began_s = time.monotonic()
        self._days: Counter[date] = Counter()

    def next(self) -> WatchSnapshot:
        alerts = [self._told.get_nowait() for _ in range(self._told.qsize())]
        self._days.update(
            datetime.fromtimestamp(one.start_us / 1e6).astimezone().date()
            for one in alerts
            if one.event.phase == "start"
        )
        header = WatchHeader(
            models=self._models,
            now_us=time.time_ns() // 1000,
            uptime_s=time.monotonic() - self._began_s,
            events_today=self._days[datetime.now().astimezone().date()],
            lagging=self._watcher.outlets.lagging(),
        )
        return WatchSnapshot(tuple(self._watcher.views()), header, tuple(alerts))


def _plan(
    what: WatchPlan | str | Path | Sequence[str | Path],
    model: str | Path | None,
    settings: WatchSettings | None,
) -> WatchPlan:
    chosen = None if model is None else str(model)
    if not isinstance(what, WatchPlan):
        sources = [what] if isinstance(what, str | Path) else what
        return WatchPlan(
            cameras=named_cameras(sources), model=chosen, settings=settings or WatchSettings()
        )
    return replace(what, model=chosen or what.model, settings=settings or what.settings)


def _batch_size(plan: WatchPlan) -> int:
    if any(camera.is_file for camera in plan.cameras):
        return DEFAULT_BATCH
    return min(DEFAULT_BATCH, len(plan.cameras))
