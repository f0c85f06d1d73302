import json

import pytest

from oddframe.core.arming import ArmedHours
from oddframe.core.zones import Polygon, Zones
from oddframe.errors import SettingsError
from oddframe.settings import read_zones, zones_from

CORNERS = [[0.1, 0.2], [0.5, 0.2], [0.5, 0.9]]
TEXT = """
cool_down_s = 30
time_zone = "Europe/Berlin"
armed = ["mon-fri 18:00-06:00"]

[[watch]]
name = "door"
polygon = [[0.1, 0.2], [0.5, 0.2], [0.5, 0.9]]

[[ignore]]
polygon = [[0, 0], [1, 0], [1, 0.1]]
"""


def test_zones_come_from_toml(tmp_path):
    (tmp_path / "z.toml").write_text(TEXT)
    assert read_zones(tmp_path / "z.toml") == Zones(
        watch=(Polygon(((0.1, 0.2), (0.5, 0.2), (0.5, 0.9)), "door"),),
        ignore=(Polygon(((0.0, 0.0), (1.0, 0.0), (1.0, 0.1))),),
        armed=ArmedHours.parse(["mon-fri 18:00-06:00"], "Europe/Berlin"),
        cool_down_s=30,
    )


def test_zones_come_from_json_too(tmp_path):
    (tmp_path / "z.json").write_text(json.dumps({"watch": [{"polygon": CORNERS}]}))
    assert read_zones(str(tmp_path / "z.json")).watch[0].points[0] == (0.1, 0.2)


def test_nothing_said_is_all_of_the_picture_always():
    assert zones_from({}, "front") == Zones()


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ([], "front: settings must be a table"),
        ({"wach": []}, "front: unknown setting wach; did you mean watch?"),
        ({"watch": {}}, "front: watch must be a list, got {}"),
        ({"watch": [3]}, r"front: watch\[0\] must be a table"),
        ({"watch": [{"polygons": []}]}, "did you mean polygon?"),
        ({"watch": [{}]}, r"front: watch\[0\]\.polygon must be given"),
        ({"watch": [{"polygon": [[0, 0], [1, 0], [1, "x"]]}]}, r"polygon\[2\]\[1\] must be a number, got 'x'"),
        ({"watch": [{"polygon": [[0, 0], [1, 0], 1]}]}, r"polygon\[2\] must be a list, got 1"),
        ({"watch": [{"polygon": [[0, 0], [1, 0], [1]]}]}, r"polygon\[2\]\[1\] must be given"),
        ({"watch": [{"polygon": [[0, 0], [1, 0], [1, 1, 1]]}]}, "must have at most 2 values"),
        ({"watch": [{"polygon": [[0, 0], [1, 0], [1, True]]}]}, r"\[1\] must be a number, got True"),
        ({"ignore": [{"polygon": [[0, 0], [1, 0]]}]}, "at least 3 corners"),
        ({"watch": [{"polygon": CORNERS, "name": 3}]}, "name must be a text"),
        ({"armed": ["10:00-11:00"]}, "must come together"),
        ({"armed": "10:00-11:00", "time_zone": "UTC"}, "armed must be a list"),
        ({"armed": ["10:00-11:00"], "time_zone": 1}, "time_zone must be a text"),
        ({"cool_down_s": "long"}, "cool_down_s must be a number"),
        ({"cool_down_s": -1}, "cool_down_s must be at least 0"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(values, named):
    with pytest.raises(SettingsError, match=named):
        zones_from(values, "front")


@pytest.mark.parametrize("text", [None, "[[watch", b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_named(text, tmp_path):
    if text is not None:
        (tmp_path / "z.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError, match=r"z\.toml must be a readable TOML or JSON file"):
        read_zones(tmp_path / "z.toml")
