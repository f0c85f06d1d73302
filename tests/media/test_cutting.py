import av
import pytest

from oddframe.errors import SourceError, SourceNotFoundError
from oddframe.media.cutting import cut_recording


def told(path):
    with av.open(str(path)) as container:
        return [(float(p.to_ndarray(format="gray")[-4, -4]) - 20) / 2 for p in container.decode(video=0)]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_a_clip_of_a_recording_holds_what_it_shows_then(video, tmp_path, name):
    path = video(name, frames=90)
    clip = cut_recording(path, tmp_path / "clip", 3.4, 5.2)
    numbers = told(clip.path)
    assert numbers == pytest.approx([round(clip.start_s * 10) + i for i in range(clip.frames)], abs=0.9)
    assert 2.0 <= clip.start_s <= 3.4
    assert clip.end_s == pytest.approx(5.2)


def test_times_count_from_the_first_frame(video, tmp_path):
    clip = cut_recording(video("a.ts", times_s=[50 + i / 10 for i in range(40)]), tmp_path / "clip", 0.0, 1.0)
    assert (clip.start_s, clip.frames) == (0, 11)


def test_the_end_of_a_recording_ends_the_clip_and_beyond_it_is_none(video, tmp_path):
    path = video(frames=30)
    assert cut_recording(path, tmp_path / "clip", 2.5, 99).end_s == pytest.approx(2.9)
    assert cut_recording(path, tmp_path / "none", 50, 60) is None


def test_what_is_no_recording_is_told(tmp_path, audio):
    with pytest.raises(SourceNotFoundError, match="nothing is there"):
        cut_recording(tmp_path / "no.mp4", tmp_path / "clip", 0, 1)
    (tmp_path / "text.mp4").write_text("not a video" * 100)
    with pytest.raises(SourceError, match="cannot be read"):
        cut_recording(tmp_path / "text.mp4", tmp_path / "clip", 0, 1)
    with pytest.raises(SourceError, match="must hold a video stream"):
        cut_recording(audio(), tmp_path / "clip", 0, 1)
