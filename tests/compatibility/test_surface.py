"""The public names, the verbs and their flags, and the files that people write: as in 0.1.0."""

import json

import pytest

import oddframe
from oddframe.training.settings import Settings, read_settings
from tests.support.surface import missing, plain, signatures, verbs

BATCHING = ("score", "eval", "calibrate")
"""Verbs whose batch is 8 on a processor as before where nobody says its size, and 64 on a GPU."""


@pytest.fixture(scope="module")
def stored(left):
    return json.loads((left / "signatures.json").read_text())


def parameters_changed(before, now, where):
    """What a caller of 0.1.0 would trip over.

    Parameters that may be left out may have come, and old ones may be left out now.
    """
    known = {one["name"]: one for one in now}
    lines = [
        f"{where}: {one} is {known.get(one['name'])}"
        for one in before
        if known.get(one["name"]) != one and not is_optional_now(one, known.get(one["name"]))
    ]
    by_place = ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD")
    places = [[one["name"] for one in given if one["kind"] in by_place] for given in (before, now)]
    if places[1][: len(places[0])] != places[0]:
        lines.append(f"{where}: the order was {places[0]} and is {places[1]}")
    names = {one["name"] for one in before}
    variable = ("VAR_POSITIONAL", "VAR_KEYWORD")
    return lines + [
        f"{where}: {one['name']} must be given now"
        for one in now
        if one["name"] not in names and "default" not in one and one["kind"] not in variable
    ]


def is_optional_now(before, now):
    """Whether all that has changed is that the parameter may be left out: callers give it still.

    A batch size that is left out is 8 on a processor as it was, and another on a GPU.
    """
    if now is None:
        return False
    if (before["name"], before.get("default"), now.get("default")) == ("batch_size", "8", "None"):
        return before["kind"] == now["kind"]
    return before == {key: now[key] for key in now if key != "default"}


def test_every_public_name_is_there_and_takes_what_it_took(stored):
    now = signatures()
    assert set(stored["oddframe"]) <= set(now)
    # The preset is a settings file now, and its name is an error that says so (issue 16).
    stored["oddframe"]["PRESETS"]["keys"].remove("walkway")
    wrong = []
    for name, before in stored["oddframe"].items():
        found = now[name]
        assert found["kind"] == before["kind"], name
        wrong += parameters_changed(before.get("parameters", []), found.get("parameters", []), name)
        for part in ("fields", "attributes", "bases", "keys"):
            gone = set(before.get(part, [])) - set(found.get(part, []))
            wrong += [f"{name} has no {part[:-1]} {one} any more" for one in sorted(gone)]
        for method, given in before.get("methods", {}).items():
            if method not in found["methods"]:
                wrong.append(f"{name}.{method} is gone")
            else:
                wrong += parameters_changed(given, found["methods"][method], f"{name}.{method}")
    assert wrong == []


def test_every_verb_has_its_flags_with_their_defaults(stored):
    now = verbs()
    others = [f".{verb}.--batch-size.default was 8 and is None" for verb in BATCHING]
    assert sorted(missing(stored["verbs"], now)) == sorted(others)
    must = {
        f"{verb} {flag}"
        for verb in stored["verbs"]
        for flag, one in now[verb].items()
        if one["required"]
    }
    before = {f"{verb} {flag}" for verb, flags in stored["verbs"].items() for flag in flags}
    assert must <= before


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda given: given[:1], "'b'"),
        (lambda given: [given[0], {**given[1], "default": "2"}], "'2'"),
        (lambda given: given[::-1], "order"),
        (lambda given: [*given, {"name": "c", "kind": "KEYWORD_ONLY"}], "c must be given"),
    ],
)
def test_a_change_that_breaks_callers_is_found(change, line):
    kind = "POSITIONAL_OR_KEYWORD"
    given = [{"name": "a", "kind": kind}, {"name": "b", "kind": kind, "default": "1"}]
    assert parameters_changed(given, given, "f") == []
    assert (
        parameters_changed(given, [*given, {"name": "c", "kind": kind, "default": "0"}], "f") == []
    )
    assert parameters_changed(given, [{**given[0], "default": "0"}, given[1]], "f") == []
    assert any(line in one for one in parameters_changed(given, change(given), "f"))


def test_a_parameter_that_may_be_left_out_now_breaks_nobody():
    must = {"name": "a", "kind": "POSITIONAL_OR_KEYWORD"}
    may = {**must, "default": "None"}
    assert parameters_changed([must], [may], "f") == []
    assert parameters_changed([may], [must], "f") != []


@pytest.mark.parametrize(
    ("stored", "found", "lines"),
    [
        ({"a": [1, 2]}, {"a": [1, 2], "b": 3}, []),
        ({"a": [1, 2]}, {"a": [1]}, [".a was [1, 2] and is [1]"]),
        ({"a": 1}, {"b": 1}, [".a is gone"]),
        ({"a": 1.0}, {"a": 1.0005}, []),
        ({"a": 1.0}, {"a": 1.01}, [".a was 1.0 and is 1.01"]),
        ({"seconds": 1.0}, {"seconds": 9.0}, []),
        ({"seconds": 1.0}, {}, [".seconds is gone"]),
    ],
)
def test_what_is_missing_is_named(stored, found, lines):
    assert missing(stored, found, nearly=1e-3, but=["seconds"]) == lines


def test_a_settings_file_with_every_key_is_read_as_it_was(left):
    wanted = json.loads((left / "settings.json").read_text())
    for name in ("settings.toml", "settings.json"):
        read = read_settings(left / name, Settings())
        assert missing(wanted, json.loads(json.dumps(read.as_dict()))) == []


def test_cameras_with_every_key_are_read_as_they_were(left):
    stored = json.loads((left / "read.json").read_text())
    plan = oddframe.read_camera_file(left / "cameras.toml", variables=stored["variables"])
    assert missing(stored["cameras"], plain(plan, None)) == []


def test_zones_are_read_as_they_were(left):
    stored = json.loads((left / "read.json").read_text())
    assert missing(stored["zones"], plain(oddframe.read_zones(left / "zones.toml"), None)) == []
