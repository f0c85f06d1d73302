"""The camera that never gives up, its queue of frames and its rate, against servers on loopback."""

import io
import logging
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from oddframe.core.alerts import Phase
from oddframe.core.records import Frame
from oddframe.errors import InputError
from oddframe.media import connection as connection_module
from oddframe.media.clip_export import write_event_clip
from oddframe.media.live_config import LiveSettings, stream_address
from oddframe.media.live_stream import MOST_HUNG, FrameQueue, LiveStream, RecentRate
from oddframe.media.source import FrameFormat
from tests.support.clips import clips
from tests.support.numbered import draw_number, times_and_numbers
from tests.support.stream_server import StreamServer, http, multipart, silence
from tests.support.stream_server import video as video_answer


def frame(index):
    return Frame(index, index / 10, np.zeros((2, 2, 1), np.uint8), (2, 2))


def take_all(queue):
    """The indices of all frames in a queue, which is empty afterwards."""
    return [frame.index for frame in iter(queue.take, None)]


def test_a_live_queue_drops_the_oldest_and_counts_it():
    lengths = []
    queue = FrameQueue(3, waits=False, arrived=lambda: lengths.append(len(queue)))
    for index in range(5):
        queue.put(frame(index))
    assert queue.dropped == 2
    assert take_all(queue) == [2, 3, 4]
    # For people, also once it was taken.
    assert queue.newest.index == 4
    assert lengths == [1, 2, 3, 3, 3]


def test_a_waiting_queue_drops_nothing_however_slowly_it_is_emptied():
    queue = FrameQueue(2, waits=True, arrived=lambda: None)
    giver = threading.Thread(target=lambda: [queue.put(frame(index)) for index in range(20)])
    giver.start()
    found = []
    while len(found) < 20:
        assert len(queue) <= 2
        found += take_all(queue)
    giver.join(120)
    assert found == list(range(20))
    assert queue.dropped == 0


def test_closing_frees_who_waits_and_takes_no_more():
    queue = FrameQueue(1, waits=True, arrived=lambda: None)
    queue.put(frame(0))
    giver = threading.Thread(target=lambda: queue.put(frame(1)))
    giver.start()
    queue.close()
    giver.join(120)
    assert not giver.is_alive()
    assert take_all(queue) == [0]


def test_the_rate_is_that_of_the_last_seconds():
    rate = RecentRate()
    assert rate.per_second(0) == 0
    for number in range(200):
        rate.add(number / 10)
    assert rate.per_second(19.9) == pytest.approx(10, rel=0.05)
    assert rate.per_second(22.4) == pytest.approx(5, rel=0.05)
    assert rate.per_second(30) == 0


def test_the_rate_of_a_stream_that_has_just_begun_is_not_far_off():
    rate = RecentRate()
    for number in range(21):
        rate.add(number / 10)
    assert 10 <= rate.per_second(2) <= 11


GREY = FrameFormat(32, 24, "grey")
QUICK = {
    "open_timeout_s": 5.0, "read_timeout_s": 5.0, "quiet_s": 0.3, "stall_s": 5.0,
    "first_wait_s": 0.05, "longest_wait_s": 0.2, "queue": 256,
}  # fmt: skip


@contextmanager
def watched(url, keep_fps=None, wanted=GREY, **settings):
    """A camera that is started, and stopped at the end."""
    stream = LiveStream(
        stream_address(url, variables={}),
        wanted,
        LiveSettings(**{**QUICK, **settings}),
        keep_fps=keep_fps,
    )
    stream.start()
    try:
        yield stream
    finally:
        stream.stop()


def until(holds, limit_s=120.0):
    """Wait until a condition holds."""
    end_s = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.01)


def take_frames(stream, count):
    """Wait for this many frames or more, and take them."""
    frames = []

    def enough():
        frames.extend(iter(stream.take, None))
        return len(frames) >= count

    until(enough)
    return frames


def numbers(frames):
    """The numbers of the drawn pictures, which their brightness shows."""
    return [number_of(frame.pixels) for frame in frames]


def number_of(pixels):
    return (float(pixels[-4, -4].mean()) - 20) / 2


def about(expected):
    """Numbers as they are after encoding, which changes the brightness a little."""
    return pytest.approx(list(expected), abs=0.9)


def test_a_stream_gives_its_frames_with_its_own_times(video):
    with (
        StreamServer(video_answer(video("a.ts", frames=40, rate_fps=100), holds=True)) as server,
        watched(server.url()) as live,
    ):
        frames = take_frames(live, 38)  # the last waits for data that does not come
        state = live.state()
    assert numbers(frames[:38]) == about(range(38))
    assert [frame.index for frame in frames[:38]] == list(range(38))
    assert [frame.time_s for frame in frames[:38]] == pytest.approx(
        [i / 100 for i in range(38)], abs=0.01
    )
    assert (state.phase, state.size, state.dropped, state.reconnects) == (
        Phase.LIVE,
        (64, 48),
        0,
        0,
    )
    assert (live.rate_fps, live.gap_s) == (100, 0.5)


def test_when_a_stream_ends_it_connects_again_and_time_goes_on_behind_a_gap(video):
    path = video("a.ts", frames=10, rate_fps=100)
    with StreamServer(video_answer(path)) as server, watched(server.url()) as live:
        frames = take_frames(live, 25)
        state = live.state()
    times = [frame.time_s for frame in frames]
    joints = [i for i, (a, b) in enumerate(pairwise(times)) if b - a > live.gap_s]
    assert all(a < b for a, b in pairwise(times))
    assert len(joints) >= 2
    assert numbers(frames[: joints[0] + 1]) == about(range(joints[0] + 1))
    assert numbers(frames)[joints[0] + 1] == pytest.approx(0, abs=0.9)
    assert state.reconnects >= 2
    assert state.error.startswith(server.url())
    spans = [(clip.frames[0].time_s, clip.last.time_s) for clip in clips(frames, 1, live.gap_s)]
    assert spans
    assert not [span for span in spans for joint in joints if span[0] <= times[joint] < span[1]]


def test_a_stall_is_seen_given_up_and_survived(video):
    path = video("a.ts", frames=50, rate_fps=100)
    with (
        StreamServer(video_answer(path, holds=True)) as server,
        watched(server.url(), stall_s=0.9) as live,
    ):
        until(lambda: live.state().phase is Phase.LIVE)
        until(lambda: live.state().phase is Phase.STALLED)
        until(lambda: live.state().reconnects == 1)
        assert "sent no picture for 0.9 s" in live.state().error


@pytest.mark.slow
def test_a_server_that_stops_sending_is_noticed_by_the_read_time_out(video):
    path = video("a.ts", frames=50, rate_fps=100)
    with (
        StreamServer(video_answer(path, holds=True)) as server,
        watched(server.url(), read_timeout_s=0.5) as live,
    ):
        until(lambda: live.state().reconnects == 1)
        assert "no answer in time" in live.state().error


def test_a_live_stream_drops_the_oldest_frames_and_counts_them(video):
    path = video("a.ts", frames=80, rate_fps=100)
    with (
        StreamServer(video_answer(path, holds=True)) as server,
        watched(server.url(), queue=3) as live,
    ):
        until(lambda: live.state().frames >= 75)
        frames = list(iter(live.take, None))
        state = live.state()
    assert state.dropped == state.frames - 3 == len(range(state.frames)) - len(frames)
    assert numbers(frames) == about(range(state.frames - 3, state.frames))


def test_frames_are_thinned_before_they_are_queued(video):
    path = video("a.ts", frames=40, rate_fps=100)
    with (
        StreamServer(video_answer(path, holds=True)) as server,
        watched(server.url(), keep_fps=25) as live,
    ):
        frames = take_frames(live, 9)[:9]
    assert [frame.index for frame in frames] == list(range(0, 36, 4))
    assert numbers(frames) == about(range(0, 36, 4))
    assert live.rate_fps == 25
    assert live.gap_s == 0.5


def test_a_change_of_size_breaks_clips(resized_video):
    with (
        StreamServer(video_answer(resized_video(frames=30, rate_fps=50), holds=True)) as server,
        watched(server.url()) as live,
    ):
        frames = take_frames(live, 50)
    sizes = [frame.source_size for frame in frames]
    assert sizes == [(64, 48)] * 30 + [(96, 80)] * (len(sizes) - 30)
    assert all(
        len({frame.source_size for frame in clip.frames}) == 1
        for clip in clips(frames, 1, live.gap_s)
    )
    assert live.state().size == (96, 80)


@pytest.mark.parametrize(
    ("aspect", "size"), [(Fraction(12, 11), (70, 48)), (Fraction(3, 4), (64, 64))]
)
def test_live_pictures_have_the_shape_that_players_show(aspect, size, video):
    def stretch(stream):
        stream.codec_context.sample_aspect_ratio = aspect

    path = video("a.ts", frames=100, rate_fps=50, prepare=stretch)
    with (
        StreamServer(video_answer(path, holds=True)) as server,
        watched(server.url(), wanted=replace(GREY, picture_width=96)) as live,
    ):
        frames = take_frames(live, 10)
    assert {frame.shown_size for frame in frames} == {size}
    height = 2 * round(48 * size[1] / size[0])
    assert {frame.picture.shape for frame in frames} == {(height, 96, 3)}
    assert live.state().size == size


@pytest.mark.slow
def test_timestamps_that_jump_back_make_a_gap(video):
    path = video("a.ts", frames=80, rate_fps=100)
    again = path.read_bytes()
    with StreamServer(http(again + again, holds=True)) as server, watched(server.url()) as live:
        frames = take_frames(live, 120)
    steps = [b.time_s - a.time_s for a, b in pairwise(frames)]
    assert min(steps) > 0
    assert sum(step > live.gap_s for step in steps) == 1
    assert live.state().jumps == 1


def test_a_web_camera_without_timestamps_is_timed_by_arrival(monkeypatch):
    monkeypatch.setattr(connection_module, "MEASURED_S", 0.5)
    pictures = []
    for number in range(60):
        memory = io.BytesIO()
        Image.fromarray(np.full((48, 64), 20 + 2 * number, np.uint8)).save(memory, "jpeg")
        pictures.append(memory.getvalue())
    with (
        StreamServer(multipart(pictures, 0.1)) as server,
        watched(server.url("video.mjpg")) as live,
    ):
        frames = take_frames(live, 8)
    # FFmpeg makes up 25 frames a second for it.
    assert live.rate_fps < 20
    assert np.mean([b.time_s - a.time_s for a, b in pairwise(frames)]) > 0.07


def test_hls_is_played_at_its_own_speed(video):
    segments = [
        video(f"s{n}.ts", frames=20, rate_fps=100, times_s=[n * 0.2 + i / 100 for i in range(20)])
        for n in range(2)
    ]
    listed = "".join(f"#EXTINF:1.0,\n{segment.name}\n" for segment in segments)
    playlist = (
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n"
        f"{listed}#EXT-X-ENDLIST\n"
    )
    parts = {b"s0.ts": video_answer(segments[0]), b"s1.ts": video_answer(segments[1])}

    def answer(connection, over):
        name = server.requests[-1].split()[1].rpartition(b"/")[2]
        kind = "application/vnd.apple.mpegurl"
        parts.get(name, http(playlist.encode(), Content_Type=kind))(connection, over)

    with StreamServer(answer) as server, watched(server.url("live.m3u8")) as live:
        frames = take_frames(live, 40)[:40]
        passed_s = live.clock.passed_s(time.monotonic())
    assert numbers(frames) == about([*range(20), *range(20)])
    assert [frame.time_s for frame in frames] == pytest.approx(
        [i / 100 for i in range(40)], abs=0.01
    )
    assert passed_s >= 0.38
    assert live.state().dropped == 0


def test_clips_are_cut_from_the_streams_own_packets(video, tmp_path):
    path = video("a.ts", frames=40, rate_fps=100)
    with (
        StreamServer(video_answer(path, holds=True)) as server,
        watched(server.url(), keep_s=60) as live,
    ):
        frames = take_frames(live, 35)
        (clip,) = live.ring.write_clips(tmp_path / "clip", frames[22].time_s, frames[27].time_s)
    assert clip.path == tmp_path / "clip.mp4"
    assert clip.start_s == pytest.approx(frames[20].time_s)  # the key frame before
    with av.open(str(clip.path)) as container:
        shown = [
            number_of(picture.to_ndarray(format="gray")) for picture in container.decode(video=0)
        ]
    assert shown == about(range(20, 28))


@pytest.mark.parametrize("size", [(64, 48), (160, 120)])
def test_a_camera_that_sends_jpeg_pictures_has_a_clip_that_plays(tmp_path, size):
    pictures = []
    for number in range(90):
        memory = io.BytesIO()
        Image.fromarray(draw_number(number, *size)).save(memory, "jpeg")
        pictures.append(memory.getvalue())
    with (
        StreamServer(multipart(pictures, 0.03)) as server,
        watched(server.url("video.mjpg"), keep_s=60) as live,
    ):
        times_s = [frame.time_s for frame in take_frames(live, 15)]
        write_event_clip(live.ring, tmp_path / "clip.mp4", times_s[4], times_s[9])
    shown = times_and_numbers(tmp_path / "clip.mp4")
    first = shown[0][1]
    assert [number for _, number in shown] == list(range(first, first + 6))
    assert [time_s for time_s, _ in shown] == pytest.approx(
        [time_s - times_s[4] for time_s in times_s[4:10]], abs=0.003
    )


# What goes wrong before there is a frame.


def test_a_server_that_says_nothing_is_tried_again_and_again():
    with StreamServer(silence) as server, watched(server.url(), open_timeout_s=0.2) as live:
        until(lambda: len(server.requests) >= 3)
        state = live.state()
    assert "no answer in time" in state.error
    assert state.frames == 0
    assert state.silent_s is None


def test_a_port_where_nothing_listens_is_named_in_the_error():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # and never listens: nobody else can take this port either
        port = silent.getsockname()[1]
        with watched(
            f"rtsp://bob:s3cret@127.0.0.1:{port}/x", first_wait_s=300, longest_wait_s=300
        ) as live:
            until(lambda: live.state().phase is Phase.WAITING)
            state = live.state()
    assert state.error.startswith(
        f"rtsp://***@127.0.0.1:{port}/x cannot be read: nothing listens there"
    )
    assert 30 < state.retry_s <= 300


def test_a_camera_that_is_not_plugged_in_is_named_in_the_error():
    with watched("987") as live:
        until(lambda: live.state().error)
        assert (
            live.state().error
            == "/dev/video987 cannot be read: there is no such camera; is it plugged in?"
        )


@contextmanager
def black_hole():
    """A port on loopback where connecting hangs: its queue of connections is full."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        filling = [socket.socket() for _ in range(4)]
        for client in filling:
            client.setblocking(False)
            with suppress(BlockingIOError):
                client.connect(listening.getsockname())
        try:
            yield listening.getsockname()[1]
        finally:
            for client in filling:
                client.close()


def threads_named(name):
    return [thread for thread in threading.enumerate() if thread.name == name]


@pytest.mark.parametrize(
    ("scheme", "kind"), [("rtsp", "silent"), ("http", "silent"), ("rtsp", "black hole")]
)
def test_stopping_in_the_middle_of_a_connect_does_not_wait_for_it(scheme, kind):
    with StreamServer(silence, reads=False) as server, black_hole() as hole:
        port = server.port if kind == "silent" else hole
        with watched(f"{scheme}://127.0.0.1:{port}/never", open_timeout_s=60) as live:
            name = f"stream {live.name}"
            until(lambda: threads_named(name))
            time.sleep(0.2)
            (connecting,) = threads_named(name)
            live.stop()
            assert live.is_over
            assert connecting.is_alive()  # left behind, and
    connecting.join(120)
    assert not connecting.is_alive()  # ended by the other side, or by its time-outs


def test_a_program_ends_at_once_though_a_connection_hangs():
    program = """
import sys
from oddframe.media.live_stream import LiveStream
from oddframe.media.live_config import LiveSettings
from oddframe.media.source import FrameFormat
from oddframe.media.live_config import stream_address
from oddframe.media.stream_set import StreamSet
patient = LiveSettings(open_timeout_s=600)
live = [LiveStream(stream_address(url), FrameFormat(8, 8, "grey"), patient) for url in sys.argv[1:]]
with StreamSet(live) as streams:
    streams.poll(1, 0.5)
print("stopped", flush=True)
"""
    with StreamServer(silence, reads=False) as server, black_hole() as hole:
        urls = [f"rtsp://bob:s3cret@127.0.0.1:{port}/x" for port in (server.port, hole)]
        # The connects hang for longer than this waits.
        left = subprocess.run(
            [sys.executable, "-c", program, *urls], capture_output=True, text=True, timeout=200
        )
    assert (left.returncode, left.stderr, left.stdout) == (0, "", "stopped\n")


def test_connections_that_hang_for_ever_do_not_pile_up(monkeypatch):
    opened, free = [], threading.Event()

    def hang(address, settings):
        opened.append(address)
        free.wait(30)
        raise RuntimeError("late")

    monkeypatch.setattr(connection_module, "open_stream", hang)
    with watched("rtsp://127.0.0.1/x", open_timeout_s=0.02, quiet_s=0.02) as live:
        until(lambda: len(opened) == MOST_HUNG)
        time.sleep(0.5)
        assert len(opened) == MOST_HUNG
        assert "connecting hangs" in live.state().error
        free.set()
        until(lambda: len(opened) > MOST_HUNG)


# What nobody may do.


@pytest.fixture
def treasure(video):
    """A file on this machine, which no server may make us read."""
    return video("treasure.ts", frames=20)


@pytest.mark.parametrize("scheme", ["file://", "", "concat:", "subfile,,start,0,end,0,,:"])
def test_a_redirection_leads_to_no_file(treasure, scheme):
    with (
        StreamServer(http(status="302 Found", Location=f"{scheme}{treasure}")) as server,
        watched(server.url()) as live,
    ):
        until(lambda: live.state().error)
        assert not live.state().frames


@pytest.mark.parametrize("scheme", ["file://", "", "concat:"])
@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\n{}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{}'\n",
    ],
)
def test_no_list_from_a_server_leads_to_a_file(treasure, scheme, text):
    body = text.format(f"{scheme}{treasure}").encode()
    with StreamServer(http(body)) as server, watched(server.url("live.m3u8")) as live:
        until(lambda: live.state().error)
        assert not live.state().frames


def test_the_password_appears_nowhere(caplog, capfd):
    caplog.set_level(logging.DEBUG)
    answer = http(status="401 Unauthorized", WWW_Authenticate='Basic realm="cam"')
    with (
        StreamServer(answer) as server,
        watched(server.url("v?token=t0ken", login="bob:s3cret@"), longest_wait_s=300) as live,
    ):
        until(lambda: live.state().phase is Phase.WAITING)
        state = live.state()
        threads = [thread.name for thread in threading.enumerate()]
        assert any(b"Authorization: Basic" in request for request in server.requests)
    assert "refuses the user name or the password" in state.error
    assert state.retry_s > 30  # cameras lock out who insists
    text = "".join(
        [repr(live), repr(state), *threads, caplog.text, *capfd.readouterr(), repr(live.address)]
    )
    assert "s3cret" not in text
    assert "t0ken" not in text
    assert "bob" not in text


def test_a_crash_is_one_streams_own_state_and_says_no_secret(video, monkeypatch):
    path = video("a.ts", frames=40, rate_fps=100)
    with StreamServer(video_answer(path, holds=True)) as server:
        url = server.url(login="bob:s3cret@")

        class Breaking:
            def __init__(self, *_):
                pass

            def frame(self, *_):
                raise RuntimeError(f"cannot work with {url}")

        with watched(server.url()) as sound:
            until(lambda: sound.state().frames)
            monkeypatch.setattr(connection_module, "Converter", Breaking)
            with watched(url, longest_wait_s=300) as broken:
                until(lambda: broken.state().phase is Phase.FAILED)
                state = broken.state()
            assert sound.state().phase is Phase.LIVE
    assert "crashed: RuntimeError: cannot work with http://***@127.0.0.1" in state.error
    assert "s3cret" not in state.error
    assert state.retry_s > 30


def test_a_file_is_no_camera(video):
    with pytest.raises(InputError, match="must be a camera's address"):
        LiveStream(stream_address(video(frames=2)), GREY)


@pytest.mark.slow
def test_nothing_stays_open_when_a_stream_is_stopped(video):
    def sockets():
        links = [Path("/proc/self/fd") / name for name in Path("/proc/self/fd").iterdir()]
        return sum(
            1 for link in links if link.is_symlink() and str(link.readlink()).startswith("socket:")
        )

    path = video("a.ts", frames=10, rate_fps=100)
    with StreamServer(video_answer(path, holds=True)) as server:
        before = sockets()
        for _ in range(3):
            with watched(server.url(), read_timeout_s=0.3) as live:
                take_frames(live, 5)
            for thread in threads_named(f"watch {live.name}"):
                thread.join(120)
    until(lambda: sockets() <= before)
