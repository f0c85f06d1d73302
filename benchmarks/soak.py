"""Watch several RTSP streams for a while and see whether memory and file handles stay flat.

A real `oddframe watch` process with database, pictures, clips, a webhook and metrics watches
streams of GStreamer's RTSP server on loopback (scripts/install-services). They show the drawn scene
with anomalies, drawn at the model's 10 frames a second and served at --rate: at 5 it plays at half
speed. Every ten seconds memory, file handles and threads are read from /proc, and what the cameras
do from the metrics. How late an alert is counts from the frame that it is about to its arrival at
the receiver.

    python benchmarks/soak.py --model demo/run [--minutes 20] [--cameras 8] [--rate 5] [--out soak]
        [--learn demo/normal]

With --learn a model is trained on a folder of recordings meanwhile, at the lowest priority, as the
web app does where a camera is learnt.

Writes soak.json and soak.png and prints a table.
"""

import argparse
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

# The server, the receiver and the process are those of the tests against real parts.
sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.alerting import Hook
from tests.support.rtsp import RtspServer, encode_pictures
from tests.support.watch_process import WatchProcess

from oddframe._version import __version__
from oddframe.synthetic.scene import SceneSettings, draw

EVERY_S = 10.0
SETTLED_S = 120.0
"""Before that memory grows: 80 seconds of encoded video are kept for clips, and libraries set some
aside."""

FRAMES = 600
ANOMALIES = ("cyclist", "runner")
SIZE = (320, 192)


class Receiver(Hook):
    """A receiver that notes how late, in seconds, each alert of an open event comes."""

    def __init__(self) -> None:
        super().__init__()
        self.late_s: list[float] = []
        self.answer = self._note

    def _note(self, _count: int) -> int:
        message = json.loads(self.requests[-1][2])
        if (message["kind"], message["phase"]) in (("anomaly", "start"), ("anomaly", "update")):
            shown_s = (
                datetime.fromisoformat(message["start"]).timestamp()
                + message["end_s"]
                - message["start_s"]
            )
            self.late_s.append(time.time() - shown_s)
        return 200

    def forget(self) -> list[float]:
        """How late alerts were since the last call.

        What was received is dropped, so that this process stays small.
        """
        late_s, self.late_s = self.late_s, []
        del self.requests[:-1], self.taken[:]
        return late_s


def sample(watch: WatchProcess, receiver: Receiver, cameras: Sequence[str]) -> dict[str, Any]:
    """What there is to see at one moment."""
    process = Path(f"/proc/{watch.process.pid}")
    status = dict(re.findall(r"^(\w+):\s+(\d+)", (process / "status").read_text(), re.MULTILINE))
    spent = (process / "stat").read_text().rpartition(")")[2].split()
    text = watch.metrics()
    found = {
        (one[1], one[2]): float(one[3])
        for one in re.finditer(
            r'^oddframe_(\w+)\{(?:camera|sink)="([^"]*)"[^}]*\} (\S+)$', text, re.MULTILINE
        )
    }

    def of_cameras(name: str) -> list[float]:
        return [found.get((name, camera), 0.0) for camera in cameras]

    late_s = receiver.forget()
    return {
        "rss_mb": int(status["VmRSS"]) / 1000,
        "handles": len(list((process / "fd").iterdir())),
        "threads": int(status["Threads"]),
        "cpu_s": (int(spent[11]) + int(spent[12])) / os.sysconf("SC_CLK_TCK"),
        "rates_fps": of_cameras("fps"),
        "frames": sum(of_cameras("frames_total")),
        "dropped": sum(of_cameras("dropped_frames_total")),
        "reconnects": sum(of_cameras("reconnects_total")),
        "clips": sum(of_cameras("inference_seconds_count")),
        "model_s": sum(of_cameras("inference_seconds_sum")),
        "events": sum(of_cameras("events_total")),
        "waiting": found.get(("sink_waiting", "hook"), 0.0),
        "late_s": late_s,
        "kept_mb": sum(path.stat().st_size for path in watch.out.rglob("*") if path.is_file())
        / 1e6,
    }


def start_learning(recordings: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Begin to train a model at the lowest priority; what it says goes into a file."""
    command = [sys.executable, "-m", "oddframe", "train", str(recordings)]
    with (folder / "learning.txt").open("wb") as said:
        return subprocess.Popen(
            [*command, "-o", str(folder / "learnt"), "--nice", "19"], stdout=said, stderr=said
        )


def soak(
    model: Path, cameras: int, rate_fps: float, minutes: float, learn: Path | None
) -> Iterator[dict[str, Any]]:
    """Yield samples until the time is over; the last one says how it ended."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        drawn = draw(41, FRAMES, SceneSettings(width=SIZE[0], height=SIZE[1]), ANOMALIES)
        scene = encode_pictures(folder / "scene", (frame.pixels for frame in drawn))
        server = stack.enter_context(RtspServer(scene, "--rate", str(rate_fps)))
        receiver = Receiver()
        stack.callback(receiver.close)
        names = [f"camera-{number}" for number in range(1, cameras + 1)]
        tables = [{"name": name, "source": server.url()} for name in names]
        sinks = {"hook": {"kind": "webhook", "url": receiver.url}}
        keeps = {"clip_before_s": 5, "clip_after_s": 5}
        watch = stack.enter_context(
            WatchProcess(folder / "watch", model, tables, sinks, watch=keeps)
        )
        watch.until(lambda: all(watch.metric("oddframe_up", name) for name in names), 120)
        learning = None
        if learn is not None:
            learning = stack.enter_context(start_learning(learn, folder))
            stack.callback(learning.terminate)
        began_s = time.monotonic()
        while (now_s := time.monotonic() - began_s) <= 60 * minutes:
            is_learning = learning is not None and learning.poll() is None
            yield {"at_s": now_s, "learning": is_learning, **sample(watch, receiver, names)}
            time.sleep(max(0.0, EVERY_S - (time.monotonic() - began_s) % EVERY_S))
        code, took_s = watch.signal(signal.SIGTERM)
        yield {"code": code, "stop_s": took_s, "said": watch.output.splitlines()[-40:]}


def summary(samples: Sequence[dict[str, Any]], cameras: int) -> dict[str, Any]:
    """Medians at the start and at the end, and how fast what grows grows."""
    settled = [one for one in samples if one["at_s"] >= SETTLED_S] or list(samples)
    few = max(1, min(6, len(settled) // 3))
    minutes = np.array([one["at_s"] / 60 for one in settled])
    first, last = settled[0], settled[-1]
    passed_s = max(last["at_s"] - first["at_s"], 1e-9)
    late_s = np.array([late for one in settled for late in one["late_s"]] or [np.nan])
    found = {
        name: {
            "start": median(one[name] for one in settled[:few]),
            "end": median(one[name] for one in settled[-few:]),
            "per_hour": float(60 * np.polyfit(minutes, [one[name] for one in settled], 1)[0])
            if few > 1
            else 0.0,
        }
        for name in ("rss_mb", "handles", "threads")
    }
    return {
        **found,
        "rate_fps": median(rate for one in settled for rate in one["rates_fps"]),
        "slowest_fps": min(min(one["rates_fps"]) for one in settled),
        "clips_per_s": (last["clips"] - first["clips"]) / passed_s,
        "ms_per_clip": 1000
        * (last["model_s"] - first["model_s"])
        / max(last["clips"] - first["clips"], 1),
        "processors": (last["cpu_s"] - first["cpu_s"]) / passed_s,
        "late_s": {"median": float(np.median(late_s)), "p99": float(np.quantile(late_s, 0.99))},
        "frames": last["frames"],
        "dropped": last["dropped"],
        # The first sample is taken once all cameras are there.
        "dropped_later": last["dropped"] - samples[0]["dropped"],
        "learning_share": sum(one["learning"] for one in samples) / len(samples),
        "reconnects": last["reconnects"],
        "events": last["events"],
        "most_waiting": max(one["waiting"] for one in settled),
        "kept_mb_per_camera_and_hour": 3600
        * (last["kept_mb"] - first["kept_mb"])
        / passed_s
        / cameras,
    }


def save_picture(samples: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the course of memory, handles, rates and lateness."""
    from matplotlib.figure import Figure

    minutes = [one["at_s"] / 60 for one in samples]
    figure = Figure(figsize=(9, 8), layout="constrained")
    panels = figure.subplots(4, 1, sharex=True)
    panels[0].plot(minutes, [one["rss_mb"] for one in samples])
    panels[0].set(ylabel="memory, MB", ylim=(0, None))
    panels[1].plot(minutes, [one["handles"] for one in samples], label="file handles")
    panels[1].plot(minutes, [one["threads"] for one in samples], label="threads")
    panels[1].set(ylim=(0, None))
    panels[1].legend(loc="lower right")
    panels[2].plot(minutes, [one["rates_fps"] for one in samples], linewidth=0.8)
    panels[2].set(ylabel="frames/s, by camera", ylim=(0, None))
    late = [(at, late) for at, one in zip(minutes, samples, strict=True) for late in one["late_s"]]
    panels[3].plot([at for at, _ in late], [late for _, late in late], ".", markersize=3)
    panels[3].set(ylabel="alert late by, s", xlabel="minutes", ylim=(0, None))
    figure.savefig(path, dpi=120)


def table(found: dict[str, Any]) -> str:
    """The figures that docs/benchmarks.md has, as Markdown."""
    rows = ["| | start | end | a hour more |", "|---|---|---|---|"]
    for name, title in (
        ("rss_mb", "memory, MB"),
        ("handles", "file handles"),
        ("threads", "threads"),
    ):
        one = found[name]
        rows.append(f"| {title} | {one['start']:.0f} | {one['end']:.0f} | {one['per_hour']:+.1f} |")
    late = found["late_s"]
    return "\n".join(
        [
            *rows,
            "",
            f"{found['rate_fps']:.2f} frames/s a camera "
            f"(slowest moment {found['slowest_fps']:.2f}), "
            f"{found['clips_per_s']:.1f} clips/s, {found['ms_per_clip']:.1f} ms a clip, "
            f"{found['processors']:.2f} processors; "
            f"{found['dropped']:.0f} of {found['frames']:.0f} frames dropped, "
            f"{found['dropped_later']:.0f} of them after the start, "
            f"a model was trained for {found['learning_share']:.0%} of the time, "
            f"{found['reconnects']:.0f} reconnects, {found['events']:.0f} events, "
            f"alerts late by {late['median']:.2f} s (p99 {late['p99']:.2f} s), "
            f"at most {found['most_waiting']:.0f} waiting, "
            f"{found['kept_mb_per_camera_and_hour']:.0f} MB kept a camera and hour",
        ]
    )


def main() -> None:
    """Run it, write the figures and print them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model", type=Path, required=True, help="a run folder or a model bundle, such as demo/run"
    )
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--rate", type=float, default=5.0, help="frames a second of each camera")
    parser.add_argument(
        "--out", type=Path, default=Path("soak"), help="the files' name without ending"
    )
    parser.add_argument("--learn", type=Path, help="recordings that a model is trained on")
    args = parser.parse_args()
    samples = []
    for one in soak(args.model.resolve(), args.cameras, args.rate, args.minutes, args.learn):
        samples.append(one)
        if "rss_mb" in one:
            print(
                f"{one['at_s']:6.0f} s  {one['rss_mb']:6.1f} MB  {one['handles']} handles",
                file=sys.stderr,
                flush=True,
            )
    end = samples.pop()
    found = summary(samples, args.cameras)
    about = {
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
        "load": os.getloadavg()[2],
        "oddframe": __version__,
        "python": platform.python_version(),
        "model": str(args.model),
        "minutes": args.minutes,
        "cameras": args.cameras,
        "rate_fps": args.rate,
    }
    args.out.with_suffix(".json").write_text(
        json.dumps({"about": about, "summary": found, "end": end, "samples": samples}, indent=1)
        + "\n"
    )
    save_picture(samples, args.out.with_suffix(".png"))
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    print(table(found))
    print(f"stopped in {end['stop_s']:.2f} s with exit code {end['code']}")


if __name__ == "__main__":
    main()
