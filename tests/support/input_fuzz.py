"""Mutates files for everything that reads them, and sees that each gets a result or a sentence.

    python -m tests.support.input_fuzz [READER ...] [--minutes 10] [--seed N] [--keep FOLDER]

Readers are: recordings, images, labels, settings, bundles, api. For each of them whole files are
made once, then changed in a seeded way over and over, and given to the command line (or to the web
app) in a process of its own. It is a failure if that ends with a traceback, the words of a library,
an exit code other than 0, 1 and 2, more than 2 GB or more than 60 seconds. Inputs that failed are
kept, and the counts are printed.
"""

import argparse
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from scipy.io import savemat

from oddframe.media.video_writer import VideoWriter
from tests.conftest import write_image, write_video
from tests.support.forked import leave_after
from tests.support.tiny import tiny_settings, walk

MOST_BYTES, MOST_S = 2_000_000_000, 60.0

FOREIGN_WORDS = (
    "Traceback (most recent call last)",
    "pydantic",
    "[Errno",
    "av.error",
    "Segmentation fault",
    "object at 0x",
)
"""What a user must never read."""

_EXTREMES = (b"-1", b"0", b"1e309", b"nan", b"99999999999999999999", b"", b"\x00", b"'\"", b"[[")
"""What takes the place of numbers and words in texts."""


@dataclass(frozen=True)
class Case:
    """One changed input.

    Attributes:
        folder: Where it lies, with room for results.
        run: Reads it; called in a process of its own, which it may end.
    """

    folder: Path
    run: Callable[[], None]


@dataclass(frozen=True)
class Ending:
    """How the reading of a case ended.

    Attributes:
        code: The exit code; below 0 the signal that ended it.
        text: What it wrote.
        most_bytes: The most memory that it had.
        seconds: How long it took.
    """

    code: int
    text: str
    most_bytes: int
    seconds: float

    @property
    def wrong(self) -> str | None:
        """What must not have happened; None where all is well."""
        if self.seconds > MOST_S:
            return f"it took more than {MOST_S:.0f} s"
        if self.code not in (0, 1, 2):
            return f"it ended with {self.code}"
        if self.most_bytes > MOST_BYTES:
            return f"it took {self.most_bytes / 1e9:.1f} GB"
        return next((f"it says {word!r}" for word in FOREIGN_WORDS if word in self.text), None)


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Change bytes as damage, cut-off copies and editors do."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        if not changed:
            break
        at = chance.randrange(len(changed))
        length = min(len(changed) - at, chance.choice((1, 2, 4, 16, 200)))
        kind = chance.randrange(7)
        if kind == 0:
            changed[at : at + length] = chance.randbytes(length)
        elif kind == 1:
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            del changed[at:]
        elif kind == 3:
            del changed[at : at + length]
        elif kind == 4:
            changed[at:at] = changed[at : at + length]
        elif kind == 5:
            changed[at : at + length] = bytes(length)
        else:
            other = chance.randrange(len(changed))
            changed[at : at + length] = changed[other : other + length]
    return bytes(changed)


def mutate_text(data: bytes, chance: random.Random) -> bytes:
    """Change a text: in its bytes, its words, or its coding."""
    kind = chance.randrange(4)
    if kind == 0:
        return mutate(data, chance)
    words = [found for found in data.replace(b",", b" , ").split(b" ") if found.strip()]
    if kind == 1 and words:
        return data.replace(chance.choice(words), chance.choice(_EXTREMES), chance.choice((1, -1)))
    lines = data.splitlines(keepends=True)
    if kind == 2 and lines:
        lines.insert(chance.randrange(len(lines)), chance.choice(lines))
        del lines[chance.randrange(len(lines))]
        return b"".join(lines)
    text = data.decode(errors="replace")
    coding = chance.choice(("utf-16", "utf-8-sig", "utf-32", "latin-1", "cp037"))
    return text.encode(coding, errors="replace")


def command(*arguments: str | Path) -> Callable[[], None]:
    """Make what runs a command of oddframe."""

    def run() -> None:
        from oddframe.cli import main

        sys.argv = ["oddframe", *map(str, arguments)]
        main()

    return run


class Inputs:
    """Whole inputs of every kind, made once, and changed ones made of them.

    Args:
        place: An empty folder.
    """

    def __init__(self, place: Path) -> None:
        from oddframe.tasks.train import train

        self.place = place
        self.originals = place / "originals"
        normal = self.originals / "normal" / "a.mp4"
        normal.parent.mkdir(parents=True)
        with VideoWriter(normal, 10.0, (64, 48)) as video:
            for number in range(60):
                video.write(walk(number))
        self.run_folder = self.originals / "run"
        train(normal, self.run_folder, settings=tiny_settings(), export=False)
        kinds = {"a.mp4": {}, "b.mkv": {}, "c.ts": {}, "d.avi": {"codec": "mpeg4"}}
        kinds |= {"e.flv": {}, "f.h264": {}, "g.mpg": {"codec": "mpeg2video", "rate_fps": 25}}
        self.recordings = [
            write_video(self.originals / name, frames=40, draw=walk, **wishes)  # type: ignore[arg-type]
            for name, wishes in kinds.items()
        ]
        pictures = self.originals / "pictures"
        pictures.mkdir()
        for number in range(12):
            suffix = ("jpg", "png", "bmp", "tiff")[number % 4]
            write_image(pictures / f"{number:03d}.{suffix}", walk(number))
        self.pictures = pictures
        self.labelled = self._labelled()

    def _labelled(self) -> list[Path]:
        """Make test sets of one's own whose labels stand in a table, in arrays and in masks."""
        rows = b"video,start_s,end_s\na,0.5,1.0\nb,1.5,2.25\n"
        found = []
        for kind in ("table", "arrays", "masks"):
            folder = self.originals / f"labelled-{kind}"
            (folder / "testing").mkdir(parents=True)
            for name in ("a", "b"):
                write_video(folder / "testing" / f"{name}.mp4", frames=40)
            if kind == "table":
                (folder / "labels.csv").write_bytes(rows)
            elif kind == "arrays":
                (folder / "frame_labels").mkdir()
                for name in ("a", "b"):
                    np.save(folder / "frame_labels" / f"{name}.npy", np.arange(40) % 20 > 9)
            else:
                for name in ("a", "b"):
                    (folder / "masks" / name).mkdir(parents=True)
                    for number in range(40):
                        mask = np.full((48, 64), 255 * (number > 20), np.uint8)
                        write_image(folder / "masks" / name / f"{number:03d}.png", mask)
            found.append(folder)
        avenue = self.originals / "avenue"
        for part in ("training_videos", "testing_videos", "testing_label_mask"):
            (avenue / part).mkdir(parents=True)
        for part, name in (("training_videos", "01"), ("testing_videos", "01")):
            write_video(avenue / part / f"{name}.avi", frames=20, codec="mpeg4")
        masks = np.empty((1, 20), dtype=object)
        for number in range(20):
            masks[0, number] = np.zeros((48, 64), np.uint8)
        savemat(avenue / "testing_label_mask" / "1_label.mat", {"volLabel": masks})
        return [*found, avenue]

    def recordings_case(self, folder: Path, chance: random.Random) -> Case:
        """Score a changed recording."""
        original = chance.choice(self.recordings)
        path = folder / original.name
        path.write_bytes(mutate(original.read_bytes(), chance))
        return Case(folder, self._score(path, self.run_folder, folder))

    def images_case(self, folder: Path, chance: random.Random) -> Case:
        """Score a folder in which some images are changed, or renamed."""
        copy = folder / "pictures"
        shutil.copytree(self.pictures, copy)
        for path in chance.sample(sorted(copy.iterdir()), 3):
            path.write_bytes(mutate(path.read_bytes(), chance))
        if chance.random() < 0.3:
            path = chance.choice(sorted(copy.iterdir()))
            front = chance.choice(("", "x", "2024-13-99_", "9" * 30))
            path.rename(copy / f"{front}7{path.suffix}")
        return Case(folder, self._score(copy, self.run_folder, folder))

    def labels_case(self, folder: Path, chance: random.Random) -> Case:
        """Check a test set whose labels are changed."""
        original = chance.choice(self.labelled)
        copy = folder / original.name
        shutil.copytree(original, copy)
        files = [
            path
            for path in sorted(copy.rglob("*"))
            if path.is_file() and path.suffix in (".csv", ".npy", ".png", ".mat")
        ]
        path = chance.choice(files)
        change = mutate_text if path.suffix == ".csv" else mutate
        path.write_bytes(change(path.read_bytes(), chance))
        return Case(folder, command("data", "check", copy))

    def settings_case(self, folder: Path, chance: random.Random) -> Case:
        """Read a changed settings file or a changed file of cameras."""
        from oddframe.errors import OddframeError
        from oddframe.monitoring.config_file import read_camera_file
        from oddframe.training.settings import PRESETS, read_settings

        is_cameras = chance.random() < 0.6
        text = _CAMERAS if is_cameras else _SETTINGS
        path = folder / ("cameras.toml" if is_cameras else "settings.toml")
        path.write_bytes(mutate_text(text, chance))

        def run() -> None:
            try:
                if is_cameras:
                    read_camera_file(path)
                else:
                    read_settings(path, PRESETS["fast"])
            except OddframeError as error:
                sys.exit(f"error: {error}")

        return Case(folder, run)

    def bundles_case(self, folder: Path, chance: random.Random) -> Case:
        """Score with a changed bundle."""
        copy = folder / "bundle"
        shutil.copytree(self.run_folder / "bundle", copy)
        path = chance.choice(sorted(path for path in copy.rglob("*") if path.is_file()))
        change = mutate_text if path.suffix in (".json", ".md", ".toml") else mutate
        path.write_bytes(change(path.read_bytes(), chance))
        return Case(folder, self._score(self.recordings[0], copy, folder))

    def _score(self, what: Path, model: Path, folder: Path) -> Callable[[], None]:
        # Without health: a damaged picture is of another camera, and nothing of it is scored.
        return command("score", what, "-m", model, "-o", folder / "out", "--no-health")

    def api_case(self, folder: Path, chance: random.Random) -> Case:
        """Send changed requests to the web app."""
        data = folder / "data"
        (data / "models").mkdir(parents=True)
        (data / "models" / "tiny").symlink_to(self.run_folder)
        shutil.copy(self.recordings[0], data / "yard.mp4")
        return Case(folder, lambda: _send_requests(data, chance))


def _send_requests(data: Path, chance: random.Random) -> None:
    from starlette.testclient import TestClient

    from oddframe.web.server import ServeSettings, assemble

    app, context = assemble(ServeSettings(data=data), data, None)
    context.supervisor.start()
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        operations = [
            (method, path)
            for path, item in client.get("/api/v1/openapi.json").json()["paths"].items()
            if path != "/api/v1/stream"
            for method in item
        ]
        for _ in range(60):
            method, path = chance.choice(operations)
            while "{" in path:
                begin, rest = path.split("{", 1)
                filler = chance.choice(("yard", "1", "-1", "%00", "..%2f..", "9" * 25, "é", "%ff"))
                path = begin + filler + rest.split("}", 1)[1]
            answer = client.request(
                method,
                path,
                params={"limit": chance.choice(("1", "-1", "x", "1e9")), "camera": "yard"},
                content=mutate_text(_REQUEST, chance),
                headers={"Content-Type": "application/json"},
            )
            if answer.status_code >= 500:
                print(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
                sys.exit(99)
    context.supervisor.stop()


_REQUEST = b"""{"name": "yard", "source": "yard.mp4", "model": "models/tiny", "fps": 5,
"loop": true, "false_alarms": "2/day", "verdict": "false alarm", "note": "a cat", "ids": [1, 2],
"threshold": 0.7, "zones": {"ignore": [[[0, 0], [0.5, 0], [0.5, 0.5]]]}}"""

_CAMERAS = b"""model = "models/tiny"
store = true
keep_days = 7

[[camera]]
name = "yard"
source = "rtsp://user:pass@192.0.2.1:554/stream1"
false_alarms = "1/week"
health = true

[camera.zones]
ignore = [[[0.0, 0.0], [0.4, 0.0], [0.4, 0.2]]]

[[camera]]
source = "gate.mp4"
fps = 10
loop = true

[[sink]]
kind = "webhook"
url = "https://example.org/hook"

[[sink]]
kind = "mqtt"
host = "broker.example"
port = 1883
"""

_SETTINGS = b"""[network]
height = 128
width = 192
colour = "grey"
clusters = 16

[training]
joint_steps = 100
learning_rate = 1e-4
batch_size = 8
precision = "auto"

[data]
hold_out = 0.1
"""

READERS = ("recordings", "images", "labels", "settings", "bundles", "api")


def fuzz(inputs: Inputs, reader: str, seed: int, seconds: float) -> Iterator[tuple[Case, Ending]]:
    """Read changed inputs for so many seconds, and yield each with its ending."""
    make = getattr(inputs, f"{reader}_case")
    ends_s, number = time.monotonic() + seconds, 0
    while time.monotonic() < ends_s:
        folder = inputs.place / f"{reader}-{seed}-{number}"
        folder.mkdir()
        case = make(folder, random.Random(f"{reader} {seed} {number}"))
        yield case, read(case)
        shutil.rmtree(folder, ignore_errors=True)
        number += 1


def read(case: Case) -> Ending:
    """Run a case in a process of its own, which is killed when it takes too long."""
    began_s, output = time.monotonic(), case.folder / "output.txt"
    child = os.fork()
    if not child:
        _obey(case, output)
    while True:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        seconds = time.monotonic() - began_s
        if ended:
            break
        if seconds > MOST_S:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.005)
    text = output.read_text(errors="replace") if output.exists() else ""
    code = os.waitstatus_to_exitcode(status)
    return Ending(code, text, usage.ru_maxrss * 1024, seconds)


def _obey(case: Case, output: Path) -> NoReturn:
    os.setpgid(0, 0)
    os.chdir(case.folder)
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    leave_after(case.run)


def main() -> None:
    """Fuzz the readers that are named, or all, and leave with 1 if anything failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("readers", nargs="*", default=[], help=f"some of {', '.join(READERS)}")
    parser.add_argument("--minutes", type=float, default=10.0, help="for each reader")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"))
    args = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        # A process that has forked has none of the threads that libraries started before.
        os.environ["OMP_NUM_THREADS"] = "1"
        os.execv(sys.executable, [sys.executable, "-m", "tests.support.input_fuzz", *sys.argv[1:]])
    failed = 0
    with tempfile.TemporaryDirectory() as place:
        inputs = Inputs(Path(place))
        for reader in args.readers or READERS:
            codes: Counter[int] = Counter()
            wrong = 0
            for case, ending in fuzz(inputs, reader, args.seed, 60 * args.minutes):
                codes[ending.code] += 1
                if ending.wrong is not None:
                    wrong += 1
                    kept = args.keep / case.folder.name
                    shutil.copytree(case.folder, kept, symlinks=True, dirs_exist_ok=True)
                    print(f"{kept}: {ending.wrong}", flush=True)
            ends = ", ".join(f"{count} with {code}" for code, count in sorted(codes.items()))
            print(
                f"{reader}: {codes.total()} inputs (seed {args.seed}), {ends}; {wrong} failed",
                flush=True,
            )
            failed += wrong
    sys.exit(min(failed, 1))


if __name__ == "__main__":
    main()
