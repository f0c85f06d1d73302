"""Runs the watcher behind the web app, and applies changes of `cameras.toml` to it."""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from oddframe.core.alerts import Alert
from oddframe.errors import OddframeError, SettingsError
from oddframe.inference.model import Model
from oddframe.inference.selection import InferenceOptions
from oddframe.monitoring.config import Camera, WatchPlan
from oddframe.monitoring.config_file import read_camera_file
from oddframe.monitoring.outputs import retention_of
from oddframe.monitoring.watcher import Watcher
from oddframe.sinks.sink import AlertSink
from oddframe.store.store import Store
from oddframe.web.cameras_file import CamerasFile
from oddframe.web.model_registry import ModelRegistry


class Supervisor:
    """Watches the cameras of a data folder; the file with the cameras can be edited meanwhile.

    Args:
        data: The folder with ``cameras.toml``, the database and the pictures.
        on_alert: Called with each phase of each event by the thread that scores; must not wait.
        on_notice: Called with a sentence about what could not be kept, by any thread.
        sinks: Sinks beside those that the file names.
        redirects: Whether a camera's server may send its reader to another address.
        device: "auto", "cpu" or a GPU such as "cuda:0".
        threads: Threads that the networks compute on; see `oddframe.load`.

    Attributes:
        data: The data folder.
        cameras_file: The file with the cameras.
        registry: The models that cameras can have.
        plan: The cameras and settings that are watched now.
        watcher: The watcher; the same object for the whole life of the server.
        failure: The error that ended the watching; None while there was none.

    Raises:
        OddframeError: If the file, a model or the folder cannot be used.
    """

    def __init__(
        self,
        data: Path,
        *,
        on_alert: Callable[[Alert], None] = lambda alert: None,
        on_notice: Callable[[str], None] = lambda notice: None,
        sinks: Mapping[str, AlertSink] | None = None,
        redirects: bool = False,
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        self.data, self._redirects = data, redirects
        self.cameras_file = CamerasFile(data / "cameras.toml")
        self.plan = self._read(self.cameras_file.path)
        # A batch holds one clip of each camera: more room in it would stay empty.
        most = InferenceOptions(device).clips_at_a_time
        batch_size = max(1, min(most, len(self.plan.cameras)))
        self.registry = ModelRegistry(data, batch_size, device, threads)
        self._models = self._load(self.plan)
        self.watcher = Watcher(
            self.plan, self._models, data, on_alert=on_alert, on_notice=on_notice, sinks=sinks
        )
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._changing = threading.Lock()

    @property
    def store(self) -> Store:
        """The database of events, scores and reviews."""
        store = self.watcher.outputs.store
        assert store is not None, "the plan was checked for it"
        return store

    @property
    def is_watching(self) -> bool:
        """Whether the thread of the watcher runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to watch, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the watcher to end; this does not wait for it."""
        self.watcher.stop()

    def join(self, timeout_s: float) -> bool:
        """Wait for the watcher to end; returns whether it has ended."""
        # A thread that was never started cannot be joined.
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def camera(self, name: str) -> Camera | None:
        """Return a camera of the plan; None where there is none of this name."""
        return next((camera for camera in self.plan.cameras if camera.name == name), None)

    def address_of(self, name: str) -> str | None:
        """Return the address of a live camera, with its secrets; None where there is none."""
        camera = self.camera(name)
        return None if camera is None or camera.address.kind == "file" else camera.address.whole

    def model(self, camera: Camera) -> Model:
        """Return the model that scores a camera."""
        return self._models[self.plan.model_of(camera)]

    def edit(self, change: Callable[[CamerasFile, Callable[[Path], None]], None]) -> None:
        """Change the file with the cameras and watch by it; if one fails, neither is changed.

        Args:
            change: Called with the file, and what to pass to its methods as ``accept``.

        Raises:
            OddframeError: If the cameras cannot be watched as the file would say, or it cannot be
                written.
        """
        with self._changing:
            before = self.plan
            try:
                change(self.cameras_file, self._accept)
            except OddframeError:
                # The watcher changes before the file does. If the file could not be written, the
                # watcher goes back; the first error is the one to report.
                if self.plan is not before:
                    with suppress(OddframeError):
                        self._apply(before)
                raise

    def _accept(self, path: Path) -> None:
        try:
            plan = self._read(path)
        except SettingsError as error:
            # People know the file by its name, not by that of the temporary one.
            raise SettingsError(str(error).replace(str(path), "cameras.toml")) from None
        self._apply(plan)

    def _apply(self, plan: WatchPlan) -> None:
        models = self._load(plan)
        # Made before anything changes: a receiver that cannot be is an error of this request.
        sinks = self.watcher.outputs.prepare_sinks(plan)
        try:
            self.watcher.change(plan, models)
        except BaseException:
            sinks.close()
            raise
        self.watcher.outputs.exchange_sinks(sinks)
        self.store.retain(retention_of(plan.settings))
        # Only now: had the watcher refused, what is shown would not be what is watched.
        self.plan, self._models = plan, models
        self.registry.forget_all_but(models.values())

    def _read(self, path: Path) -> WatchPlan:
        plan = read_camera_file(path, stays=True)
        if not plan.settings.store:
            raise SettingsError(
                f"{path}: watch.store must be true for the web app, which shows what is stored"
            )
        # Refused here, and not by the watcher in the middle of its work.
        retention_of(plan.settings)
        if self._redirects:
            return plan
        return replace(plan, cameras=tuple(_without_redirects(camera) for camera in plan.cameras))

    def _load(self, plan: WatchPlan) -> dict[str, Model]:
        names = dict.fromkeys(map(plan.model_of, plan.cameras))
        return {name: self.registry.load(name) for name in names}

    def _run(self) -> None:
        try:
            self.watcher.run()
        except OddframeError as error:
            self.failure = error
        except BaseException as error:
            # A mistake of ours: kept for the main thread, and shown with its traceback by this one.
            self.failure = error
            raise


def _without_redirects(camera: Camera) -> Camera:
    return replace(camera, live=replace(camera.live, redirects=False))
