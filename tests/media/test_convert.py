"""Converting frames, encoding pictures, and decoding ahead in a thread."""

import io
import threading
import time

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from oddframe.media.convert import (
    Converter,
    Orientation,
    encode_jpeg,
    encode_webp,
    map_ahead,
    picture_size,
    prefetch,
)
from oddframe.media.source import FrameFormat


def decoded_frame(picture):
    return av.VideoFrame.from_ndarray(picture, format="rgb24")


@pytest.mark.parametrize("colour", ["rgb", "grey"])
def test_resizing_keeps_brightness_and_averages_neighbours(colour):
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[::2] = 200
    frame = Converter(FrameFormat(16, 16, colour)).frame(decoded_frame(picture), 3, 0.5)
    assert (frame.index, frame.time_s, frame.source_size) == (3, 0.5, (64, 64))
    assert frame.pixels[2:-2].mean() == pytest.approx(100, abs=2)


def test_frames_of_one_pass_do_not_share_memory():
    converter = Converter(FrameFormat(8, 8, "rgb", picture_width=8))
    first = converter.frame(decoded_frame(np.full((8, 8, 3), 10, np.uint8)), 0, 0.0)
    converter.frame(decoded_frame(np.full((8, 8, 3), 200, np.uint8)), 1, 0.1)
    assert (first.pixels == 10).all()
    assert (first.picture == 10).all()
    assert not np.shares_memory(first.pixels, first.picture)


@pytest.mark.parametrize(
    ("degrees", "corner"),
    [(0, (0, 0)), (90, (-1, 0)), (180, (-1, -1)), (-90, (0, -1)), (-180, (-1, -1))],
)
def test_turning_is_counterclockwise(degrees, corner):
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:8, :8] = 255
    turned = Orientation(degrees // 90 % 4)
    frame = Converter(FrameFormat(30, 30, "grey")).frame(decoded_frame(picture), 0, 0.0, turned)
    assert frame.pixels[corner] == 255
    assert (frame.pixels[[0, 0, -1, -1], [0, -1, 0, -1]] > 0).sum() == 1
    assert frame.source_size == ((40, 20) if degrees % 180 == 0 else (20, 40))


@pytest.mark.parametrize(
    ("source", "width", "size"),
    [((1920, 1080), 640, (640, 360)), ((63, 47), 33, (32, 24)), ((500, 1), 10, (10, 2))],
)
def test_picture_sizes_are_even_and_keep_the_aspect_ratio(source, width, size):
    assert picture_size(source, width) == size


@pytest.mark.parametrize("channels", [1, 3])
def test_a_jpeg_shows_the_picture(channels):
    picture = np.full((40, 60, channels), 90, np.uint8)
    picture[:, 30:] = 200
    with Image.open(io.BytesIO(encode_jpeg(picture, 85))) as image:
        assert (image.format, image.size) == ("JPEG", (60, 40))
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(pixels[:, [5, 55]] - [[90] * 3, [200] * 3]).max() < 4


@pytest.mark.parametrize("encode", [encode_jpeg, encode_webp])
def test_a_lower_quality_makes_a_smaller_file(encode):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert len(encode(noise, 20)) < len(encode(noise, 80))


def test_a_webp_keeps_opacity():
    layer = np.full((40, 60, 4), 128, np.uint8)
    layer[:20, :, 3] = 0
    with Image.open(io.BytesIO(encode_webp(layer, 60))) as image:
        assert image.format == "WEBP"
        opacity = np.asarray(image)[..., 3].astype(int)
    assert opacity[:16].max() < 8
    assert abs(opacity[24:] - 128).max() < 8


def count_up(count, seen=None, error=None):
    try:
        for number in range(count):
            if seen is not None:
                seen.append(number)
            yield number
        if error is not None:
            raise error
    finally:
        if seen is not None:
            seen.append("closed")


@given(st.integers(0, 30), st.integers(1, 5))
def test_everything_comes_in_order(count, most):
    assert list(prefetch(count_up(count), most)) == list(range(count))


def test_it_is_ahead_but_not_too_far():
    seen = []
    items = prefetch(count_up(50, seen), 3)
    assert next(items) == 0
    deadline = time.monotonic() + 120
    while len(seen) < 5 and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.05)
    # One is out, three wait, one is in the hand of the thread.
    assert seen == [0, 1, 2, 3, 4]
    items.close()


def test_an_error_comes_behind_what_came_before_it():
    items = prefetch(count_up(5, error=ValueError("broken")), 2)
    assert [next(items) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="broken"):
        next(items)


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_who_leaves_early_leaves_nothing_behind(taken):
    before = threading.active_count()
    seen = []
    items = prefetch(count_up(1000, seen), 2)
    for _ in range(taken):
        next(items)
    items.close()
    assert threading.active_count() <= before  # what other tests have left may end meanwhile
    assert seen == [] or seen[-1] == "closed"
    assert len(seen) < 20


def test_results_of_several_threads_come_in_the_order_of_the_items():
    """However long each takes: the first one waits until the one behind it is done."""
    overtaken = threading.Event()

    def work(number):
        if number == 0:
            assert overtaken.wait(60)
        if number == 1:
            overtaken.set()
        return 10 * number

    assert list(map_ahead(work, range(20), 3)) == [10 * number for number in range(20)]


def test_threads_work_ahead_but_not_too_far():
    asked = []

    def ask():
        for number in range(50):
            asked.append(number)
            yield number

    results = map_ahead(str, ask(), 3)
    assert asked == []
    for taken in range(5):
        assert next(results) == str(taken)
        assert len(asked) == 6 + taken
    results.close()


def test_an_error_of_a_thread_comes_where_its_result_would_have_come():
    def work(number):
        if number == 5:
            raise ValueError("broken")
        return number

    before = threading.active_count()
    results = map_ahead(work, range(100), 4)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="broken"):
        next(results)
    assert threading.active_count() <= before


def test_who_leaves_results_early_leaves_no_thread_behind():
    before, done = threading.active_count(), []
    results = map_ahead(done.append, range(1000), 4)
    next(results)
    results.close()
    assert threading.active_count() <= before
    assert len(done) <= 8
