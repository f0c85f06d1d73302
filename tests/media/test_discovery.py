"""Finding sources in files, folders and patterns."""

import shutil
from pathlib import Path

import pytest

from oddframe.errors import SourceError, SourceNotFoundError
from oddframe.media.discovery import find_sources, open_source
from oddframe.media.images import ImageFolder
from oddframe.media.recording import Recording


def names(found):
    return [source.name for source in found.sources]


def test_a_file(video):
    found = find_sources(str(video("gate.mp4", frames=2)))
    assert names(found) == ["gate"]
    assert isinstance(found.sources[0], Recording)
    assert found.skipped == ()


def test_a_folder_of_recordings_through_and_through_in_natural_order(video, tmp_path):
    for name in ("day/10.mp4", "day/2.mp4", "night/x.mkv"):
        video(name, frames=2)
    assert names(find_sources(tmp_path)) == ["2", "10", "x"]


def test_a_digit_that_is_no_number_does_no_harm_in_a_name(video, tmp_path):
    video("1²3.mp4")
    assert [source.name for source in find_sources(tmp_path).sources] == ["1²3"]


def test_a_folder_of_images_and_a_folder_of_such_folders(images, tmp_path):
    images("frames/02", range(3))
    images("frames/10", range(3))
    images("frames/1", range(3))
    assert names(find_sources(tmp_path / "frames" / "02", fps=7)) == ["02"]
    found = find_sources(tmp_path / "frames", fps=7)
    assert names(found) == ["1", "02", "10"]
    assert {source.rate_fps for source in found.sources} == {7}
    assert find_sources(tmp_path).sources[0].rate_fps == 10


def test_patterns_match_recordings_folders_and_images(video, images, tmp_path):
    video("a1.mp4", frames=2)
    video("a2.mp4", frames=2)
    video("b.mp4", frames=2)
    folder = images("01", range(5))
    assert names(find_sources(str(tmp_path / "a*.mp4"))) == ["a1", "a2"]
    assert names(find_sources(str(tmp_path / "0?"))) == ["01"]
    some = find_sources(str(folder / "00[0-2].jpg")).sources
    assert [source.count_frames() for source in some] == [3]
    with pytest.raises(SourceNotFoundError, match="matches nothing"):
        find_sources(str(tmp_path / "*.mov"))


def test_a_name_with_brackets_is_a_path_first(video):
    assert names(find_sources(video("cam[1].mp4", frames=2))) == ["cam[1]"]


def test_several_places_are_joined_without_repeats(video, tmp_path):
    a, b = video("a.mp4", frames=2), video("b.mp4", frames=2)
    assert names(find_sources([b, a, tmp_path])) == ["b", "a"]


def test_what_is_no_video_is_skipped_with_a_reason_when_others_are_usable(
    video, audio, images, tmp_path
):
    video("good.mp4", frames=2)
    audio("sound.mp4")
    (tmp_path / "text.mp4").write_text("not a video\n" * 40)
    (tmp_path / "empty.avi").touch()
    broken = images("frames", range(2))
    for path in broken.iterdir():
        path.write_bytes(b"")
    found = find_sources(tmp_path)
    assert names(found) == ["good"]
    reasons = {path.path.name: path.reason for path in found.skipped}
    assert reasons.keys() == {"sound.mp4", "text.mp4", "empty.avi", "frames"}
    assert "only holds audio" in reasons["sound.mp4"]
    assert "not a video" in reasons["text.mp4"]
    assert "is empty" in reasons["empty.avi"]
    assert "can be read" in reasons["frames"]


def test_files_that_are_plainly_something_else_are_passed_over_silently(video, tmp_path):
    video("a.mp4", frames=2)
    for name in (
        "notes.txt",
        "gt.mat",
        "m.npy",
        "s.csv",
        "l.json",
        ".hidden.mp4",
        "README",
        "thumb1.jpg",
    ):
        (tmp_path / name).write_text("x")
    found = find_sources(tmp_path)
    assert names(found) == ["a"]
    assert found.skipped == ()
    assert names(find_sources(str(tmp_path / "*"))) == ["a"]


def test_nothing_usable_lists_the_reasons(tmp_path, audio):
    audio("a.mp4")
    (tmp_path / "b.mp4").touch()
    with pytest.raises(
        SourceError, match=r"nothing in .* can be used: .*only holds audio.*; .*b\.mp4.* is empty"
    ):
        find_sources(tmp_path)
    with pytest.raises(SourceError, match=r"^\S*b\.mp4 must be a recording, but it is empty$"):
        find_sources(tmp_path / "b.mp4")


def test_an_empty_folder_says_what_was_expected(tmp_path):
    with pytest.raises(SourceError, match="must hold recordings or numbered images"):
        find_sources(tmp_path)


def test_nothing_there(tmp_path):
    with pytest.raises(SourceNotFoundError, match="nothing is there"):
        find_sources(tmp_path / "none.mp4")
    with pytest.raises(SourceNotFoundError, match="nothing is there"):
        open_source(tmp_path / "none.mp4")


def test_names_that_collide_get_the_folders_above_them_then_the_suffix(video, tmp_path):
    a = video("north/cam.mp4", frames=2)
    for other in ("south/cam.mp4", "south/old/cam.mkv", "lone.mp4", "twin.mp4", "twin.mkv"):
        (tmp_path / other).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(a, tmp_path / other)
    found = names(find_sources(tmp_path))
    assert sorted(found) == [
        "lone",
        "north-cam",
        "south-cam",
        "south-old-cam",
        "twin-mkv",
        "twin-mp4",
    ]


def test_a_link_that_leads_back_up_does_not_go_round(video, tmp_path):
    video("deep/a.mp4", frames=2)
    (tmp_path / "deep" / "up").symlink_to(tmp_path)
    assert names(find_sources(tmp_path)) == ["a"]


def test_a_folder_that_may_not_be_read_says_so(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(SourceError, match="cannot be read: Permission denied"):
        find_sources(tmp_path)


def test_open_source_tells_recordings_from_folders(video, images):
    assert isinstance(open_source(video(frames=2)), Recording)
    folder = open_source(images(), fps=3)
    assert isinstance(folder, ImageFolder)
    assert folder.rate_fps == 3
