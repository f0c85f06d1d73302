"""What the pages name is so: files, modules, functions, flags, settings and defaults.

Commands in fenced blocks are checked by `test_package.py`, equations by `test_paper_page.py`.
"""

import ast
import dataclasses
import importlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
import typer.main

from oddframe import cli
from oddframe.core.event_rules import EventRules
from oddframe.media.live_config import LiveSettings
from oddframe.monitoring.config import WatchSettings
from oddframe.sinks.frigate import FrigateConfig
from oddframe.training.settings import PRESETS, Settings

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "oddframe"
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
EXAMPLES = {"13.mp4", "NEW.onnx", "OLD.onnx", "test_01.mp4", "yard.mp4", "zones.toml"}
"""Files in our sentences that are somebody's own."""

OTHERS = {"Thumbs.db", "spark.read.parquet"}
"""Names of other programs that look like files of ours."""

OTHER_FLAGS = {
    *("--standalone", "--nproc-per-node", "--nnodes", "--rdzv-endpoint", "--node-rank"),
    *("--rdzv-backend", "--rdzv-id", "--extra-index-url", "--num_processes", "--randomly-seed"),
    *("--format", "--build-arg", "--no-healthcheck", "--shm-size"),
}
"""Flags of torchrun, pip, accelerate, pytest and podman that our pages name."""


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def code_spans(page: Path) -> Iterator[str]:
    """What stands between backticks in the sentences and tables of a page."""
    yield from (match[1] for match in re.finditer(r"`([^`\n]+)`", prose(page)))


def tables(page: Path) -> Iterator[list[dict[str, str]]]:
    """The tables of a page, each row by its column's name."""
    for block in re.findall(r"(?:^\|.*\n)+", prose(page), re.MULTILINE):
        rows = [
            [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            for line in block.splitlines()
        ]
        yield [dict(zip(rows[0], row, strict=False)) for row in rows[2:]]


def options() -> dict[str, list[click.Parameter]]:
    """Every flag of the command line with its parameters, one for each verb that has it."""
    found: dict[str, list[click.Parameter]] = {}

    def collect(command: Any) -> None:
        for parameter in command.params:
            for flag in (*parameter.opts, *parameter.secondary_opts):
                found.setdefault(flag, []).append(parameter)
        for inner in getattr(command, "commands", {}).values():
            collect(inner)

    collect(typer.main.get_command(cli.app))
    # Typer adds it when the program is called.
    found.setdefault("--help", [])
    return found


FLAGS = options()


def script_flags() -> set[str]:
    """Flags that our scripts, benchmarks and the tests' options know."""
    texts = [
        path.read_text()
        for folder in ("benchmarks", "scripts")
        for path in sorted((ROOT / folder).iterdir())
        if path.is_file()
    ]
    return set(re.findall(r"--[a-z][\w-]*", "\n".join(texts)))


def lookup(path: str, names: str) -> bool:
    """Whether a file of the package defines a name, dotted for a member of a class."""
    nodes: list[ast.AST] = [ast.parse((SOURCE / path).read_text())]
    for name in names.split("."):
        nodes = [
            child
            for node in nodes
            for child in ast.walk(node)
            if getattr(child, "name", None) == name
            or (isinstance(child, ast.Name) and child.id == name)
            or (isinstance(child, ast.Attribute) and child.attr == name)
        ]
    return bool(nodes)


def settings_keys(value: object, path: str = "") -> Iterator[str]:
    """Every dotted key of a settings file."""
    for field in dataclasses.fields(value):  # type: ignore[arg-type]
        key = f"{path}.{field.name}" if path else field.name
        yield key
        inner = getattr(value, field.name)
        if dataclasses.is_dataclass(inner):
            yield from settings_keys(inner, key)


def wrong_files(span: str) -> Iterator[str]:
    """Python files, folders and names in them that a code span names and that are not there."""
    for path, names in re.findall(r"^(?:src/oddframe/)?([\w/]+\.py)(?::([\w.]+))?$", span):
        places = [SOURCE / path, ROOT / path, ROOT / "src" / path, ROOT / "tests" / path]
        found = [place for place in places if place.is_file()]
        if not found:
            yield f"{path} is not there"
        elif names and found[0] == SOURCE / path and not lookup(path, names):
            yield f"{names} is not in {path}"
    for folder in re.findall(r"^((?:src|tests|docs|benchmarks|scripts|examples)/[\w/.-]*)$", span):
        if not (ROOT / folder).exists():
            yield f"{folder} is not there"


def wrong_modules(span: str) -> Iterator[str]:
    """Dotted names below `oddframe` that cannot be had."""
    match = re.match(r"oddframe((?:\.\w+)+)", span)
    if match is None or span.startswith("oddframe.sqlite"):
        return
    parts = span[: match.end()].split(".")
    value: Any = importlib.import_module("oddframe")
    for number, name in enumerate(parts[1:], start=1):
        if not hasattr(value, name):
            try:
                importlib.import_module(".".join(parts[: number + 1]))
            except ModuleNotFoundError:
                yield f"{'.'.join(parts)} cannot be had"
                return
        value = getattr(value, name)


def wrong_settings(span: str) -> Iterator[str]:
    """Keys of a settings file that do not exist."""
    known = set(settings_keys(Settings()))
    for key in re.findall(r"(?<![/\w])((?:network|data|training)\.[a-z_][\w.]*)", span):
        if key not in known and not key.endswith(".py"):
            yield f"{key} is no setting"


def wrong_flags(span: str) -> Iterator[str]:
    """Flags that neither the command line nor a script of ours knows."""
    known = set(FLAGS) | script_flags() | OTHER_FLAGS
    for flag in re.findall(r"(?<![\w-])(--[a-z][\w-]*)", span):
        if flag not in known:
            yield f"{flag} is no flag"


def wrong_results(span: str) -> Iterator[str]:
    """Files that the program is said to read or write and that its source never names."""
    suffixes = "jsonl|json|csv|toml|npz|png|html|mp4|db|sqlite|safetensors|onnx|u8|parquet|npy"
    for path in re.findall(rf"[\w./-]+\.(?:{suffixes})\b", span):
        if (ROOT / path.lstrip("/")).exists():
            continue
        name = path.rpartition("/")[2]
        # The name of a file that was put aside is made of the file's own.
        base = re.sub(r"^(NAME|VIDEO|CAMERA)\.", "", name).replace(".old.", ".")
        if base not in SOURCE_TEXT and name not in EXAMPLES | OTHERS:
            yield f"{name} is written and read nowhere"


SOURCE_TEXT = "\n".join(
    path.read_text()
    for path in (*sorted(SOURCE.rglob("*")), ROOT / "scripts" / "build-release")
    if path.suffix in (".py", ".js", ".html", ".css", "") and path.is_file()
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
@pytest.mark.parametrize(
    "check", [wrong_files, wrong_modules, wrong_settings, wrong_flags, wrong_results]
)
def test_what_a_page_names_is_there(page: Path, check: Any) -> None:
    assert [wrong for span in code_spans(page) for wrong in check(span)] == []


def plain(value: object) -> str:
    """A default as pages write it: `1`, `0.3`, `true`, `1/day`, an empty text for none."""
    if value is None or value == () or value == "":
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return str(getattr(value, "value", value))


def defaults_by_name() -> dict[str, set[str]]:
    """Defaults of the settings that tables of pages list, by the field's name."""
    found: dict[str, set[str]] = {}
    frigate = FrigateConfig(url="http://frigate:5000")
    for value in (EventRules(), LiveSettings(), WatchSettings(), frigate, PRESETS["fast"]):
        for field in dataclasses.fields(value):
            found.setdefault(field.name, set()).add(plain(getattr(value, field.name)))
    for flag, parameters in FLAGS.items():
        found[flag] = {plain(parameter.default) for parameter in parameters}
    return found


def shown_defaults(page: Path) -> Iterator[tuple[str, str]]:
    """Pairs of a key or flag and the default that a table or a sentence gives it."""
    for table in tables(page):
        for row in table:
            if "default" not in row:
                continue
            keys = re.findall(r"`([^`]+)`", next(iter(row.values())))
            values = [
                re.sub(r"^([\d.]+) (s|GB|MB)$", r"\1", cell.strip().strip("`"))
                for cell in row["default"].split(",")
            ]
            # A default in words ("from the budget") is not compared.
            yield from (
                (key, value)
                for key, value in zip(keys, values, strict=False)
                if re.fullmatch(r"[\w./-]+", value)
            )
    yield from re.findall(r"`(--[\w-]+) ([\w./-]+)`(?:,| is| \()+ ?the default", prose(page))


def wrong_defaults(page: Path) -> list[str]:
    """Defaults that a page gives and that are others."""
    known = defaults_by_name()
    return [
        f"{key} has the default {' or '.join(sorted(known.get(key, {'none'})))}, not {value}"
        for key, value in shown_defaults(page)
        if value not in known.get(key, set())
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_defaults_on_a_page_are_so(page: Path) -> None:
    assert wrong_defaults(page) == []


def test_defaults_are_found() -> None:
    found = {key for page in PAGES for key, _ in shown_defaults(page)}
    assert {"least_s", "cool_down_s", "quiet_s", "stall_s", "--false-alarms", "--backend"} <= found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_toml_on_a_page_has_keys_that_exist(page: Path) -> None:
    blocks = re.findall(r"^ *```toml\n(.*?)^ *```$", page.read_text(), re.MULTILINE | re.DOTALL)
    for block in blocks:
        table = tomllib.loads(block)
        if set(table) <= {"network", "data", "training"}:
            known = set(settings_keys(Settings()))
            assert set(dotted(table)) <= known, block


def dotted(table: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The dotted keys of a table that hold no table themselves."""
    for key, value in table.items():
        name = f"{path}.{key}" if path else key
        if isinstance(value, Mapping):
            yield from dotted(value, name)
        else:
            yield name


@pytest.mark.parametrize(
    ("check", "span", "wrong"),
    [
        (wrong_files, "core/attic.py", True),
        (wrong_files, "core/clips.py:Attic", True),
        (wrong_files, "core/clips.py:ClipWindow.push", False),
        (wrong_files, "tests/attic/", True),
        (wrong_modules, "oddframe.attic", True),
        (wrong_modules, "oddframe.Model.attic", True),
        (wrong_modules, "oddframe.Model.scores", False),
        (wrong_settings, "network.attic = 1", True),
        (wrong_settings, "data.counter_examples.share", False),
        (wrong_flags, "--attic", True),
        (wrong_flags, "--false-alarms 1/day", False),
        (wrong_results, "attic.json", True),
        (wrong_results, "NAME.scores.csv", False),
    ],
)
def test_what_is_wrong_is_found(check: Any, span: str, wrong: bool) -> None:
    assert bool(list(check(span))) == wrong


def test_a_wrong_default_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("| setting | default |\n|---|---|\n| `quiet_s` | 4 |\n| `queue` | 4 |\n")
    assert wrong_defaults(page) == ["quiet_s has the default 3, not 4"]
    page.write_text("`--backend onnx`, the default, runs everywhere.\n")
    assert len(wrong_defaults(page)) == 1
