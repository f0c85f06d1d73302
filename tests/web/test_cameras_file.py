"""`cameras.toml` is parsed once per change, and edits leave what they do not concern."""

import os

import pytest

from oddframe.errors import SettingsError
from oddframe.web.cameras_file import CamerasFile


def accept_all(path):
    """Accept every new version of the file."""


@pytest.fixture
def file(tmp_path):
    """A file without cameras."""
    return CamerasFile(tmp_path / "cameras.toml")


def test_the_file_is_parsed_again_only_after_a_change(file):
    file.add({"name": "yard", "source": "a.mp4"}, accept_all)
    before = file.tables()
    assert file.tables() is before
    file.change("yard", {"source": "b.mp4"}, accept_all)
    assert file.tables() == {"yard": {"name": "yard", "source": "b.mp4"}}
    assert before["yard"]["source"] == "a.mp4"


def test_an_edit_by_hand_is_seen(file):
    assert file.tables() == {}
    file.path.write_text('[[camera]]\nname = "hand"\nsource = "a.mp4"\n')
    assert list(file.tables()) == ["hand"]
    # Of the same length and in place: only the time of the change tells it.
    status = file.path.stat()
    file.path.write_text('[[camera]]\nname = "foot"\nsource = "a.mp4"\n')
    os.utime(file.path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
    assert list(file.tables()) == ["foot"]


def test_settings_of_all_cameras_are_set_beside_what_stands_there(file):
    assert file.watch_values() == {}
    file.change_watch({"keep_days": 7}, accept_all)
    file.add({"name": "yard", "source": "a.mp4"}, accept_all)
    file.path.write_text(file.path.read_text().replace("7", "7 # a week"))
    file.change_watch({"pictures_gb": 2.5}, accept_all)
    assert file.watch_values() == {"keep_days": 7, "pictures_gb": 2.5}
    assert "# a week" in file.path.read_text()
    file.change_watch({"keep_days": None}, accept_all)
    assert file.watch_values() == {"pictures_gb": 2.5}
    assert list(file.tables()) == ["yard"]


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16"])
def test_a_file_that_an_editor_saved_in_its_own_way_is_edited_too(file, coding):
    file.path.write_text('# Höfe\n[[camera]]\nname = "Hof"\nsource = "a.mp4"\n', coding)
    file.add({"name": "yard", "source": "b.mp4"}, accept_all)
    assert list(file.tables()) == ["Hof", "yard"]
    assert file.path.read_text(encoding="utf-8").startswith("# Höfe\n")


def test_a_refused_version_leaves_the_old_one(file):
    file.add({"name": "yard", "source": "a.mp4"}, accept_all)
    before = file.path.read_bytes()

    def refuse(path):
        raise SettingsError("not like this")

    for edit in (
        lambda: file.add({"name": "gate"}, refuse),
        lambda: file.change("yard", {"loop": True}, refuse),
        lambda: file.remove("yard", refuse),
    ):
        with pytest.raises(SettingsError, match="not like this"):
            edit()
    assert file.path.read_bytes() == before
    assert list(file.tables()) == ["yard"]


def test_the_last_camera_can_be_removed_and_another_one_added(file):
    file.add({"name": "yard", "source": "a.mp4"}, accept_all)
    file.remove("yard", accept_all)
    assert file.tables() == {}
    file.add({"name": "gate", "source": "b.mp4"}, accept_all)
    assert list(file.tables()) == ["gate"]


def test_a_camera_that_is_not_there_is_an_error(file):
    with pytest.raises(KeyError):
        file.change("yard", {"loop": True}, accept_all)
    with pytest.raises(KeyError):
        file.remove("yard", accept_all)


def test_a_broken_file_is_named(file):
    file.path.write_text("[[camera")
    with pytest.raises(SettingsError, match=r"cameras\.toml must be a readable TOML file"):
        file.tables()
