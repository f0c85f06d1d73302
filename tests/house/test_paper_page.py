"""docs/paper.md maps equations to functions and tests: every name in it must exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = sorted(
    set(
        re.findall(
            r"`([\w/]+\.py):([\w.]+)`", (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
        )
    )
)


def defined(path):
    """Functions and classes of a file, and what is in its classes as Class.name."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}.{part.name}"
                for part in node.body
                if isinstance(part, ast.FunctionDef)
            }
    return found


@pytest.mark.parametrize(("file", "name"), NAMES, ids=str)
def test_what_the_map_names_exists(file, name):
    room = "tests" if "/test_" in file else "src/oddframe"
    assert name in defined(ROOT / room / file)


def test_the_map_covers_every_file_of_the_model():
    mapped = {file for file, _ in NAMES}
    files = {
        f"model/{path.name}" for path in (ROOT / "src" / "oddframe" / "model").glob("[a-z]*.py")
    }
    assert files <= mapped
