"""The models that cameras may have: those of the data folder, those of its cameras, and those that come along."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from oddframe.bundle.bundle import SHIPPED, Bundle, find_bundle, read_bundle
from oddframe.errors import InputError, OddframeError
from oddframe.inference.model import Model, load


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A model that may be chosen.

    Attributes:
        name: What `cameras.toml` calls it.
        folder: Its bundle.
    """

    name: str
    folder: Path


class ModelRegistry:
    """Finds models, and loads each once.

    Args:
        data: The data folder; ``data/models`` holds models of its own.
        batch_size: Clips that run through a network at a time.
        device: "auto", "cpu" or a GPU such as "cuda:0".
    """

    def __init__(self, data: Path, batch_size: int, device: str = "auto") -> None:
        self._data, self._batch_size, self._device = data, batch_size, device
        self._lock = threading.Lock()
        self._bundles: dict[tuple[Path, int], Bundle] = {}
        self._models: dict[tuple[Path, int], Model] = {}

    def models(self, named: Iterable[str] = ()) -> list[RegisteredModel]:
        """All that may be chosen, without those that are broken.

        Args:
            named: Models of cameras, as a plan names them.
        """
        own = sorted((self._data / "models").glob("*")) if (self._data / "models").is_dir() else []
        texts = [
            *(str(path) for path in own),
            *named,
            *sorted(path.name for path in SHIPPED.glob("*")),
        ]
        found: dict[Path, RegisteredModel] = {}
        for text in texts:
            try:
                folder = find_bundle(text)
            except OddframeError:
                continue
            found.setdefault(folder.resolve(), RegisteredModel(self._called(text), folder))
        return list(found.values())

    def choose(self, name: str, named: Iterable[str] = ()) -> RegisteredModel:
        """The model of a name. Only what `models` gives can be had: no path of a user reaches the disk.

        Raises:
            InputError: If there is none.
        """
        models = self.models(named)
        for model in models:
            if name in (model.name, str(model.folder)):
                return model
        raise InputError(
            f"model must be one of those on the server "
            f"({', '.join(model.name for model in models) or 'there is none yet'}), got {name!r}; "
            "to add one, put its run folder or bundle into the folder models beside cameras.toml"
        )

    def name_of(self, model: str) -> str:
        """What a model is called among `models`.

        Args:
            model: As a plan names it.

        Raises:
            SourceNotFoundError: If it is not there.
        """
        folder = find_bundle(model).resolve()
        return next(one.name for one in self.models([model]) if one.folder.resolve() == folder)

    def bundle(self, folder: Path) -> Bundle:
        """What a bundle holds, read again when it has changed.

        Raises:
            BundleError: If it is unusable.
        """
        key = _key(folder)
        with self._lock:
            if key not in self._bundles:
                self._bundles = {old: one for old, one in self._bundles.items() if old[0] != key[0]}
                self._bundles[key] = read_bundle(folder)
            return self._bundles[key]

    def load(self, model: str) -> Model:
        """A model, ready to score; the same object as long as its bundle stays the same.

        Raises:
            OddframeError: If it is not there or unusable.
        """
        folder = find_bundle(model)
        bundle, key = self.bundle(folder), _key(folder)
        with self._lock:
            if key not in self._models:
                self._models[key] = load(bundle, device=self._device, batch_size=self._batch_size)
            return self._models[key]

    def forget_all_but(self, kept: Iterable[Model]) -> None:
        """Let go of the networks that no camera uses any more."""
        used = {id(model) for model in kept}
        with self._lock:
            self._models = {key: model for key, model in self._models.items() if id(model) in used}

    def _called(self, text: str) -> str:
        path = Path(text)
        return path.relative_to(self._data).as_posix() if path.is_relative_to(self._data) else text


def _key(folder: Path) -> tuple[Path, int]:
    return folder.resolve(), (folder / "manifest.json").stat().st_mtime_ns
