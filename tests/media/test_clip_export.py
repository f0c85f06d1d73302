"""Clips that are cut out of recordings, and clips of events."""

import av
import pytest

from oddframe.errors import OutputError, SourceError, SourceNotFoundError
from oddframe.media.clip_export import cut_recording, write_event_clip


def numbers_of(path):
    """The numbers that the drawn pictures of a clip show by their brightness."""
    with av.open(str(path)) as container:
        return [
            (float(picture.to_ndarray(format="gray")[-4, -4]) - 20) / 2
            for picture in container.decode(video=0)
        ]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_a_clip_of_a_recording_holds_what_it_shows_then(video, tmp_path, name):
    path = video(name, frames=90)
    clip = cut_recording(path, tmp_path / "clip", 3.4, 5.2)
    numbers = numbers_of(clip.path)
    assert numbers == pytest.approx(
        [round(clip.start_s * 10) + i for i in range(clip.frames)], abs=0.9
    )
    assert 2.0 <= clip.start_s <= 3.4
    assert clip.end_s == pytest.approx(5.2)


def test_times_count_from_the_first_frame(video, tmp_path):
    clip = cut_recording(
        video("a.ts", times_s=[50 + i / 10 for i in range(40)]), tmp_path / "clip", 0.0, 1.0
    )
    assert (clip.start_s, clip.frames) == (0, 11)


def test_the_end_of_a_recording_ends_the_clip_and_beyond_it_is_none(video, tmp_path):
    path = video(frames=30)
    assert cut_recording(path, tmp_path / "clip", 2.5, 99).end_s == pytest.approx(2.9)
    assert cut_recording(path, tmp_path / "none", 50, 60) is None


def test_what_is_no_recording_is_named_as_the_reason(tmp_path, audio):
    with pytest.raises(SourceNotFoundError, match="nothing is there"):
        cut_recording(tmp_path / "no.mp4", tmp_path / "clip", 0, 1)
    (tmp_path / "text.mp4").write_text("not a video" * 100)
    with pytest.raises(SourceError, match="cannot be read"):
        cut_recording(tmp_path / "text.mp4", tmp_path / "clip", 0, 1)
    with pytest.raises(SourceError, match="must hold a video stream"):
        cut_recording(audio(), tmp_path / "clip", 0, 1)


def cut_of(recording, start_s, end_s):
    return lambda path: cut_recording(recording, path, start_s, end_s)


def codec_and_times(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return stream.codec_context.name, [float(frame.time) for frame in container.decode(stream)]


def test_a_codec_that_players_know_is_not_encoded_anew(video, tmp_path):
    recording = video(frames=30)
    path = tmp_path / "clips" / "clip.mp4"
    path.parent.mkdir()
    write_event_clip(cut_of(recording, 0.0, 1.0), path)
    codec, times_s = codec_and_times(path)
    assert codec == "h264"
    assert times_s[0] == 0
    assert 10 <= len(times_s) <= 30
    assert [entry.name for entry in path.parent.iterdir()] == ["clip.mp4"]


def test_another_codec_is_encoded_anew_with_the_times_of_its_frames(video, tmp_path):
    recording = video("web.mkv", frames=30, codec="mjpeg", pixel_format="yuvj420p")
    path = tmp_path / "clips" / "clip.mp4"
    path.parent.mkdir()
    write_event_clip(cut_of(recording, 0.5, 1.5), path)
    codec, times_s = codec_and_times(path)
    assert codec == "h264"
    assert times_s == pytest.approx([number / 10 for number in range(len(times_s))], abs=1e-3)
    assert len(times_s) == 11
    assert [entry.name for entry in path.parent.iterdir()] == ["clip.mp4"]


def test_a_stretch_that_is_not_kept_is_an_error(video, tmp_path):
    recording = video(frames=10)
    path = tmp_path / "clip.mp4"
    with pytest.raises(OutputError, match=r"clip\.mp4.*no video of that time"):
        write_event_clip(cut_of(recording, 100.0, 101.0), path)
    assert not path.exists()
