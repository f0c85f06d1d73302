"""Recordings side by side give what they give one after another."""

import os
import pickle
from dataclasses import replace

import pytest

from oddframe.batch.pool import LocalPool
from oddframe.batch.recordings import (
    LEAST_FRAMES,
    Extras,
    ScoreJob,
    score_one_by_one,
    score_side_by_side,
    workers_for,
)
from oddframe.errors import MissingExtraError, OutputError
from oddframe.inference.loading import load_model
from oddframe.inference.selection import InferenceOptions
from oddframe.media.discovery import find_sources
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


def test_files_reports_and_errors_are_those_of_one_after_another(recordings, model, tmp_path):
    steps, extras = [], Extras(maps=True)
    first, second = job_for(tmp_path / "first", extras), job_for(tmp_path / "second", extras)
    single = load_model(model.path, replace(OPTIONS, threads=1))
    alone = list(score_one_by_one(find_sources(recordings).sources, single, first, lambda *_: None))
    both = side_by_side(recordings, model, second, lambda *step: steps.append(step))
    assert bytes_of(tmp_path / "second") == bytes_of(tmp_path / "first")
    assert [path.name for path in (tmp_path / "second").iterdir() if path.name[0] == "."] == []
    for one, other in zip(alone, both, strict=True):
        if isinstance(one, str):
            assert other == one
            assert "c.mp4 must have" in one
        else:
            files = tuple(tmp_path / "second" / path.name for path in one.files)
            assert other == replace(one, files=files)
    # Every recording tells its frames, in order and to the last one.
    for name, frames in (("a", 40), ("b", 30), ("d", 25)):
        done = [step[1] for step in steps if step[0] == name]
        assert done == sorted(done)
        assert (name, frames, frames, {}) in steps


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
