"""Models are found by name, have one name each, and are loaded once."""

import shutil

import pytest

from oddframe.errors import InputError
from oddframe.web.model_registry import ModelRegistry


@pytest.fixture
def registry(data):
    """The models of a data folder with one model in it."""
    return ModelRegistry(data, batch_size=1, device="cpu")


def test_a_model_is_chosen_by_name_and_never_by_a_path_of_somebody(registry, data):
    found = registry.choose("models/tiny")
    assert found.folder.is_dir()
    # The path of one that is there, as a plan names it, means that one.
    assert registry.choose(str(data / "models" / "tiny")) == found
    for name in ("/etc", "../models/tiny", "tiny", ""):
        with pytest.raises(InputError, match="model must be one of those on the server"):
            registry.choose(name)


def test_each_model_has_one_name_however_a_plan_names_it(registry, data, tiny_run):
    inside, outside = str(data / "models" / "tiny"), str(tiny_run)
    assert registry.names([inside, outside]) == {inside: "models/tiny", outside: "models/tiny"}


def test_a_model_that_is_gone_keeps_the_name_of_the_plan(registry, data):
    gone = str(data / "models" / "gone")
    assert registry.names([gone]) == {gone: "models/gone"}


def test_a_model_is_loaded_once_until_its_bundle_changes(registry, data, tiny_run):
    copy = data / "models" / "copy"
    shutil.copytree(tiny_run, copy)
    first = registry.load(str(copy))
    assert registry.load(str(copy)) is first
    (copy / "bundle" / "manifest.json").touch()
    again = registry.load(str(copy))
    assert again is not first
    registry.forget_all_but([again])
    assert registry.load(str(copy)) is again
