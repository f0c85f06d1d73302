"""Draws docs/images/watch.svg: the terminal view of `watch` with made-up cameras.

python benchmarks/watch_picture.py docs/images/watch.svg [COLUMNS]
"""

import argparse
import io
import math
import re
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from oddframe.cli.watch_screen import render
from oddframe.core.alerts import Alert, Phase, StreamStatus
from oddframe.core.records import Event
from oddframe.monitoring.camera import CameraView, WatchHeader

NOW_US = 1_790_000_190_000_000
"""2026-09-21 14:16:30 UTC."""


def scores(usual: float, peaks: Sequence[tuple[int, float]] = ()) -> list[float]:
    """A minute of scores, a value a second, around a usual one, with (second, height) of peaks."""
    wave = [usual + 0.08 * math.sin(second / 5) for second in range(60)]
    for at, height in peaks:
        wave = [
            max(score, height * math.exp(-(((second - at) / 3) ** 2)))
            for second, score in enumerate(wave)
        ]
    return wave


def event(
    camera: str,
    ago_s: float,
    lasted_s: float,
    reason: str,
    score: float,
    kind: Literal["anomaly", "health"] = "anomaly",
) -> Alert:
    """An event that started so long ago."""
    record = Event("0" * 16, kind, "update", camera, 0.0, lasted_s, 0.0, score, None, reason, {})
    start_us = NOW_US - round(ago_s * 1e6)
    return Alert(record, start_us, start_us, start_us + round(lasted_s * 1e6))


def camera(
    name: str, phase: Phase, size: tuple[int, int] | None, rate_fps: float, **rest: Any
) -> CameraView:
    """A camera in a phase, with what else is shown of it."""
    state = {
        key: rest.pop(key) for key in ("dropped", "reconnects", "error", "retry_s") if key in rest
    }
    return CameraView(
        name=name, state=StreamStatus(name, phase, size=size, rate_fps=rate_fps, **state), **rest
    )


def cameras() -> list[CameraView]:
    """Cameras in the states that people meet, some with events."""
    full, small = (1920, 1080), (1280, 720)
    lost = (
        "rtsp://***@10.0.0.9/stream1 must answer within 10 s, but it did not; "
        "check that the camera is on"
    )
    return [
        camera(
            *("front door", Phase.LIVE, full, 24.9),
            score=0.83,
            recent=scores(0.2, [(56, 0.87)]),
            clips=9_021,
            last_event=event("front door", 9, 8.6, "moves wrong", 0.87),
            open_event=True,
        ),
        camera(
            *("car park", Phase.LIVE, small, 15.0),
            score=0.21,
            recent=scores(0.25, [(14, 0.64)]),
            clips=9_018,
            dropped=12,
            last_event=event("car park", 47, 4.2, "looks wrong", 0.64),
        ),
        camera(
            *("warehouse north gate 2", Phase.WAITING, small, 0.0),
            recent=[*scores(0.3)[:40], *[None] * 20],
            clips=7_630,
            reconnects=4,
            error=lost,
            retry_s=23.0,
            last_event=event("gate", 75, 65, "no signal: no frame for 10 s", 1.0, "health"),
            open_event=True,
        ),
        camera(
            *("loading bay", Phase.LIVE, small, 10.0),
            score=0.34,
            recent=scores(0.35),
            clips=9_020,
            last_event=event("bay", 7_900, 31, "unlike any known pattern", 0.91),
        ),
        camera("roof", Phase.CONNECTING, None, 0.0),
    ]


def main() -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path, help="the SVG file to write")
    parser.add_argument("columns", type=int, nargs="?", default=120, help="width of the terminal")
    args = parser.parse_args()
    header = WatchHeader(
        models=["runs/door", "runs/yard"],
        now_us=NOW_US,
        uptime_s=3 * 86_400 + 4 * 3_600 + 720,
        events_today=8,
        lagging={"phone": "12 waiting: the webhook at example.org gave no answer (timed out)"},
    )
    console = Console(
        record=True,
        width=args.columns,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
    )
    console.print(render(cameras(), header, console.width, tz=UTC))
    drawing = console.export_svg(title="oddframe watch --config cameras.toml", unique_id="watch")
    # Rich asks for a font from the internet, which nobody who reads a page should have to.
    drawing = re.sub(r"@font-face \{.*?\}\s*", "", drawing, flags=re.DOTALL)
    args.path.write_text(
        drawing.replace("Fira Code, monospace", "'DejaVu Sans Mono', Menlo, Consolas, monospace")
    )


if __name__ == "__main__":
    main()
