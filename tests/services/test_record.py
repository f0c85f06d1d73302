"""Recording a camera of a real RTSP server: over TCP and UDP, through an outage, to a training."""

import threading
from itertools import pairwise

import av
import pytest

import oddframe
from oddframe.media.live_config import LiveSettings, stream_address
from oddframe.media.recording import Recording
from oddframe.media.source import FrameFormat
from oddframe.monitoring.config import Camera
from oddframe.monitoring.footage import list_segments
from tests.support.alerting import until
from tests.support.rtsp import RtspServer, encode, require_rtsp
from tests.support.watch_process import LIVE

pytestmark = pytest.mark.services

RATE_FPS = 10


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    require_rtsp()
    return encode(tmp_path_factory.mktemp("scene") / "small", 160, 96)


class Recorded(threading.Thread):
    """A recording in a thread; `end` stops it and gives its report."""

    def __init__(self, url, folder):
        super().__init__(daemon=True)
        address = stream_address(url, variables={})
        self.camera = Camera(name="door", address=address, live=LiveSettings(**LIVE))
        self.folder, self.notices, self.stop = folder, [], threading.Event()
        self.start()

    def run(self):
        self.report = oddframe.record(
            self.camera,
            self.folder,
            for_s=3600,
            segment_s=2,
            stop=self.stop,
            on_notice=self.notices.append,
        )

    def segments(self):
        return list_segments(self.folder, "door")

    def end(self):
        self.stop.set()
        self.join(60)
        return self.report


@pytest.mark.parametrize("query", ["", "?transport=udp"], ids=["tcp", "udp"])
def test_segments_of_a_camera_follow_each_other_without_a_hole(scene, tmp_path, query):
    with RtspServer(scene) as server:
        recorded = Recorded(server.url(query=query), tmp_path)
        until(lambda: len(recorded.segments()) >= 3)
        report = recorded.end()
    segments = recorded.segments()
    assert report.stopped
    assert report.cameras[0].segments == len(segments)
    for before, after in pairwise(segments):
        # The clock on the wall and that of the camera differ by the unevenness of arrivals.
        assert after.start_us - before.start_us == pytest.approx(
            (before.length_s + 1 / RATE_FPS) * 1e6, abs=150_000
        )
    for segment in segments:
        with av.open(str(segment.path)) as container:
            assert [stream.type for stream in container.streams] == ["video"]
            keys = [packet.is_keyframe for packet in container.demux(video=0) if packet.size]
        assert keys[0]
        frames = list(Recording(segment.path).frames(FrameFormat(32, 24, "grey")))
        assert len(frames) == len(keys) == round(segment.length_s * RATE_FPS) + 1


def test_an_outage_is_told_and_left_out(scene, tmp_path):
    with RtspServer(scene) as server:
        recorded = Recorded(server.url(), tmp_path)
        until(lambda: recorded.segments())
        server.kill()
        until(lambda: any("no picture" in notice for notice in recorded.notices))
        before = recorded.segments()
        server.start()
        until(lambda: any("pictures again" in notice for notice in recorded.notices))
        until(lambda: len(recorded.segments()) > len(before))
        recorded.end()
    last, first = before[-1], recorded.segments()[len(before)]
    assert first.start_us - last.end_us > 8e6
    again = next(notice for notice in recorded.notices if "pictures again" in notice)
    assert "s are missing" in again
