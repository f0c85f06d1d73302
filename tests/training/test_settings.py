"""Settings of a training: what a file may say, what is refused, and the presets."""

import json
from dataclasses import fields, is_dataclass, replace

import pytest

from oddframe.cli.options import Preset
from oddframe.errors import SettingsError
from oddframe.settings import from_mapping
from oddframe.training.settings import PRESETS, Settings, read_settings


def changed(table, **values):
    return from_mapping({table: values}, Settings())


def test_nothing_given_changes_nothing():
    assert from_mapping({}, PRESETS["fast"]) == PRESETS["fast"]


def test_given_values_take_the_place_of_the_presets_own():
    found = from_mapping({"network": {"height": 64}, "training": {"seed": 3}}, PRESETS["fast"])
    fast = PRESETS["fast"]
    assert found == replace(
        fast, network=replace(fast.network, height=64), training=replace(fast.training, seed=3)
    )
    assert fast.network.height != 64


def test_tables_may_lie_in_tables():
    found = changed("data", counter_examples={"share": 0.5, "kinds": ["speed"]})
    assert (found.data.counter_examples.share, found.data.counter_examples.kinds) == (
        0.5,
        ("speed",),
    )
    assert found.data.hold_out == Settings().data.hold_out


@pytest.mark.parametrize("name", PRESETS)
def test_settings_survive_being_written_as_json(name):
    written = json.loads(json.dumps(PRESETS[name].as_dict()))
    assert from_mapping(written, Settings()) == PRESETS[name]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"netwrok": {}}, "unknown setting netwrok; did you mean network"),
        ({"network": {"heigth": 64}}, r"unknown setting network\.heigth; did you mean height"),
        ({"training": {"learning_rat": 0.1}}, "did you mean learning_rate"),
        (
            {"data": {"counter_examples": {"kind": ["speed"]}}},
            r"data\.counter_examples\.kind; did you mean kinds",
        ),
        ({"zzz": 1}, "known are network, data, training"),
    ],
)
def test_unknown_keys_name_the_nearest_known_one(values, named):
    with pytest.raises(SettingsError, match=named):
        from_mapping(values, Settings())


@pytest.mark.parametrize(
    ("table", "values", "named"),
    [
        ("network", {"height": "64"}, r"network\.height must be a whole number, got '64'"),
        ("network", {"height": 64.0}, "height must be a whole number"),
        ("network", {"height": True}, "height must be a whole number"),
        ("network", {"skips": 1}, "skips must be true or false"),
        ("network", {"colour": "gray"}, r"network\.colour must be 'rgb' or 'grey', got 'gray'"),
        ("network", {"stem_stride": True}, "stem_stride must be a whole number, got True"),
        ("network", {"score_windows": 4}, "score_windows must be a list"),
        ("network", {"score_windows": [4, "8"]}, r"score_windows\[1\] must be a whole number"),
        ("training", {"learning_rate": "fast"}, "learning_rate must be a number"),
        ("training", {"learning_rate": None}, "learning_rate must be a number"),
        ("training", {"learning_rate": False}, "learning_rate must be a number"),
        ("data", {"counter_examples": 0.3}, r"data\.counter_examples must be a table"),
        (
            "data",
            {"counter_examples": {"kinds": ["spped"]}},
            r"kinds\[0\] must be 'foreign', .*, got 'spped'",
        ),
    ],
)
def test_values_of_the_wrong_kind_are_named(table, values, named):
    with pytest.raises(SettingsError, match=named):
        changed(table, **values)


@pytest.mark.parametrize(
    ("table", "values", "named"),
    [
        ("network", {"height": 100}, r"network\.height must be a positive multiple of 16, got 100"),
        ("network", {"score_share": 1.5}, r"network\.score_share must be above 0 and at most 1"),
        ("training", {"batch_size": 0}, r"training\.batch_size must be above 0"),
        ("data", {"hold_out": 0.6}, r"data\.hold_out must be from 0 to 0\.5"),
        (
            "data",
            {"counter_examples": {"share": 1.0}},
            r"data\.counter_examples\.share must be from 0 to below 1",
        ),
        (
            "data",
            {"counter_examples": {"kinds": []}},
            r"data\.counter_examples\.kinds must not be empty, got \[\]",
        ),
    ],
)
def test_values_out_of_range_are_named(table, values, named):
    with pytest.raises(SettingsError, match=named):
        changed(table, **values)


def test_whole_numbers_do_for_numbers():
    learning_rate = changed("training", learning_rate=1).training.learning_rate
    assert (learning_rate, type(learning_rate)) == (1.0, float)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "settings.toml",
            "[network]\nheight = 64\nscore_windows = [4, 8]\n[training]\nlearning_rate = 1e-4\n",
        ),
        (
            "settings.json",
            '{"network": {"height": 64, "score_windows": [4, 8]},'
            ' "training": {"learning_rate": 1e-4}}',
        ),
    ],
)
def test_settings_are_read_from_toml_and_json(name, text, tmp_path):
    path = tmp_path / name
    path.write_text(text)
    found = read_settings(path, Settings())
    assert (found.network.height, found.network.score_windows) == (64, (4, 8))
    assert found.training.learning_rate == 1e-4
    assert found.data == Settings().data


def test_a_resolved_settings_file_reads_back_as_it_was(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(PRESETS["fast"].as_dict()))
    assert read_settings(path, PRESETS["paper"]) == PRESETS["fast"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("broken.toml", b"[network\n"),
        ("broken.json", b"{"),
        ("binary.toml", b"\xff\xfe\x00"),
        ("list.json", b"[1, 2]"),
        ("absent.toml", None),
    ],
)
def test_a_file_that_holds_no_settings_is_refused(name, content, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SettingsError):
        read_settings(tmp_path / name, Settings())


def test_every_setting_is_described():
    def described(config):
        for item in fields(config):
            assert f"\n        {item.name}: " in type(config).__doc__, (
                f"{type(config).__name__}.{item.name}"
            )
            if is_dataclass(getattr(config, item.name)):
                described(getattr(config, item.name))

    described(Settings())


def test_the_first_preset_is_the_published_method():
    assert PRESETS["paper"] == Settings()


def test_the_command_line_knows_all_presets():
    assert {preset.value for preset in Preset} == set(PRESETS)
