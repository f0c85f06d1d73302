"""An address is tried over real sockets, and leads nowhere else."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from oddframe.serve.trying import try_source


@pytest.fixture
def redirecting(video):
    """A server that sends whoever asks to another one; gives its address and what the other one was asked for."""
    asked = []
    content = video("a.ts", frames=20).read_bytes()

    class Other(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    class First(Other):
        def do_GET(self):
            if self.path == "/video":
                super().do_GET()
                return
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{other.server_port}/secret")
            self.end_headers()

    other, first = (ThreadingHTTPServer(("127.0.0.1", 0), kind) for kind in (Other, First))
    for server in (other, first):
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{first.server_port}", asked
    for server in (other, first):
        server.shutdown()
        server.server_close()


def test_a_redirection_is_not_followed(redirecting, tmp_path):
    url, asked = redirecting
    tried = try_source(f"{url}/moved", tmp_path)
    assert (tried.ok, asked) == (False, [])
    assert tried.error


def test_an_address_that_answers_shows_its_picture(redirecting, tmp_path):
    url, asked = redirecting
    tried = try_source(f"{url}/video", tmp_path)
    assert (tried.ok, tried.size, tried.error) == (True, (64, 48), None)
    assert asked == ["/video"]


def test_what_is_no_video_says_so(tmp_path):
    (tmp_path / "a.mp4").write_text("no video at all")
    assert try_source("a.mp4", tmp_path).ok is False


def test_variables_of_the_server_are_not_filled_in(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "geheim")
    tried = try_source("rtsp://127.0.0.1:9/${SECRET}", tmp_path)
    assert tried.ok is False
    assert "geheim" not in str(tried)
