"""The package as its users meet it: names, imports, and the commands that pages show."""

import ast
import importlib
import inspect
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

import oddframe
from oddframe import cli, errors

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "oddframe"
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
HEAVY = (
    "torch",
    "av",
    "matplotlib",
    "sklearn",
    "scipy",
    "pyarrow",
    "onnxruntime",
    "openvino",
    "onnx",
    "nncf",
    "numpy",
)


@pytest.mark.parametrize("name", oddframe.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert inspect.getdoc(getattr(oddframe, name))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'oddframe' has no attribute 'trian'"):
        _ = oddframe.trian


def test_type_checkers_see_the_names_that_python_finds() -> None:
    body = ast.parse((PACKAGE / "__init__.pyi").read_text()).body
    lines = [node for node in body if isinstance(node, ast.ImportFrom)]
    seen = [
        (alias.name, f"oddframe.{node.module}", alias.asname)
        for node in lines
        for alias in node.names
    ]
    assert sorted(name for name, _, _ in seen) == sorted(oddframe.__all__)
    for name, module, shown in seen:
        # Type checkers take no other name of a stub for one that may be imported from it.
        assert shown == name
        assert getattr(oddframe, name) is getattr(importlib.import_module(module), name)


def test_what_can_be_had_is_listed_before_it_was_used() -> None:
    code = "import oddframe; print(*dir(oddframe))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(oddframe.__all__) <= set(done.stdout.split())
    starred: dict[str, object] = {}
    exec("from oddframe import *", starred)
    assert set(oddframe.__all__) <= set(starred)


def test_a_name_that_needs_a_missing_package_says_which_extra_brings_it() -> None:
    code = "import sys, oddframe; sys.modules['torch'] = None; oddframe.train"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'oddframe.train needs an optional package: pip install "oddframe[train]"' in done.stderr


ERRORS = {
    name
    for name, value in vars(errors).items()
    if inspect.isclass(value) and value.__module__ == errors.__name__ and name[0] != "_"
}


def error_tree() -> dict[str, tuple[str | None, str | None]]:
    """From the docstring of `errors`: each error with the one above it and the builtin it names."""
    found: dict[str, tuple[str | None, str | None]] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.search(r"^[\s│├└─]*?(\w+Error)\b(?: \((\w+)\))?", line)
        if match is None:
            continue
        depth = match.start(1)
        above = [(column, name) for column, name in above if column < depth]
        found[match[1]] = (above[-1][1] if above else None, match[2])
        above.append((depth, match[1]))
    return found


def test_the_drawn_error_tree_is_the_real_one() -> None:
    drawn = error_tree()
    assert sorted(drawn) == sorted(ERRORS)
    for name, (parent, builtin) in drawn.items():
        bases = [base.__name__ for base in getattr(errors, name).__bases__]
        assert bases == [parent or "Exception", *([builtin] if builtin else [])]


def test_every_error_is_also_a_builtin_that_fits() -> None:
    plain = [name for name in ERRORS if name != "OddframeError" and not set(builtin_bases(name))]
    assert plain == []


def builtin_bases(name: str) -> Iterator[type]:
    """The builtin errors, beyond Exception itself, that an error of ours is too."""
    for base in getattr(errors, name).__mro__:
        if base.__module__ == "builtins" and base not in (Exception, BaseException, object):
            yield base


@pytest.mark.parametrize("module", ["oddframe", "oddframe.cli", "oddframe.errors"])
def test_a_light_import_brings_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & {set(HEAVY)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


WITHOUT_EXTRAS = """
import importlib, sys
from oddframe.extras import EXTRA_OF

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in EXTRA_OF:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
for name in ("record", "score", "watch", "calibrate", "bench", "doctor"):
    importlib.import_module(f"oddframe.tasks.{name}")
importlib.import_module("oddframe.batch.run")
"""


def test_the_verbs_of_a_base_install_need_no_extra() -> None:
    """The slow test of an edge install shows them at work; this one is there every day."""
    subprocess.run([sys.executable, "-c", WITHOUT_EXTRAS], check=True)


def test_the_version_is_the_same_everywhere() -> None:
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert stated == oddframe.__version__
    assert re.search(
        rf"^version: {re.escape(stated)}$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE
    )


def test_every_dependency_is_pinned() -> None:
    pinned = {
        line.split("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [
        *settings["build-system"]["requires"],
        *settings["project"]["dependencies"],
        *settings["project"]["optional-dependencies"]["parquet"],
        *settings["dependency-groups"]["dev"],
    ]
    names = [re.split(r"[^\w.-]", requirement)[0] for requirement in wanted]
    assert [name for name in names if name not in pinned] == []


def code_blocks(page: Path, *languages: str) -> list[str]:
    """What stands in a page's fenced blocks of these languages."""
    fences = re.findall(r"^ *```(\w*)\n(.*?)^ *```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [text for language, text in fences if language in languages]


def shown_commands(program: str) -> list[tuple[str, str]]:
    """Shell lines of our pages that start with a program, with the page's name."""
    return [
        (page.name, line.strip())
        for page in PAGES
        for block in code_blocks(page, "sh", "bash", "console")
        for line in block.replace("\\\n", " ").splitlines()
        if line.strip().startswith(f"{program} ")
    ]


def test_the_readme_shows_commands() -> None:
    pages = [page for page, _ in shown_commands("oddframe")]
    assert pages.count("README.md") >= 3
    assert [page for page, _ in shown_commands("make")].count("README.md") >= 2


@pytest.mark.parametrize(("page", "line"), shown_commands("oddframe"))
def test_a_shown_command_is_understood(page: str, line: str) -> None:
    verb, *arguments = shlex.split(line, comments=True)[1:]
    verbs = typer.main.get_command(cli.app).commands
    assert verb in verbs, f"{page}: {line}"
    verbs[verb].make_context(verb, arguments)


@pytest.mark.parametrize(("page", "line"), shown_commands("make"))
def test_a_shown_make_target_exists(page: str, line: str) -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert shlex.split(line, comments=True)[1] in targets, f"{page}: {line}"


@pytest.mark.parametrize("block", code_blocks(ROOT / "README.md", "python"))
def test_shown_python_compiles_and_uses_names_that_exist(block: str) -> None:
    for node in ast.walk(ast.parse(block)):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "oddframe"
        ):
            assert hasattr(oddframe, node.attr)


def test_links_between_pages_lead_somewhere() -> None:
    links = [
        (page, target)
        for page in PAGES
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
        if "://" not in target and not target.startswith("mailto:")
    ]
    assert [
        f"{page.name}: {target}" for page, target in links if not (page.parent / target).exists()
    ] == []


def test_the_command_is_installed_under_its_name() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, function = scripts["oddframe"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))
