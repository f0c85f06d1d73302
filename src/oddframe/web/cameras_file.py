"""`cameras.toml` as the web app edits it: comments and what it does not know stay as they are."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Table

from oddframe.errors import SettingsError
from oddframe.files import decode_text, replace_file, write_text

_EMPTY = """\
# Cameras of `oddframe serve` and `oddframe watch --config`; \
docs/watching.md of Oddframe lists all settings.
"""

Tables = Mapping[str, Mapping[str, Any]]
"""Settings of cameras as plain values, by name, in the file's order."""


class CamerasFile:
    """The file with the cameras, which people may edit by hand at the same time.

    Args:
        path: The file; an empty one is made where there is none.

    Raises:
        OutputError: If it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # What the file held at one of its states: every request asks, but few change it.
        self._read_before: tuple[tuple[int, int, int], Tables] | None = None
        if not path.exists():
            write_text(path, _EMPTY)

    def tables(self) -> Tables:
        """Return what the file says of each camera; it is parsed again only after a change.

        Raises:
            SettingsError: If the file cannot be read.
        """
        state = self._state()
        before = self._read_before
        if before is not None and before[0] == state:
            return before[1]
        tables = {
            str(table["name"]): table.unwrap()
            for table in self._parse().get("camera", [])
            if "name" in table
        }
        # The state is older than the contents: a change between the two is read again next time.
        self._read_before = (state, tables)
        return tables

    def add(self, values: Mapping[str, Any], accept: Callable[[Path], None]) -> None:
        """Add a camera at the end.

        Args:
            values: Its keys; those that are None are left out.
            accept: Called with the new file under another name before it takes the old one's place;
                an error that it raises leaves the old one.

        Raises:
            OutputError: If the file cannot be written.
        """
        document = self._parse()
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

        Args:
            name: The camera.
            values: The keys to set.
            accept: As for `add`.

        Raises:
            KeyError: If there is no such camera.
            OutputError: If the file cannot be written.
        """
        document = self._parse()
        for table in document.get("camera", []):
            if table.get("name") == name:
                _set(table, values)
                self._write(document, accept)
                return
        raise KeyError(name)

    def remove(self, name: str, accept: Callable[[Path], None]) -> None:
        """Take a camera out of the file.

        Args:
            name: The camera.
            accept: As for `add`.

        Raises:
            KeyError: If there is no such camera.
            OutputError: If the file cannot be written.
        """
        document = self._parse()
        cameras = document.get("camera", [])
        names = [table.get("name") for table in cameras]
        if name not in names:
            raise KeyError(name)
        del cameras[names.index(name)]
        # An empty array of tables would be written as `camera = []`, which nothing can be added to.
        if not cameras:
            del document["camera"]
        self._write(document, accept)

    def watch_values(self) -> Mapping[str, Any]:
        """Return what the file says of all cameras together, in its table ``watch``.

        Raises:
            SettingsError: If the file cannot be read.
        """
        table = self._parse().get("watch")
        return table.unwrap() if isinstance(table, Table) else {}

    def change_watch(self, values: Mapping[str, Any], accept: Callable[[Path], None]) -> None:
        """Set keys of the table ``watch``; those that are None are taken out.

        Args:
            values: The keys to set.
            accept: As for `add`.

        Raises:
            OutputError: If the file cannot be written.
        """
        document = self._parse()
        table = document.get("watch")
        if not isinstance(table, Table):
            table = tomlkit.table()
            document["watch"] = table
        _set(table, values)
        self._write(document, accept)

    def sinks(self) -> Tables:
        """Return what the file says of each sink, with its secrets.

        Raises:
            SettingsError: If the file cannot be read.
        """
        found = self._parse().get("sinks", {})
        return {str(name): table.unwrap() for name, table in found.items()}

    def set_sink(
        self, name: str, values: Mapping[str, Any], accept: Callable[[Path], None]
    ) -> None:
        """Set keys of a sink, which is added where there is none; those that are None go.

        Args:
            name: The sink.
            values: The keys to set.
            accept: As for `add`.

        Raises:
            OutputError: If the file cannot be written.
        """
        document = self._parse()
        sinks = document.get("sinks")
        if sinks is None:
            # Without a line [sinks] of its own, as people write it.
            document["sinks"] = tomlkit.table(is_super_table=True)
            sinks = document["sinks"]
        if name not in sinks:
            sinks[name] = tomlkit.table()
        _set(sinks[name], values)
        self._write(document, accept)

    def remove_sink(self, name: str, accept: Callable[[Path], None]) -> None:
        """Take a sink out of the file.

        Args:
            name: The sink.
            accept: As for `add`.

        Raises:
            KeyError: If there is no such sink.
            OutputError: If the file cannot be written.
        """
        document = self._parse()
        sinks = document.get("sinks", {})
        del sinks[name]
        if not sinks and "sinks" in document:
            del document["sinks"]
        self._write(document, accept)

    def _state(self) -> tuple[int, int, int]:
        """Return what changes with the file: its number, its length, its time of change."""
        try:
            # Replacing the file gives it another number, also within one tick of the clock.
            status = self.path.stat()
        except OSError as error:
            raise _unreadable(self.path, error) from error
        return status.st_ino, status.st_size, status.st_mtime_ns

    def _parse(self) -> tomlkit.TOMLDocument:
        """Parse the file; each caller gets a document of its own to change."""
        try:
            return tomlkit.parse(decode_text(self.path.read_bytes()))
        except (OSError, ValueError, TOMLKitError) as error:
            raise _unreadable(self.path, error) from error

    def _write(self, document: tomlkit.TOMLDocument, accept: Callable[[Path], None]) -> None:
        with replace_file(self.path) as temporary:
            temporary.write_text(tomlkit.dumps(document), encoding="utf-8")
            accept(temporary)


def _unreadable(path: Path, error: Exception) -> SettingsError:
    return SettingsError(f"{path.name} must be a readable TOML file: {error}")


def _set(table: Table, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if value is None:
            table.pop(key, None)
        elif isinstance(value, Mapping):
            # Lists of polygons inside it stay lists of inline tables, which is how the guide shows
            # them.
            inner = tomlkit.table()
            for inner_key, inner_value in value.items():
                if inner_value is not None:
                    inner[inner_key] = inner_value
            table[key] = inner
        else:
            table[key] = value
