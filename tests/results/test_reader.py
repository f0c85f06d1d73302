import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from oddframe.core.records import Event, Score
from oddframe.core.zones import Polygon, Zones
from oddframe.errors import SourceError, SourceNotFoundError
from oddframe.inference.loading import load
from oddframe.inference.model import Model
from oddframe.media.discovery import open_source
from oddframe.results.event_files import event_lines
from oddframe.results.provenance import SUFFIX, ScoreFacts, origin_of, read_facts, write_facts
from oddframe.results.reader import find_results, open_footage, read_results
from oddframe.results.score_files import csv_table
from tests.support.scorers import FakeScorer

BOX = (0.1, 0.2, 0.3, 0.4)
ZONES = Zones(watch=(Polygon(((0.0, 0.0), (0.5, 0.0), (0.5, 1.0))),), cool_down_s=3.0)


@pytest.fixture(scope="module")
def model(tiny_run):
    bundle = load(tiny_run, device="cpu").bundle
    return Model(bundle, FakeScorer(), "fake float32", path=tiny_run / "bundle")


def event(kind, phase, start_s, box=None):
    parts = {"appearance": 1.0, "motion": 2.0, "cluster": 0.5}
    return Event(
        f"{kind}{start_s}", kind, phase, "door", start_s, start_s + 1, start_s, 0.9, box, "", parts
    )


@pytest.fixture
def scored(model, video, tmp_path):
    """One recording, its folder of results as `oddframe score` writes it, and its facts."""
    path, folder = video("door.mp4", frames=12), tmp_path / "out"
    folder.mkdir()
    with csv_table(folder / "door.scores.csv") as table:
        for number in range(12):
            value = None if number < 4 else number / 20
            table.write(Score(number, number / 10, score=value, raw=value))
    with event_lines(folder / "door.events.jsonl") as lines:
        for phase in (
            event("anomaly", "start", 7.0),
            event("health", "end", 5.0),
            event("anomaly", "end", 7.0, BOX),
            event("anomaly", "end", 2.0),
        ):
            lines.write(phase)
    facts = ScoreFacts.of(open_source(path, 10.0), model, ZONES, health=True)
    write_facts(folder / f"door{SUFFIX}", facts)
    return SimpleNamespace(folder=folder, path=path, facts=facts)


def test_a_name_may_hold_what_unicode_calls_the_end_of_a_line(scored):
    with event_lines(scored.folder / "door.events.jsonl") as lines:
        lines.write(replace(event("anomaly", "end", 7.0), source="door\u2028yard\x85"))
    (found,) = read_results(scored.folder, "door").events
    assert found.source == "door\u2028yard\x85"


def test_results_read_back_as_they_were_written(scored):
    results = read_results(scored.folder, "door")
    assert results.frame.tolist() == list(range(12))
    assert results.time_s == pytest.approx(np.arange(12) / 10)
    assert np.isnan(results.score[:4]).all()
    assert (results.peak, results.peak_s, results.duration_s) == (11 / 20, 1.1, 1.1)
    assert [(found.start_s, found.box) for found in results.events] == [(2.0, None), (7.0, BOX)]
    assert [found.start_s for found in results.faults] == [5.0]
    assert results.facts == scored.facts
    assert results.file(".maps.npz") == scored.folder / "door.maps.npz"


def test_facts_say_what_scored_and_with_which_zones(scored, model, tiny_run):
    facts = scored.facts
    assert facts.recording == str(scored.path.absolute())
    assert facts.input_size == scored.path.stat().st_size
    assert (facts.backend, facts.model) == ("fake float32", origin_of(tiny_run))
    assert facts.calibration["threshold"] == model.bundle.calibration.threshold
    assert "tails" not in facts.calibration
    assert facts.used_zones() == ZONES
    assert replace(facts, zones=None).used_zones() is None


def test_a_folder_names_all_recordings_and_a_file_its_own(scored):
    (scored.folder / "yard.scores.csv").write_text("frame,time_s,score\n")
    (scored.folder / ".door.abc.scores.csv").write_text("")
    assert find_results(scored.folder) == (scored.folder, ["door", "yard"])
    for ending in (".scores.csv", ".events.jsonl", SUFFIX, ".overlay.mp4"):
        assert find_results(scored.folder / f"door{ending}") == (scored.folder, ["door"])
    empty = read_results(scored.folder, "yard")
    assert (empty.peak, empty.peak_s, empty.duration_s, empty.facts) == (0.0, 0.0, 0.0, None)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("", "holds none"), ("notes.txt", "is not one of them"), ("gone.csv", "is not there")],
)
def test_a_path_without_results_is_refused(name, reason, tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(SourceNotFoundError, match=reason):
        find_results(tmp_path / name)


@pytest.mark.parametrize("ending", [".scores.csv", ".events.jsonl", SUFFIX])
def test_a_damaged_file_is_named(ending, scored):
    (scored.folder / f"door{ending}").write_text("frame,time_s\n{")
    with pytest.raises(SourceError, match=r"must .*but"):
        read_results(scored.folder, "door")


def test_the_recording_is_found_where_it_was_and_where_it_is_now(scored, tmp_path):
    results = read_results(scored.folder, "door")
    assert open_footage(results).path == scored.path
    moved = tmp_path / "moved" / "door.mp4"
    moved.parent.mkdir()
    scored.path.rename(moved)
    with pytest.raises(SourceNotFoundError, match=r"no longer at .*report --footage FOLDER"):
        open_footage(results)
    for elsewhere in (moved.parent, moved):
        assert open_footage(results, elsewhere).path == moved


def test_another_recording_of_the_same_name_is_refused(scored):
    facts = json.loads((scored.folder / f"door{SUFFIX}").read_text())
    (scored.folder / f"door{SUFFIX}").write_text(json.dumps({**facts, "input_size": 5}))
    results = read_results(scored.folder, "door")
    with pytest.raises(SourceError, match=r"is not what was scored: it has .* bytes and had 5"):
        open_footage(results)


def test_without_facts_the_recording_is_not_known(scored):
    (scored.folder / f"door{SUFFIX}").unlink()
    assert read_facts(scored.folder / f"door{SUFFIX}") is None
    with pytest.raises(SourceError, match="scored by an earlier version"):
        open_footage(read_results(scored.folder, "door"))
