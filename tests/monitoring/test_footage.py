"""Segments of footage by their names: what is there, what they cover, what goes."""

import subprocess
import sys

import pytest

from oddframe.errors import OutputError
from oddframe.media.discovery import find_sources
from oddframe.monitoring.footage import (
    covered_hours,
    footage_folder,
    list_segments,
    recording_into,
    remove_footage,
    remove_oldest,
    remove_segment,
    segment_path,
    size_text,
)

START_US = 1_795_917_000_480_000  # 2026-11-29 01:50:00.480 UTC
MINUTE_US = 60_000_000


def put(folder, camera, minute, length_s=60.0, size=100):
    """Write a file that is named like a segment."""
    path = segment_path(folder, camera, START_US + minute * MINUTE_US, length_s)
    path.parent.mkdir(parents=True, exist_ok=True)
    path = path.with_name(f"{path.name}.mp4")
    path.write_bytes(b"x" * size)
    return path


def test_a_name_says_camera_moment_and_length(tmp_path):
    path = put(tmp_path, "door", 0, 59.94)
    assert path == tmp_path / "door" / "door_2026-11-29_01-50-00-480Z_59.9s.mp4"
    (found,) = list_segments(tmp_path)
    assert (found.path, found.camera, found.size_bytes) == (path, "door", 100)
    assert (found.start_us, found.length_s) == (START_US, 59.9)
    assert found.end_us == START_US + 59_900_000


def test_segments_come_in_order_of_time_and_other_files_are_passed_over(tmp_path):
    for minute in (3, 1, 2):
        put(tmp_path, "door", minute)
    put(tmp_path, "yard", 0)
    for name in ("monday.mp4", "door_2026-13-29_01-50-00-480Z_59.9s.mp4", ".door_x.mp4"):
        (tmp_path / "door" / name).write_bytes(b"mine")
    (tmp_path / "notes.txt").write_text("mine")
    assert [one.start_us - START_US for one in list_segments(tmp_path, "door")] == [
        minute * MINUTE_US for minute in (1, 2, 3)
    ]
    assert [one.camera for one in list_segments(tmp_path)] == ["yard", "door", "door", "door"]
    assert list_segments(tmp_path / "none") == list_segments(tmp_path, "none") == []


def test_the_projects_own_reader_puts_them_in_the_same_order(video, tmp_path):
    for minute in (10, 2, 1):
        path = segment_path(tmp_path, "door", START_US + minute * MINUTE_US, 2.0)
        video(str(path.relative_to(tmp_path)) + ".mp4")
    found = [source.path for source in find_sources(tmp_path).sources]
    assert found == [one.path for one in list_segments(tmp_path)]


def test_a_name_that_is_taken_is_never_given_again(tmp_path):
    assert len({put(tmp_path, "door", 0) for _ in range(3)}) == 3
    assert len(list_segments(tmp_path)) == 3


def test_a_name_that_is_no_part_of_a_path_still_has_a_folder(tmp_path):
    put(tmp_path, "Tür / hinten", 0)
    assert footage_folder(tmp_path, "Tür / hinten").parent == tmp_path
    assert len(list_segments(tmp_path, "Tür / hinten")) == 1


def test_the_hours_that_are_covered(tmp_path):
    hour_us = 60 * MINUTE_US
    first_us = START_US // hour_us * hour_us
    for minute in range(5, 65):
        put(tmp_path, "door", minute)
    shares = covered_hours(list_segments(tmp_path))
    # 01:55 to 02:55, shifted by 0.48 s.
    assert shares == pytest.approx(
        {first_us: (5 * 60 - 0.48) / 3600, first_us + hour_us: (55 * 60 + 0.48) / 3600}
    )
    assert covered_hours([]) == {}


def test_the_oldest_of_all_cameras_go_beyond_a_size(tmp_path):
    for minute, camera in enumerate(("door", "yard", "door", "yard")):
        put(tmp_path, camera, minute)
    removed = remove_oldest(tmp_path, most_bytes=250, oldest_us=None)
    assert [one.camera for one in removed] == ["door", "yard"]
    assert [one.start_us - START_US for one in list_segments(tmp_path)] == [
        2 * MINUTE_US,
        3 * MINUTE_US,
    ]
    assert remove_oldest(tmp_path, most_bytes=250, oldest_us=None) == []


def test_what_is_too_old_goes(tmp_path):
    for minute in range(4):
        put(tmp_path, "door", minute)
    oldest_us = START_US + 2 * MINUTE_US + 1
    assert len(remove_oldest(tmp_path, most_bytes=None, oldest_us=oldest_us)) == 2
    assert len(list_segments(tmp_path)) == 2


def test_a_segment_that_is_gone_can_be_removed_again(tmp_path):
    path = put(tmp_path, "door", 0)
    (segment,) = list_segments(tmp_path)
    remove_segment(segment)
    assert not path.exists()
    remove_segment(segment)


def test_one_process_at_a_time_records_into_a_folder(tmp_path):
    code = (
        "import sys\nfrom oddframe.monitoring.footage import recording_into\n"
        "with recording_into(sys.argv[1]):\n    print('in', flush=True)\n    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"in\n"
        with pytest.raises(OutputError, match="one process at a time"), recording_into(tmp_path):
            pass
        other.kill()
        other.wait()
    # A kill lets go of it.
    with recording_into(tmp_path) as folder:
        assert folder == tmp_path


def test_what_a_kill_left_half_written_is_removed(tmp_path):
    whole = put(tmp_path, "door", 0)
    half = whole.with_name(f".{whole.stem[:40]}.a1b2.mp4")
    half.write_bytes(b"half")
    mine = whole.with_name(".mine.mp4")
    mine.write_bytes(b"mine")
    with recording_into(tmp_path):
        assert sorted(whole.parent.iterdir()) == sorted([whole, mine])


@pytest.mark.parametrize(
    ("size", "text"), [(86e6, "86 MB"), (7.64e9, "7.6 GB"), (151e9, "151 GB"), (0, "0 MB")]
)
def test_sizes_in_words(size, text):
    assert size_text(size) == text


def test_a_folder_of_footage_goes_without_what_is_somebodys_own(tmp_path):
    folder = tmp_path / "footage"
    put(folder, "door", 0)
    for name in ("recording.json", "progress.json"):
        (folder / name).write_text("{}")
    remove_footage(folder)
    assert not folder.exists()
    put(folder, "door", 0)
    mine = folder / "door" / "holiday.mp4"
    mine.write_bytes(b"mine")
    remove_footage(folder)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]
