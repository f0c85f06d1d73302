"""Models and results of 0.1.0 are used by this version: same scores, same events, same words."""

import csv
import json

import numpy as np
import pytest

import oddframe
from tests.support.old_version import EXACT
from tests.support.surface import FOUND_OTHERWISE, missing

SCORES = 1e-4
"""Processors add in other orders."""
OTHERWISE = ("seconds", "curve", "backend", FOUND_OTHERWISE)


@pytest.fixture(scope="module")
def stored_rows(left):
    with (left / "scores/door.scores.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def scored(left, oddframe_command, tmp_path_factory):
    """The same recording with the same model, scored by this version."""
    out = tmp_path_factory.mktemp("scored")
    given = ("-m", left / "calibrated", "-o", out, "--maps", "--parquet")
    done = oddframe_command("score", left / "recordings/door.mp4", *given, *EXACT)
    assert done.code == 0, done
    return out, done.json


@pytest.mark.parametrize("backend", ["torch", "onnx", "openvino"])
def test_a_bundle_gives_the_scores_that_it_gave(left, stored_rows, backend):
    model = oddframe.load(left / "calibrated", device="cpu", backend=backend, precision="float32")
    found = list(model.scores(left / "recordings/door.mp4"))
    assert [one.time_s for one in found] == pytest.approx(
        [float(row["time_s"]) for row in stored_rows]
    )
    before = [float(row["score"]) if row["score"] else None for row in stored_rows]
    now = [one.score for one in found]
    assert [one is None for one in now] == [one is None for one in before]
    pairs = [(old, new) for old, new in zip(before, now, strict=True) if old is not None]
    assert len(pairs) == 41
    assert [new for _, new in pairs] == pytest.approx([old for old, _ in pairs], abs=SCORES)


def test_a_run_folder_is_a_model_too(left):
    model = oddframe.load(left / "training/whole", device="cpu")
    calibration = json.loads((left / "training/whole/bundle/calibration.json").read_text())
    assert model.bundle.calibration.threshold == calibration["threshold"]
    # The key by which 0.1.0 wrote how rare a value is among normal ones.
    assert set(calibration["tails"]["motion"]) == {"values", "surprises", "scale"}
    assert json.loads(json.dumps(model.bundle.calibration.as_dict())) == calibration


def test_the_table_of_scores_is_as_it_was(scored, stored_rows):
    with (scored[0] / "door.scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(stored_rows[0])

    def as_numbers(table):
        return [
            {name: float(value) if value else None for name, value in row.items()} for row in table
        ]

    assert missing(as_numbers(stored_rows), as_numbers(rows), nearly=SCORES) == []


def test_events_are_written_as_they_were(left, scored):
    before, now = (
        [json.loads(line) for line in (folder / "door.events.jsonl").read_text().splitlines()]
        for folder in (left / "scores", scored[0])
    )
    assert [one["phase"] for one in before] == ["start", "update", "end"]
    # Parts are how many times as rare as normal; that is steep in so small a model.
    assert missing(before, now, nearly=5e-2, but=OTHERWISE) == []


def test_the_maps_are_as_they_were(left, scored):
    with (
        np.load(left / "scores/door.maps.npz") as before,
        np.load(scored[0] / "door.maps.npz") as now,
    ):
        assert set(before) <= set(now)
        for name in before:
            assert now[name].dtype == before[name].dtype
            np.testing.assert_allclose(now[name], before[name], rtol=2e-2, atol=1e-3)


def test_the_parquet_table_has_the_columns_that_it_had(left, scored):
    parquet = pytest.importorskip("pyarrow.parquet")
    before, now = (
        parquet.read_table(place / "door.scores.parquet") for place in (left / "scores", scored[0])
    )
    assert now.schema.equals(before.schema)
    assert now.num_rows == before.num_rows


def test_how_the_scores_came_about_is_told_as_it_was(left, scored):
    before, now = (
        json.loads((place / "door.score.json").read_text())
        for place in (left / "scores", scored[0])
    )
    assert missing(before, now, nearly=SCORES, but=["oddframe"]) == []


def test_the_report_of_score_is_as_it_was(scored, told):
    before = told("score")
    assert missing(before, scored[1], nearly=5e-2, but=[*OTHERWISE, "out", "files"]) == []


def test_pages_are_made_of_old_results(own, oddframe_command):
    done = oddframe_command("report", own / "scores", "--json")
    assert done.code == 0, done
    assert done.json["notices"] == []
    page = own / "scores" / "door.report.html"
    assert page.exists(), done.json
    assert "moves wrong" in page.read_text()


def test_a_page_is_made_of_an_old_training(own, oddframe_command):
    done = oddframe_command("report", own / "training/whole", "--json")
    assert done.code == 0, done
    assert done.json["notices"] == []
    assert (own / "training/whole/report.html").exists()


def test_an_old_model_is_calibrated_anew(own, oddframe_command, told):
    given = (
        "--false-alarms",
        "600/hour",
        "--least",
        0.2,
        "--merge-gap",
        0.3,
        "--cool-down",
        0.1,
        "--json",
    )
    done = oddframe_command("calibrate", own / "training/whole", *given)
    assert done.code == 0, done
    # Notices are sentences for people; the interval of the rate rests on the count alone now.
    but = ["seconds", "bundle", "notices", "rate_low", "rate_high"]
    assert missing(told("calibrate"), done.json, nearly=1e-6, but=but) == []
    assert len(done.json["notices"]) == len(told("calibrate")["notices"])
    written = json.loads((own / "training/whole/bundle/calibration.json").read_text())
    before = json.loads((own / "calibrated/calibration.json").read_text())
    assert missing(before, written, nearly=1e-6, but=but) == []


def test_an_old_model_is_whole_for_the_doctor(left, oddframe_command, told):
    found = oddframe_command("doctor", "--model", left / "calibrated", "--json").json
    assert missing(told("doctor"), found, nearly=SCORES) == []


@pytest.mark.slow
def test_an_old_model_is_exported_anew(own, oddframe_command, told):
    done = oddframe_command("export", own / "training/whole", "--to", "onnx", "--json")
    assert done.code == 0, done
    others = ("seconds", "bundle", "files", "parity")
    assert missing(told("export"), done.json, nearly=1e-2, but=others) == []


def test_an_archive_goes_on_where_it_was(own, oddframe_command, told):
    given = ("-m", own / "calibrated", "-o", own / "archive", "--engine", "local", "--workers", 1)
    done = oddframe_command("score", own / "recordings", *given, *EXACT)
    assert done.code == 0, done
    assert (done.json["recordings"], done.json["finished"], done.json["scored"]) == (1, 1, 0)
    assert set(told("score_archive")) <= set(done.json)
    (record,) = (own / "archive/recordings").glob("*/*.json")
    assert json.loads(record.read_text())["state"] == "done"


@pytest.mark.parametrize("verb", ["data_check", "eval", "eval_scores"])
def test_a_labelled_set_is_judged_as_it_was(verb, left, oddframe_command, told):
    arguments = {
        "data_check": ("data", "check", left / "labelled", "--json"),
        "eval": ("eval", left / "labelled", "-m", left / "calibrated", *EXACT),
        "eval_scores": (
            "eval",
            "--scores",
            left / "anybody",
            "--labels",
            left / "labels",
            "--json",
        ),
    }
    done = oddframe_command(*arguments[verb])
    assert done.code == 0, done
    assert missing(told(verb), done.json, nearly=1e-3, but=["seconds", "oddframe"]) == []
