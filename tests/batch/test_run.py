"""What a run over an archive does; its workers are in this process but where one is killed."""

import csv
import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from oddframe.batch.pool import WorkerDied
from oddframe.batch.recordings import Extras
from oddframe.batch.run import run_batch, score_archive
from oddframe.batch.tasks import Shard, list_tasks
from oddframe.batch.worker import Job, Worker
from oddframe.bundle.bundle import find_bundle, read_bundle
from oddframe.errors import RunError, SettingsError
from oddframe.inference.loading import load, load_model
from oddframe.inference.selection import InferenceOptions
from oddframe.tasks.score import score
from tests.support.archive_runs import busy_worker, doubled_or_lost, film, starting


class PoolInProcess:
    """Workers in this process; those that get a recording in ``deadly`` die."""

    size = 2

    def __init__(self, worker, deadly):
        self.worker, self.deadly, self.busy, self.given = worker, deadly, {}, []

    def submit(self, slot, task):
        self.busy[slot] = task
        self.given.append(task.name)

    def wait(self):
        slot, task = self.busy.popitem()
        if task.name in self.deadly:
            return slot, WorkerDied(task, "killed")
        return slot, self.worker.score(task)

    def close(self):
        self.busy.clear()


class Runs:
    """Runs over one archive; keeps the pools that they started.

    ``load`` takes the place of a worker's own way to load the model.
    """

    def __init__(self, archive, model, out):
        self.archive, self.model, self.out, self.pools = archive, model, out, []

    def __call__(self, *, load=load_model, deadly=(), part=None, **changes):
        options = {"backend": "torch", "precision": "float32", **changes.pop("options", {})}
        job = Job(
            key="",
            model=str(find_bundle(self.model)),
            out=str(self.out),
            options=InferenceOptions(**options),
            **changes,
        )
        tasks = [task for task in list_tasks(self.archive) if part is None or part.has(task)]

        def start_pool(job, waiting):
            self.pools.append(PoolInProcess(Worker(job, load), deadly))
            return self.pools[-1]

        return run_batch(tasks, job, start_pool)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive")
    for name in ("cam1/01", "cam1/02", "cam2/01"):
        (folder / name).parent.mkdir(exist_ok=True)
        film(folder / f"{name}.mp4", 20)
    return folder


@pytest.fixture
def archive(recordings, tmp_path):
    """An archive of one's own: links to the recordings."""
    for path in recordings.glob("*/*.mp4"):
        link = tmp_path / "archive" / path.relative_to(recordings)
        link.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, link)
    return tmp_path / "archive"


@pytest.fixture
def run(archive, tiny_run, tmp_path):
    return Runs(archive, tiny_run, tmp_path / "out")


def query(sql):
    return duckdb.sql(sql).fetchall()


def test_duckdb_reads_what_score_would_have_written(run, archive, tiny_run, tmp_path):
    report = run()
    assert (report.recordings, report.scored, report.finished, report.failed) == (3, 3, 0, ())
    assert (report.frames, report.lost_workers) == (60, 0)
    model = load(tiny_run, backend="torch", precision="float32")
    score(archive / "cam1" / "01.mp4", model, tmp_path / "single", extras=Extras(parquet=True))
    with (tmp_path / "single" / "01.scores.csv").open() as file:
        expected = [
            tuple(float(row[name]) if row[name] else None for name in row)
            for row in csv.DictReader(file)
        ]
    found = query(
        "SELECT frame, time_s, score, raw, appearance, motion, cluster "
        f"FROM '{tmp_path}/out/scores/*/*.parquet' WHERE recording = 'cam1/01.mp4' ORDER BY frame"
    )
    assert found == expected
    names = query(
        "SELECT recording, state, frames "
        f"FROM read_json('{tmp_path}/out/recordings/*/*.json') ORDER BY 1"
    )
    assert names == [(name, "done", 20) for name in ("cam1/01.mp4", "cam1/02.mp4", "cam2/01.mp4")]


def test_events_are_lines_and_rows(run, tmp_path):
    def load_with_low_threshold(model, options):
        bundle = read_bundle(Path(model))
        low = {"threshold": 1e-6, "release": 8e-7, "threshold_low": 9e-7, "threshold_high": 1.2e-6}
        bundle = replace(bundle, calibration=replace(bundle.calibration, **low))
        return load_model(bundle, options)

    report = run(load=load_with_low_threshold)
    lines = [
        json.loads(line)
        for path in (tmp_path / "out" / "lines").glob("*/*.jsonl")
        for line in path.read_text().splitlines()
    ]
    ended = {line["id"]: line for line in lines if line["phase"] == "end"}
    assert report.events == len(ended) == 3
    rows = query(
        "SELECT id, recording, start_s, end_s, score, x_min, motion "
        f"FROM '{tmp_path}/out/events/*/*.parquet'"
    )
    assert {row[0] for row in rows} == set(ended)
    for row in rows:
        line = ended[row[0]]
        assert row[1:5] == (line["source"], line["start_s"], line["end_s"], line["score"])
        assert row[5] == line["box"][0]
        assert row[6] == line["parts"]["motion"]


def test_what_is_finished_is_not_scored_again(run):
    run()
    again = run()
    assert (again.scored, again.finished, again.workers) == (0, 3, 0)
    assert len(run.pools) == 1


def test_recordings_that_are_new_or_have_changed_are_scored(run, archive):
    run()
    os.utime(archive / "cam1" / "02.mp4", (1, 1))
    film(archive / "cam2" / "02.mp4", 20)
    again = run()
    assert (again.scored, again.finished) == (2, 2)
    assert run.pools[1].given == ["cam1/02.mp4", "cam2/02.mp4"]


def test_a_worker_asks_the_gpu_of_its_network_to_decode(run, archive):
    report = run(nvdec=True)
    assert report.scored == 3
    for record in run.out.glob("recordings/*/*.json"):
        (notice,) = json.loads(record.read_text())["notices"]
        assert notice.startswith("decoded on the processor and not with NVDEC: ")


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"health": False}, {"options": {"precision": "auto"}}])
def test_other_settings_score_all_anew_in_place(changes, run, tmp_path):
    run()
    assert run(**changes).scored == 3
    assert query(f"SELECT count(*) FROM '{tmp_path}/out/scores/*/*.parquet'") == [(60,)]


def test_a_broken_recording_is_reported_and_stops_nothing(run, archive, tmp_path):
    (archive / "cam1" / "00.mp4").write_bytes(b"no video")
    report = run()
    assert report.scored == 3
    (failed,) = report.failed
    assert failed.name == "cam1/00.mp4"
    assert "cannot open it" in failed.error
    failures = query(
        f"SELECT recording FROM read_json('{tmp_path}/out/recordings/*/*.json') "
        "WHERE state = 'failed'"
    )
    assert failures == [("cam1/00.mp4",)]
    # It is tried again, and once it is well it counts.
    assert (run().finished, len(run().failed)) == (3, 1)
    film(archive / "cam1" / "00.mp4", 20)
    assert (run().scored, run().finished) == (1, 4)


def test_a_recording_that_costs_workers_is_written_down(run, tmp_path):
    report = run(deadly={"cam1/02.mp4"})
    assert (report.scored, report.lost_workers) == (2, 3)
    assert [failed.name for failed in report.failed] == ["cam1/02.mp4"]
    records = f"read_json('{tmp_path}/out/recordings/*/*.json')"
    assert query(f"SELECT recording, attempts FROM {records} WHERE state = 'failed'") == [
        ("cam1/02.mp4", 3)
    ]


def test_runs_may_divide_an_archive(run):
    reports = [run(part=Shard(number, 3)) for number in (1, 2, 3)]
    assert sum(report.scored for report in reports) == 3
    assert sum(report.recordings for report in reports) == 3
    assert run().finished == 3


def test_an_error_of_every_recording_stops_the_run(run):
    def fail(model, options):
        raise SettingsError("the model must be there")

    with pytest.raises(RunError, match="the model must be there"):
        run(load=fail)
    assert len(run.pools[0].given) <= 2


@pytest.mark.parametrize("odd", [{"engine": "spark"}, {"workers": 0}])
def test_what_cannot_be_is_refused(odd, archive, tiny_run, tmp_path):
    with pytest.raises(SettingsError, match="must be"):
        score_archive(archive, tiny_run, tmp_path / "out", **odd)


def test_an_archive_is_scored_by_processes_of_this_machine(archive, tiny_run, tmp_path):
    phases = []
    report = score_archive(
        archive,
        tiny_run,
        tmp_path / "out",
        workers=1,
        part=Shard(1, 1),
        backend="torch",
        precision="float32",
        on_progress=lambda phase, done, total, values: phases.append((phase, done, total)),
    )
    assert (report.scored, report.workers, report.out) == (3, 1, tmp_path / "out")
    assert phases[-1] == ("recordings", 3, 3)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--workers", 2], "add --engine"),
        (["--part", "1/2"], "add --engine"),
        (["--engine", "local", "--overlay"], "leave out --engine"),
        (["--engine", "local", "--part", "5/2"], "part must be"),
    ],
)
def test_flags_that_do_not_go_together(
    flags, message, archive, tiny_run, tmp_path, oddframe_command
):
    left = oddframe_command("score", archive, "-m", tiny_run, "-o", tmp_path / "out", *flags)
    assert left.code == 2
    assert message in left.error


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_nothing(tiny_run, tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(10):
        film(tmp_path / f"in/{number:02d}.mp4", 300)
    with starting(
        tmp_path / "in", tiny_run, tmp_path / "out", "--engine", "local", "--workers", 2
    ) as program:
        os.kill(busy_worker(program.pid, tmp_path / "out", "serve_pool"), signal.SIGKILL)
        out, err = program.communicate(timeout=600)
    assert program.returncode == 0, err
    report = json.loads(out)
    assert (report["scored"], report["failed"], report["lost_workers"]) == (10, [], 1)
    assert doubled_or_lost(tmp_path / "out", 10, 300) == []


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on(tiny_run, tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(6):
        film(tmp_path / f"in/{number:02d}.mp4", 300)
    arguments = (tmp_path / "in", tiny_run, tmp_path / "out", "--engine", "local", "--workers", 1)
    with starting(*arguments) as program:
        busy_worker(program.pid, tmp_path / "out", "serve_pool")
        program.kill()
        program.communicate(timeout=60)
    time.sleep(1)
    with starting(*arguments) as program:
        report = json.loads(program.communicate(timeout=600)[0])
    assert report["scored"] + report["finished"] == 6
    assert report["finished"] >= 1
    assert doubled_or_lost(tmp_path / "out", 6, 300) == []
