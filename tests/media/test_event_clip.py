import av
import pytest

from oddframe.errors import OutputError
from oddframe.media.cutting import cut_recording
from oddframe.media.event_clip import write_event_clip


def cut_of(recording, start_s, end_s):
    return lambda path: cut_recording(recording, path, start_s, end_s)


def seen(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return stream.codec_context.name, [float(frame.time) for frame in container.decode(stream)]


def test_a_codec_that_players_know_is_not_encoded_anew(video, tmp_path):
    recording = video(frames=30)
    path = tmp_path / "clips" / "clip.mp4"
    path.parent.mkdir()
    write_event_clip(cut_of(recording, 0.0, 1.0), path)
    codec, times_s = seen(path)
    assert codec == "h264"
    assert times_s[0] == 0
    assert 10 <= len(times_s) <= 30
    assert [one.name for one in path.parent.iterdir()] == ["clip.mp4"]


def test_another_is_with_the_times_of_its_frames(video, tmp_path):
    recording = video("web.mkv", frames=30, codec="mjpeg", pixel_format="yuvj420p")
    path = tmp_path / "clips" / "clip.mp4"
    path.parent.mkdir()
    write_event_clip(cut_of(recording, 0.5, 1.5), path)
    codec, times_s = seen(path)
    assert codec == "h264"
    assert times_s == pytest.approx([number / 10 for number in range(len(times_s))], abs=1e-3)
    assert len(times_s) == 11
    assert [one.name for one in path.parent.iterdir()] == ["clip.mp4"]


def test_a_stretch_that_is_not_kept_is_an_error(video, tmp_path):
    recording = video(frames=10)
    path = tmp_path / "clip.mp4"
    with pytest.raises(OutputError, match=r"clip\.mp4.*no video of that time"):
        write_event_clip(cut_of(recording, 100.0, 101.0), path)
    assert not path.exists()
