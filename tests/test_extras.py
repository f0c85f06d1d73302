import importlib.metadata
import importlib.util
import re
import sys
import tomllib
from pathlib import Path

import pytest

from oddframe.errors import MissingExtraError
from oddframe.extras import EXTRA_OF, EXTRA_OF_VERB, require_extra

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def packages(extra):
    """Names of the packages that an extra brings, those of extras in it included."""
    found = set()
    for wanted in EXTRAS[extra]:
        if inner := re.fullmatch(r"oddframe\[(.*)\]", wanted):
            found |= {name for one in inner[1].split(",") for name in packages(one)}
        else:
            found.add(re.match(r"[\w.-]+", wanted)[0].lower())
    return found


def test_every_package_of_an_extra_is_brought_by_it():
    distributions = importlib.metadata.packages_distributions()
    for module, extra in EXTRA_OF.items():
        assert packages(extra) & {
            name.lower().replace("_", "-") for name in distributions[module]
        }, module


def test_every_extra_is_named_somewhere_and_all_has_all():
    assert set(EXTRA_OF.values()) | {"all"} == set(EXTRAS)
    assert set(EXTRA_OF_VERB.values()) <= set(EXTRAS)
    assert packages("all") == {name for extra in EXTRAS for name in packages(extra)}


def test_the_base_install_has_nothing_heavy():
    base = {re.match(r"[\w-]+", wanted)[0] for wanted in PROJECT["dependencies"]}
    assert base == {
        "av",
        "lazy-loader",
        "numpy",
        "onnxruntime",
        "pydantic",
        "rich",
        "safetensors",
        "typer",
    }


@pytest.mark.parametrize(("extra", "named"), [(None, "train"), ("eval", "eval")])
def test_a_missing_package_is_named_with_the_command_that_adds_it(extra, named):
    with (
        pytest.raises(
            MissingExtraError, match=rf'training needs .*: pip install "oddframe\[{named}\]"'
        ),
        require_extra("training", extra),
    ):
        raise ModuleNotFoundError("No module named 'torch'", name="torch.nn")


@pytest.mark.parametrize(
    "error", [ModuleNotFoundError("x", name="colour"), ImportError("x"), ValueError("x")]
)
def test_other_errors_pass(error):
    with pytest.raises(type(error)) as caught, require_extra("training"):
        raise error
    assert caught.value is error


def test_one_that_is_named_already_keeps_its_name():
    with pytest.raises(MissingExtraError, match="MQTT"), require_extra("training"):
        raise MissingExtraError("MQTT", "watch")


@pytest.mark.parametrize(
    ("room", "package", "extra"),
    [
        ("oddframe.store", "filelock", "watch"),
        ("oddframe.store", "sqlalchemy", "watch"),
        ("oddframe.web", "argon2", "serve"),
        ("oddframe.web", "fastapi", "serve"),
    ],
)
def test_a_room_names_its_extra_at_its_door(room, package, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    spec = importlib.util.find_spec(room)
    # A module of its own, so that the room that others have imported stays what it is.
    with pytest.raises(MissingExtraError, match=rf'pip install "oddframe\[{extra}\]"'):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
