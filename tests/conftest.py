"""Fixtures that draw small video files and image folders through real FFmpeg."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.video.stream import VideoStream
from hypothesis import settings
from hypothesis.database import DirectoryBasedExampleDatabase
from PIL import Image

from tests.support.shared import run_folder, shared_folder

# What several test files share; pytest itself puts no folder of ours on the path.

# Hypothesis draws the same examples on every run, and keeps no examples from one run to the next.
# It has no deadline: a test that measures time fails where the machine is busy. `make test-fuzz`
# chooses the other profile.
settings.register_profile("fixed", derandomize=True, deadline=None, database=None)
settings.register_profile(
    "fuzz",
    derandomize=False,
    deadline=None,
    max_examples=300,
    print_blob=True,
    database=DirectoryBasedExampleDatabase(Path(__file__).parents[1] / ".hypothesis" / "examples"),
)
settings.load_profile("fixed")

# Read when torch is first imported: what is tiny is far quicker on one thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")

Picture = npt.NDArray[np.uint8]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the tests that draw inputs from the seed of the run, if only through a fixture."""
    if "run_seed" in getattr(item, "fixturenames", ()):
        item.add_marker("draws")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Seed torch, as pytest-randomly seeds `random` and NumPy, so that no test needs another."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed_of(item.config))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """After a failure, say which order it was in."""
    if exitstatus == pytest.ExitCode.TESTS_FAILED:
        terminalreporter.write_line(f"The order of the tests: --randomly-seed={seed_of(config)}")


def seed_of(config: pytest.Config) -> int:
    """The seed of this run: always the same in `make test`, a new one in `make test-fuzz`."""
    seed = config.getoption("randomly_seed", 0)
    assert isinstance(seed, int)
    return seed


@pytest.fixture
def run_seed(request: pytest.FixtureRequest) -> int:
    """The seed of this run, for what must hold whatever is drawn; marks the test `draws`."""
    return seed_of(request.config)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what Oddframe remembers of this machine apart from what other runs have left there."""
    with pytest.MonkeyPatch.context() as patch:
        # Matplotlib looks there too, and takes seconds to list the fonts again.
        if "MPLCONFIGDIR" not in os.environ:
            cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
            patch.setenv("MPLCONFIGDIR", str(cache / "matplotlib"))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def drawn_picture(number: int, width: int = 64, height: int = 48) -> Picture:
    """A picture that tells its number: flat grey of 20 + 2 * number, with a red corner top left."""
    picture = np.full((height, width, 3), 20 + 2 * (number % 110), np.uint8)
    picture[: height // 4, : width // 4] = (250, 10, 10)
    return picture


def write_video(
    path: Path,
    frames: int = 20,
    size: tuple[int, int] = (64, 48),
    rate_fps: int = 10,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    times_s: Iterable[float] | None = None,
    rotation: int = 0,
    options: dict[str, str] | None = None,
    coding: dict[str, str] | None = None,
    draw: Callable[..., Picture] = drawn_picture,
    prepare: Callable[[VideoStream], None] = lambda stream: None,
) -> Path:
    """Write one recording of drawn pictures.

    ``coding`` goes to the encoder; ``prepare`` gets the stream before its first frame.
    """
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate_fps)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        # Milliseconds are for times of one's own only: an AVI of them claims 1000 frames per
        # second.
        ticks = rate_fps if times_s is None else 1000
        stream.codec_context.time_base = Fraction(1, ticks)
        if codec.startswith("libx26"):
            stream.options = {"crf": "10", "preset": "ultrafast", "g": "10"}
        if coding:
            stream.options = {**stream.options, **coding}
        if rotation:
            stream.set_display_rotation(rotation)
        prepare(stream)
        times = (
            [number / rate_fps for number in range(frames)] if times_s is None else list(times_s)
        )
        for number, time_s in enumerate(times):
            frame = av.VideoFrame.from_ndarray(draw(number, *size), format="rgb24")
            frame.pts, frame.time_base = round(time_s * ticks), Fraction(1, ticks)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_images(
    folder: Path,
    numbers: Iterable[int],
    size: tuple[int, int] = (64, 48),
    pattern: str = "{:03d}.jpg",
) -> Path:
    """Write a folder of numbered images of drawn pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        write_image(folder / pattern.format(number), drawn_picture(number, *size))
    return folder


def write_image(path: Path, picture: Picture) -> Path:
    """Write one image with Pillow, in the format of its suffix."""
    Image.fromarray(picture).save(path)
    return path


@pytest.fixture
def video(tmp_path: Path) -> Callable[..., Path]:
    """Writes a recording in the test's folder: `video("a.mp4", frames=20, ...)`."""

    def make(name: str = "a.mp4", **wishes: object) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return write_video(path, **wishes)  # type: ignore[arg-type]

    return make


@pytest.fixture
def machine_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets the time zone of this process: `machine_zone("Europe/Berlin")`."""

    def choose(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield choose
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def images(tmp_path: Path) -> Callable[..., Path]:
    """Writes a folder of numbered images in the test's folder: `images("01", range(10), ...)`."""

    def make(name: str = "frames", numbers: Iterable[int] = range(10), **wishes: object) -> Path:
        return write_images(tmp_path / name, numbers, **wishes)  # type: ignore[arg-type]

    return make


def write_audio(path: Path) -> Path:
    """Write a file that holds half a second of silence and no video."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        for number in range(20):
            silence = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            silence.rate, silence.pts = 44100, number * 1024
            container.mux(stream.encode(silence))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def audio(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file without video in the test's folder: `audio("a.mp4")`."""

    def make(name: str = "sound.mp4") -> Path:
        return write_audio(tmp_path / name)

    return make


@pytest.fixture
def truncated_video(video: Callable[..., Path]) -> Callable[..., Path]:
    """Writes a recording that is cut to a share of its bytes; a header in front lets it open."""

    def make(
        name: str = "cut.mp4", share: float = 0.6, header_first: bool = True, **wishes: object
    ) -> Path:
        options = {"movflags": "faststart"} if header_first and name.endswith(".mp4") else None
        path = video(name, **{"frames": 100, **wishes}, options=options)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])
        return path

    return make


@pytest.fixture
def resized_video(video: Callable[..., Path]) -> Callable[..., Path]:
    """Writes a recording whose size changes from 64 x 48 to 96 x 80 after `frames` frames."""

    def make(name: str = "resized.ts", frames: int = 10, rate_fps: int = 10) -> Path:
        # Timestamps go on in the second half, as they do when a camera changes its mode.
        first = video("first.ts", frames=frames, rate_fps=rate_fps)
        times_s = [(frames + number) / rate_fps for number in range(frames)]
        second = video("second.ts", frames=frames, size=(96, 80), times_s=times_s)
        path = first.with_name(name)
        path.write_bytes(first.read_bytes() + second.read_bytes())
        first.unlink()
        second.unlink()
        return path

    return make


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three short normal recordings; read only."""
    from tests.support.tiny import walk

    def make(folder: Path) -> None:
        for name in ("a", "b", "c"):
            write_video(folder / f"{name}.mp4", frames=40, draw=walk)

    return shared_folder(tmp_path_factory, "footage", make)


class Clock:
    """A clock that the test turns: `clock.now_s += 5`."""

    now_s = 1000.0

    def __call__(self) -> float:
        """Tell the time, in seconds."""
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    """A clock that the test turns."""
    return Clock()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB to fill up: a file system in memory, which only root may mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Has torch compute on one thread: sums in another order have other last bits."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def no_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no curve of scores, which takes longer than a short recording; its file is empty."""
    monkeypatch.setattr(
        "oddframe.batch.recordings.save_curve", lambda path, *_, **__: Path(path).touch()
    )


@pytest.fixture(scope="session")
def literal() -> ModuleType:
    """The paper's network as slow loops in float64, see `tests.support.literal_network`."""
    from tests.support import literal_network

    return literal_network


@pytest.fixture
def draw(run_seed: int) -> Callable[..., object]:
    """Draws seeded float64 tensors: `draw(2, 3, seed=1)`, normally distributed."""
    import torch

    def normal(*shape: int, seed: int = 0) -> torch.Tensor:
        generator = torch.Generator().manual_seed(1000 * run_seed + seed)
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return normal


@pytest.fixture
def draw_clips() -> Callable[..., Picture]:
    """Draws clips, uint8 B x 5 x H x W x C: blocks of tone, and one that moves and brightens."""

    def make(
        count: int = 2, height: int = 32, width: int = 32, colours: int = 3, seed: int = 0
    ) -> Picture:
        random = np.random.default_rng(seed)
        tones = random.integers(20, 200, (count, height // 8, width // 8, colours))
        clips = np.repeat(tones.repeat(8, axis=1).repeat(8, axis=2)[:, None], 5, axis=1)
        for number in range(count):
            top, left = random.integers(0, height - 8), random.integers(0, width - 16)
            for t in range(5):
                clips[number, t, top : top + 8, left + 2 * t : left + 2 * t + 8] = (
                    40 * t + random.integers(0, 60)
                )
        return clips.astype(np.uint8)

    return make


@pytest.fixture(scope="session")
def oddframe_command(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., object]]:
    """Runs the command line: `oddframe_command("train", footage, "-o", run).code`."""
    from tests.support.forked import Commands

    with Commands(run_folder(tmp_path_factory)) as commands:
        yield commands


@pytest.fixture(scope="session")
def tiny_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A settings file of the tiny training, complete: the presets may change."""
    from tests.support.tiny import tiny_settings

    path = tmp_path_factory.mktemp("config") / "tiny.json"
    path.write_text(json.dumps(tiny_settings().as_dict()))
    return path


@pytest.fixture(scope="session")
def trained_run(
    footage: Path,
    tiny_config: Path,
    oddframe_command: Callable[..., object],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Path]:
    """Gives the run folder of a tiny training on `footage`, made once: `trained_run("a", ...)`."""

    def trained(name: str, **time_: bool) -> Path:
        def make(folder: Path) -> None:
            flags = ("-o", folder / "run", "-c", tiny_config)
            left = oddframe_command("train", footage, *flags, **time_)
            assert left.code == 0, left

        return shared_folder(tmp_path_factory, name, make) / "run"

    return trained


@pytest.fixture(scope="session")
def tiny_run(trained_run: Callable[..., Path]) -> Path:
    """The run folder of a tiny training on `footage`, without a graph; read only."""
    return trained_run("trained", curves=True)


@pytest.fixture(scope="session")
def exported_run(trained_run: Callable[..., Path]) -> Path:
    """The same with the graph for ONNX Runtime and OpenVINO that a training leaves; read only."""
    run = trained_run("exported", graph=True)
    assert (run / "bundle" / "model.onnx").exists()
    return run
