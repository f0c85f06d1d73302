"""`cameras.toml` as the web app edits it: comments and what it does not know stay as they are."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Table

from oddframe.errors import SettingsError
from oddframe.files import replace_file, write_text

_EMPTY = """\
# Cameras of `oddframe serve` and `oddframe watch --config`; docs/watching.md of Oddframe lists all settings.
"""


class CamerasFile:
    """The file with the cameras.

    Args:
        path: The file; made empty where there is none.

    Raises:
        OutputError: If it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            write_text(path, _EMPTY)

    def table(self, name: str) -> Mapping[str, Any] | None:
        """What the file says of a camera, as plain values; None where it says nothing.

        Raises:
            SettingsError: If the file cannot be read.
        """
        found = _find(self._read(), name)
        return None if found is None else found.unwrap()

    def tables(self) -> dict[str, Mapping[str, Any]]:
        """The same of all cameras, by name, in the file's order."""
        return {
            str(table["name"]): table.unwrap()
            for table in self._read().get("camera", [])
            if "name" in table
        }

    def add(self, values: Mapping[str, Any], accept: Callable[[Path], None]) -> None:
        """Add a camera at the end.

        Args:
            values: Its keys; those that are None are left out.
            accept: Given the new file under another name before it takes its place; what it raises
                leaves the old one.

        Raises:
            OutputError: If the file cannot be written.
        """
        document = self._read()
        table = tomlkit.table()
        _set(table, values)
        cameras = document.get("camera")
        if not isinstance(cameras, AoT):
            cameras = tomlkit.aot()
            document["camera"] = cameras
        cameras.append(table)
        self._write(document, accept)

    def change(self, name: str, values: Mapping[str, Any], accept: Callable[[Path], None]) -> None:
        """Set keys of a camera; those that are None are taken out.

        Raises:
            KeyError: If there is no such camera.
            OutputError: If the file cannot be written.
        """
        document = self._read()
        table = _find(document, name)
        if table is None:
            raise KeyError(name)
        _set(table, values)
        self._write(document, accept)

    def remove(self, name: str, accept: Callable[[Path], None]) -> None:
        """Take a camera out.

        Raises:
            KeyError: If there is no such camera.
            OutputError: If the file cannot be written.
        """
        document = self._read()
        table = _find(document, name)
        if table is None:
            raise KeyError(name)
        cameras = document["camera"]
        assert isinstance(cameras, AoT)
        place = next(number for number, one in enumerate(cameras) if one.get("name") == name)
        del cameras[place]
        if not cameras:
            del document["camera"]
        self._write(document, accept)

    def _read(self) -> tomlkit.TOMLDocument:
        try:
            return tomlkit.parse(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError, TOMLKitError) as error:
            raise SettingsError(
                f"{self.path.name} must be a readable TOML file: {error}"
            ) from error

    def _write(self, document: tomlkit.TOMLDocument, accept: Callable[[Path], None]) -> None:
        with replace_file(self.path) as temporary:
            temporary.write_text(tomlkit.dumps(document), encoding="utf-8")
            accept(temporary)


def _find(document: tomlkit.TOMLDocument, name: str) -> Table | None:
    cameras = document.get("camera", [])
    return next((table for table in cameras if table.get("name") == name), None)


def _set(table: Table, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if value is None:
            table.pop(key, None)
        elif isinstance(value, Mapping):
            # Lists of polygons inside it stay lists of inline tables, which is how the guide shows
            # them.
            inner = tomlkit.table()
            for name, one in value.items():
                if one is not None:
                    inner[name] = one
            table[key] = inner
        else:
            table[key] = value
