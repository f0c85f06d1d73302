"""Timestamps that are damaged, in real files whose bytes were changed."""

import re
import struct
from itertools import islice

import av
import pytest

from oddframe.media.recording import Recording
from oddframe.media.source import FrameFormat

GREY = FrameFormat(32, 24, "grey")
COUNT = 45


def numbers(frames):
    """The numbers that the drawn pictures tell."""
    return [round((frame.pixels[-4, -4].mean() - 20) / 2) for frame in frames]


def damage_mkv(path, number, off_s):
    """Change the timestamp of a frame, which stands before its data, from its cluster's on."""
    data, behind = bytearray(path.read_bytes()), 0
    with av.open(str(path)) as container:
        for packet in islice(container.demux(video=0), number + 1):
            begin = data.index(bytes(packet), behind)
            behind = begin + packet.size
    at = begin - 3
    (since_ms,) = struct.unpack(">h", data[at : at + 2])
    data[at : at + 2] = struct.pack(">h", since_ms + round(off_s * 1000))
    path.write_bytes(data)


def damage_ts(path, number, off_s):
    """Change the timestamp of a frame of a transport stream."""
    data = bytearray(path.read_bytes())
    starts = [found.end() for found in re.finditer(b"\x00\x00\x01\xe0", data)]
    at = starts[number] + 5
    # 33 bits in 3 + 15 + 15, each followed by a marker bit.
    a, b, c = data[at], int.from_bytes(data[at + 1 : at + 3]), int.from_bytes(data[at + 3 : at + 5])
    pts = (a >> 1 & 7) << 30 | b >> 1 << 15 | c >> 1
    pts += round(off_s * 90_000)
    data[at] = a & 0xF1 | (pts >> 30 & 7) << 1
    data[at + 1 : at + 3] = ((pts >> 15 & 0x7FFF) << 1 | 1).to_bytes(2)
    data[at + 3 : at + 5] = ((pts & 0x7FFF) << 1 | 1).to_bytes(2)
    path.write_bytes(data)


KINDS = [
    ("a.mkv", "libx264", damage_mkv),
    ("b.mkv", "mjpeg", damage_mkv),
    ("a.ts", "libx264", damage_ts),
]


@pytest.mark.parametrize(("name", "codec", "damage"), KINDS, ids=[kind[0] for kind in KINDS])
@pytest.mark.parametrize(
    ("wrong", "off_s"),
    [([30], 20.0), ([30], -2.5), ([30], 1.2), ([20, 22], 15.0), ([20, 21, 22], -1.8), ([44], 20.0)],
)
def test_frames_with_damaged_timestamps_are_left_out_and_move_no_other(
    video, name, codec, damage, wrong, off_s
):
    path = video(
        name, codec=codec, frames=COUNT, pixel_format="yuvj420p" if codec == "mjpeg" else "yuv420p"
    )
    for number in wrong:
        damage(path, number, off_s)
    source = Recording(path)
    frames = list(source.frames(GREY))
    good = [number for number in range(COUNT) if number not in wrong]
    assert numbers(frames) == pytest.approx(good, abs=1)
    assert [frame.index for frame in frames] == good
    assert [frame.time_s for frame in frames] == pytest.approx([i / 10 for i in good], abs=2e-3)
    assert source.notices == [
        f"{len(wrong)} frame(s) had timestamps far from those of their neighbours and were left out"
    ]


def test_a_first_timestamp_that_is_far_off_moves_no_other(video):
    path = video("a.mkv", frames=COUNT)
    damage_mkv(path, 0, 20.0)
    frames = list(Recording(path).frames(GREY))
    assert numbers(frames) == pytest.approx(range(1, COUNT), abs=1)
    assert frames[-1].time_s - frames[0].time_s == pytest.approx(4.3, abs=2e-3)
    assert frames[0].time_s <= 0.1 + 2e-3


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "libx264"), ("a.mp4", "libx264")])
def test_a_real_gap_stays_a_gap(video, name, codec):
    times_s = [i / 10 + 20 * (i >= 25) for i in range(COUNT)]
    source = Recording(video(name, codec=codec, times_s=times_s))
    assert [frame.time_s for frame in source.frames(GREY)] == pytest.approx(times_s, abs=2e-3)
    assert [notice.split(" of more")[0] for notice in source.notices] == ["1 gap(s)"]


def test_a_joint_of_two_recordings_stays_a_joint(video):
    first, second = video("first.ts", frames=25), video("second.ts", frames=40)
    first.write_bytes(first.read_bytes() + second.read_bytes())
    source = Recording(first)
    frames = list(source.frames(GREY))
    assert len(frames) == 65
    assert frames[25].time_s - frames[24].time_s > source.gap_s
    assert any("timestamps jump back" in notice for notice in source.notices)
