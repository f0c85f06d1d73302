import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.batch.tasks import Shard, Task, list_tasks
from oddframe.errors import SettingsError, SourceError, SourceNotFoundError


def test_recordings_are_named_by_their_place_in_the_archive(tmp_path, images):
    for name in ("cam2/01.mp4", "cam10/01.mp4", "cam2/01.mkv", "notes.txt", ".hidden.mp4"):
        (tmp_path / "archive" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "archive" / name).write_bytes(b"never opened")
    images("archive/frames", range(3))
    tasks = list_tasks(tmp_path / "archive")
    assert [task.name for task in tasks] == ["cam2/01.mkv", "cam2/01.mp4", "cam10/01.mp4", "frames"]
    assert [task.path for task in tasks] == [
        str(tmp_path / "archive" / task.name) for task in tasks
    ]
    # What is added renames nothing.
    (tmp_path / "archive" / "cam2" / "02.mp4").write_bytes(b"new")
    assert {*tasks} < {*list_tasks(tmp_path / "archive")}


def test_a_recording_that_changes_is_another_task(tmp_path, images):
    recording, folder = tmp_path / "a" / "1.mp4", images("a/frames", range(3))
    recording.write_bytes(b"one")
    before = {task.name: task for task in list_tasks(tmp_path / "a")}
    assert {task.name: task for task in list_tasks(tmp_path / "a")} == before
    os.utime(recording, (1, 1))
    (folder / "003.jpg").write_bytes((folder / "002.jpg").read_bytes())
    after = {task.name: task for task in list_tasks(tmp_path / "a")}
    for name in ("1.mp4", "frames"):
        assert after[name].key == before[name].key
        assert after[name].fingerprint != before[name].fingerprint


def test_a_name_that_is_no_text_has_a_key_of_its_own(tmp_path):
    for name in (b"\xff.mp4", b"\xfe.mp4"):
        with open(os.fsencode(tmp_path) + b"/" + name, "wb"):  # noqa: PTH123 - no path of text leads there
            pass
    assert len({task.key for task in list_tasks(tmp_path)}) == 2


@given(st.lists(st.text(min_size=1), unique=True), st.integers(1, 9))
def test_parts_divide_an_archive(names, count):
    tasks = [Task(name, "", "") for name in names if name.isprintable()]
    parts = [
        [task for task in tasks if Shard(number, count).has(task)] for number in range(1, count + 1)
    ]
    assert sorted(task.name for part in parts for task in part) == sorted(
        task.name for task in tasks
    )


def test_parts_as_people_write_them():
    assert Shard.parse("3/64") == Shard(3, 64)


@pytest.mark.parametrize("text", ["", "3", "3/", "/4", "0/4", "5/4", "a/b", "1/0", "-1/4"])
def test_what_is_no_part_is_refused(text):
    with pytest.raises(SettingsError, match="part must be"):
        Shard.parse(text)


def test_what_is_no_archive_is_refused(tmp_path, video):
    with pytest.raises(SourceNotFoundError, match="nothing is there"):
        list_tasks(tmp_path / "none")
    with pytest.raises(SourceError, match="leave --engine out"):
        list_tasks(video())
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="holds neither"):
        list_tasks(tmp_path / "empty")
