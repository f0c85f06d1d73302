"""Watch cameras: the verb `oddframe watch`."""

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from queue import SimpleQueue

from oddframe.core.alerts import Alert
from oddframe.inference.loading import compile_if_long, load_model
from oddframe.inference.selection import (
    BackendChoice,
    InferenceOptions,
    PrecisionChoice,
)
from oddframe.media.live_config import hide_in_process_title
from oddframe.monitoring.camera import CameraView, WatchHeader
from oddframe.monitoring.config import WatchPlan, WatchSettings, named_cameras
from oddframe.monitoring.outputs import EVENT_FILES
from oddframe.monitoring.watcher import Watcher
from oddframe.sinks.function import AlertFunction, function_sinks

# Four times a second is smooth for people, and costs next to nothing.
_SNAPSHOT_S = 0.25
# A stop waits so long for the loop, which may be in the middle of a batch: `watch` promises to
# return within two seconds.
_STOP_S = 1.7

_MOST_NOTICES = 100
"""Notices that a report has at most; who watches for months has seen them all as they came."""


@dataclass(frozen=True, slots=True)
class WatchSnapshot:
    """The state of all cameras at one moment.

    Attributes:
        cameras: The state of each camera.
        header: The figures of all cameras together.
        alerts: The alerts since the last snapshot, oldest first.
        notices: What could not be kept since the last snapshot, a sentence each, oldest first.
    """

    cameras: tuple[CameraView, ...]
    header: WatchHeader
    alerts: tuple[Alert, ...]
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WatchReport:
    """What a call of `watch` did.

    Example:
        >>> fast = oddframe.WatchSettings(fast=True)
        >>> report = oddframe.watch("monday.mp4", "runs/door", "watched", settings=fast)
        >>> report.cameras[0].state.frames
        20

    Attributes:
        cameras: The state of each camera at the end.
        out: The folder with events, database, pictures and clips.
        stopped: Whether it was stopped; otherwise all sources had ended.
        notices: What is worth knowing, a sentence each, all of ``left`` and ``unkept`` among it; of
            what could not be kept while it ran, the latest.
        seconds: Wall-clock time.
        left: What was not delivered or kept, a sentence each.
        unkept: Which events, scores and states are missing in the folder, a sentence each.
    """

    cameras: tuple[CameraView, ...]
    out: Path
    stopped: bool
    notices: tuple[str, ...]
    seconds: float
    left: tuple[str, ...] = ()
    unkept: tuple[str, ...] = ()


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
    on_look: Callable[[WatchSnapshot], None] = lambda snapshot: None,
    threads: int | None = None,
    sinks: Sequence[AlertFunction] = (),
    compiled: bool | None = None,
) -> WatchReport:
    """Watch cameras, or files played as such, until all of them end or `stop` is set.

    Writes ``<name>.events.jsonl`` and, where SQLAlchemy is installed, a database with pictures and
    clips.

    Example:
        >>> fast = oddframe.WatchSettings(fast=True)  # a file, as fast as it is scored
        >>> report = oddframe.watch("monday.mp4", "runs/door", "watched", settings=fast)
        >>> report.stopped
        False

    Args:
        what: A plan, as `read_camera_file` reads one, or addresses and files.
        model: A run folder, a model bundle or the name of a shipped model; that of the plan when
            None.
        out: Folder for everything that is kept.
        settings: What is stored and where alerts go; the plan's, or the defaults, when None.
        device: "auto", "cpu" or a GPU such as "cuda:0".
        batch_size: Clips that run through the network at a time. When None, as many as there are
            cameras and at most 8, or 64 on a GPU that ``device`` names; that most with a file among
            them, as `score` does.
        backend: What runs the networks; see `oddframe.load`.
        precision: In which numbers they compute; see `oddframe.load`.
        stop: Set it to stop; `watch` returns within two seconds.
        on_start: Called before the first frame with what is worth knowing, a sentence each.
        on_look: Called four times a second with the state of all cameras.
        threads: Threads that the networks compute on; see `oddframe.load`.
        sinks: Functions that are called with each alert as plain values (docs/sinks.md lists them),
            each in a thread of its own and at least once: one that raises is called again.
        compiled: Whether the networks are compiled, which takes about a minute before the start and
            needs torch on a GPU; when None, where there is a live camera.

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
    size = _batch_size(plan, device) if batch_size is None else batch_size
    options = InferenceOptions(device, backend, precision, size, threads, compiled)
    # A live camera has no end, and a file that is played as one is rarely long.
    clips = 0.0 if all(camera.is_file for camera in plan.cameras) else math.inf
    models = {
        name: compile_if_long(load_model(name, options), lambda: clips)
        for name in dict.fromkeys(map(plan.model_of, plan.cameras))
    }
    # The loop's thread puts alerts in, this thread takes them out.
    alerts: SimpleQueue[Alert] = SimpleQueue()
    lost: SimpleQueue[str] = SimpleQueue()
    functions = function_sinks(sinks, {*plan.settings.sinks, EVENT_FILES})
    watcher = Watcher(plan, models, out, on_alert=alerts.put, on_notice=lost.put, sinks=functions)
    of_models = (notice for loaded in models.values() for notice in loaded.notices)
    notices = (*hidden, *watcher.notices, *of_models)
    on_start(notices)
    stop = stop or threading.Event()
    snapshots = _Snapshots(watcher, tuple(models), alerts, lost)
    loop = _Loop(watcher)
    loop.start()
    try:
        while loop.is_alive() and not stop.is_set():
            on_look(snapshots.take())
            stop.wait(_SNAPSHOT_S)
    except BaseException:
        # Ctrl-C, or an error of `on_look`: the loop must not watch on and keep the folder locked.
        watcher.stop()
        loop.join(_STOP_S)
        raise
    watcher.stop()
    # The loop may be in the middle of a batch; what it does not finish now is closed at the next
    # start.
    loop.join(_STOP_S if stop.is_set() else None)
    on_look(snapshots.take())
    if loop.failure is not None:
        raise loop.failure
    notices = tuple(dict.fromkeys((*notices, *watcher.frame_notices())))
    left = watcher.outputs.left()
    return WatchReport(
        cameras=tuple(watcher.views()),
        out=Path(out),
        stopped=stop.is_set(),
        notices=(*notices, *snapshots.notices, *left),
        seconds=time.monotonic() - began_s,
        left=left,
        unkept=watcher.outputs.unkept(),
    )


class _Loop(threading.Thread):
    """Runs a watcher's loop in a thread of its own.

    Python handles signals in the main thread, which is then free whatever the loop does.
    """

    def __init__(self, watcher: Watcher) -> None:
        super().__init__(name="watch", daemon=True)
        self.failure: BaseException | None = None
        self._watcher = watcher

    def run(self) -> None:
        """Run the loop to its end, and keep the error that ends it."""
        try:
            self._watcher.run()
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for the loop
            self.failure = error


class _Snapshots:
    """Takes snapshots of a watcher, and counts the events of each day for them.

    Attributes:
        notices: The latest of all notices that the snapshots had.
    """

    def __init__(
        self,
        watcher: Watcher,
        models: tuple[str, ...],
        alerts: "SimpleQueue[Alert]",
        notices: "SimpleQueue[str]",
    ) -> None:
        self._watcher, self._models, self._alerts = watcher, models, alerts
        self._notices = notices
        self.notices: deque[str] = deque(maxlen=_MOST_NOTICES)
        self._began_s = time.monotonic()
        self._events_of_day: Counter[date] = Counter()

    def take(self) -> WatchSnapshot:
        """The state of all cameras now, with the alerts since the last call."""
        # Nobody else takes from the queues, so as many as they hold now can be had without waiting.
        notices = [self._notices.get_nowait() for _ in range(self._notices.qsize())]
        self.notices.extend(notices)
        alerts = [self._alerts.get_nowait() for _ in range(self._alerts.qsize())]
        self._events_of_day.update(
            datetime.fromtimestamp(alert.start_us / 1e6).astimezone().date()
            for alert in alerts
            if alert.event.phase == "start"
        )
        header = WatchHeader(
            models=self._models,
            now_us=time.time_ns() // 1000,
            uptime_s=time.monotonic() - self._began_s,
            events_today=self._events_of_day[datetime.now().astimezone().date()],
            lagging=self._watcher.outputs.lagging(),
            troubles=self._watcher.outputs.troubles(),
        )
        return WatchSnapshot(tuple(self._watcher.views()), header, tuple(alerts), tuple(notices))


def _plan(
    what: WatchPlan | str | Path | Sequence[str | Path],
    model: str | Path | None,
    settings: WatchSettings | None,
) -> WatchPlan:
    """A plan for what was given; what was named in the call replaces what the plan says."""
    chosen = None if model is None else str(model)
    if not isinstance(what, WatchPlan):
        sources = [what] if isinstance(what, str | Path) else what
        return WatchPlan(
            cameras=named_cameras(sources), model=chosen, settings=settings or WatchSettings()
        )
    return replace(what, model=chosen or what.model, settings=settings or what.settings)


def _batch_size(plan: WatchPlan, device: str) -> int:
    """As many clips as cameras, since a live camera has one clip at a time; files have more."""
    most = InferenceOptions(device).clips_at_a_time
    if any(camera.is_file for camera in plan.cameras):
        return most
    return min(most, len(plan.cameras))
