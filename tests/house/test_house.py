"""The rules of the house that a machine can hold; `docs/design.md` says why they are so."""

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import oddframe

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "oddframe"


def load_measures() -> ModuleType:
    """The script that measures the house, as a module."""
    loader = SourceFileLoader("house_script", str(ROOT / "scripts" / "house"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


MEASURES = load_measures()


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    """What `scripts/house` measures in this tree."""
    found = MEASURES.figures(ROOT)
    assert isinstance(found, dict)
    return found


FLOORS = (
    ("_types", "_version", "errors"),
    ("_background", "core", "extras", "files", "isolation", "metrics"),
    ("settings",),
    ("media", "model", "store", "synthetic"),
    ("bundle", "datasets"),
    ("inference",),
    ("results", "training"),
    ("batch", "report", "sinks", "speed"),
    ("monitoring",),
    ("web",),
    ("tasks",),
    ("cli",),
    ("__main__",),
)
"""Rooms from the ground up: a file imports from its own room or from a floor below."""

FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}

PURE = {
    *("bisect", "collections", "dataclasses", "enum", "fractions", "functools", "hashlib", "heapq"),
    *("datetime", "itertools", "math", "numbers", "numpy", "operator", "re", "statistics"),
    *("typing", "zoneinfo"),
}
"""What `core/` may know beside itself, the shared types and the errors.

Nothing with files, clocks, threads or devices in it. `datetime` is there for the calendar,
`zoneinfo` for the tables of time zones; nothing in `core/` asks what time it is.
"""

LONGEST = 450


def source_files(package: Path) -> list[Path]:
    """The package's files without its facade, which imports upwards and only when asked."""
    return sorted(path for path in package.rglob("*.py") if path != package / "__init__.py")


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All of a file's syntax tree, read once for all tests."""
    return tuple(ast.walk(ast.parse(path.read_text())))


def imports(path: Path) -> Iterator[str]:
    """Every module and name that a file imports, wherever in it, as dotted text."""
    for node in nodes(path):
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
    """Imports and calls in `core/` that reach for files, clocks or threads."""
    found = []
    for path in sorted((package / "core").rglob("*.py")):
        for name in imports(path):
            top, *rest = name.split(".")
            own = top == "oddframe" and rest[0] in ("_types", "core", "errors")
            if top not in PURE and not own:
                found.append(f"{path.name} imports {name}")
        found += [
            f"{path.name} calls {name}"
            for name in called(path)
            if name in ("open", "input", "__import__")
        ]
    return found


def called(path: Path) -> Iterator[str]:
    """Names of the plain functions that a file calls."""
    for node in nodes(path):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


def too_long(package: Path) -> list[str]:
    """Files over the limit."""
    lengths = {path: len(path.read_text().splitlines()) for path in source_files(package)}
    return [
        f"{path.relative_to(package)} has {lines} lines"
        for path, lines in lengths.items()
        if lines > LONGEST
    ]


def test_every_room_has_a_floor() -> None:
    rooms = {room(path, PACKAGE) for path in source_files(PACKAGE)}
    assert rooms == set(FLOOR_OF) - ({"_version"} - rooms), (
        "give the new room a floor here and in docs/design.md"
    )


def test_imports_point_down() -> None:
    assert wrong_ways(PACKAGE) == []


def test_core_is_pure() -> None:
    assert impure(PACKAGE) == []


def test_only_media_knows_pyav() -> None:
    assert users_of("av", PACKAGE) == {"media"}


def test_torch_stays_out_of_the_rooms_that_an_edge_install_needs() -> None:
    light = {"cli", "core", "datasets", "media", "metrics", "results", "settings", "sinks", "store"}
    assert not users_of("torch", PACKAGE) & light


def test_the_library_never_prints() -> None:
    printing = [path for path in source_files(PACKAGE) if "print" in called(path)]
    assert [str(path.relative_to(PACKAGE)) for path in printing] == []


def test_no_file_is_too_long() -> None:
    assert too_long(PACKAGE) == []


def test_few_modules_lie_in_the_root(figures: dict[str, Any]) -> None:
    assert len(figures["in_root"]) <= 7, figures["in_root"]


def test_few_files_are_short(figures: dict[str, Any]) -> None:
    assert len(figures["small_files"]) <= 12, figures["small_files"]


def test_a_short_file_with_one_importer_lies_in_that_importer(figures: dict[str, Any]) -> None:
    assert figures["drawer_files"] == []


def test_no_class_name_stands_twice(figures: dict[str, Any]) -> None:
    assert figures["twice_names"] == []


def test_files_do_not_import_each_other_in_a_circle(figures: dict[str, Any]) -> None:
    assert figures["cycle_files"] == []


def test_import_chains_are_short(figures: dict[str, Any]) -> None:
    assert len(figures["chain_files"]) <= 20, figures["chain_files"]
    assert len(figures["chain_inside_files"]) <= 24, figures["chain_inside_files"]


def test_imports_inside_functions_are_no_more_than_before(figures: dict[str, Any]) -> None:
    assert figures["inner_imports"] <= 65


def test_only_the_facade_lists_its_names(figures: dict[str, Any]) -> None:
    assert set(figures["with_all"]) <= {"__init__.py"}


def test_reasons_are_written_down(figures: dict[str, Any]) -> None:
    assert figures["comments"] >= 3


def test_lines_are_short(figures: dict[str, Any]) -> None:
    assert figures["wide"] < 1, figures["wide_lines"]


def test_docstrings_say_something() -> None:
    """One of a public function, method or class is a sentence, not a grunt."""
    short = []
    for path in source_files(PACKAGE):
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                text = ast.get_docstring(node)
                if text is not None and len(text) < 24:
                    short.append(f"{path.relative_to(PACKAGE)}: {node.name}: {text}")
    assert short == []


def test_the_table_in_the_design_page_is_that_of_today(figures: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "design.md").read_text()
    shown = page.partition(MEASURES.BEGIN)[2].partition(MEASURES.END)[0].strip()
    assert shown == MEASURES.table(figures), "run scripts/house --write"


def test_the_design_page_names_every_room_on_its_floor() -> None:
    page = (ROOT / "docs" / "design.md").read_text()
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", page, re.MULTILINE)
    assert [tuple(sorted(re.findall(r"`(\w+)/?`", names))) for _, names in rows] == [
        tuple(sorted(floor)) for floor in FLOORS
    ]


def test_no_module_takes_the_place_of_a_public_function() -> None:
    """Once `oddframe.x` the module is imported, `oddframe.x` the function is gone."""
    for module in pkgutil.walk_packages(oddframe.__path__, "oddframe."):
        if module.name != "oddframe.__main__":
            importlib.import_module(module.name)
    functions = [name for name in oddframe.__all__ if name[0].islower()]
    assert len(functions) > 8
    for name in functions:
        function = getattr(oddframe, name)
        assert inspect.isfunction(function), name
        # Called, and not only there: a module in its place could not be.
        with pytest.raises(TypeError, match="no_such_argument"):
            function(no_such_argument=1)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A house of our own in which to break rules."""
    for folder in ("core", "media", "tasks"):
        (tmp_path / folder).mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("core/clips.py", "from oddframe.media import images"),
        ("media/images.py", "from oddframe.model.network import Network"),
        ("files.py", "def go():\n    from oddframe.tasks.evaluate import evaluate"),
        ("tasks/score.py", "import oddframe.cli.train"),
        ("tasks/score.py", "from oddframe import train"),
        ("tasks/score.py", "import oddframe"),
        ("bundle.py", "from oddframe.attic import hidden"),
    ],
)
def test_a_way_sideways_or_up_is_found(house: Path, file: str, line: str) -> None:
    (house / file).write_text(line)
    assert len(wrong_ways(house)) == 1


@pytest.mark.parametrize(
    ("line", "names"), [("import time", ["time"]), ("from oddframe.files import x", ["files"])]
)
def test_what_is_not_pure_is_found(house: Path, line: str, names: list[str]) -> None:
    (house / "core" / "clips.py").write_text(line)
    (found,) = impure(house)
    assert all(name in found for name in names)


def test_a_file_that_is_too_long_is_found(house: Path) -> None:
    (house / "core" / "clips.py").write_text("x = 1\n" * (LONGEST + 1))
    (found,) = too_long(house)
    assert found == f"core/clips.py has {LONGEST + 1} lines"


def test_the_measures_find_what_they_are_for(tmp_path: Path) -> None:
    package = tmp_path / "oddframe"
    package.mkdir()
    (package / "a.py").write_text("from oddframe.b import X\n__all__ = []\nclass Y: ...\n")
    (package / "b.py").write_text("# Why.\nclass X: ...\nclass _Y: ...\n" + "x" * 101 + "\n")
    (package / "c.py").write_text("def go():\n    from oddframe.a import Y\n")
    measured = MEASURES.House(package)
    assert measured.twice == ["Y"]
    assert measured.wide == ["b.py:4"]
    assert measured.with_all == ["a.py"]
    assert measured.comments == 1
    assert measured.single_importer == ["a.py", "b.py"]
    assert MEASURES.longest_chain(measured.graph) == ["a.py", "b.py"]
    assert MEASURES.longest_chain(measured.graph_inside) == ["c.py", "a.py", "b.py"]
    (package / "b.py").write_text("def go():\n    from oddframe.a import Y\n")
    again = MEASURES.House(package)
    assert MEASURES.cycles(again.graph) == []
    assert MEASURES.cycles(again.graph_inside) == [["a.py", "b.py"]]
