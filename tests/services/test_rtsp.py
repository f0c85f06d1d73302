"""Live streams against a real RTSP server, with faults.

What was measured goes to the file that $ODDFRAME_FAULTS names. The time to recover counts from the
end of the fault to the next frame.
"""

import json
import os
import signal
import time
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from oddframe.core.alerts import Phase
from oddframe.media.live_config import LiveSettings, stream_address
from oddframe.media.live_stream import LiveStream
from oddframe.media.source import FrameFormat
from oddframe.media.stream_set import StreamSet
from tests.support.clips import clips
from tests.support.rtsp import RtspServer, encode, require_rtsp
from tests.support.udp_relay import UdpRelay

pytestmark = pytest.mark.services

RATE_FPS = 10
FORMAT = FrameFormat(64, 48, "grey", picture_width=160)
SETTINGS = LiveSettings(
    open_timeout_s=5,
    read_timeout_s=3,
    quiet_s=1,
    stall_s=4,
    first_wait_s=0.5,
    longest_wait_s=2,
    queue=256,
    keep_s=60,
)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    require_rtsp()
    return encode(tmp_path_factory.mktemp("scene") / "small", 160, 96)


@pytest.fixture(scope="module")
def larger(tmp_path_factory):
    require_rtsp()
    return encode(tmp_path_factory.mktemp("scene") / "large", 320, 192)


class Watched:
    """A stream and all frames that were taken from it."""

    def __init__(self, url, settings=SETTINGS):
        self.stream = LiveStream(stream_address(url, variables={}), FORMAT, settings)
        self.frames = []

    def look(self):
        """Take what waits; returns the state of the stream."""
        self.frames += iter(self.stream.take, None)
        return self.stream.state()

    def until(self, condition, limit_s=40.0):
        """Wait until a condition holds of the state."""
        end_s = time.monotonic() + limit_s
        while not condition(self.look()):
            assert time.monotonic() < end_s, f"waited in vain: {self.look()}"
            time.sleep(0.02)

    def more(self, count, limit_s=40.0):
        """Wait for this many further frames; returns the seconds until the first of them."""
        began_s, before = time.monotonic(), self.look().frames
        self.until(lambda state: state.frames > before, limit_s)
        first_s = time.monotonic() - began_s
        self.until(lambda state: state.frames >= before + count, limit_s)
        return first_s

    @property
    def times(self):
        return [frame.time_s for frame in self.frames]

    def assert_sound(self):
        """Times increase, and no clip spans a gap or a change of size."""
        assert all(a < b for a, b in pairwise(self.times))
        for clip in clips(self.frames, 1, self.stream.gap_s):
            assert clip.last.time_s - clip.frames[0].time_s <= 4 * self.stream.gap_s
            assert len({frame.source_size for frame in clip.frames}) == 1


@contextmanager
def watching(url, settings=SETTINGS):
    watched = Watched(url, settings)
    watched.stream.start()
    try:
        yield watched
    finally:
        began_s = time.monotonic()
        watched.stream.stop()
        assert time.monotonic() - began_s < 2


def note(fault, watched, **measured):
    """Keep a row of the table."""
    state = watched.look()
    row = {
        "fault": fault,
        **measured,
        "reconnects": state.reconnects,
        "dropped": state.dropped,
        "last": state.error,
    }
    if os.environ.get("ODDFRAME_FAULTS"):
        with Path(os.environ["ODDFRAME_FAULTS"]).open("a") as file:
            rounded = {
                name: round(value, 2) if isinstance(value, float) else value
                for name, value in row.items()
            }
            file.write(json.dumps(rounded) + "\n")


def count_missing(times, from_s=0.0):
    """Count the frames that a stream of the camera's rate would have had and this one has not."""
    late = [time_s for time_s in times if time_s >= from_s]
    return sum(max(0, round((b - a) * RATE_FPS) - 1) for a, b in pairwise(late))


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_frames_come_with_the_cameras_times(scene, transport):
    with (
        RtspServer(scene) as server,
        watching(server.url(query=f"?transport={transport}")) as watched,
    ):
        watched.more(30)
        state = watched.look()
    assert (state.phase, state.dropped, state.damaged, state.reconnects) == (Phase.LIVE, 0, 0, 0)
    assert state.size == (160, 96)
    assert watched.stream.rate_fps == RATE_FPS
    assert watched.times[0] == 0
    assert np.mean(np.diff(watched.times)) == pytest.approx(0.1, rel=0.1)
    watched.assert_sound()


def test_a_clip_is_cut_from_the_cameras_own_packets(scene, tmp_path):
    with RtspServer(scene) as server, watching(server.url()) as watched:
        watched.more(40)
        (clip,) = watched.stream.ring.write_clips(
            tmp_path / "clip", watched.times[15], watched.times[30]
        )
    assert clip.start_s <= watched.times[15]
    with av.open(str(clip.path)) as container:
        pictures = [picture.to_ndarray(format="rgb24") for picture in container.decode(video=0)]
    first = watched.times.index(clip.start_s)
    assert len(pictures) == clip.frames == 31 - first
    for picture, frame in zip(pictures, watched.frames[first:], strict=False):
        assert np.abs(picture.astype(int) - frame.picture).mean() < 2


def test_a_server_that_is_killed_and_comes_back(scene):
    with RtspServer(scene) as server, watching(server.url()) as watched:
        watched.more(20)
        before_s = watched.times[-1]
        server.kill()
        watched.until(lambda state: state.phase is Phase.WAITING)
        time.sleep(1)
        server.start()
        recovered_s = watched.more(20)
        state = watched.look()
        note(
            "server killed, back after 1 s",
            watched,
            recovered_s=recovered_s,
            lost=count_missing(watched.times, before_s),
        )
    assert (state.phase, state.reconnects) == (Phase.LIVE, 1)
    assert recovered_s < 10
    watched.assert_sound()


@pytest.mark.parametrize("stopped_s", [2, 8])
def test_a_server_that_stalls(scene, stopped_s):
    """For less and for more than the time-outs allow."""
    with RtspServer(scene) as server, watching(server.url()) as watched:
        watched.more(20)
        before_s = watched.times[-1]
        server.send(signal.SIGSTOP)
        watched.until(lambda state: state.phase is Phase.STALLED)
        time.sleep(stopped_s - 1)
        server.send(signal.SIGCONT)
        recovered_s = watched.more(20)
        state = watched.look()
        note(
            f"server stopped for {stopped_s} s",
            watched,
            recovered_s=recovered_s,
            lost=count_missing(watched.times, before_s),
        )
    assert state.phase is Phase.LIVE
    assert state.reconnects == (stopped_s > SETTINGS.read_timeout_s)
    assert recovered_s < 15
    watched.assert_sound()


def test_a_camera_that_stays_connected_and_sends_nothing(scene):
    with RtspServer(scene) as server, watching(server.url()) as watched:
        watched.more(20)
        before_s = watched.times[-1]
        server.order("hold")
        watched.until(lambda state: state.phase is Phase.STALLED)
        watched.until(lambda state: state.phase in (Phase.WAITING, Phase.CONNECTING))
        server.order("go")
        recovered_s = watched.more(20)
        note(
            "no pictures until given up",
            watched,
            recovered_s=recovered_s,
            lost=count_missing(watched.times, before_s),
        )
    assert watched.look().reconnects == 1
    watched.assert_sound()


def test_a_wrong_password_is_named_as_the_reason_and_shown_nowhere(scene, caplog, capfd):
    with RtspServer(scene, "--user", "bob", "--password", "s3cret p@ss") as server:
        with watching(server.url("bob:s3cret%20p%40ss@")) as right:
            right.more(10)
            text = repr(right.stream) + repr(right.look())
        with watching(server.url("bob:wr0ng%40@")) as wrong:
            wrong.until(lambda state: state.phase is Phase.WAITING)
            state = wrong.look()
            text += repr(wrong.stream) + repr(state)
            note("wrong password", wrong, retry_s=state.retry_s)
    assert "refuses the user name or the password" in state.error
    assert state.retry_s > SETTINGS.longest_wait_s / 2 - 0.5
    text += caplog.text + "".join(capfd.readouterr())
    for secret in ("s3cret", "wr0ng", "bob"):
        assert secret not in text


def test_a_picture_that_changes_its_size(scene, larger):
    with RtspServer(scene) as server, watching(server.url()) as watched:
        watched.more(20)
        server.order(f"play {larger}")
        watched.until(lambda state: state.size == (320, 192))
        watched.more(20)
        note("another picture size", watched, lost=count_missing(watched.times))
    assert {frame.source_size for frame in watched.frames} == {(160, 96), (320, 192)}
    watched.assert_sound()


@pytest.mark.parametrize("jump_s", [3600.0, -300.0])
def test_timestamps_that_jump(scene, jump_s):
    with (
        RtspServer(scene) as server,
        UdpRelay(server.port) as relay,
        watching(relayed(server, relay)) as watched,
    ):
        watched.more(20)
        count = len(watched.frames)
        relay.shift_s = jump_s
        recovered_s = watched.more(30)
        state = watched.look()
        note(
            f"timestamps jump by {jump_s:g} s",
            watched,
            recovered_s=recovered_s,
            lost=50 - len(watched.frames),
        )
    assert state.jumps == 1
    assert state.reconnects == 0
    assert watched.times[-1] - watched.times[count - 1] < 6
    assert np.count_nonzero(np.diff(watched.times) > watched.stream.gap_s) == 1
    watched.assert_sound()


def relayed(server, relay):
    """The server's address by way of a relay."""
    return server.url(query="?transport=udp").replace(str(server.port), str(relay.port))


def test_a_stream_lives_with_lost_udp_packets(larger):
    """What cannot be decoded is left out.

    What FFmpeg does not notice gets through: how much is noted, not promised.
    """
    sent = decode_scene(larger)
    with (
        RtspServer(larger) as server,
        UdpRelay(server.port, 0.1) as relay,
        watching(relayed(server, relay), replace(SETTINGS, stall_s=15)) as watched,
    ):
        watched.more(40, limit_s=90)
        state = watched.look()
    assert relay.lost > 0.05 * relay.passed
    assert state.damaged
    assert state.reconnects == 0
    errors = np.array([nearest_error(frame.picture, sent) for frame in watched.frames])
    smeared = int(np.count_nonzero(errors > 12))
    note(
        "10 % of UDP packets lost", watched, lost=count_missing(watched.times),
        damaged=state.damaged, smeared=smeared, frames=len(errors),
        packets_lost=relay.lost, packets=relay.lost + relay.passed,
    )  # fmt: skip
    watched.assert_sound()


def decode_scene(folder):
    """Decode the pictures of a scene as the server sends them, at the width of `FORMAT`."""
    codec = av.CodecContext.create("h264", "r")
    pictures = []
    for path in sorted(folder.glob("*.h264")):
        pictures += codec.decode(av.Packet(path.read_bytes()))
    pictures += codec.decode(None)
    return np.stack(
        [
            picture.to_ndarray(width=160, height=96, format="rgb24").astype(np.int16)
            for picture in pictures
        ]
    )


def nearest_error(picture, sent):
    """Return how far a picture is from the sent one that is most like it.

    It is the mean difference in grey levels over the worst block of 16 x 16 pixels.
    """
    off = np.abs(sent - picture.astype(np.int16)).mean(axis=3)
    blocks = off.reshape(len(sent), off.shape[1] // 16, 16, off.shape[2] // 16, 16).mean(
        axis=(2, 4)
    )
    return blocks.max(axis=(1, 2)).min()


def test_a_slow_camera_delays_no_other(scene):
    with RtspServer(scene, "--rate", "1") as slow, RtspServer(scene) as busy:
        streams = [
            LiveStream(stream_address(server.url(), variables={}), FORMAT, SETTINGS, name=name)
            for server, name in ((slow, "slow"), (busy, "busy"))
        ]
        counts = [0, 0]
        with StreamSet(streams) as watched:
            end_s = time.monotonic() + 30
            while (counts[0] < 4 or counts[1] < 40) and time.monotonic() < end_s:
                for received in watched.poll(8, 1):
                    counts[received.stream] += 1
            states = watched.states()
    assert counts[0] >= 4
    assert counts[1] >= 40
    assert [state.dropped for state in states] == [0, 0]
    assert states[0].reconnects == states[1].reconnects == 0
