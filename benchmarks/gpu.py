"""What a GPU does: the network alone, training steps, the ways from files and cameras to scores.

    python benchmarks/gpu.py [check|table] -o gpu.jsonl [--footage PED2] [--device cuda] [--tiny]
    python benchmarks/gpu.py warm -o gpu.jsonl
    python benchmarks/gpu.py table --only "train paper" ...

Rows run in a process of their own, which goes on to the next row; a row that takes longer than its
limit ends with its process, and another one takes over. Each result is written as a line of JSON as
soon as it is there. `check` is what fails fast: a captured step, a batch that comes from workers, a
training that is resumed. `warm` compiles what the compiled rows need, several at a time, and keeps
it in the cache of the compiler. `--tiny` is for a rehearsal on any processor.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from oddframe.core.records import Frame
from oddframe.datasets.clip_dataset import Batch, ClipDataset
from oddframe.model.fusion import AnomalyScorer
from oddframe.model.network import Network
from oddframe.speed.instruments import p95
from oddframe.training import GpuSteps
from oddframe.training.settings import PRESETS, Settings

CAMERAS, CAMERA_FPS = 200, 10.0


class Options(NamedTuple):
    """What all rows are measured with.

    Attributes:
        device: Where.
        footage: A copy of UCSD Ped2 with recordings; None leaves out what needs it.
        tiny: Whether this is a rehearsal.
    """

    device: str
    footage: Path | None
    tiny: bool

    @property
    def seconds(self) -> float:
        """How long a figure is measured."""
        return 0.2 if self.tiny else 1.5

    def settings(self, preset: str) -> Settings:
        """The settings of a preset, small for a rehearsal."""
        found = PRESETS[preset]
        if not self.tiny:
            return found
        small = replace(
            found.network, height=64, width=64, channels=4, clusters=4, decoder_channels=4
        )
        crop = (32, 32) if found.data.crop else ()
        return replace(found, network=small, data=replace(found.data, crop=crop))


class Row(NamedTuple):
    """A row of the table.

    Attributes:
        limit_s: Seconds that it may take.
        measure: Measures it.
    """

    limit_s: float
    measure: Callable[[Options], Mapping[str, Any]]


def sync(device: str) -> None:
    """Wait until a GPU has done what it was asked for."""
    if device != "cpu":
        torch.cuda.synchronize()


def per_second(work: Callable[[], object], count: int, options: Options) -> dict[str, float]:
    """Units per second of some work, asked for without waiting; and milliseconds of each."""
    work()
    sync(options.device)
    done, began = 0, time.perf_counter()
    while done < 3 or time.perf_counter() - began < options.seconds:
        work()
        done += 1
        # Asking is faster than doing: no more than a second of work waits.
        if done % 8 == 0:
            sync(options.device)
    sync(options.device)
    took = time.perf_counter() - began
    return {"per_s": round(count * done / took, 1), "ms": round(1e3 * took / done, 3)}


def network(preset: str, way: str, size: int, options: Options) -> dict[str, Any]:
    """The network alone, in bfloat16, on clips that lie on the GPU."""
    settings = options.settings(preset).network
    torch.manual_seed(0)
    scorer = AnomalyScorer(Network(settings), torch.bfloat16).to(options.device).eval()
    if way != "eager":
        scorer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    shape = (size, 5, settings.height, settings.width, settings.colours)
    clips = torch.randint(0, 256, shape, dtype=torch.uint8, device=options.device)
    began = time.perf_counter()
    with torch.inference_mode():
        run: Callable[[], object] = partial(scorer, clips)
        if "compiled" in way:
            run = partial(torch.compile(scorer, dynamic=False), clips)
        for _ in range(3):
            run()
        if "graph" in way and options.device != "cpu":
            sync(options.device)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                run()
            run = graph.replay
        sync(options.device)
        ready_s = time.perf_counter() - began
        return {**per_second(run, size, options), "ready_s": round(ready_s, 1)}


def drawn_batch(settings: Settings, size: int) -> Batch:
    """A batch of noise, with some places marked where the preset marks any."""
    height, width = settings.data.crop or (settings.network.height, settings.network.width)
    random = np.random.default_rng(0)
    clips = random.integers(0, 256, (size, 5, height, width, settings.network.colours), np.uint8)
    abnormal = np.zeros((size, height, width), np.bool_)
    if settings.data.counter_examples.share:
        abnormal[: size // 2, : height // 2] = True
    return Batch(clips, clips[:, 0].copy(), clips[:, 4].copy(), clips[:, 0].copy(), abnormal)


def new_trainer(settings: Settings, way: str, device: str) -> Any:
    """A trainer whose next step is one of the joint phase."""
    from oddframe.training.trainer import Trainer

    steps: GpuSteps = "eager"
    if device != "cpu":
        steps = "compiled" if "compiled" in way else "graph" if "graph" in way else "eager"
    torch.manual_seed(0)
    training = replace(settings.training, precision="bfloat16")
    trainer = Trainer(Network(settings.network), training, torch.device(device), gpu_steps=steps)
    if trainer.captured is not None:
        trainer.captured.tune = "tuned" in way
    trainer.step, trainer.centred = training.pretrain_steps, True
    return trainer


def one_step(trainer: Any, take: Callable[[int], Batch]) -> Callable[[], object]:
    """Make what takes a step with the batch of its number.

    Captured steps have their batches brought to the GPU ahead.
    """
    if trainer.captured is None:
        return lambda: trainer.train_step(take(trainer.step))
    from oddframe.training.gpu_steps import DeviceFeed

    feed = DeviceFeed(take, trainer.device)

    def step() -> None:
        trainer.train_step(feed.take(trainer.step))
        feed.prepare(trainer.step)

    return step


def training(preset: str, way: str, size: int, options: Options) -> dict[str, Any]:
    """Steps of the joint phase, each with a batch that comes from the processor's memory."""
    settings = options.settings(preset)
    settings = replace(settings, training=replace(settings.training, batch_size=size))
    trainer = new_trainer(settings, way, options.device)
    batch = drawn_batch(settings, size)
    began = time.perf_counter()
    step = one_step(trainer, lambda number: batch)
    for _ in range(5):
        step()
    sync(options.device)
    found: dict[str, Any] = {"ready_s": round(time.perf_counter() - began, 1)}
    found |= per_second(step, size, options)
    if options.device != "cpu":
        found["gpu_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    losses = trainer.train_step(batch)
    found["losses"] = {name: float(loss) for name, loss in losses.items()}
    return found | _notices(trainer)


def _notices(trainer: Any) -> dict[str, Any]:
    """What did not work in a captured training, if anything."""
    notices = [] if trainer.captured is None else trainer.captured.notices
    return {"notices": notices} if notices else {}


def footage_clips(preset: str, options: Options, folder: str) -> tuple[Settings, ClipDataset]:
    """The settings of a preset, and the clips of the training footage, or of drawn frames."""
    from oddframe.datasets.frame_cache import FrameRun, build_cache, reopen_cache
    from oddframe.datasets.layouts import open_benchmark
    from oddframe.files import write_json
    from oddframe.media.discovery import find_sources
    from oddframe.media.source import FrameFormat

    settings = options.settings(preset)
    shape = settings.network
    wanted = FrameFormat(shape.width, shape.height, shape.colour)
    if options.footage is None:
        from oddframe.inference.parity import drawn_frames

        frames = drawn_frames(Network(shape).trained(), 200)
        (Path(folder) / "frames.u8").write_bytes(frames.tobytes())
        index: dict[str, Any] = {
            "height": shape.height,
            "width": shape.width,
            "colours": shape.colours,
        }
        run = {"source": "drawn", "offset": 0, "count": 200, "start_s": 0.0}
        index |= {"frames": 200, "rate_fps": 10.0, "share": 1.0, "notices": [], "key": ""}
        write_json(Path(folder) / "index.json", {**index, "stretches": [run]})
        cache = reopen_cache(Path(folder), wanted)
        assert cache is not None
    else:
        videos = open_benchmark(options.footage).training
        if options.tiny:
            videos = videos[:2]
        sources = find_sources([str(path) for path in videos]).sources
        cache = build_cache(Path(folder), sources, wanted, 10.0, 4 * 10**9)
    stretches: list[FrameRun] = list(cache.stretches)
    return settings, ClipDataset(cache, stretches, shape.interval, 0)


def batches(preset: str, options: Options) -> dict[str, Any]:
    """The batch maker: clips a second of one core, and of the workers together."""
    from oddframe.training.batch_workers import BatchWorkers, worker_count

    with tempfile.TemporaryDirectory() as folder:
        settings, clips = footage_clips(preset, options, folder)
        size = 16
        make = partial(
            clips.batch,
            size=size,
            seed=0,
            counter_examples=settings.data.counter_examples,
            crop=settings.data.crop,
        )
        make(0)
        # By the time of the processor, which other programs do not lengthen as they do the clock's.
        done, began = 0, time.process_time()
        while done < 2 or time.process_time() - began < options.seconds:
            make(done)
            done += 1
        one = size * done / (time.process_time() - began)
        count = worker_count()
        with BatchWorkers(make, 0, 1_000_000, count) as workers:
            # Those that lie ready at first were not made in the time that is measured.
            for step in range(4 * count):
                workers.take(step)
            done, began = 4 * count, time.perf_counter()
            while done < 4 * count + 2 or time.perf_counter() - began < options.seconds:
                workers.take(done)
                done += 1
            took = time.perf_counter() - began
        together = size * (done - 4 * count) / took
        return {"per_core": round(one, 1), "workers": count, "together": round(together, 1)}


def training_course(preset: str, size: int, options: Options) -> dict[str, Any]:
    """Steps as `oddframe train` takes them: batches by workers, brought ahead, captured steps."""
    from oddframe.training.batch_workers import BatchWorkers, worker_count

    with tempfile.TemporaryDirectory() as folder:
        settings, clips = footage_clips(preset, options, folder)
        settings = replace(settings, training=replace(settings.training, batch_size=size))
        _ = clips.generator
        make = partial(
            clips.batch,
            size=size,
            seed=0,
            counter_examples=settings.data.counter_examples,
            crop=settings.data.crop,
        )
        trainer = new_trainer(settings, "graph", options.device)
        first = trainer.step
        with BatchWorkers(make, first, 10**9, worker_count()) as workers:
            step = one_step(trainer, workers.take)
            for _ in range(30):
                step()
            sync(options.device)
            return {**per_second(step, size, options), **_notices(trainer)}


def resumed(way: str, options: Options) -> dict[str, Any]:
    """Whether a training that goes on from a checkpoint ends with the same bits."""
    from oddframe.training.checkpoint import restore_checkpoint, save_checkpoint

    settings = options.settings("paper")
    if options.device != "cpu":
        network = replace(settings.network, height=128, width=128)
        settings = replace(settings, network=network)
    drawn = [drawn_batch(settings, 4) for _ in range(2)]
    drawn[1] = drawn[1]._replace(clips=drawn[1].clips[::-1].copy())

    def take(trainer: Any, steps: int) -> None:
        for _ in range(steps):
            trainer.train_step(drawn[trainer.step % 2])

    ends = []
    with tempfile.TemporaryDirectory() as folder:
        for stop in (0, 0, 9):
            trainer = new_trainer(settings, way, options.device)
            if stop:
                take(trainer, stop)
                save_checkpoint(Path(folder), trainer, {})
                trainer = new_trainer(settings, way, options.device)
                restore_checkpoint(Path(folder), trainer)
            take(trainer, 18 - stop)
            ends.append({name: value.cpu() for name, value in trainer.network.state_dict().items()})

    def apart(other: Mapping[str, Any]) -> float:
        return max(
            float((value.double() - other[name].double()).abs().max())
            for name, value in ends[0].items()
        )

    return {"repeated": apart(ends[1]), "resumed": apart(ends[2]), **_notices(trainer)}


def agreement(options: Options) -> dict[str, Any]:
    """How far captured and compiled steps lead away from those kernel by kernel, in the losses."""
    settings = options.settings("fast")
    batch = drawn_batch(settings, 8)
    found = {}
    for way in ("eager", "graph", "compiled") if options.device != "cpu" else ("eager",):
        trainer = new_trainer(settings, way, options.device)
        for _ in range(8):
            losses = trainer.train_step(batch)
        found[way] = {name: float(loss) for name, loss in losses.items()} | _notices(trainer)
    return found


def untrained(preset: str, options: Options, folder: str) -> Path:
    """A bundle of a network that has learned nothing, which is as fast as a trained one."""
    from oddframe.speed.torch_rows import write_untrained

    bundle = Path(folder) / "bundle"
    write_untrained(bundle, options.settings(preset).network, ())
    return bundle


def decoding(way: str, width: int, options: Options) -> dict[str, Any]:
    """From files to frames of the network's size: frames a second, and the processor's part.

    Args:
        way: "threads" or "nvdec" for a recording; "images" for a folder of them, and "one by one"
            for the same folder in a single thread.
        width: Width of the stored pictures in pixels, which are drawn.
        options: What all rows are measured with.
    """
    from oddframe.media.convert import Converter, encode_jpeg
    from oddframe.media.image_files import read_image
    from oddframe.media.images import ImageFolder
    from oddframe.media.nvdec import Nvdec
    from oddframe.media.recording import Recording
    from oddframe.media.source import FrameFormat, FrameSource
    from oddframe.media.video_writer import VideoWriter
    from oddframe.synthetic.scene import SceneSettings, draw

    scene = SceneSettings(width=width, height=width * 9 // 16 // 2 * 2)
    frames = 24 if options.tiny else 300
    # A few pictures forwards and backwards: drawing large ones takes longer than decoding them.
    drawn = [frame.pixels for frame in draw(1, 12, scene)]
    drawn += drawn[-2:0:-1]
    wanted = FrameFormat(256, 256, "rgb")
    with tempfile.TemporaryDirectory() as place:
        folder, path = Path(place) / "images", Path(place) / "drawn.mp4"
        source: FrameSource
        if way in ("images", "one by one"):
            folder.mkdir()
            for number in range(frames):
                picture = encode_jpeg(drawn[number % len(drawn)], 90)
                (folder / f"{number:06d}.jpg").write_bytes(picture)
            source = ImageFolder(folder)
        else:
            with VideoWriter(path, scene.rate_fps, (scene.width, scene.height)) as video:
                for number in range(frames):
                    video.write(drawn[number % len(drawn)])
            source = recording = Recording(path)
            if way == "nvdec":
                recording.nvdec = Nvdec.of_device(options.device)

        def read() -> None:
            if way != "one by one":
                for _ in source.frames(wanted):
                    pass
                return
            converter = Converter(wanted)
            for number, image in enumerate(sorted(folder.iterdir())):
                stored = read_image(image)
                converter.frame(stored.decoded, number, 0.0, stored.orientation)

        read()
        passes, began, used = 0, time.perf_counter(), time.process_time()
        while not passes or time.perf_counter() - began < options.seconds:
            read()
            passes += 1
        took, used = time.perf_counter() - began, time.process_time() - used
        found: dict[str, Any] = {
            "size": f"{scene.width} x {scene.height}",
            "per_s": round(passes * frames / took, 1),
            "cpu_ms": round(1e3 * used / passes / frames, 3),
        }
        return found | ({"notices": source.notices} if source.notices else {})


def scoring(preset: str, way: str, size: int, options: Options) -> dict[str, Any]:
    """From recordings to result files: `oddframe score` on the test recordings.

    They are decoded together; "alone" scores one after the other, "compiled" compiles the network.
    """
    from oddframe.inference.loading import load
    from oddframe.tasks.score import score

    assert options.footage is not None
    with tempfile.TemporaryDirectory() as folder:
        model = load(
            untrained(preset, options, folder),
            device=options.device,
            backend="torch",
            precision="bfloat16",
            batch_size=size,
            compiled=way == "compiled",
        )
        videos = sorted((options.footage / "testing").glob("*.mp4"))[: 1 if options.tiny else None]
        score(videos[:1], model, Path(folder) / "warm", health=False)
        began = time.perf_counter()
        threads = 1 if way == "alone" else None
        report = score(videos, model, Path(folder) / "out", health=False, threads=threads)
        took = time.perf_counter() - began
        frames = sum(one.frames for one in report.recordings)
        found: dict[str, Any] = {"frames": frames, "per_s": round(frames / took, 1)}
        return found | ({"notices": model.notices} if model.notices else {})


def live(preset: str, size: int, options: Options) -> dict[str, Any]:
    """Drawn cameras that feed one model: what is late, and by how much."""
    from oddframe.inference.loading import load
    from oddframe.inference.parity import drawn_frames

    cameras, size = (4, 2) if options.tiny else (CAMERAS, size)
    seconds = 1.5 if options.tiny else 6.0
    with tempfile.TemporaryDirectory() as folder:
        model = load(
            untrained(preset, options, folder),
            device=options.device,
            backend="torch",
            precision="bfloat16",
            batch_size=size,
        )
    pictures = drawn_frames(model.bundle.network, 64)
    streams = [
        model.stream(CAMERA_FPS, 3 / CAMERA_FPS, every_frame=True, watch_health=False)
        for _ in range(cameras)
    ]
    period = 1.0 / (CAMERA_FPS * cameras)
    waiting: list[Any] = []
    came: list[float] = []
    late: list[float] = []
    new, number, scored = 0, 0, 0
    began = time.perf_counter()
    while True:
        now = time.perf_counter() - began
        # All frames that have come by now, one camera after the other.
        while number * period <= now and new < size:
            turn, camera = divmod(number, cameras)
            picture = pictures[(turn + 7 * camera) % len(pictures)]
            frame = Frame(turn, turn / CAMERA_FPS, picture, (picture.shape[1], picture.shape[0]))
            ready = streams[camera].push(frame)
            waiting += ready
            came += [number * period] * len(ready)
            new += sum(pending.is_new for pending in ready)
            number += 1
        if waiting:
            scored += sum(score.raw is not None for score in model.scored(waiting, maps=False))
            done = time.perf_counter() - began
            late += [done - time_s for time_s in came]
            waiting, came, new = [], [], 0
        else:
            time.sleep(period)
        if now > seconds:
            break
    # The first second pays for what is set up once.
    late = late[int(len(late) / seconds) :]
    return {
        "cameras": cameras,
        "per_s": round(scored / (time.perf_counter() - began), 1),
        "behind_s": round(time.perf_counter() - began - number * period, 2),
        "ms_median": round(1e3 * float(np.median(late)), 1),
        "ms_p95": round(1e3 * p95(late), 1),
    }


def machine(options: Options) -> dict[str, Any]:
    """What is measured on."""
    from oddframe.speed.instruments import machine as describe

    gpu = torch.cuda.get_device_name() if options.device != "cpu" else None
    return describe(gpu)


def rows(what: str, options: Options) -> dict[str, Row]:
    """The rows by name, in the order in which they are measured."""
    found = {"machine": Row(40, machine)}
    if what == "check":
        found["check train graph"] = Row(40, partial(training, "fast", "graph", 8))
        found["check resume graph"] = Row(40, partial(resumed, "graph"))
        return found
    # What decides what comes next stands first: a call may end before its last rows.
    compiled = compiled_rows(options)
    for size in (2,) if options.tiny else (16, 64, 4):
        for way in ("eager", "graph", "graph tuned"):
            found[f"train paper {way} {size}"] = Row(25, partial(training, "paper", way, size))
        beginning = "train paper compiled"
        found |= {
            name: row
            for name, row in compiled.items()
            if name.startswith(beginning) and name.endswith(f" {size}")
        }
    for preset in ("paper", "fast"):
        found[f"batches {preset}"] = Row(30, partial(batches, preset))
    found["course paper 16"] = Row(30, partial(training_course, "paper", 16))
    found["course fast 8"] = Row(30, partial(training_course, "fast", 8))
    for preset in ("paper", "fast"):
        found[f"live {preset}"] = Row(25, partial(live, preset, 64))
    if options.footage is not None:
        for preset in ("paper", "fast"):
            for way in ("together", "alone"):
                row = partial(scoring, preset, way, 64)
                found[f"score {preset} {way}"] = Row(30, row)
    for way, width in (
        *((way, width) for width in (360, 1920) for way in ("threads", "nvdec")),
        *((way, 360) for way in ("images", "one by one")),
    ):
        width = 96 if options.tiny else width
        found[f"decode {way} {width}"] = Row(30, partial(decoding, way, width))
    one, many, most = (1, 2, 3) if options.tiny else (1, 64, 256)
    for way, size in (
        *(("eager", size) for size in (one, many)),
        *(("channels last", size) for size in (many, most)),
        *(("graph", size) for size in (one, many)),
    ):
        found[f"network paper {way} {size}"] = Row(20, partial(network, "paper", way, size))
    found["network fast graph 64"] = Row(20, partial(network, "fast", "graph", many))
    for size in (2,) if options.tiny else (8, 64):
        for way in ("eager", "graph"):
            found[f"train fast {way} {size}"] = Row(25, partial(training, "fast", way, size))
    found["resume eager"] = Row(30, partial(resumed, "eager"))
    found |= compiled
    found["agreement"] = Row(60, agreement)
    return found


def compiled_rows(options: Options) -> dict[str, Row]:
    """The rows that need a compiler, which `warm` runs first."""
    if options.device == "cpu":
        return {}
    found = {}
    for way, size in (("compiled", 16), ("compiled tuned", 16), ("compiled", 64), ("compiled", 4)):
        found[f"train paper {way} {size}"] = Row(100, partial(training, "paper", way, size))
    for size in (1, 64, 256):
        way = "compiled graph"
        found[f"network paper {way} {size}"] = Row(90, partial(network, "paper", way, size))
    if options.footage is not None:
        found["score paper compiled"] = Row(120, partial(scoring, "paper", "compiled", 64))
    found["train fast compiled 8"] = Row(100, partial(training, "fast", "compiled", 8))
    found["resume compiled"] = Row(60, partial(resumed, "compiled"))
    return found


def serve(names: list[str], what: str, options: Options) -> None:
    """Measure rows in this process, and print each as a line of JSON."""
    table = rows(what, options)
    for name in names:
        forget(options.device)
        began = time.perf_counter()
        print(json.dumps({"begin": name}), flush=True)
        try:
            found: Mapping[str, Any] = table[name].measure(options)
        except Exception as error:
            found = {"error": f"{type(error).__name__}: {error}"[:500]}
            print(json.dumps(_line(name, found, began)), flush=True)
            # After an error of a GPU nothing else works in this process.
            raise SystemExit(3) from error
        print(json.dumps(_line(name, found, began)), flush=True)


def forget(device: str) -> None:
    """Give back what the row before had on the GPU, and what was compiled for it."""
    gc.collect()
    if device != "cpu":
        torch.compiler.reset()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


REHEARSAL = 6
"""How many times as long a row may take on a processor, where the script is only tried."""


def _line(name: str, found: Mapping[str, Any], began: float) -> dict[str, Any]:
    return {"row": name, **found, "took_s": round(time.perf_counter() - began, 1)}


def measure(names: list[str], what: str, options: Options, out: Path, until: float) -> bool:
    """Measure rows in processes of their own; returns whether all of them have a figure."""
    table, fine = rows(what, options), True
    patience = REHEARSAL if options.device == "cpu" else 1
    while names and time.monotonic() < until:
        child = subprocess.Popen(_command(names, what, options), stdout=subprocess.PIPE, text=True)
        # The first row pays for the start of the process.
        left = _Watch(child, min(60 + patience * table[names[0]].limit_s, until - time.monotonic()))
        assert child.stdout is not None
        current = names[0]
        for text in child.stdout:
            with suppress(ValueError):
                found = json.loads(text)
                if "begin" in found:
                    current = found["begin"]
                    left.again(min(patience * table[current].limit_s, until - time.monotonic()))
                    continue
                if "row" in found:
                    fine &= "error" not in found
                    _write(out, found)
                    names = names[names.index(found["row"]) + 1 :]
        left.stop()
        child.wait()
        if names and current == names[0]:
            fine = False
            _write(out, {"row": current, "error": "over its limit, or its process ended"})
            names = names[1:]
    for name in names:
        fine = False
        _write(out, {"row": name, "error": "no time left"})
    return fine


class _Watch:
    """Ends a process that takes too long."""

    def __init__(self, child: "subprocess.Popen[str]", seconds: float) -> None:
        self._child = child
        self._timer = threading.Timer(seconds, child.kill)
        self._timer.start()

    def again(self, seconds: float) -> None:
        """Give it so many seconds from now."""
        self.stop()
        self._timer = threading.Timer(seconds, self._child.kill)
        self._timer.start()

    def stop(self) -> None:
        """Let it live."""
        self._timer.cancel()


def _command(names: list[str], what: str, options: Options) -> list[str]:
    """The command of a process that measures rows."""
    more = ["--tiny"] if options.tiny else []
    if options.footage is not None:
        more += ["--footage", str(options.footage)]
    return [
        *(sys.executable, __file__, what, "-o", os.devnull, "--device", options.device),
        *(*more, "--serve", *names),
    ]


def _write(out: Path, found: Mapping[str, Any]) -> None:
    """Keep a result, and show it."""
    line = json.dumps(found)
    print(line, flush=True)
    with out.open("a") as file:
        file.write(line + "\n")


def warm(options: Options, out: Path, until: float) -> None:
    """Compile what the compiled rows need, all at a time."""
    names = [name for name in compiled_rows(options) if "tuned" not in name]
    began = time.monotonic()
    children = {
        name: subprocess.Popen(_command([name], "table", options), stdout=subprocess.DEVNULL)
        for name in names
    }
    for child in children.values():
        try:
            child.wait(max(1.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
    codes = {name: child.wait() for name, child in children.items()}
    _write(out, {"row": "warm", "took_s": round(time.monotonic() - began, 1), "codes": codes})


def main() -> None:
    """Read the command line and run what it asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("check", "table", "warm"), nargs="?", default="table")
    parser.add_argument("-o", "--out", type=Path, required=True, help="file of JSON lines")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--footage", type=Path, help="a copy of UCSD Ped2 with recordings")
    parser.add_argument("--seconds", type=float, default=600.0, help="limit of the whole call")
    parser.add_argument("--only", nargs="+", help="only rows whose names begin with one of these")
    parser.add_argument("--tiny", action="store_true", help="small networks, short measurements")
    parser.add_argument("--serve", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    until = time.monotonic() + args.seconds
    options = Options(args.device, args.footage, args.tiny)
    if args.serve:
        serve(args.serve, args.what, options)
    elif args.what == "warm":
        warm(options, args.out, until)
    else:
        names = list(chosen(rows(args.what, options), args.only))
        if not measure(names, args.what, options, args.out, until):
            raise SystemExit("some rows have no figure")


def chosen(table: Mapping[str, Row], beginnings: list[str] | None) -> Iterator[str]:
    """The names of rows that begin with one of some texts, or all of them."""
    for name in table:
        if not beginnings or name.startswith(tuple(beginnings)):
            yield name


if __name__ == "__main__":
    main()
