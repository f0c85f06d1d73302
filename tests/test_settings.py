import json
import pickle
import traceback
from collections.abc import Mapping
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from oddframe.core.zones import Polygon, Schedule, Zones
from oddframe.errors import SettingsError
from oddframe.settings import (
    AnyPath,
    ListOf,
    from_mapping,
    read_zones,
    settings_dataclass,
    zones_from,
)

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
        armed=Schedule.parse(["mon-fri 18:00-06:00"], "Europe/Berlin"),
        cool_down_s=30,
    )


def test_zones_come_from_json_too(tmp_path):
    (tmp_path / "z.json").write_text(json.dumps({"watch": [{"polygon": CORNERS}]}))
    assert read_zones(str(tmp_path / "z.json")).watch[0].points[0] == (0.1, 0.2)


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_may_be_saved_as_editors_on_windows_do(tmp_path, coding):
    text = TEXT.replace("door", "Tür").replace("\n", "\r\n")
    (tmp_path / "z.toml").write_bytes(text.encode(coding))
    assert read_zones(tmp_path / "z.toml").watch[0].name == "Tür"
    (tmp_path / "Z.JSON").write_bytes(json.dumps({"cool_down_s": 3}).encode(coding))
    assert read_zones(tmp_path / "Z.JSON").cool_down_s == 3


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
        (
            {"watch": [{"polygon": [[0, 0], [1, 0], [1, "x"]]}]},
            r"polygon\[2\]\[1\] must be a number, got 'x'",
        ),
        ({"watch": [{"polygon": [[0, 0], [1, 0], 1]}]}, r"polygon\[2\] must be a list, got 1"),
        ({"watch": [{"polygon": [[0, 0], [1, 0], [1]]}]}, r"polygon\[2\]\[1\] must be given"),
        ({"watch": [{"polygon": [[0, 0], [1, 0], [1, 1, 1]]}]}, "must have at most 2 values"),
        (
            {"watch": [{"polygon": [[0, 0], [1, 0], [1, True]]}]},
            r"\[1\] must be a number, got True",
        ),
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


@pytest.mark.parametrize("text", [None, "[[watch", b"\xff\xfe\x00", b'name = "caf\xe9"'])
def test_a_file_that_cannot_be_read_is_named(text, tmp_path):
    if text is not None:
        (tmp_path / "z.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError, match=r"z\.toml must be a readable TOML or JSON file"):
        read_zones(tmp_path / "z.toml")


@settings_dataclass()
class Parcel:
    """Settings with what those of a training do not have."""

    to: str
    via: AnyPath = Path("here")
    stamps: Mapping[str, float] = field(default_factory=dict)
    inside: Mapping[str, Any] | None = None
    key: str = field(default="", repr=False)


def test_a_class_stands_for_its_defaults():
    assert from_mapping({"to": "you"}, Parcel) == Parcel(to="you")
    given = {
        "to": "you",
        "via": "a/b",
        "stamps": {"red": 1, "blue": 0.5},
        "inside": {"x": [1, {}]},
        "key": "k",
    }
    found = from_mapping(given, Parcel)
    assert asdict(found) == {**given, "via": Path("a/b"), "stamps": {"red": 1.0, "blue": 0.5}}


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({}, r"^parcel\.to must be given$"),
        ({"to": "you", "stamps": 3}, r"^parcel\.stamps must be a table, got 3$"),
        ({"to": "you", "stamps": {"red": "x"}}, r"^parcel\.stamps\.red must be a number, got 'x'$"),
        ({"to": "you", "key": 12}, r"^parcel\.key must be a text, got a value of kind int$"),
        ("12", r"^parcel must be a table, got a value of kind str$"),
    ],
)
def test_what_may_be_secret_is_not_repeated(values, named):
    with pytest.raises(SettingsError, match=named):
        from_mapping(values, Parcel, "parcel")


@settings_dataclass("box")
class Box:
    """Settings with bounds of every kind, and with a rule for two of them together."""

    any: float = 0.0
    above: Annotated[float, Field(gt=0)] = 1.0
    least: Annotated[int, Field(ge=1)] = 1
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    part: Annotated[float, Field(ge=0, lt=1)] = 0.0
    span: Annotated[float, Field(ge=1, le=16)] | None = None
    sides: ListOf[Annotated[int, Field(ge=2)]] = ()
    names: Annotated[ListOf[str], Field(min_length=1)] = ("a",)
    key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if self.least > self.above * 10:
            raise SettingsError("least must be at most ten times above")


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"any": float("inf")}, "box.any must be finite, got inf"),
        ({"any": True}, "box.any must be a number, got True"),
        ({"above": 0}, "box.above must be above 0, got 0"),
        ({"above": float("nan")}, "box.above must be above 0 and finite, got nan"),
        ({"least": 0}, "box.least must be at least 1, got 0"),
        ({"least": 2.0}, "box.least must be a whole number, got 2.0"),
        ({"share": 2}, "box.share must be above 0 and at most 1, got 2"),
        ({"share": float("nan")}, "box.share must be above 0 and at most 1, got nan"),
        ({"part": 1.0}, "box.part must be from 0 to below 1, got 1.0"),
        ({"span": 17}, "box.span must be from 1 to 16, got 17"),
        ({"sides": [2, 1]}, "box.sides[1] must be at least 2, got 1"),
        ({"names": []}, "box.names must not be empty, got ()"),
        ({"key": ["Zq7"]}, "box.key must be a text, got a value of kind list"),
        ({"shar": 1}, "unknown setting box.shar; did you mean share?"),
        ({"least": 11}, "least must be at most ten times above"),
    ],
)
def test_settings_made_in_python_are_checked_as_those_in_a_file(values, named):
    for make in (
        lambda: Box(**values),
        lambda: from_mapping(values, Box, "box"),
        lambda: from_mapping(values, Box(), "box"),
    ):
        with pytest.raises(SettingsError) as caught:
            make()
        assert str(caught.value).startswith(named.removesuffix("()"))
        assert "Zq7" not in "".join(traceback.format_exception(caught.value)[-1:])
        assert caught.value.__context__ is None


def test_a_copy_is_checked_too():
    assert replace(Box(), share=0.5) == Box(share=0.5)
    with pytest.raises(SettingsError, match=r"box\.share must be above 0"):
        replace(Box(), share=0)


def test_settings_travel_to_other_processes():
    box = Box(span=3, sides=(4, 5), key="k")
    assert pickle.loads(pickle.dumps(box)) == box
