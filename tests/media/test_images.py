"""Folders of numbered images."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oddframe.errors import SettingsError, SourceError, SourceNotFoundError
from oddframe.media.images import ImageFolder
from oddframe.media.source import FrameFormat
from tests.conftest import drawn_picture, write_image
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


@pytest.fixture
def timed(tmp_path):
    """Writes a folder of drawn pictures with these names."""

    def write(names, folder="day", suffix=".jpg"):
        (tmp_path / folder).mkdir()
        for number, name in enumerate(names):
            write_image(tmp_path / folder / f"{name}{suffix}", drawn_picture(number))
        return tmp_path / folder

    return write


TIMED = {
    "dates": [f"2023-12-31_23-59-{58 + n}" for n in (0, 1)]
    + [f"2024-01-01_00-00-{n:02d}" for n in range(6)],
    "since 1970": [str(1_699_999_997_500 + 1000 * n) for n in range(8)],
}


@pytest.mark.parametrize("names", TIMED.values(), ids=TIMED)
def test_times_in_the_names_are_those_of_the_frames(names, timed):
    source = ImageFolder(timed(names), default_fps=25)
    frames = list(source.frames(GREY))
    assert [level(frame) for frame in frames] == pytest.approx(
        [20 + 2 * n for n in range(8)], abs=1
    )
    assert [frame.index for frame in frames] == list(range(8))
    assert [frame.time_s for frame in frames] == pytest.approx(range(8))
    assert (source.rate_fps, source.gap_s) == (1, 3.5)
    assert source.notices == []


@pytest.mark.parametrize("names", TIMED.values(), ids=TIMED)
def test_a_rate_that_is_stated_counts_instead_of_the_times_and_is_named(names, timed):
    source = ImageFolder(timed(names), 5)
    frames = list(source.frames(GREY))
    assert [level(frame) for frame in frames] == pytest.approx(
        [20 + 2 * n for n in range(8)], abs=1
    )
    assert [frame.time_s for frame in frames] == pytest.approx([n / 5 for n in range(8)])
    assert source.rate_fps == 5
    (notice,) = source.notices
    assert "hold the times at which they were taken, over 7 seconds" in notice
    assert "leave --fps out" in notice


def test_a_pause_between_the_times_in_the_names_is_a_gap(timed):
    seconds = [0, 1, 2, 3, 4, 5, 30, 31, 32, 33, 34]
    source = ImageFolder(timed([f"cam_{1_700_000_000 + second}" for second in seconds]))
    assert source.notices == [
        "1 gap(s) of more than 3.5 s between the times in the names; no clip spans them"
    ]
    frames = list(source.frames(GREY))
    assert [frame.time_s for frame in frames] == seconds
    ends = [clip.last.time_s for clip in clips(frames, 1, source.gap_s)]
    assert ends == [4, 5, 34]


def test_numbered_images_that_say_no_times_have_the_default_rate(images):
    folder = images()
    assert ImageFolder(folder, default_fps=4).rate_fps == 4
    assert ImageFolder(folder, 3, default_fps=4).rate_fps == 3
    assert ImageFolder(folder, 3).notices == []


@pytest.mark.parametrize(
    ("suffix", "orientation"), [("jpg", 8), ("png", 3), ("tif", 6), ("jpg", 5)]
)
def test_images_are_turned_as_they_say(suffix, orientation, tmp_path):
    for number in range(2):
        exif = Image.Exif()
        exif[0x0112] = orientation
        tags = {"tiffinfo": {0x0112: orientation}} if suffix == "tif" else {"exif": exif}
        Image.fromarray(drawn_picture(number)).save(tmp_path / f"{number}.{suffix}", **tags)
    wanted = FrameFormat(64, 64, "rgb", picture_width=48)
    frames = list(ImageFolder(tmp_path).frames(wanted))
    assert frames[0].source_size == ((64, 48) if orientation == 3 else (48, 64))
    # Where the red corner is shown that is stored top left.
    corner = {8: (-4, 4), 3: (-4, -4), 6: (4, -4), 5: (4, 4)}[orientation]
    for pixels in (frames[1].pixels, frames[1].picture):
        assert pixels[corner].tolist() == pytest.approx([250, 10, 10], abs=20)
        assert (pixels[[3, 3, -4, -4], [3, -4, 3, -4], 0] > 200).sum() == 1


def test_the_density_in_a_jpeg_does_not_stretch_it(tmp_path):
    Image.fromarray(drawn_picture(0)).save(tmp_path / "0.jpg", dpi=(300, 75))
    (frame,) = ImageFolder(tmp_path).frames(FrameFormat(8, 8, "grey", picture_width=64))
    assert frame.shown_size == (64, 48)
    assert frame.picture.shape == (48, 64, 3)


def test_further_pictures_in_a_file_are_named_once(tmp_path):
    pages = [Image.fromarray(drawn_picture(number)) for number in range(4)]
    for number in range(3):
        pages[number].save(tmp_path / f"{number}.tif", save_all=True, append_images=pages[:number])
    source = ImageFolder(tmp_path)
    assert [level(frame) for frame in source.frames(GREY)] == [20, 22, 24]
    (notice,) = source.notices
    assert notice.startswith("1.tif holds 2 pictures, of which only the first is used")


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize(("low", "high", "named"), [(7_900, 8_400, True), (900, 60_000, False)])
def test_many_bits_of_which_few_are_used_are_named(suffix, low, high, named, tmp_path):
    slope = np.tile(np.linspace(low, high, 64), (48, 1)).astype(np.uint16)
    for number in range(2):
        Image.fromarray(slope).save(tmp_path / f"{number}.{suffix}")
    source = ImageFolder(tmp_path)
    list(source.frames(GREY))
    assert len(source.notices) == named
    assert all("the pixels have 16 bits, of which only a small" in one for one in source.notices)


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


def test_threads_change_neither_pixels_nor_the_order_of_notices(images, monkeypatch):
    """Sizes, errors and notices alternate, so that a thread that is early would be seen."""
    folder = images(numbers=range(24), pattern="{:03d}.png")
    for number in (3, 4, 11):
        (folder / f"{number:03d}.png").write_bytes(b"")
    for number in (7, 8, 15):
        picture = np.full((20 + number, 60, 3), 9 * number, np.uint8)
        Image.fromarray(picture).save(folder / f"{number:03d}.png")
    wanted = FrameFormat(32, 24, "rgb", picture_width=40)
    passes = []
    for cores in (1, 8):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        source = ImageFolder(folder)
        frames = list(source.frames(wanted))
        passes.append((source, frames))
    (one, alone), (many, together) = passes
    assert many.notices == one.notices
    assert len(one.notices) == 8
    assert [frame.index for frame in together] == [
        number for number in range(24) if number not in (3, 4, 11)
    ]
    for first, second in zip(alone, together, strict=True):
        assert (first.index, first.time_s) == (second.index, second.time_s)
        assert first.source_size == second.source_size
        assert first.pixels.tobytes() == second.pixels.tobytes()
        assert first.picture.tobytes() == second.picture.tobytes()
