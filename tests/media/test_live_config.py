"""Addresses and their secrets, settings of live streams, and passwords in arguments."""

import ast
import os
import re
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.errors import SettingsError, SourceError, SourceNotFoundError
from oddframe.media.live_config import (
    LiveSettings,
    checked_source,
    fill_in,
    hide_in_process_title,
    is_device,
    stream_address,
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("open_timeout_s", 0),
        ("read_timeout_s", -1),
        ("quiet_s", float("nan")),
        ("stall_s", 1e9),
        ("longest_wait_s", 0.5),
        ("keep_s", -1),
        ("keep_mb", 0),
        ("queue", 0),
        ("queue", 1.5),
        ("decoder_threads", 0),
    ],
)
def test_a_setting_out_of_range_is_named(name, value):
    with pytest.raises(SettingsError, match=name):
        LiveSettings(**{name: value})


def test_the_defaults_hold_together():
    settings = LiveSettings()
    assert settings.quiet_s < settings.stall_s
    assert settings.first_wait_s < settings.longest_wait_s


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://10.0.0.5:554/h264", "rtsp://10.0.0.5:554/h264"),
        ("rtsp://bob:s3cret@10.0.0.5/h264", "rtsp://***@10.0.0.5/h264"),
        ("RTSPS://bob:s3cret@10.0.0.5/h264", "rtsps://***@10.0.0.5/h264"),
        ("rtsp://s3cret@cam/h264", "rtsp://***@cam/h264"),
        ("rtsp://bob:p@s3cret@cam/h264", "rtsp://***@cam/h264"),
        ("rtsp://bob:s3cret@[::1]:554/x", "rtsp://***@[::1]:554/x"),
        (
            "http://cam/v.m3u8?channel=1&auth=s3cret&s3cret",
            "http://cam/v.m3u8?channel=1&auth=***&***",
        ),
        (
            "http://cam/v?loginuse=s3cret&whatever=s3cret#s3cret",
            "http://cam/v?loginuse=***&whatever=***",
        ),
        ("rtsp://cam/user=s3cret_password=s3cret_channel=1.sdp", "rtsp://cam/user=***"),
        ("rtsp://cam/a/Password:s3cret/b", "rtsp://cam/a/Password:***/b"),
    ],
)
def test_an_address_never_shows_what_is_secret(text, shown):
    address = stream_address(text)
    assert str(address) == f"{address}" == shown
    assert "s3cret" not in repr(address) + address.name + f"{[address]}"
    assert "s3cret" in address.secret or "s3cret" not in text


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4),
    st.sampled_from(
        ["rtsp://bob:{}@cam/x", "rtsp://bob:{}@cam:554/x", "http://cam/x?p={}", "rtsp://{}@cam/x"]
    ),
)
def test_whatever_stands_in_for_a_password_is_refused_or_hidden(password, form):
    address, shown = None, ""
    try:
        address = stream_address(form.format(f"Zq7{password}Zq7"), variables={})
    except SourceError as error:
        shown = "".join(traceback.format_exception(error)[-1:]) + repr(error.__context__)
    if address is not None:
        shown = f"{address}{address!r}{address.name}" + address.scrub(
            f"FFmpeg says: {address.secret} is wrong"
        )
    assert "Zq7" not in shown


def test_a_mistyped_address_that_looks_like_a_file_hides_what_may_be_its_password():
    with pytest.raises(SourceNotFoundError, match=r"^\*\*\*@cam/x must be") as caught:
        stream_address("rtsp:/bob:s3cret@cam/x")
    assert "s3cret" not in str(caught.value)


def test_messages_are_scrubbed_of_the_password_in_every_spelling():
    address = stream_address("rtsp://bob:s3cret%40home@cam/x?token=t0ken")
    message = address.scrub(
        "401 for bob:s3cret%40home, s3cret@home, t0ken "
        "at rtsp://bob:s3cret%40home@cam/x?token=t0ken"
    )
    assert message == "401 for ***, ***, *** at rtsp://***@cam/x?token=***"


@pytest.mark.parametrize(
    ("text", "transport", "secret"),
    [
        ("rtsp://cam/x", "tcp", "rtsp://cam/x"),
        ("rtsp://cam/x?transport=udp", "udp", "rtsp://cam/x"),
        ("rtsp://cam/x?channel=1&transport=tcp", "tcp", "rtsp://cam/x?channel=1"),
    ],
)
def test_the_transport_of_rtsp_is_ours_and_not_sent(text, transport, secret):
    address = stream_address(text)
    assert (address.kind, address.transport, address.secret) == ("rtsp", transport, secret)


def test_http_keeps_a_query_that_looks_like_ours():
    address = stream_address("https://cam/x?transport=udp")
    assert (address.kind, address.secret) == ("http", "https://cam/x?transport=udp")


def test_a_variable_stands_for_a_password_of_any_letters():
    address = stream_address("rtsp://bob:${DOOR}@cam/x", variables={"DOOR": "p@ss/word#1"})
    assert address.secret == "rtsp://bob:p%40ss%2Fword%231@cam/x"
    assert str(address) == "rtsp://***@cam/x"


def test_a_variable_that_is_not_set_is_named():
    with pytest.raises(SourceError, match=re.escape("${DOOR}, which is not set")):
        stream_address("rtsp://bob:${DOOR}@cam/x", variables={})


@pytest.mark.parametrize(
    ("text", "device"), [("0", "/dev/video0"), ("12", "/dev/video12"), ("/dev/video3",) * 2]
)
def test_a_local_camera_is_a_number_or_a_device(text, device):
    address = stream_address(text)
    assert (address.kind, address.secret, address.name) == (
        "camera",
        device,
        device.removeprefix("/dev/"),
    )


def test_a_file_is_a_path(video):
    path = video("gate.mp4", frames=2)
    address = stream_address(path)
    assert (address.kind, address.secret, address.name) == ("file", str(path), "gate")


@pytest.mark.parametrize(
    "text", ["ftp://cam/x", "file:///etc/passwd", "concat://a", "udp://1.2.3.4:5", "data://x"]
)
def test_other_schemes_are_refused(text):
    with pytest.raises(SourceError, match="must begin with rtsp://"):
        stream_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://",
        "rtsp:///x",
        "rtsp://u:pa/ss@cam/x",
        "rtsp://u:1?2@cam",
        "http://u:12#3@cam/",
        "rtsp://c:99999/x",
        "rtsp://cam/a b",
        "rtsp://cam/\n",
    ],
)
def test_what_cannot_be_taken_apart_is_refused(text):
    with pytest.raises(SourceError, match="cannot be taken apart"):
        stream_address(text)


def test_what_is_not_there_is_not_found(tmp_path):
    with pytest.raises(SourceNotFoundError, match="nothing is there"):
        stream_address(tmp_path / "no.mp4")


def test_names_are_fit_for_files():
    assert (
        stream_address("rtsp://bob:pw@cam.local:8554/Streaming/Channels/101").name
        == "cam.local-Streaming-Channels-101"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", True),
        ("12", True),
        ("/dev/video3", True),
        ("1234", False),
        ("gate.mp4", False),
        ("", False),
    ],
)
def test_a_camera_of_this_machine_is_told_from_other_addresses(text, expected):
    assert is_device(text) is expected


def test_every_variable_in_a_text_is_filled_in():
    values = {"A": "1", "B_2": "${A}"}
    assert fill_in("${A}-${B_2}${A} $A {A}", values.__getitem__) == "1-${A}1 $A {A}"


def test_a_transport_of_another_name_is_refused():
    with pytest.raises(SourceError, match="tcp or udp"):
        stream_address("rtsp://cam/x?transport=http")


def test_two_names_of_one_address_are_one():
    assert stream_address("rtsp://cam/x") == stream_address("RTSP://cam/x?transport=tcp")


@pytest.mark.parametrize("text", ["rtsp://bob:pw@cam/x", "HTTPS://cam/x", "0", "/dev/video3"])
def test_a_user_may_watch_cameras(text, tmp_path):
    assert checked_source(f" {text} ", tmp_path, []) == text


def test_a_user_may_watch_files_of_the_given_folders_only(video, tmp_path):
    data, media = tmp_path / "data", tmp_path / "media"
    for path in ("data/in/a.mp4", "media/b.mp4", "c.mp4"):
        video(path, frames=2)
    assert checked_source("in/a.mp4", data, []) == "in/a.mp4"
    assert checked_source(str(data / "in" / "a.mp4"), data, []) == "in/a.mp4"
    assert checked_source(str(media / "b.mp4"), data, [media]) == str(media / "b.mp4")
    for text in (str(media / "b.mp4"), "../c.mp4", str(tmp_path / "c.mp4")):
        with pytest.raises(SettingsError, match="must lie in the data folder"):
            checked_source(text, data, [])
    (data / "link.mp4").symlink_to(tmp_path / "c.mp4")
    with pytest.raises(SettingsError, match="must lie in the data folder"):
        checked_source("link.mp4", data, [])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ftp://bob:s3cret@cam/x", "must begin with rtsp://, rtsps://, http://, https://"),
        ("rtsp://bob:s3cret@cam/${HOME}", "variables are for cameras.toml only"),
        ("s3cret.mp4", "there is no such file"),
        ("10.0.0.7", "write rtsp:// before it"),
        ("bob:s3cret@10.0.0.7:554/h264", "write rtsp:// before it"),
        ("s3cret.local", "write rtsp:// before it"),
        ("gate:554/s3cret", "write rtsp:// before it"),
    ],
)
def test_what_a_user_may_not_watch_is_refused_and_not_repeated(text, reason, tmp_path):
    with pytest.raises(SettingsError, match=reason) as caught:
        checked_source(text, tmp_path, [])
    assert "s3cret" not in str(caught.value)


PROGRAM = """
import sys
from pathlib import Path
from oddframe.media.live_config import hide_in_process_title, stream_address
before = Path("/proc/self/comm").read_text()
notices = hide_in_process_title(stream_address(sys.argv[1]).secrets)
print(ascii(Path("/proc/self/cmdline").read_text(errors="replace")))
print(ascii(sys.argv[1:]))
print(ascii(notices))
print(Path("/proc/self/comm").read_text() == before)
"""
ADDRESS = "rtsp://bob:s3cret%40@cam/x?token=t0ken"


def run(program, arguments, environment=None):
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return [ast.literal_eval(line) for line in ran.stdout.splitlines()]


def test_passwords_in_arguments_are_hidden_from_others_and_not_from_the_program():
    arguments = [ADDRESS, "--out", "folder"]
    shown, own, notices, same_name = run(PROGRAM, arguments)
    assert own == arguments
    assert "rtsp://*************@cam/x?token=***** --out folder" in shown
    assert "s3cret" not in shown
    assert "t0ken" not in shown
    assert notices == ()
    assert same_name


def test_a_file_name_that_is_no_text_is_no_obstacle():
    shown, own, notices, _ = run(PROGRAM, [ADDRESS, os.fsdecode(b"caf\xe9")])
    assert "s3cret" not in shown
    assert own[1] == os.fsdecode(b"caf\xe9")
    assert notices == ()


def test_nothing_happens_where_there_is_nothing_to_hide():
    before = Path("/proc/self/cmdline").read_bytes()
    assert hide_in_process_title(["no such text in here", ""]) == ()
    assert Path("/proc/self/cmdline").read_bytes() == before


@pytest.mark.parametrize(
    ("program", "notice"),
    [
        (
            'import sys; sys.modules["setproctitle"] = None',
            r'pip install "oddframe\[watch\]"; or put them in variables',
        ),
        # What the library does where a program starts without any variable.
        ("import setproctitle; setproctitle.setproctitle = str", "put it in a variable instead"),
    ],
)
def test_where_it_cannot_be_done_a_sentence_says_so(program, notice):
    shown, _, (found,), _ = run(program + "\n" + PROGRAM, [ADDRESS])
    assert "s3cret" in shown
    assert "s3cret" not in found
    assert re.search(notice, found)
