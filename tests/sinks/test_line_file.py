import os

import pytest
from dying import full_at

from oddframe.sinks.line_file import append_line


def test_lines_go_to_the_end_of_a_file_that_is_made_where_there_is_none(tmp_path):
    path = tmp_path / "new" / "a.jsonl"
    for line in ("one\n", "two\n", "ü three\n"):
        append_line(path, line)
    assert path.read_text() == "one\ntwo\nü three\n"


def test_half_a_line_is_ended_and_the_next_one_is_whole(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("one\ntw")
    append_line(path, "two\n")
    assert path.read_text() == "one\ntw\ntwo\n"


def test_a_line_that_is_the_last_one_already_is_not_written_again(tmp_path):
    path = tmp_path / "a.jsonl"
    for line in ("one\n", "one\n", "two\n", "two\n", "one\n"):
        append_line(path, line)
    assert path.read_text() == "one\ntwo\none\n"


def test_a_line_that_only_ends_as_another_does_is_written(tmp_path):
    path = tmp_path / "a.jsonl"
    append_line(path, "twenty-one\n")
    append_line(path, "one\n")
    assert path.read_text() == "twenty-one\none\n"


def test_a_disk_that_takes_half_of_it_is_left_without(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    append_line(path, "one\n")

    class Half:
        def __init__(self, file):
            self.file = file

        def __getattr__(self, name):
            return getattr(self.file, name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, data):
            return self.file.write(data[: len(data) // 2])

    opening = type(path).open
    with monkeypatch.context() as patched:
        patched.setattr(type(path), "open", lambda *args, **wishes: Half(opening(*args, **wishes)))
        with pytest.raises(OSError, match="No space left"):
            append_line(path, "twenty-two\n")
    assert path.read_text() == "one\n"


def test_a_full_disk_is_told(tmp_path):
    with full_at(0, tmp_path), pytest.raises(OSError, match=os.strerror(28)):
        append_line(tmp_path / "a.jsonl", "one\n")
