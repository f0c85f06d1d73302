"""The tests are where a newcomer looks for them, and know the code by its public face alone."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "oddframe"
TESTS = ROOT / "tests"
TABLE = (TESTS / "README.md").read_text()


def named() -> dict[str, list[str]]:
    """From the table of tests/README.md: source files with the test files that test them."""
    rows = re.findall(r"^\| `([\w/]+\.py)` \| (.+) \|$", TABLE, re.MULTILINE)
    return {source: re.findall(r"`([\w/]+\.py)`", tests) for source, tests in rows}


def sources() -> Iterator[str]:
    """Every source file that holds code."""
    for path in sorted(SOURCE.rglob("*.py")):
        body = ast.parse(path.read_text()).body
        if any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in body):
            yield path.relative_to(SOURCE).as_posix()


def own_test(source: str) -> str:
    """The test file of a source file's name; for a room itself, that of the room's name."""
    path = Path(source)
    if path.stem == "__init__":
        return (path.parent / f"test_{path.parent.name or 'package'}.py").as_posix()
    return (path.parent / f"test_{path.stem.strip('_')}.py").as_posix()


def test_every_source_file_has_a_test_of_its_name_or_a_row_in_the_table() -> None:
    rows = named()
    missing = [
        source
        for source in sources()
        if not (TESTS / own_test(source)).exists() and source not in rows
    ]
    assert missing == []


def test_the_table_names_files_that_are_there_and_needed() -> None:
    for source, tests in named().items():
        assert (SOURCE / source).is_file(), source
        assert not (TESTS / own_test(source)).exists(), f"{source} has a test of its name"
        assert tests, source
        assert [test for test in tests if not (TESTS / test).is_file()] == [], source


@functools.cache
def parsed(path: Path) -> ast.Module:
    """A file as a tree, parsed once for all tests."""
    return ast.parse(path.read_text())


def private_names(tree: ast.Module) -> Iterator[str]:
    """Private attributes of other things that a test reads, sets or patches, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            # `os._exit` is a public function of Python with an odd name.
            if owner not in ("self", "cls", "os"):
                yield f"{node.lineno}: {owner}.{node.attr}"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("oddframe."):
            yield from (
                f"{node.lineno}: {alias.name}" for alias in node.names if is_private(alias.name)
            )
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "setattr":
            patched = [ast.literal_eval(a) for a in node.args[:2] if isinstance(a, ast.Constant)]
            yield from (
                f"{node.lineno}: {name}"
                for name in patched
                if isinstance(name, str) and is_private(name.rpartition(".")[2])
            )


def is_private(name: str) -> bool:
    """Whether a name is private to the one who has it."""
    return name.startswith("_") and not name.startswith("__")


def python_files() -> list[Path]:
    """Every Python file of the tests but those that 0.1.0 left."""
    return [path for path in sorted(TESTS.rglob("*.py")) if "fixtures" not in path.parts]


def test_no_test_knows_a_private_name() -> None:
    """What a test must change has a seam: a parameter or a public name."""
    found = [
        f"{path.relative_to(TESTS)}:{name}"
        for path in python_files()
        for name in private_names(parsed(path))
    ]
    assert found == []


def test_no_test_changes_where_python_looks_for_modules() -> None:
    changing = [
        f"{path.relative_to(TESTS)}:{node.lineno}"
        for path in python_files()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute)
        and node.attr == "path"
        and isinstance(node.value, ast.Name)
        and node.value.id == "sys"
    ]
    assert changing == []


def test_private_names_are_found() -> None:
    text = """
value._x
self._y
os._exit(1)
patch.setattr("oddframe.core.clips._z", 1)
patch.setattr(clips, "_a", 1)
from oddframe.core.clips import _b, c
"""
    names = private_names(ast.parse(text))
    found = sorted(name.rpartition(".")[2].rpartition(" ")[2] for name in names)
    assert found == ["_a", "_b", "_x", "_z"]
