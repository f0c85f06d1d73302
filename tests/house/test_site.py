"""The site of the documentation: pages written from the code are whole, and faults are found.

CI builds all of it with `make docs`, which installs the generator; here that is the slow test.
"""

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest
import typer.main

import oddframe
from oddframe import cli

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "docs"


@pytest.fixture(scope="module")
def script():
    """The script that builds the site, as a module."""
    loader = SourceFileLoader("oddframe_docs_script", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def test_every_command_and_option_is_on_its_page(script, tmp_path):
    script.write_commands(tmp_path)
    page = (tmp_path / "docs" / "reference" / "command-line.md").read_text()
    commands = typer.main.get_command(cli.app).commands
    for name, command in commands.items():
        assert f"## oddframe {name}" in page
        for parameter in command.params:
            if parameter.param_type_name == "option":
                assert all(f"`{flag}`" in page for flag in parameter.opts)
    examples = re.findall(r"```sh\n(oddframe .*)\n```", page)
    assert len(examples) == page.count("\n## ")


def test_every_public_name_is_on_its_page(script, tmp_path):
    script.write_python(tmp_path)
    page = (tmp_path / "docs" / "reference" / "python.md").read_text()
    for name in oddframe.__all__:
        assert f'heading: "oddframe.{name}"' in page or not callable(getattr(oddframe, name))


def test_every_error_sentence_is_on_its_page(script, tmp_path):
    script.write_errors(tmp_path)
    page = (tmp_path / "docs" / "reference" / "errors.md").read_text()
    assert "- a false-alarm budget must be above 0, got ... *SettingsError*" in page
    assert "- ... could not be written: ... *OutputError*" in page
    # As many as there are calls with words of their own, but for those that are the same twice.
    tree = ast.parse((ROOT / "src" / "oddframe" / "core" / "calibration.py").read_text())
    calls = [
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args
    ]
    core = page.partition("## Clips, scores")[2].partition("\n## ")[0]
    assert core.count("\n- ") >= sum(name.endswith("Error") for name in calls)


@pytest.mark.parametrize("name", ["method.svg", "chain.svg"])
def test_figures_are_what_their_script_draws(name, tmp_path):
    subprocess.run([sys.executable, ROOT / "scripts" / "figures", tmp_path], check=True)
    drawn, shown = tmp_path / name, ROOT / "docs" / "images" / name
    assert drawn.read_text() == shown.read_text(), "run scripts/figures"


def page_of(body):
    return f"<html><head></head><body>{body}</body></html>"


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<a href="b.html#there">x</a><a href="https://elsewhere.org/">y</a>', None),
        ('<a href="none.html">x</a>', "leads to none.html, which is not there"),
        ('<a href="b.html#nowhere">x</a>', "leads to b.html#nowhere, which has no such place"),
        ('<a href="#nowhere">x</a>', "leads to #nowhere, which has no such place"),
        ('<img src="none.png">', "leads to none.png, which is not there"),
        ('<script src="https://cdn.org/a.js"></script>', "loads https://cdn.org/a.js from another"),
        (
            '<link rel="stylesheet" href="//fonts.org/a.css">',
            "loads //fonts.org/a.css from another",
        ),
        ("<autoref identifier='oddframe.nope'>nope</autoref>", "has a reference to nothing"),
    ],
)
def test_what_leads_nowhere_is_found(body, fault, script, tmp_path):
    (tmp_path / "a.html").write_text(page_of(body))
    (tmp_path / "b.html").write_text(page_of('<h2 id="there">There</h2>'))
    faults = script.find_faults(tmp_path)
    assert len(faults) == (fault is not None)
    assert all(fault in found for found in faults)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("zensical") is None, reason="zensical is missing: make docs")
def test_the_whole_site_is_built_strictly():
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert (ROOT / "build" / "docs" / "site" / "docs" / "start.html").is_file()
