"""The models that cameras can have: of the data folder, of the plan, and shipped ones."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from oddframe.bundle.bundle import SHIPPED, Bundle, find_bundle, read_bundle
from oddframe.errors import InputError, OddframeError
from oddframe.inference.loading import load
from oddframe.inference.model import Model


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A model that can be chosen for a camera.

    Attributes:
        name: What `cameras.toml` calls it.
        folder: Its bundle.
    """

    name: str
    folder: Path


class ModelRegistry:
    """Finds models by name and loads each of them once, however many cameras have it.

    Args:
        data: The data folder; ``data/models`` holds models of its own.
        batch_size: How many clips run through a network at a time.
        device: "auto", "cpu" or a GPU such as "cuda:0".
        threads: Threads that a network computes on; see `oddframe.load`.
    """

    def __init__(
        self, data: Path, batch_size: int, device: str = "auto", threads: int | None = None
    ) -> None:
        self._data, self._batch_size, self._device = data, batch_size, device
        self._threads = threads
        self._lock = threading.Lock()
        # By folder and time of the last change: a bundle that was replaced is read again.
        self._bundles: dict[tuple[Path, int], Bundle] = {}
        self._models: dict[tuple[Path, int], Model] = {}

    def models(self, named: Iterable[str] = ()) -> list[RegisteredModel]:
        """List all models that can be chosen, without those that are broken.

        Args:
            named: Models of cameras, as a plan names them.
        """
        own = sorted((self._data / "models").glob("*")) if (self._data / "models").is_dir() else []
        texts = [
            *(str(path) for path in own),
            *named,
            *sorted(path.name for path in SHIPPED.glob("*")),
        ]
        models: dict[Path, RegisteredModel] = {}
        for text in texts:
            try:
                folder = find_bundle(text)
            except OddframeError:
                continue
            # One model can be reached in several ways, such as by a link: the first name counts.
            models.setdefault(folder.resolve(), RegisteredModel(self._name(text), folder))
        return list(models.values())

    def choose(self, name: str, named: Iterable[str] = ()) -> RegisteredModel:
        """Return the model of a name.

        The name is only compared with those of `models`, so no path of a user reaches the disk.

        Raises:
            InputError: If there is none of this name.
        """
        models = self.models(named)
        for model in models:
            # Its path, as plans and older records of learnings name it, is compared as text too.
            if self._name(name) == model.name or name == str(model.folder):
                return model
        raise InputError(
            f"model must be one of those on the server "
            f"({', '.join(model.name for model in models) or 'there is none yet'}), got {name!r}; "
            "to add one, put its run folder or bundle into the folder models beside cameras.toml"
        )

    def names(self, named: Iterable[str]) -> dict[str, str]:
        """Map models, as a plan names them, to their names among `models`.

        The folder of models is listed once for all of them. A model whose folder is gone keeps the
        name that the plan gives it: cameras that have loaded it go on.
        """
        texts = list(dict.fromkeys(named))
        by_folder = {model.folder.resolve(): model.name for model in self.models(texts)}
        names = {}
        for text in texts:
            try:
                names[text] = by_folder[find_bundle(text).resolve()]
            except (OddframeError, KeyError):
                names[text] = self._name(text)
        return names

    def bundle(self, folder: Path) -> Bundle:
        """Read a bundle, or return what was read before if it has not changed.

        Raises:
            BundleError: If it is unusable.
        """
        key = _key(folder)
        with self._lock:
            if key not in self._bundles:
                # What the folder held before is of no use any more.
                self._bundles = {
                    other: bundle for other, bundle in self._bundles.items() if other[0] != key[0]
                }
                self._bundles[key] = read_bundle(folder)
            return self._bundles[key]

    def load(self, model: str) -> Model:
        """Return a model, ready to score; the same object while its bundle stays the same.

        Raises:
            OddframeError: If it is not there or unusable.
        """
        folder = find_bundle(model)
        bundle, key = self.bundle(folder), _key(folder)
        with self._lock:
            if key not in self._models:
                self._models[key] = load(
                    bundle,
                    device=self._device,
                    batch_size=self._batch_size,
                    threads=self._threads,
                )
            return self._models[key]

    def load_another(self, model: str) -> Model:
        """Return a model that nobody else uses, for clips one by one, on one thread.

        Raises:
            OddframeError: If it is not there or unusable.
        """
        return load(self.bundle(find_bundle(model)), device=self._device, batch_size=1, threads=1)

    def forget_all_but(self, kept: Iterable[Model]) -> None:
        """Release the memory of models that no camera uses any more."""
        # By identity: two bundles can hold equal weights and still be two models.
        used = {id(model) for model in kept}
        with self._lock:
            self._models = {key: model for key, model in self._models.items() if id(model) in used}

    def _name(self, text: str) -> str:
        """Return a path inside the data folder as relative to it, anything else as it is."""
        path = Path(text)
        return path.relative_to(self._data).as_posix() if path.is_relative_to(self._data) else text


def _key(folder: Path) -> tuple[Path, int]:
    # The manifest holds hashes of all other files, so it changes with any of them.
    return folder.resolve(), (folder / "manifest.json").stat().st_mtime_ns
