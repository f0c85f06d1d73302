"""The watcher behind the web app: started with `cameras.toml`, led from one version of it to the next."""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from oddframe.core.alerts import Alert
from oddframe.errors import OddframeError, SettingsError
from oddframe.inference.model import DEFAULT_BATCH, Model
from oddframe.monitoring.config import Camera, WatchPlan
from oddframe.monitoring.config_file import read_camera_file
from oddframe.monitoring.watcher import Watcher
from oddframe.sinks.sink import AlertSink
from oddframe.store.store import Store
from oddframe.web.cameras_file import CamerasFile
from oddframe.web.model_registry import ModelRegistry


class Supervisor:
    """Watches the cameras of a data folder, and goes over to others when told.

    Args:
        data: The folder: ``cameras.toml``, the database, pictures.
        on_alert: Told every phase of every event, by the thread that scores; it must not wait.
        sinks: Sinks beside those of the file.
        redirects: Whether a camera's server may send its reader to another address.
        device: "auto", "cpu" or a GPU such as "cuda:0".

    Attributes:
        data: The folder.
        book: The file with the cameras.
        shelf: The models.
        plan: What is watched.
        watcher: The watcher.

    Raises:
        OddframeError: If the file, a model or the folder cannot be used.
    """

    def __init__(
        self,
        data: Path,
        *,
        on_alert: Callable[[Alert], None] = lambda alert: None,
        sinks: Mapping[str, AlertSink] | None = None,
        redirects: bool = False,
        device: str = "auto",
    ) -> None:
        self.data, self._redirects = data, redirects
        self.book = CamerasFile(data / "cameras.toml")
        self.plan = self._read(self.book.path)
        self.shelf = ModelRegistry(data, max(1, min(DEFAULT_BATCH, len(self.plan.cameras))), device)
        self._models = self._loaded(self.plan)
        self.watcher = Watcher(self.plan, self._models, data, on_alert=on_alert, sinks=sinks)
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._changing = threading.Lock()

    @property
    def store(self) -> Store:
        """The database."""
        store = self.watcher.outputs.store
        assert store is not None, "the plan was checked for it"
        return store

    @property
    def is_watching(self) -> bool:
        """Whether the loop runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Have the watching end; does not wait."""
        self.watcher.stop()

    def join(self, timeout_s: float) -> bool:
        """Wait for its end; whether it came within the time."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def camera(self, name: str) -> Camera | None:
        """A camera of the plan."""
        return next((camera for camera in self.plan.cameras if camera.name == name), None)

    def model(self, camera: Camera) -> Model:
        """What scores a camera."""
        return self._models[self.plan.model_of(camera)]

    def edit(self, change: Callable[[CamerasFile, Callable[[Path], None]], None]) -> None:
        """Change the file with the cameras and go over to it; where that is impossible both stay as they are.

        Args:
            change: Given the book, and what to hand to its methods as ``accept``.

        Raises:
            OddframeError: If the cameras cannot be watched as the file would say, or it cannot be
                written.
        """
        with self._changing:
            before = self.plan
            try:
                change(self.book, self._accept)
            except OddframeError:
                if self.plan is not before:
                    # The file could not be written after all.
                    with suppress(OddframeError):
                        self._go_over(before)
                raise

    def _accept(self, path: Path) -> None:
        try:
            plan = self._read(path)
        except SettingsError as error:
            raise SettingsError(str(error).replace(str(path), "cameras.toml")) from None
        self._go_over(plan)

    def _go_over(self, plan: WatchPlan) -> None:
        models = self._loaded(plan)
        self.watcher.change(plan, models)
        self.plan, self._models = plan, models
        self.shelf.forget_all_but(models.values())

    def _read(self, path: Path) -> WatchPlan:
        plan = read_camera_file(path, stays=True)
        if not plan.settings.store:
            raise SettingsError(
                f"{path}: watch.store must be true for the web app, which shows what is stored"
            )
        if self._redirects:
            return plan
        return replace(plan, cameras=tuple(_without_redirects(camera) for camera in plan.cameras))

    def _loaded(self, plan: WatchPlan) -> dict[str, Model]:
        return {
            name: self.shelf.load(name) for name in dict.fromkeys(map(plan.model_of, plan.cameras))
        }

    def _run(self) -> None:
        try:
            self.watcher.run()
        except OddframeError as error:
            self.failure = error
        except BaseException as error:
            self.failure = error
            raise


def _without_redirects(camera: Camera) -> Camera:
    return replace(camera, live=replace(camera.live, redirects=False))
