"""How a stream is opened, and what its errors say; test_live_stream.py shows the rest."""

import errno
import traceback

import av
import pytest

from oddframe.errors import LoginRefusedError, SourceError
from oddframe.media.connection import failure, open_stream, video_stream
from oddframe.media.live_config import LiveSettings, stream_address
from tests.support.stream_server import StreamServer, http

ADDRESS = stream_address("http://bob:s3cret@cam/x?token=t0ken", variables={})


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (av.error.ExitError(av.error.ExitError, "Immediate exit requested"), "no answer in time"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "nothing listens there"),
        (TimeoutError(errno.ETIMEDOUT, "Connection timed out"), "no answer in time"),
        (PermissionError(errno.EACCES, "Permission denied"), "may this user read the camera?"),
        (OSError(errno.EBUSY, "Device or resource busy"), "another program uses the camera"),
        (OSError(4711, "bob:s3cret is odd"), "*** is odd"),
        (ValueError("http://bob:s3cret@cam/x?token=t0ken"), "ValueError"),
    ],
)
def test_errors_become_sentences_without_secrets(error, reason):
    message = str(failure(ADDRESS, error))
    assert message.startswith("http://***@cam/x?token=*** cannot be read: ")
    assert reason in message
    assert "s3cret" not in message


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_no_trace_of_a_refused_connection_holds_the_password(status):
    with StreamServer(http(status=status, WWW_Authenticate='Basic realm="x"')) as server:
        address = stream_address(server.url("x?token=t0ken", login="bob:s3cret@"), variables={})
        with pytest.raises(LoginRefusedError) as caught:
            open_stream(address, LiveSettings())
    assert caught.value.__cause__ is caught.value.__context__ is None
    trace = "".join(traceback.format_exception(caught.value))
    for secret in ("s3cret", "t0ken", "bob"):
        assert secret not in trace.partition("Error: ")[2]


def test_sound_alone_is_no_stream_to_watch(audio):
    path = audio("sound.mp4")
    with StreamServer(http(path.read_bytes())) as server:
        address = stream_address(server.url("sound.mp4"), variables={})
        with (
            open_stream(address, LiveSettings()) as container,
            pytest.raises(SourceError, match="must send video"),
        ):
            video_stream(container, address)
