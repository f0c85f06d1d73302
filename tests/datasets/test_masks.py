from contextlib import suppress

import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from oddframe.datasets.masks import (
    MaskArray,
    MaskImages,
    MaskVolume,
    NumberedMasks,
    labels_of_masks,
    mask_size,
    read_mask,
)
from oddframe.errors import LayoutError
from tests.support.small_benchmarks import TRUTH, masks_of, save_masks, save_volume

LABELS = TRUTH[0]
MASKS = masks_of(LABELS)


def images(folder, suffix=".png"):
    save_masks(folder, MASKS, suffix)
    return MaskImages(folder, tuple(sorted(folder.iterdir())))


def array(folder, dtype):
    np.save(folder / "masks.npy", MASKS.astype(dtype))
    return MaskArray(folder / "masks.npy")


def volume(folder, dtype):
    save_volume(folder / "1_label.mat", MASKS, dtype)
    return MaskVolume(folder / "1_label.mat")


def numbered(folder):
    save_masks(folder, MASKS, ".png")
    files = {number: folder / f"{number:03d}.png" for number in np.flatnonzero(LABELS).tolist()}
    return NumberedMasks(folder, files, range(len(LABELS)), (64, 48))


SOURCES = {
    "png": images,
    "bmp": lambda folder: images(folder, ".bmp"),
    "tif": lambda folder: images(folder, ".tif"),
    "uint8 array": lambda folder: array(folder, np.uint8),
    "float array": lambda folder: array(folder, np.float64),
    "bool array": lambda folder: array(folder, np.bool_),
    "uint8 volume": lambda folder: volume(folder, np.uint8),
    "double volume": lambda folder: volume(folder, np.float64),
    "logical volume": lambda folder: volume(folder, np.bool_),
    "abnormal frames only": numbered,
}


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES.keys())
def test_every_kind_gives_the_same_masks_again_and_again(tmp_path, make):
    source = make(tmp_path)
    for _ in range(2):
        masks = list(source.frames())
        assert all(mask.dtype == np.bool_ for mask in masks)
        assert np.array_equal(np.stack(masks), MASKS)
    labels = labels_of_masks(source)
    assert labels.tolist() == LABELS
    assert not labels.flags.writeable


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("faint", [False, True])
def test_whatever_is_not_black_is_abnormal(tmp_path, mode, faint):
    if mode == "1":
        image = Image.fromarray(MASKS[6])
    elif mode == "P":
        # Black is not the first colour of this palette.
        image = Image.fromarray(np.where(MASKS[6], 0, 7).astype(np.uint8))
        image.putpalette([(1 if faint else 255), 0, 0] + [0] * 765)
    else:
        values = MASKS[6].astype(np.uint16 if mode == "I;16" else np.uint8)
        image = Image.fromarray(values * (1 if faint else 255))
        image = image.convert(mode) if mode.startswith("RGB") else image
    image.save(tmp_path / "000.png")
    assert np.array_equal(read_mask(tmp_path / "000.png"), MASKS[6])
    assert mask_size(tmp_path / "000.png") == (64, 48)


def test_the_noise_of_a_jpeg_is_not_abnormal(tmp_path):
    Image.fromarray(MASKS[6].astype(np.uint8) * 255).save(tmp_path / "000.jpg", quality=60)
    mask = read_mask(tmp_path / "000.jpg")
    assert (mask != MASKS[6]).mean() < 0.01
    assert np.asarray(Image.open(tmp_path / "000.jpg")).astype(bool).sum() > mask.sum()


def test_masks_of_two_sizes_are_refused(tmp_path):
    source = images(tmp_path)
    Image.new("L", (8, 8)).save(source.files[3])
    with pytest.raises(LayoutError, match=r"one size, found \(8, 8\) after \(48, 64\) at frame 3"):
        list(source.frames())
    cells = np.empty((1, 2), dtype=object)
    cells[0, :] = [np.ones((2, 2)), np.ones((2, 3))]
    scipy.io.savemat(tmp_path / "x.mat", {"volLabel": cells})
    with pytest.raises(LayoutError, match="one size"):
        list(MaskVolume(tmp_path / "x.mat").frames())


def test_arrays_that_are_no_masks_are_refused(tmp_path):
    for values in (np.zeros((3, 4)), np.array([[["a"]]])):
        np.save(tmp_path / "x.npy", values)
        with pytest.raises(LayoutError, match=r"x\.npy: masks must be numbers of shape T x H x W"):
            list(MaskArray(tmp_path / "x.npy").frames())
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(LayoutError, match="never opened"):
        list(MaskArray(tmp_path / "x.npy").frames())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), suffix=st.sampled_from([".png", ".bmp", ".tif", ".jpg"]))
def test_a_changed_image_never_crashes(tmp_path, data, suffix):
    path = tmp_path / f"000{suffix}"
    Image.fromarray(MASKS[6].astype(np.uint8) * 255).save(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with suppress(LayoutError):
        assert read_mask(path).dtype == np.bool_
