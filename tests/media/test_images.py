"""Folders of numbered images."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oddframe.errors import SettingsError, SourceError, SourceNotFoundError
from oddframe.media.images import ImageFolder
from oddframe.media.source import FrameFormat
from tests.support.clips import clips

RGB = FrameFormat(32, 24, "rgb")
GREY = FrameFormat(32, 24, "grey")


def level(frame):
    return frame.pixels[-4, -4].mean()


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "JPG", "png", "bmp", "tif", "tiff"])
@pytest.mark.parametrize("wanted", [RGB, GREY])
def test_every_kind_of_image_gives_the_drawn_pictures(images, suffix, wanted):
    source = ImageFolder(images(pattern="{:03d}." + suffix), fps=5)
    frames = list(source.frames(wanted))
    assert (
        [frame.index for frame in frames] == list(range(10)) == list(range(source.count_frames()))
    )
    assert [frame.time_s for frame in frames] == pytest.approx([i / 5 for i in range(10)])
    assert [level(frame) for frame in frames] == pytest.approx(
        [20 + 2 * i for i in range(10)], abs=1
    )
    assert {frame.source_size for frame in frames} == {(64, 48)}
    assert (source.rate_fps, source.gap_s) == (5, pytest.approx(0.3))
    assert source.notices == []
    if wanted is RGB:
        assert frames[0].pixels[2, 2].tolist() == pytest.approx([250, 10, 10], abs=9)


@pytest.mark.parametrize(
    ("mode", "suffix"), [("L", "jpg"), ("L", "tif"), ("P", "png"), ("RGBA", "png"), ("I;16", "png")]
)
def test_other_depths_are_read(tmp_path, mode, suffix):
    for number in range(3):
        picture = np.full((48, 64, 3), 60, np.uint8)
        if mode == "I;16":
            image = Image.fromarray(picture[..., 0].astype(np.uint16) * 257)
        else:
            image = Image.fromarray(picture).convert(mode)
        image.save(tmp_path / f"{number}.{suffix}")
    assert [level(frame) for frame in ImageFolder(tmp_path).frames(GREY)] == pytest.approx(
        [60] * 3, abs=2
    )


def test_order_is_that_of_the_numbers_and_the_first_one_is_index_0(images):
    folder = images(numbers=[8, 9, 10, 11], pattern="cam2_frame{}.png")
    frames = list(ImageFolder(folder).frames(GREY))
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [level(frame) for frame in frames] == [36, 38, 40, 42]


def test_missing_numbers_are_named_and_break_clips(images):
    source = ImageFolder(images(numbers=[n for n in range(20) if n not in (7, 12, 13)]))
    assert source.notices == ["frame numbers are missing: 7, 12 to 13 (3 in all)"]
    frames = list(source.frames(GREY))
    assert frames[7].index == 8
    assert frames[7].time_s == pytest.approx(0.8)
    assert [clip.last.index for clip in clips(frames, 1, source.gap_s)] == [4, 5, 6, 18, 19]


def test_unreadable_images_are_named_and_skipped(images, monkeypatch):
    folder = images(numbers=range(12))
    (folder / "002.jpg").write_bytes(b"")
    whole = (folder / "004.jpg").read_bytes()
    (folder / "004.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "006.jpg").write_text("not an image")
    (folder / "008.jpg").write_bytes(whole[:200] + whole[-2:])
    read_bytes = Path.read_bytes

    def refuse(path):
        if path.name == "010.jpg":
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    source = ImageFolder(folder)
    assert [frame.index for frame in source.frames(GREY)] == [0, 1, 3, 5, 7, 9, 11]
    list(source.frames(GREY))
    assert source.notices == [
        "002.jpg was skipped: the file is empty",
        "004.jpg was skipped: the image is cut off",
        "006.jpg was skipped: it is not a JPEG, PNG, BMP or TIFF image",
        "008.jpg was skipped: the image is damaged",
        "010.jpg was skipped: Permission denied",
    ]


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_cut_off_images_of_every_kind_are_skipped(images, suffix):
    folder = images(numbers=range(3), pattern="{}." + suffix)
    data = (folder / f"1.{suffix}").read_bytes()
    (folder / f"1.{suffix}").write_bytes(data[: len(data) // 2])
    source = ImageFolder(folder)
    assert [frame.index for frame in source.frames(GREY)] == [0, 2]
    assert source.notices == [f"1.{suffix} was skipped: the image is damaged"]


def test_a_folder_of_which_nothing_can_be_read_is_an_error(images):
    folder = images(numbers=range(3))
    for path in folder.iterdir():
        path.write_bytes(b"")
    with pytest.raises(
        SourceError, match=r"at least one image that can be read; 000\.jpg: the file is empty"
    ):
        list(ImageFolder(folder).frames(GREY))


def test_a_wrong_suffix_does_not_matter(images):
    folder = images(numbers=range(2), pattern="{}.png")
    (folder / "0.png").rename(folder / "0.jpg")
    assert [level(frame) for frame in ImageFolder(folder).frames(GREY)] == [20, 22]


def test_a_change_of_size_is_noticed(images):
    folder = images(numbers=range(2))
    images(numbers=range(2, 4), size=(32, 24))
    source = ImageFolder(folder)
    list(source.frames(GREY))
    assert source.notices == ["the picture changes from 64 x 48 to 32 x 24 at 002.jpg"]


def test_other_files_are_not_looked_at(images):
    folder = images(numbers=range(2))
    (folder / "labels01.txt").write_text("x")
    (folder / ".003.jpg").write_text("x")
    (folder / "cover.jpg").write_text("x")
    (folder / "004.jpg").mkdir()
    assert ImageFolder(folder).count_frames() == 2


def test_two_images_of_one_number_are_refused(images):
    folder = images(numbers=range(2), pattern="a{}.jpg")
    images(numbers=range(2), pattern="b{}.jpg")
    with pytest.raises(SourceError, match=r"a0\.jpg and b0\.jpg share one"):
        ImageFolder(folder)


def test_a_folder_without_images_and_no_folder_are_refused(tmp_path):
    with pytest.raises(SourceError, match="must hold numbered images"):
        ImageFolder(tmp_path)
    with pytest.raises(SourceNotFoundError):
        ImageFolder(tmp_path / "none")


def test_a_rate_that_cannot_be_is_refused(images):
    with pytest.raises(SettingsError, match="must be above 0, got 0"):
        ImageFolder(images(), fps=0)


def test_the_fingerprint_tells_files_contents_and_rate(images):
    folder = images(numbers=range(3))
    before = ImageFolder(folder).fingerprint()
    assert ImageFolder(folder).fingerprint() == before
    assert ImageFolder(folder, fps=12).fingerprint() != before
    os.utime(folder / "001.jpg", ns=(1, 1))
    changed = ImageFolder(folder).fingerprint()
    assert changed != before
    (folder / "001.jpg").unlink()
    assert ImageFolder(folder).fingerprint() not in (before, changed)
