"""Single image files: where they end, how they are turned, and how many pictures they hold."""

import io
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from oddframe.media.image_files import BrokenImageError, read_image

# Stored pixels, and what a viewer makes of them, as the EXIF standard has it.
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}
SIGNS = {"jpg": "JPEG", "png": "PNG", "tif": "TIFF"}


def drawn(width=64, height=48):
    """A picture with another grey in each corner."""
    picture = np.full((height, width), 100, np.uint8)
    picture[: height // 2, : width // 2] = 20
    picture[: height // 2, width // 2 :] = 180
    picture[height // 2 :, : width // 2] = 240
    return picture


def content(suffix, **options):
    file = io.BytesIO()
    Image.fromarray(drawn()).save(file, SIGNS[suffix], **options)
    return file.getvalue()


def exif(orientation, *, thumbnail=b""):
    made = Image.Exif()
    made[0x0112] = orientation
    return made.tobytes() + thumbnail


def shown(path):
    image = read_image(path)
    turned = np.rot90(image.decoded.to_ndarray(format="gray"), image.orientation.quarter_turns)
    return turned[:, ::-1] if image.orientation.is_mirrored else turned


@pytest.fixture
def write(tmp_path):
    def write(suffix, data):
        path = tmp_path / f"a.{suffix}"
        path.write_bytes(data)
        return path

    return write


@pytest.mark.parametrize("suffix", SIGNS)
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_every_orientation_is_turned_upright(suffix, orientation, write):
    tags = {"tiffinfo": {0x0112: orientation}} if suffix == "tif" else {"exif": exif(orientation)}
    expected = UPRIGHT[orientation](drawn()).astype(int)
    found = shown(write(suffix, content(suffix, **tags)))
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 12


@pytest.mark.parametrize("orientation", [0, 9, 700])
def test_orientations_that_mean_nothing_are_upright(orientation, write):
    found = shown(write("jpg", content("jpg", exif=exif(orientation))))
    assert np.abs(found - drawn().astype(int)).max() < 12


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize(
    "trailer",
    [bytes(5000), b"\xff" * 3000, b"\0\0\0\x18ftypmp42" + bytes(9000), None, b"\xff\xd8\xff\xe1x"],
    ids=["zeros", "ones", "motion photo", "a second picture", "a cut off second picture"],
)
def test_what_lies_behind_a_jpeg_is_not_looked_at(progressive, trailer, write):
    data = content("jpg", progressive=progressive, exif=exif(1))
    if trailer is None:
        trailer = content("jpg", exif=exif(6))
    found = shown(write("jpg", data + trailer))
    assert np.abs(found - drawn().astype(int)).max() < 12


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("filled", [0, 4096])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_is_cut_off_is_named_whatever_its_thumbnail_and_its_end(
    share, filled, progressive, write
):
    thumbnail = content("jpg")
    noise = np.random.default_rng(1).integers(0, 255, (240, 320), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(
        file, "JPEG", exif=exif(1, thumbnail=thumbnail), progressive=progressive
    )
    whole = file.getvalue()
    assert thumbnail in whole
    # The picture may also be cut off right behind the thumbnail's own end marker.
    for end in (int(len(whole) * share), whole.index(thumbnail) + len(thumbnail)):
        with pytest.raises(BrokenImageError, match="cut off"):
            read_image(write("jpg", whole[:end] + bytes(filled)))
    assert read_image(write("jpg", whole + bytes(filled))).decoded.width == 320


def test_pages_are_counted_and_smaller_copies_of_them_are_not(tmp_path):
    pages = [Image.fromarray(drawn()) for _ in range(3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "a.png", save_all=True, append_images=[Image.new("L", (64, 48))])
    assert read_image(tmp_path / "a.tif").pages == 3
    assert read_image(tmp_path / "a.png").pages == 2
    small = Image.new("L", (16, 12))
    small.encoderinfo = {"tiffinfo": {0x00FE: 1}}
    pages[0].save(tmp_path / "b.tif", save_all=True, append_images=[small])
    assert read_image(tmp_path / "b.tif").pages == 1


@pytest.mark.parametrize("suffix", SIGNS)
def test_damage_anywhere_gives_a_picture_or_a_reason(suffix, run_seed, write):
    tags = {"tiffinfo": {0x0112: 6}} if suffix == "tif" else {"exif": exif(6)}
    whole = content(suffix, **tags)
    random = np.random.default_rng(run_seed)
    for _ in range(60):
        data = bytearray(whole[: random.integers(4, len(whole) + 1)])
        for place in random.integers(4, len(data) + 1, 3):
            data[place : place + 1] = bytes(random.integers(0, 256, 1, np.uint8))
        with suppress(BrokenImageError):
            assert read_image(write(suffix, bytes(data))).decoded.width > 0
