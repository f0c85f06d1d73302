"""Recordings side by side give what they give one after another."""

import os
import pickle
import threading
from dataclasses import replace

import pytest
import torch

from oddframe.batch.pool import LocalPool
from oddframe.batch.recordings import (
    LEAST_FRAMES,
    Extras,
    ScoreJob,
    count_clips,
    score_one_by_one,
    score_side_by_side,
    score_together,
    workers_for,
)
from oddframe.errors import MissingExtraError, OutputError
from oddframe.inference.loading import load_model
from oddframe.inference.selection import InferenceOptions
from oddframe.inference.torch_backend import GpuScorer
from oddframe.media.discovery import find_sources
from oddframe.model.network import Network
from oddframe.tasks.score import score
from tests.support.archive_runs import film
from tests.support.failing_worker import DeadlyRecording
from tests.support.tiny import bytes_of

# As where recordings really go side by side; workers without torch start in a second less.
OPTIONS = InferenceOptions(backend="onnx", precision="float32", batch_size=4, threads=2)


class Source:
    """A recording that is nothing but its length."""

    def __init__(self, frames):
        self.frames = frames

    def count_frames(self):
        return self.frames


@pytest.fixture(scope="module")
def model(exported_run):
    return load_model(exported_run, OPTIONS)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Two recordings, one that cannot be scored, and one more."""
    folder = tmp_path_factory.mktemp("recordings")
    for name, frames in (("a", 40), ("b", 30), ("c", 3), ("d", 25)):
        film(folder / f"{name}.mp4", frames)
    return folder


def job_for(folder, extras=Extras()):  # noqa: B008 - it is frozen
    folder.mkdir()
    return ScoreJob(folder=folder, extras=extras, zones=None, health=False, draw_curve=False)


def side_by_side(recordings, model, job, on_progress=lambda *step: None):
    sources = find_sources(recordings).sources
    return list(score_side_by_side(sources, model, OPTIONS, job, 2, on_progress))


def check_reports(alone, both, steps, folder):
    """Both tell the same of each recording, and each tells its frames, in order and to the end."""
    for one, other in zip(alone, both, strict=True):
        if isinstance(one, str):
            # It has too few frames, and costs nobody else anything.
            assert other == one
            assert "c.mp4 must have" in one
        else:
            files = tuple(folder / path.name for path in one.files)
            assert other == replace(one, files=files)
    for name, frames in (("a", 40), ("b", 30), ("d", 25)):
        done = [step[1] for step in steps if step[0] == name]
        assert done == sorted(done)
        assert (name, frames, frames, {}) in steps


def test_files_reports_and_errors_are_those_of_one_after_another(recordings, model, tmp_path):
    steps, extras = [], Extras(maps=True)
    first, second = job_for(tmp_path / "first", extras), job_for(tmp_path / "second", extras)
    single = load_model(model.path, replace(OPTIONS, threads=1))
    alone = list(score_one_by_one(find_sources(recordings).sources, single, first, lambda *_: None))
    both = side_by_side(recordings, model, second, lambda *step: steps.append(step))
    assert bytes_of(tmp_path / "second") == bytes_of(tmp_path / "first")
    assert [path.name for path in (tmp_path / "second").iterdir() if path.name[0] == "."] == []
    check_reports(alone, both, steps, tmp_path / "second")


def test_a_recording_that_costs_workers_is_named_and_the_others_are_scored(
    recordings, model, tmp_path
):
    film(tmp_path / "b.mp4", 20)
    good = [source for source in find_sources(recordings).sources if source.name in "ad"]
    sources = [good[0], DeadlyRecording(tmp_path / "b.mp4"), good[1]]
    job = job_for(tmp_path / "out")
    a, b, d = score_side_by_side(sources, model, OPTIONS, job, 2, lambda *step: None)
    assert (a.name, d.name) == ("a", "d")
    assert "b.mp4 cost 3 workers" in b
    assert "killed by SIGKILL" in b
    assert {path.name.partition(".")[0] for path in (tmp_path / "out").iterdir()} == {"a", "d"}


def test_an_interruption_ends_the_workers_and_leaves_nothing_unfinished(
    recordings, model, tmp_path, monkeypatch
):
    pids, submit = set(), LocalPool.submit

    def submit_and_look(pool, slot, task):
        submit(pool, slot, task)
        pids.update(pool.pids)

    monkeypatch.setattr(LocalPool, "submit", submit_and_look)

    def interrupt(*step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        side_by_side(recordings, model, job_for(tmp_path / "out"), interrupt)
    assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert not any(path.name[0] == "." for path in (tmp_path / "out").iterdir())


def test_what_is_no_recordings_fault_ends_it_with_the_same_error(recordings, model, tmp_path):
    job = job_for(tmp_path / "out")
    # A folder stands where a file must go.
    (tmp_path / "out" / "a.scores.csv").mkdir()
    (tmp_path / "out" / "a.scores.csv" / "x").touch()
    with pytest.raises(OutputError, match="could not be written"):
        side_by_side(recordings, model, job)


@pytest.fixture(scope="module")
def on_gpu(tiny_run):
    """A model whose network runs as on a GPU; here it computes on the processor."""
    loaded = load_model(tiny_run, InferenceOptions("cpu", "torch", "float32", threads=1))
    network = Network.of(loaded.bundle.network)
    return loaded.with_scorer(GpuScorer(network, torch.device("cpu"), 8))


def together(recordings, model, job, on_progress=lambda *step: None, at_a_time=3):
    sources = find_sources(recordings).sources
    return list(score_together(sources, model, model.scorer, job, at_a_time, on_progress))


def test_recordings_that_share_batches_get_the_files_that_they_get_alone(
    recordings, on_gpu, tmp_path
):
    steps, extras = [], Extras(maps=True)
    first, second = job_for(tmp_path / "first", extras), job_for(tmp_path / "second", extras)
    alone = list(score_one_by_one(find_sources(recordings).sources, on_gpu, first, lambda *_: None))
    both = together(recordings, on_gpu, second, lambda *step: steps.append(step))
    assert bytes_of(tmp_path / "second") == bytes_of(tmp_path / "first")
    check_reports(alone, both, steps, tmp_path / "second")


def test_an_interruption_ends_all_recordings_and_leaves_nothing(recordings, on_gpu, tmp_path):
    reported = []

    def interrupt(*step):
        reported.append(step)
        raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        together(recordings, on_gpu, job_for(tmp_path / "out"), interrupt)
    # The others end at their next report, which is passed on to nobody.
    assert len(reported) == 1
    assert threading.active_count() == before
    assert list((tmp_path / "out").iterdir()) == []


def test_what_is_no_recordings_fault_ends_all_of_them(recordings, on_gpu, tmp_path):
    job = job_for(tmp_path / "out")
    (tmp_path / "out" / "b.scores.csv").mkdir()
    (tmp_path / "out" / "b.scores.csv" / "x").touch()
    with pytest.raises(OutputError, match="could not be written"):
        together(recordings, on_gpu, job)


def test_score_goes_that_way_where_a_gpu_runs_the_network(recordings, on_gpu, tmp_path):
    asked = []

    class Noting(GpuScorer):
        def begin(self, clips, *, maps):
            asked.append((threading.current_thread().name.partition("_")[0], len(clips)))
            return super().begin(clips, maps=maps)

    network = Network.of(on_gpu.bundle.network)
    model = on_gpu.with_scorer(Noting(network, torch.device("cpu"), 8))
    report = score(recordings, model, tmp_path / "out", health=False, threads=4)
    assert [one.name for one in report.recordings] == ["a", "b", "d"]
    assert len(report.skipped) == 1
    assert {thread for thread, _ in asked} == {"recording"}
    # The first four frames of each recording have no clip.
    assert sum(clips for _, clips in asked) == (40 - 4) + (30 - 4) + (25 - 4)
    asked.clear()
    score(recordings / "d.mp4", model, tmp_path / "alone", health=False, threads=4)
    score(recordings, model, tmp_path / "alone", health=False, threads=1)
    assert {thread for thread, _ in asked} == {threading.current_thread().name}


def test_clips_are_counted_at_the_rate_of_the_model(tmp_path):
    for name, frames in (("a", 40), ("b", 30)):
        film(tmp_path / f"{name}.mp4", frames)
    sources = list(find_sources(tmp_path).sources)
    assert count_clips(sources, sources[0].rate_fps) == 70
    assert count_clips(sources, sources[0].rate_fps / 2) == 35
    # A slower recording is not filled up with frames.
    assert count_clips(sources, 1000.0) == 70
    sources[0].path.unlink()
    assert count_clips(sources, 1000.0) == 30


def test_every_error_survives_the_way_from_a_worker():
    error = MissingExtraError("the overlay", "pictures")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize(
    ("lengths", "backend", "threads", "workers"),
    [
        ([LEAST_FRAMES] * 4, "onnx float32", 2, 2),
        ([LEAST_FRAMES] * 4, "openvino int8", 4, 4),
        # A network on one thread has nothing to share.
        ([LEAST_FRAMES] * 4, "onnx float32", 1, 1),
        # Torch adds in another order on other numbers of threads.
        ([LEAST_FRAMES] * 4, "torch float32", 2, 1),
        # Fewer recordings than threads would leave some idle.
        ([LEAST_FRAMES] * 3, "onnx float32", 4, 1),
        # So would one that is much longer than the others.
        ([LEAST_FRAMES, 3 * LEAST_FRAMES], "onnx float32", 2, 1),
        ([LEAST_FRAMES, LEAST_FRAMES + 60], "onnx float32", 2, 2),
        # What is over soon does not pay for the start of workers.
        ([LEAST_FRAMES // 2] * 3, "onnx float32", 2, 1),
        ([0, 0], "onnx float32", 2, 1),
    ],
)
def test_when_recordings_go_side_by_side(lengths, backend, threads, workers):
    assert workers_for([Source(frames) for frames in lengths], backend, threads) == workers
