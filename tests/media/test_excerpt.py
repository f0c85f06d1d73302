"""Frames read again by number are those of a whole pass."""

import numpy as np
import pytest

from oddframe.errors import SourceNotFoundError
from oddframe.media import excerpt
from oddframe.media.excerpt import read_frames
from oddframe.media.finding import open_source
from oddframe.media.recording import Recording
from oddframe.media.sources import FrameFormat

WANTED = FrameFormat(32, 24, "grey", picture_width=48)


def whole(source):
    return list(source.frames(WANTED))


def same(found, frames):
    assert [(one.index, one.time_s) for one in found] == [(one.index, one.time_s) for one in frames]
    for one, frame in zip(found, frames, strict=True):
        assert np.array_equal(one.pixels, frame.pixels)
        assert np.array_equal(one.picture, frame.picture)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi"])
@pytest.mark.parametrize("indices", [[0, 1, 2], [37, 38, 41, 55], [59], list(range(60))], ids=str)
def test_they_are_the_same_frames(name, indices, video):
    codec = {"codec": "mpeg4"} if name.endswith("avi") else {}
    source = open_source(video(name, frames=60, **codec))
    frames = whole(source)
    times_s = np.array([frames[index].time_s for index in indices])
    same(read_frames(source, WANTED, indices, times_s), [frames[index] for index in indices])


def test_what_lies_before_is_not_decoded(video, monkeypatch):
    source = open_source(video(frames=100))
    frames = whole(source)
    monkeypatch.setattr(Recording, "frames", lambda *_: pytest.fail("a whole pass"))
    same(read_frames(source, WANTED, [90, 91], np.array([9.0, 9.1])), frames[90:92])


def test_turned_and_uneven_recordings(video):
    times_s = [0.0, 0.1, 0.25, 0.3, 2.0, 2.1, 2.15, 2.4, 2.5]
    source = open_source(video("a.mp4", frames=9, times_s=times_s, rotation=90))
    frames = whole(source)
    indices = [2, 4, 7]
    same(
        read_frames(source, WANTED, indices, np.array([frames[i].time_s for i in indices])),
        [frames[i] for i in indices],
    )


def test_where_times_do_not_lead_there_all_of_it_is_read(video):
    # As after a place where timestamps jump back: a pass has put the times behind a gap.
    source = open_source(video(frames=30))
    frames = whole(source)
    same(read_frames(source, WANTED, [20, 21], np.array([102.0, 102.1])), frames[20:22])


def test_images_by_number(images):
    source = open_source(images("01", [3, 4, 5, 8, 9]), fps=10.0)
    frames = whole(source)
    same(read_frames(source, WANTED, [1, 5], np.array([0.1, 0.5])), [frames[1], frames[3]])
    assert read_frames(source, WANTED, [4], np.array([0.4])) == []


def test_a_recording_that_is_gone_is_named(video):
    path = video(frames=10)
    source = open_source(path)
    path.unlink()
    with pytest.raises(SourceNotFoundError, match="nothing is there"):
        read_frames(source, WANTED, [3], np.array([0.3]))
    assert excerpt.read_frames(source, WANTED, [], np.array([])) == []
