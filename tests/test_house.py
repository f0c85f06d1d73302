"""The rules of the house that a machine can hold; `docs/design.md` says why they are so."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "oddframe"

FLOORS = (
    ("_version", "errors", "progress"),
    ("_background", "extras", "files", "isolation", "launched", "process_title"),
    ("core",),
    ("settings",),
    ("metrics", "model", "media"),
    ("data",),
    ("bundle_folder", "config", "streaming"),
    ("bundle", "checkpoint", "model_card", "run_folder", "sinks", "store"),
    ("runtime", "training_loop"),
    ("scoring", "graphs", "held_out", "odd_clips", "training_plan"),
    ("report", "one_recording", "speed"),
    (
        *("training", "calibrating", "evaluation", "score_evaluation", "detect", "data_check", "doctor", "reporting"),
        "benching",
    ),
    ("watching", "archive"),
    ("serve",),
    ("demo_app", "demo_page", "exporting"),
    ("demo",),
    ("terminal", "watch_view"),
    ("commands",),
    ("cli",),
    ("__main__",),
)
"""Rooms from the ground up: a file imports from its own room or from a floor below."""

FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}

PURE = {
    *("bisect", "collections", "dataclasses", "enum", "fractions", "functools", "hashlib", "heapq", "itertools"),
    *("datetime", "math", "numbers", "numpy", "operator", "re", "statistics", "typing", "zoneinfo"),
}
"""What `core/` may know beside itself and the errors: nothing with files, clocks, threads or devices in it.

`datetime` is there for the calendar, `zoneinfo` for the tables of time zones; nobody in it asks what time it is."""

LONGEST = 300


def source_files(package: Path) -> list[Path]:
    """The package's files, its facade excepted: that one looks up, and only when it is asked."""
    return sorted(path for path in package.rglob("*.py") if path != package / "__init__.py")


def imports(path: Path) -> Iterator[str]:
    """Every module and name that a file imports, wherever in it, as dotted text."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are written in full, not relative"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(path: Path, package: Path) -> str:
    """The room that a file belongs to: its folder in the package, or itself."""
    return path.relative_to(package).parts[0].removesuffix(".py")


def wrong_ways(package: Path) -> list[str]:
    """Imports that go sideways or up."""
    found = []
    for path in source_files(package):
        here = room(path, package)
        for name in imports(path):
            top, *rest = name.split(".")
            if top != "oddframe":
                continue
            there = rest[0] if rest else "the facade"
            if there != here and not FLOOR_OF.get(there, len(FLOORS)) < FLOOR_OF.get(here, 0):
                found.append(f"{path.relative_to(package)} imports {name}")
    return found


def users_of(module: str, package: Path) -> set[str]:
    """Rooms that import a module."""
    return {
        room(path, package)
        for path in source_files(package)
        if any(name.split(".")[0] == module for name in imports(path))
    }


def impure(package: Path) -> list[str]:
    """Imports and calls in `core/` that reach for the world."""
    found = []
    for path in sorted((package / "core").glob("*.py")):
        for name in imports(path):
            top, *rest = name.split(".")
            if top not in PURE and not (top == "oddframe" and rest[0] in ("core", "errors")):
                found.append(f"{path.name} imports {name}")
        found += [f"{path.name} calls {name}" for name in called(path) if name in ("open", "input", "__import__")]
    return found


def called(path: Path) -> Iterator[str]:
    """Names of the plain functions that a file calls."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


def too_long(package: Path) -> list[str]:
    """Files over the limit whose docstring does not say "lines because"."""
    found = []
    for path in source_files(package):
        text = path.read_text()
        lines = len(text.splitlines())
        reason = ast.get_docstring(ast.parse(text)) or ""
        if lines > LONGEST and not re.search(r"\blines\s+because\b", reason):
            found.append(f"{path.relative_to(package)} has {lines} lines")
    return found


def test_every_room_has_a_floor() -> None:
    rooms = {room(path, PACKAGE) for path in source_files(PACKAGE)}
    assert rooms <= set(FLOOR_OF), "give the new room a floor here and in docs/design.md"


def test_imports_point_down() -> None:
    assert wrong_ways(PACKAGE) == []


def test_core_is_pure() -> None:
    assert impure(PACKAGE) == []


def test_only_media_knows_pyav() -> None:
    assert users_of("av", PACKAGE) == {"media"}


def test_torch_stays_out_of_the_rooms_that_an_edge_install_needs() -> None:
    light = {"core", "metrics", "media", "data", "sinks", "store", "terminal", "commands", "cli"}
    assert not users_of("torch", PACKAGE) & light


def test_the_library_never_prints() -> None:
    assert [str(path.relative_to(PACKAGE)) for path in source_files(PACKAGE) if "print" in called(path)] == []


def test_long_files_say_why() -> None:
    assert too_long(PACKAGE) == [], 'shorten it, or say why in its docstring ("... lines because ...")'


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A house of our own in which to break rules."""
    for folder in ("core", "media"):
        (tmp_path / folder).mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("core/clips.py", "from oddframe.media import images"),
        ("media/images.py", "from oddframe.model.network import Network"),
        ("training.py", "def go():\n    from oddframe.evaluation import evaluate"),
        ("detect.py", "import oddframe.training"),
        ("detect.py", "from oddframe import train"),
        ("detect.py", "import oddframe"),
        ("detect.py", "from oddframe import __version__"),
        ("bundle.py", "from oddframe.attic import hidden"),
    ],
)
def test_an_import_that_goes_up_or_sideways_is_found(house: Path, file: str, line: str) -> None:
    (house / file).write_text(line)
    assert len(wrong_ways(house)) == 1


def test_imports_of_the_own_room_and_lower_floors_are_fine(house: Path) -> None:
    (house / "media" / "images.py").write_text("import oddframe.media.sources\nfrom oddframe.core.records import Frame")
    (house / "detect.py").write_text("from oddframe._version import __version__\nfrom oddframe.sinks import tables")
    assert wrong_ways(house) == []


@pytest.mark.parametrize("line", ["import time", "from pathlib import Path", "import torch", "open('x')"])
def test_a_core_that_reaches_for_the_world_is_found(house: Path, line: str) -> None:
    (house / "core" / "clips.py").write_text(line)
    assert len(impure(house)) == 1


@pytest.mark.parametrize(("docstring", "found"), [("Much.", 1), ("Much: 302 lines because it is one table.", 0)])
def test_a_long_file_is_found_unless_it_says_why(house: Path, docstring: str, found: int) -> None:
    (house / "media" / "images.py").write_text(f'"""{docstring}"""\n' + "x = 1\n" * LONGEST)
    assert len(too_long(house)) == found
