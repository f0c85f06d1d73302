"""A training that 0.1.0 began is ended by this version, as 0.1.0 itself ended it."""

import hashlib
import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.support.old_version import resettle

WEIGHTS = "bundle/model.safetensors"


@pytest.fixture
def stopped(own):
    """The training that was stopped after 8 of 12 steps; its newest checkpoint is of the sixth."""
    run = own / "training/stopped"
    resettle(run, own / "training/normal")
    return run


def entries(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_a_stopped_training_ends_like_the_unbroken_one(stopped, own, oddframe_command):
    whole = own / "training/whole"
    cache = hashlib.sha256((stopped / "cache/frames.u8").read_bytes()).digest()
    before = load_file(next(stopped.glob("checkpoint/*/network.00.safetensors")))
    done = oddframe_command(
        "train", own / "training/normal", "-o", stopped, "--resume", "--json", "--device", "cpu"
    )
    assert done.code == 0, done
    assert done.json["steps"] == 12
    # 0.1.0 did not say what it took: only the time from here on counts.
    assert done.json["seconds"] > 0
    assert hashlib.sha256((stopped / "cache/frames.u8").read_bytes()).digest() == cache

    wanted, found = entries(whole), entries(stopped)
    assert [(one["step"], one["phase"]) for one in found] == [
        (one["step"], one["phase"]) for one in wanted
    ]
    for old, new in zip(wanted, found, strict=True):
        assert new.get("held_out", {}) == pytest.approx(old.get("held_out", {}), rel=1e-3), old[
            "step"
        ]

    weights, theirs = load_file(stopped / WEIGHTS), load_file(whole / WEIGHTS)
    assert set(weights) == set(theirs)
    apart = np.concatenate([(weights[name] - theirs[name]).ravel() for name in sorted(theirs)])
    same = [
        name
        for name in sorted(theirs)
        if name in before and before[name].shape == theirs[name].shape
    ]
    went = np.concatenate([(theirs[name] - before[name]).ravel() for name in same])
    assert len(same) > 20
    # The steps that were missing, taken on another processor, lead to the same place.
    assert np.linalg.norm(apart) < 0.02 * np.linalg.norm(went)

    calibrations = [
        json.loads((run / "bundle/calibration.json").read_text()) for run in (whole, stopped)
    ]
    assert set(calibrations[0]) <= set(calibrations[1])
    assert calibrations[1]["threshold"] == pytest.approx(calibrations[0]["threshold"], rel=1e-2)


def test_other_footage_is_still_refused(stopped, own, oddframe_command):
    extra = own / "training/normal/c.mp4"
    extra.write_bytes((own / "training/normal/a.mp4").read_bytes())
    done = oddframe_command("train", own / "training/normal", "-o", stopped, "--resume")
    assert done.code == 2
    assert "must be resumed with the same footage" in done.error


def test_a_finished_training_resumes_to_itself(own, oddframe_command):
    whole = own / "training/whole"
    resettle(whole, own / "training/normal")
    before = load_file(whole / WEIGHTS)
    log = (whole / "log.jsonl").read_text()
    done = oddframe_command(
        "train", own / "training/normal", "-o", whole, "--resume", "--json", "--device", "cpu"
    )
    assert done.code == 0, done
    assert (whole / "log.jsonl").read_text() == log
    after = load_file(whole / WEIGHTS)
    assert all(np.array_equal(after[name], before[name]) for name in before)
