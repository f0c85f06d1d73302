"""Video that is written, whole or not at all."""

import errno
import os

import numpy as np
import pytest

from oddframe.errors import OutputError, SettingsError
from oddframe.media import video_writer
from oddframe.media.recording import Recording
from oddframe.media.source import FrameFormat
from oddframe.media.video_writer import VideoWriter

RGB = FrameFormat(64, 48, "rgb")


def picture(number, width=64, height=48):
    drawn = np.full((height, width, 3), 20 + 2 * number, np.uint8)
    drawn[:12, :16] = (250, 10, 10)
    return drawn


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("rate_fps", [10, 29.97])
def test_what_is_written_can_be_read_again(tmp_path, suffix, rate_fps):
    path = tmp_path / f"a.{suffix}"
    with VideoWriter(path, rate_fps, (64, 48)) as writer:
        for number in range(20):
            writer.write(picture(number))
    source = Recording(path)
    frames = list(source.frames(RGB))
    assert [frame.time_s for frame in frames] == pytest.approx(
        [i / rate_fps for i in range(20)], abs=0.001
    )
    assert [frame.pixels[-4, -4].mean() for frame in frames] == pytest.approx(
        [20 + 2 * i for i in range(20)], abs=4
    )
    assert frames[0].pixels[4, 4].tolist() == pytest.approx([250, 10, 10], abs=10)
    assert source.notices == []
    assert names(tmp_path) == [path.name]


def test_given_times_are_kept(tmp_path):
    times_s = [0, 0.1, 0.5, 0.6, 2.0]
    with VideoWriter(tmp_path / "a.mp4", 10, (64, 48)) as writer:
        for number, time_s in enumerate(times_s):
            writer.write(picture(number), time_s)
    frames = Recording(tmp_path / "a.mp4").frames(RGB)
    assert [frame.time_s for frame in frames] == pytest.approx(times_s, abs=0.001)


def test_odd_sizes_become_even(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", 10, (65, 49)) as writer:
        writer.write(picture(0, 65, 49))
    assert next(Recording(tmp_path / "a.mp4").frames(RGB)).source_size == (64, 48)


@pytest.mark.parametrize("error", [KeyError("x"), OSError(5, "of the block"), KeyboardInterrupt()])
def test_a_failing_block_leaves_the_old_file_and_its_own_error(tmp_path, error):
    path = tmp_path / "a.mp4"
    path.write_text("old")

    def fail():
        with VideoWriter(path, 10, (64, 48)) as writer:
            writer.write(picture(0))
            raise error

    with pytest.raises(type(error)) as caught:
        fail()
    assert caught.value is error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.mp4"]


class FillingDisk:
    """A container for which the disk may become full."""

    def __init__(self, container):
        self.container = container
        self.is_full = False

    def add_stream(self, *args, **options):
        return self.container.add_stream(*args, **options)

    def mux(self, packets):
        if self.is_full:
            raise video_writer.av.OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.container.mux(packets)

    def close(self):
        self.container.close()


@pytest.mark.parametrize("place", ["write", "finish"])
def test_a_full_disk_leaves_the_old_file_and_says_so(tmp_path, monkeypatch, place):
    path = tmp_path / "a.mp4"
    path.write_text("old")
    opened, open_container = [], video_writer.av.open

    def open_on_filling_disk(*args, **options):
        opened.append(FillingDisk(open_container(*args, **options)))
        return opened[-1]

    monkeypatch.setattr(video_writer.av, "open", open_on_filling_disk)

    def write():
        with VideoWriter(path, 10, (64, 48)) as writer:
            writer.write(picture(0))
            opened[0].is_full = True
            if place == "write":
                writer.write(picture(1))

    with pytest.raises(OutputError, match=r"a\.mp4 could not be written: the disk is full"):
        write()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.mp4"]


def test_a_missing_folder_is_an_error_on_entering(tmp_path):
    with pytest.raises(OutputError, match="its folder does not exist"):
        VideoWriter(tmp_path / "none" / "a.mp4", 10, (64, 48)).__enter__()


def test_mpeg4_stands_in_where_there_is_no_h264(tmp_path, monkeypatch):
    monkeypatch.setattr(video_writer.av, "codecs_available", {"mpeg4"})
    with VideoWriter(tmp_path / "a.mp4", 10, (64, 48)) as writer:
        writer.write(picture(0))
    assert len(list(Recording(tmp_path / "a.mp4").frames(RGB))) == 1


def test_wrong_pictures_sizes_rates_and_names_are_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"must be uint8 of shape 48 x 64 x 3, got float64"):
        with_wrong_picture(tmp_path)
    with pytest.raises(SettingsError, match="must end in"):
        VideoWriter(tmp_path / "a.gif", 10, (64, 48))
    with pytest.raises(SettingsError, match="rate_fps"):
        VideoWriter(tmp_path / "a.mp4", 0, (64, 48))
    with pytest.raises(SettingsError, match="at least 2 x 2"):
        VideoWriter(tmp_path / "a.mp4", 10, (1, 48))
    assert names(tmp_path) == []


def with_wrong_picture(folder):
    with VideoWriter(folder / "a.mp4", 10, (64, 48)) as writer:
        writer.write(np.zeros((48, 64, 3)))


def test_writing_outside_of_the_block_is_refused(tmp_path):
    with pytest.raises(OutputError, match="use the writer in a with block"):
        VideoWriter(tmp_path / "a.mp4", 10, (64, 48)).write(picture(0))


def test_the_same_pictures_make_the_same_file(tmp_path):
    drawn = np.random.default_rng(0).integers(0, 256, (60, 96, 160, 3), dtype=np.uint8)
    contents = set()
    for number in range(4):
        path = tmp_path / f"{number}.mp4"
        with VideoWriter(path, 10.0, (160, 96)) as video:
            for one in drawn:
                video.write(one)
        contents.add(path.read_bytes())
    assert len(contents) == 1
    # What the macroblock tree does depends on what lay in memory, which is seldom seen in a test.
    assert b"mbtree=0" in contents.pop()
