import errno
import json
import os

import pytest

from oddframe.errors import InputError, OutputError, SourceNotFoundError
from oddframe.files import (
    decode_text,
    json_text,
    name_for_files,
    replace_file,
    write_bytes,
    write_json,
    write_text,
)


def names(folder):
    return [path.name for path in folder.iterdir()]


def write_and_fail(path, error):
    with replace_file(path) as temporary:
        temporary.write_text("half")
        raise error


def test_the_new_file_replaces_the_old_one_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replace_file(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".txt"
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_the_old_file_and_says_what_to_do(tmp_path, code):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(OutputError, match=r"a\.txt could not be written: .*make room") as caught:
        write_and_fail(path, OSError(code, os.strerror(code)))
    assert isinstance(caught.value.__cause__, OSError)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [KeyError("x"), KeyboardInterrupt(), SourceNotFoundError("gone")])
def test_other_errors_pass_through_and_leave_the_old_file(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(type(error)) as caught:
        write_and_fail(path, error)
    assert caught.value is error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_missing_folder_is_named_with_what_to_do(tmp_path):
    with pytest.raises(OutputError, match="its folder does not exist; create it first"):
        write_text(tmp_path / "none" / "a.txt", "x")


def test_a_folder_in_the_way_is_an_error_and_stays(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OutputError, match="a folder stands in its place"):
        write_text(tmp_path / "a", "x")
    assert names(tmp_path) == ["a"]


def test_permissions_are_those_of_an_ordinary_new_file(tmp_path):
    (tmp_path / "plain").write_text("x")
    write_bytes(tmp_path / "ours", b"x")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_json_keeps_letters_and_refuses_what_json_lacks(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"name": "Plätze", "n": 1})
    assert json.loads(path.read_text(encoding="utf-8")) == {"name": "Plätze", "n": 1}
    assert "Plätze" in path.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"n": float("nan")})
    assert json.loads(path.read_text(encoding="utf-8"))["n"] == 1


@pytest.mark.parametrize(
    "coding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-16-le", "utf-32"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_text_is_decoded_whatever_the_editor_saved_it_as(coding, end):
    assert decode_text(f"a = 'Tür'{end}b{end}".encode(coding)) == "a = 'Tür'\nb\n"
    assert decode_text("".encode(coding)) == ""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            "a\nb\nç".encode("latin-1"),
            "line 3 must be text in UTF-8 or UTF-16, found the byte 0xE7",
        ),
        (b"\xff\xfea\x00\n\x00b", "line 2 must be text .* 0x62"),
        (b"ab\r\nc\x00", "line 2 must be text .* a zero byte"),
    ],
)
def test_what_is_no_text_is_refused_with_its_line(data, message):
    with pytest.raises(InputError, match=message):
        decode_text(data)
    assert decode_text(data, errors="replace")


def test_json_keeps_paths_whose_bytes_are_no_text(tmp_path):
    value = {"path": os.fsdecode(b"caf\xe9"), "name": "Tür"}
    write_json(tmp_path / "a.json", value)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == value
    assert json_text({"name": "Tür"}) == '{"name": "Tür"}'


@pytest.mark.parametrize("name", ["a" * 300, "ü" * 130, "\U0001f4f7" * 80])
def test_a_long_name_is_cut_between_letters_and_stays_its_own(name):
    short, other = name_for_files(name), name_for_files(name + "b")
    assert len(short.encode()) <= 230
    assert short != other
    assert short[:20] == name[:20]
    assert name_for_files("plain [1] Tür") == "plain [1] Tür"
