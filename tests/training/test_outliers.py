"""Outliers in normal footage: how they are found, and what a training does about them."""

import re
import signal

import numpy as np
import pytest

from oddframe.bundle.bundle import read_bundle
from oddframe.errors import RunError
from oddframe.tasks.train import train
from oddframe.training.outliers import robust_outliers
from tests.support.tiny import bytes_of, tiny_settings, walk


def found(levels, piece=None):
    piece = np.zeros(len(levels), np.int64) if piece is None else piece
    return robust_outliers(np.exp(levels), piece, np.arange(len(levels)) / 2)


@pytest.fixture
def normal():
    """Half of the time nobody is there, and scores are far lower."""
    random = np.random.default_rng(0)
    return np.where(
        np.arange(1_000) % 100 < 40, random.normal(-16, 1, 1_000), random.normal(-8, 0.3, 1_000)
    )


def test_normal_scores_have_no_outlier(normal):
    assert found(normal) == []


@pytest.mark.parametrize("share", [0.005, 0.02, 0.08])
def test_what_stands_out_is_found_whole(normal, share):
    length = round(share * len(normal))
    normal[300 : 300 + length] = -5.5 + 0.1 * np.sin(np.arange(length))
    (stretch,) = found(normal)
    assert (stretch.first, stretch.last) == (300, 299 + length)
    assert 0.5 < stretch.peak < 1


def test_stretches_merge_over_short_gaps_but_not_over_long_ones_or_two_recordings(normal):
    for place in (300, 302, 304, 320):
        normal[place] = -5.0
    assert [outlier[:2] for outlier in found(normal)] == [(300, 304), (320, 320)]
    piece = np.repeat([0, 1], [303, 697])
    assert [outlier[:2] for outlier in found(normal, piece)] == [(300, 302), (304, 304), (320, 320)]


def test_a_higher_peak_is_a_higher_score(normal):
    normal[[100, 500]] = -5.5, -4.5
    first, second = found(normal)
    assert first.peak < second.peak


def test_too_few_scores_have_no_outlier():
    assert found(np.array([0.0] * 10 + [9.0])) == []


UNUSUAL = range(100, 116)
SETTINGS = {"pretrain_steps": 24, "joint_steps": 24}


def with_a_flicker(number, width=64, height=48):
    picture = walk(number, width, height)
    if number in UNUSUAL:
        left = 8 + 17 * (number % 3)
        picture[4:20, left : left + 14] = 255 * (number % 2)
    return picture


@pytest.fixture
def footage(video):
    """Two recordings, and one in which something flickers from second 10.0 to 11.5."""
    for name, draw in (("a", walk), ("b", with_a_flicker), ("c", walk)):
        path = video(f"normal/{name}.mp4", frames=200, draw=draw)
    return path.parent


@pytest.fixture(autouse=True)
def _no_curves(monkeypatch):
    monkeypatch.setattr("oddframe.tasks.train.save_loss_curves", lambda path, entries: None)
    monkeypatch.setattr("oddframe.tasks.train.write_training_page", lambda path, **_: path)


def check(odd):
    assert odd
    assert {span.source for span in odd} == {"b"}
    for span in odd:
        assert 9.9 <= span.start_s <= span.end_s <= 12.1
        assert 0.5 < span.score < 1


def test_outliers_are_named_and_trained_on(footage, tmp_path):
    report = train(footage, tmp_path / "run", settings=tiny_settings(**SETTINGS), export=False)
    check(report.odd)
    assert not report.odd_dropped
    (sentence, *_) = [notice for notice in report.notices if "unlike the rest" in notice]
    assert re.match(
        r"b: 1\d\.\d s to 1\d\.\d s is unlike the rest \(score 0\.\d\d\): trained on all the same",
        sentence,
    )
    assert sentence in read_bundle(report.bundle).card
    assert not (report.run / "first_pass").exists()


@pytest.mark.slow
def test_outliers_can_be_left_out(footage, tmp_path):
    whole = train(footage, tmp_path / "whole", settings=tiny_settings(**SETTINGS), export=False)
    report = train(
        footage, tmp_path / "run", settings=tiny_settings(**SETTINGS), export=False, drop_odd=True
    )
    check(report.odd)
    assert report.odd_dropped
    assert report.steps == whole.steps
    assert (
        whole.clips - 60
        <= report.clips + report.held_out - whole.held_out
        < whole.clips - len(UNUSUAL) // 2
    )
    assert any("left out of training" in notice for notice in report.notices)
    with pytest.raises(RunError, match="other drop_odd"):
        train(footage, tmp_path / "whole", resume=True, drop_odd=True)


@pytest.mark.slow
def test_normal_footage_has_no_outlier(video, tmp_path):
    for name in "ab":
        path = video(f"normal/{name}.mp4", frames=200, draw=walk)
    assert (
        train(path.parent, tmp_path / "run", settings=tiny_settings(**SETTINGS), export=False).odd
        == ()
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("phase", "done"),
    [("first pass", 2), pytest.param("guard", 1, marks=pytest.mark.slow), ("joint", 8)],
)
def test_a_killed_training_without_outliers_goes_on_exactly(
    phase, done, oddframe_command, footage, tiny_config, tmp_path
):
    def results(run):
        names = ("log.jsonl", "settings.json", "bundle/*", "first_pass/log.jsonl")
        return bytes_of(run, names)

    command = ["train", footage, "-c", tiny_config, "--drop-odd", "-o"]
    assert oddframe_command(*command, tmp_path / "whole").code == 0
    assert (
        oddframe_command(*command, tmp_path / "run", phase=phase, done=done).code == -signal.SIGKILL
    )
    left = oddframe_command("train", footage, "-o", tmp_path / "run", "--resume", "--json")
    assert left.code == 0, left.err
    assert left.json["odd_dropped"]
    assert results(tmp_path / "run") == results(tmp_path / "whole")
    assert len(results(tmp_path / "run")) > 5


@pytest.mark.slow
def test_bad_footage_is_left_out_of_training(video, tmp_path):
    def black_at_last(number, width, height):
        return (
            walk(number, width, height)
            if number < 150
            else np.full((height, width, 3), 8, np.uint8)
        )

    for name, draw in (("a", walk), ("b", black_at_last), ("c", walk)):
        path = video(f"normal/{name}.mp4", frames=200, draw=draw)
    report = train(
        path.parent,
        tmp_path / "run",
        settings=tiny_settings(pretrain_steps=2, joint_steps=2),
        export=False,
    )
    (sentence,) = report.skipped
    assert sentence.startswith("b: covered from 1")
    assert report.clips + report.held_out < 2 * 192 + 150
    assert read_bundle(report.bundle).health is not None
