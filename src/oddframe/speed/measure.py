"""Measures one row of speeds, in the process that calls.

A row has the network alone, the way from a file to scores and maps, and single clips one after the
other, as a live camera has them.
"""

import time
from pathlib import Path
from statistics import median
from typing import cast

from oddframe._types import Pixels
from oddframe.bundle.bundle import Bundle, read_bundle
from oddframe.core.clips import clip_span
from oddframe.inference import Precision
from oddframe.inference.backends import make_scorer
from oddframe.inference.model import Model
from oddframe.inference.parity import clips_of, drawn_frames
from oddframe.inference.scorer import Scorer
from oddframe.media.recording import Recording
from oddframe.media.source import FrameFormat
from oddframe.speed.fixtures import FRAMES, Beginning
from oddframe.speed.instruments import p95, peak_rss_mb, rate, repeated
from oddframe.speed.plan import Bounds, Setup, SpeedRow, cameras

INFERENCE, END_TO_END, LIVE = 0.4, 0.4, 0.2
"""Shares of a row's time for its three measurements."""
PASSES = 3
"""Passes over the recording, or its beginning, that are to fit into their share of the time."""


def measure_row(setup: Setup, recording: Path, seconds: float) -> SpeedRow:
    """Measure one row in this process, whose memory becomes the row's.

    Args:
        setup: What runs.
        recording: What is scored.
        seconds: About how long; what is slow takes at least a few batches all the same.

    Raises:
        OddframeError: If this machine, or the bundle, has not what it takes.
        RuntimeError: If the backend fails.
    """
    began = time.perf_counter()
    bundle = read_bundle(setup.bundle)
    scorer = _scorer(bundle, setup, setup.batch_size)
    clips = _clips(bundle, setup.batch_size)
    # The first batch is slower, since libraries set up their kernels and memory with it.
    scorer.score(clips)
    ready_s = time.perf_counter() - began
    took = repeated(lambda: scorer.score(clips), INFERENCE * seconds)
    fps_inference = rate(setup.batch_size, took)
    fps_end_to_end = _end_to_end(
        Model(bundle, scorer), recording, fps_inference, END_TO_END * seconds
    )
    # Before a second scorer is loaded for single clips, whose memory is not the row's.
    rss_mb, gpu_mb = peak_rss_mb(), _peak_gpu_mb(setup)
    single = scorer if setup.batch_size == 1 else _scorer(bundle, setup, 1)
    latencies_s = _latencies_s(Model(bundle, single), recording, LIVE * seconds)
    latencies_ms = [1e3 * latency_s for latency_s in latencies_s]
    each_ms = [1e3 * batch_s / setup.batch_size for batch_s in took]
    return SpeedRow(
        preset=setup.preset,
        backend=setup.backend,
        precision=setup.precision,
        device=setup.device,
        batch_size=setup.batch_size,
        compiled=setup.compiled,
        fps_end_to_end=fps_end_to_end,
        fps_inference=fps_inference,
        ms_median=median(each_ms),
        ms_p95=p95(each_ms),
        latency_ms_median=median(latencies_ms),
        latency_ms_p95=p95(latencies_ms),
        rss_mb=rss_mb,
        gpu_mb=gpu_mb,
        ready_s=ready_s,
        cameras=cameras(fps_end_to_end),
    )


def measure_bounds(
    preset: str, folder: Path, recording: Path, seconds: float, count: bool
) -> Bounds:
    """Measure what comes before the network: decoding, and conversion to its frames.

    Args:
        preset: Name of the preset.
        folder: The folder of its bundle.
        recording: The recording that is decoded.
        seconds: About how long.
        count: Whether to count the network's operations, with torch.

    Raises:
        OddframeError: If the bundle or the recording cannot be read.
    """
    bundle = read_bundle(folder)
    network = bundle.network.config
    wanted = FrameFormat(network.width, network.height, network.colour)
    source = Recording(recording)
    frames = source.decode()
    return Bounds(
        preset=preset,
        fps_decode=rate(frames, repeated(source.decode, seconds / 2)),
        fps_decode_convert=rate(
            frames, repeated(lambda: sum(1 for _ in source.frames(wanted)), seconds / 2)
        ),
        gflop_per_frame=_gflop(bundle) if count else None,
    )


def _scorer(bundle: Bundle, setup: Setup, batch_size: int) -> Scorer:
    """The scorer of a row, with another size of batches where that is given."""
    if setup.backend == "torch":
        from oddframe.speed.torch_rows import torch_scorer

        return torch_scorer(bundle, setup, batch_size)
    return make_scorer(bundle, setup.backend, cast(Precision, setup.precision), "cpu", batch_size)


def _clips(bundle: Bundle, count: int) -> Pixels:
    """So many drawn clips of the network's size."""
    interval = bundle.network.config.interval
    return clips_of(drawn_frames(bundle.network, clip_span(interval) - 1 + count), interval)


def _end_to_end(model: Model, recording: Path, fps: float, seconds: float) -> float:
    """Scored frames per second, from the file to scores and maps, by the median pass."""
    first = clip_span(model.bundle.network.config.interval) - 1
    # At least two batches, so that one is scored while the frames of the other are decoded.
    least = first + 2 * model.scorer.batch_size
    source = Beginning(recording, min(FRAMES, max(least, round(fps * seconds / PASSES))))

    def score_all() -> int:
        # Health is left out: what is drawn here is not what a trained model's camera sees.
        scores = model.scores(source, every_frame=True, health=False, maps=True)
        return sum(score.map is not None for score in scores)

    scored: list[int] = []
    took = repeated(lambda: scored.append(score_all()), seconds, least=1)
    return rate(scored[0], took)


def _latencies_s(model: Model, recording: Path, seconds: float) -> list[float]:
    """Seconds from asking the decoder for a frame to having its score, for each scored frame."""
    source = Recording(recording)
    stream = model.stream(source.rate_fps, source.gap_s, every_frame=True, watch_health=False)
    took: list[float] = []
    began = now = time.perf_counter()
    for frame in source.frames(model.wanted()):
        ready = stream.push(frame)
        for _ in model.scored(ready, maps=True):
            pass
        before, now = now, time.perf_counter()
        if any(pending.clip is not None for pending in ready):
            took.append(now - before)
        if len(took) > 2 and now - began > seconds:
            break
    # The first one is slower: what is set up at the first call is not what a camera waits for.
    return took[1:]


def _peak_gpu_mb(setup: Setup) -> float | None:
    """The most memory that this process had on the row's GPU; None for the processor."""
    if setup.device == "cpu":
        return None
    from oddframe.speed.torch_rows import peak_gpu_mb

    return peak_gpu_mb(setup.device)


def _gflop(bundle: Bundle) -> float:
    """Operations of the network for one clip, in 10^9; torch counts them."""
    from oddframe.speed.torch_rows import gflop_per_clip

    return gflop_per_clip(bundle.network)
