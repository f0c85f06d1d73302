import json
import os
from contextlib import suppress

import pytest

from oddframe.batch.results import BatchResults
from oddframe.batch.tasks import Task
from oddframe.errors import OutputError

TASK = Task("cam1/01.mp4", "/archive/cam1/01.mp4", "as it is")


@pytest.fixture
def results(tmp_path):
    made = BatchResults(tmp_path / "out")
    made.start("job", {"model": "runs/door"})
    return made


def write(results, text="new", task=TASK):
    with results.writing(task) as places:
        for kind, place in places.items():
            place.write_text(f"{text} {kind}")


def files(results):
    return {
        str(path.relative_to(results.folder))
        for path in results.folder.rglob("*")
        if path.is_file()
    }


def test_a_recording_is_finished_when_its_record_says_so(results):
    assert not results.finished(TASK, "job")
    write(results)
    assert not results.finished(TASK, "job")
    results.note(TASK, "job", state="done", frames=3)
    assert results.finished(TASK, "job")
    key, shard = TASK.key, f"shard={TASK.key[:2]}"
    assert files(results) == {
        "archive.json",
        f"scores/{shard}/{key}.parquet",
        f"events/{shard}/{key}.parquet",
        f"lines/{shard}/{key}.jsonl",
        f"recordings/{shard}/{key}.json",
    }
    assert json.loads((results.folder / "archive.json").read_text()) == {
        **{"layout": 1, "job": "job", "model": "runs/door"}
    }


@pytest.mark.parametrize("other", ["job", "fingerprint", "lost"])
def test_with_another_model_another_recording_or_without_its_tables_it_is_not(other, results):
    write(results)
    results.note(TASK, "job", state="done")
    if other == "lost":
        next(results.folder.glob("events/*/*")).unlink()
    task = Task(TASK.name, TASK.path, "changed") if other == "fingerprint" else TASK
    assert not results.finished(task, "other" if other == "job" else "job")


def test_what_fails_on_the_way_leaves_what_was_there(results):
    write(results, "old")
    results.note(TASK, "job", state="done")
    before = files(results)
    with suppress(ZeroDivisionError), results.writing(TASK) as places:
        places["scores"].write_text("half")
        raise ZeroDivisionError
    assert files(results) == before
    assert results.finished(TASK, "job")
    assert next(results.folder.glob("scores/*/*")).read_text() == "old scores"


def test_new_files_replace_old_ones_and_nothing_is_there_twice(results):
    write(results, "old")
    results.note(TASK, "job", state="done")
    before = files(results)
    write(results, "new")
    # Until the record is there again nobody takes them for whole.
    assert files(results) < before
    assert not results.finished(TASK, "job")
    results.note(TASK, "job", state="done")
    assert files(results) == before
    assert next(results.folder.glob("scores/*/*")).read_text() == "new scores"


def test_of_one_that_failed_only_the_reason_stays(results):
    write(results)
    results.note(TASK, "job", state="done")
    results.note(TASK, "job", state="failed", error="damaged")
    assert files(results) == {"archive.json", f"recordings/shard={TASK.shard}/{TASK.key}.json"}
    assert not results.finished(TASK, "job")
    assert results.read(TASK)["error"] == "damaged"


def test_what_a_killed_worker_left_is_cleared_for_its_recording_alone(results):
    other = Task("cam2/01.mp4", "", "")
    for task in (TASK, other):
        place = results.folder / ".unfinished" / f"{task.key}.abc"
        place.mkdir()
        (place / "scores.parquet").write_text("half")
    results.clear([TASK])
    assert [path.name for path in (results.folder / ".unfinished").iterdir()] == [
        f"{other.key}.abc"
    ]


def test_where_nothing_can_be_written_the_folder_is_named(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="out could not be written"):
        BatchResults(tmp_path / "out").start("job", {})


def test_a_name_that_is_no_text_can_be_noted(results):
    results.note(Task("\udcff.mp4", "", ""), "job", state="failed", error="damaged")
    assert results.read(Task("\udcff.mp4", "", ""))["recording"] == "\ufffd.mp4"


def test_readers_of_the_folder_never_see_a_record_that_is_being_written(results, monkeypatch):
    seen = []

    def sync(descriptor):
        seen.extend(path for path in files(results) if path.startswith("recordings"))

    monkeypatch.setattr(os, "fsync", sync)
    results.note(TASK, "job", state="done")
    # Last of all the folder is synced, with the finished record in it.
    assert set(seen) == {f"recordings/shard={TASK.key[:2]}/{TASK.key}.json"}
