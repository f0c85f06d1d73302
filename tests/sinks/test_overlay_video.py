import numpy as np
import pytest

from oddframe.core.records import Score
from oddframe.media.finding import open_source
from oddframe.media.sources import FrameFormat
from oddframe.sinks.overlay_video import overlay_video


def scored(number, size=(160, 96), start_s=0.0, hot=False):
    picture = np.full((size[1], size[0], 3), 90, np.uint8)
    map_ = np.full((24, 40), 1e-6, np.float32)
    if hot:
        map_[8:16, 16:24] = 1.0
    value = 0.9 if hot else 0.1
    return Score(number, start_s + number / 10, score=value, raw=value, map=map_, picture=picture)


def decoded(path):
    return list(open_source(path).frames(FrameFormat(160, 160, "rgb")))


def write(path, scores):
    with overlay_video(path, 10.0, 0.5) as sink:
        for one in scores:
            sink.write(one)


def test_the_video_shows_every_picture_at_its_time(tmp_path):
    write(
        tmp_path / "a.overlay.mp4",
        [Score(0, 3.0, picture=scored(0).picture), *(scored(n, start_s=3) for n in range(1, 9))],
    )
    frames = decoded(tmp_path / "a.overlay.mp4")
    assert [frame.time_s for frame in frames] == pytest.approx(np.arange(9) / 10, abs=1e-3)
    width, height = frames[0].source_size
    assert width >= 160
    assert height > 96


def test_heat_is_where_the_map_is_high(tmp_path):
    write(tmp_path / "cold.mp4", [scored(n) for n in range(6)])
    write(tmp_path / "hot.mp4", [scored(n, hot=True) for n in range(6)])
    cold, hot = (decoded(tmp_path / name)[-1].pixels.astype(int) for name in ("cold.mp4", "hot.mp4"))
    changed = np.abs(hot - cold).max(axis=2)
    rows = slice(0, int(160 * 0.3))
    assert changed[:, 70:90][rows].max() > 40


def test_pictures_of_another_size_than_the_first_are_left_out(tmp_path):
    write(tmp_path / "a.mp4", [scored(0), scored(1), scored(2, size=(80, 48)), scored(3)])
    assert len(decoded(tmp_path / "a.mp4")) == 3


def test_scores_without_pictures_make_no_video(tmp_path):
    write(tmp_path / "a.mp4", [Score(0, 0.0), Score(1, 0.1)])
    assert list(tmp_path.iterdir()) == []


def test_what_fails_leaves_nothing(tmp_path):
    def fail():
        with overlay_video(tmp_path / "a.mp4", 10.0, 0.5) as sink:
            sink.write(scored(0))
            raise KeyError("stop")

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []
