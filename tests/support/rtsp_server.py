"""GStreamer's RTSP server on loopback, as a program.

It is run as a child process by the system's Python, which has the bindings of GStreamer. It
serves pictures that were encoded before, over and over, at ``rtsp://127.0.0.1:PORT/scene``. A
folder holds them: one file ``NUMBER.h264`` for each picture in the order of time, Annex B, without
frames that are shown out of order. Orders come as lines on standard input: ``play FOLDER`` goes on
with other pictures, ``once FOLDER`` shows others between two rounds as soon as somebody watches,
``hold`` sends nothing more until ``go``.

Without a folder it only says what is missing to do so, and exits.
"""

import argparse
import sys
import threading
import time
from collections import deque
from pathlib import Path

try:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtsp", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtsp, GstRtspServer
except (ImportError, ValueError) as error:
    sys.exit(f"GStreamer's RTSP server for Python ({error})")

LAUNCH = (
    "( appsrc name=pictures is-live=true format=time "
    "caps=video/x-h264,stream-format=byte-stream,alignment=au "
    "! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96 )"
)

STOPPED_S = 1.0
"""When the loop is later than this, the process was stopped by a signal."""

ELEMENTS = ("appsrc", "h264parse", "rtph264pay", "rtpbin", "udpsrc")
"""Elements of GStreamer that the server needs."""


def read_pictures(folder):
    """Read the coded pictures of a folder, in order."""
    return [path.read_bytes() for path in sorted(Path(folder).glob("*.h264"))]


class Pictures(threading.Thread):
    """A thread that pushes pictures to every open connection, at their rate."""

    def __init__(self, folder, rate_fps):
        super().__init__(daemon=True)
        self.rate_fps = rate_fps
        self.holds = False
        self.sinks = []
        self.once = deque()
        self.play(folder)

    def play(self, folder):
        self.scene = read_pictures(folder)
        self.begin(self.scene)

    def begin(self, pictures):
        self.left = deque(pictures)

    def next_round(self):
        self.begin(self.once.popleft() if self.once and self.sinks else self.scene)

    def run(self):
        due_s = time.monotonic()
        while True:
            due_s += 1 / self.rate_fps
            if time.monotonic() - due_s > STOPPED_S:
                self.begin(self.scene)  # the scene has gone on meanwhile
            due_s = max(due_s, time.monotonic())
            time.sleep(max(0.0, due_s - time.monotonic()))
            if self.holds:
                continue
            if not self.left:
                self.next_round()
            picture = self.left.popleft()
            for sink in list(self.sinks):
                self.push(sink, picture)

    def push(self, sink, picture):
        source, started_s = sink
        buffer = Gst.Buffer.new_wrapped(picture)
        buffer.pts = buffer.dts = int((time.monotonic() - started_s) * Gst.SECOND)
        if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
            self.sinks.remove(sink)

    def configure(self, _factory, media):
        """Push to a connection that was just opened."""
        source = media.get_element().get_child_by_name("pictures")
        self.sinks.append((source, time.monotonic()))
        self.next_round()  # a coded picture that can stand alone comes first

    def obey(self):
        """Follow the orders on standard input."""
        for line in sys.stdin:
            word, *rest = line.split(maxsplit=1)
            value = rest[0].strip() if rest else ""
            if word == "play":
                self.play(value)
            elif word == "once":
                self.once.append(read_pictures(value))
            else:
                self.holds = word == "hold"


def protect(server, factory, user, password):
    """Ask for a user name and a password."""
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.add_digest(user, password, token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("viewer", "media.factory.access", True)
    permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    factory.set_permissions(permissions)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--port", default="0")
    parser.add_argument("--rate", type=float, default=10.0)
    parser.add_argument("--user")
    parser.add_argument("--password", default="")
    wanted = parser.parse_args()
    Gst.init(None)
    missing = [name for name in ELEMENTS if Gst.ElementFactory.find(name) is None]
    if missing or not wanted.folder:
        sys.exit(f"GStreamer's {', '.join(missing)}" if missing else 0)
    pictures = Pictures(wanted.folder, wanted.rate)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(wanted.port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(LAUNCH)
    factory.set_shared(True)
    factory.connect("media-configure", pictures.configure)
    if wanted.user:
        protect(server, factory, wanted.user, wanted.password)
    server.get_mount_points().add_factory("/scene", factory)
    if not server.attach(None):
        sys.exit(f"port {wanted.port} is taken")
    pictures.start()
    threading.Thread(target=pictures.obey, daemon=True).start()
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
