"""The end of a training: what scores, what calibrates, and what is said of what stayed unused."""

import re
from fractions import Fraction

import numpy as np
import pytest

import oddframe.training.ending as endings
from oddframe.bundle.bundle import read_bundle
from oddframe.errors import MissingExtraError, ParityError, SettingsError
from oddframe.inference.loading import load
from oddframe.inference.torch_backend import TorchScorer
from oddframe.tasks.train import train
from tests.support.scorers import FakeScorer, flat_maps
from tests.support.tiny import bytes_of, tiny_settings, walk

SHORT = {"pretrain_steps": 2, "joint_steps": 2}
CACHE_GB = 160 * 32 * 32 / 1e9
"""A cache for 160 frames: two fifths of the recording."""


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch):
    monkeypatch.setattr("oddframe.tasks.train.save_loss_curves", lambda path, entries: None)
    monkeypatch.setattr("oddframe.tasks.train.write_training_page", lambda path, **_: path)


@pytest.fixture
def recording(video):
    """A recording of 400 frames, of which the last 60 are held out."""
    return video("normal/a.mp4", frames=400, draw=walk)


@pytest.fixture
def trained(recording, tmp_path):
    def run(name="run", **more):
        settings = more.pop("settings", tiny_settings(**SHORT))
        more = {"export": False, "cache_gb": CACHE_GB, **more}
        return train(recording, tmp_path / name, settings=settings, **more)

    return run


def test_held_out_footage_beyond_the_cache_calibrates(trained, recording):
    report = trained()
    bundle = read_bundle(report.bundle)
    assert report.held_out < 56 == bundle.calibration.clips
    assert not report.in_sample
    # The scores are those that the very frames get when the recording is scored.
    scores = list(load(bundle, backend="torch", device="cpu").scores(recording, health=False))
    expected = [score.raw for score in scores[344:]]
    assert bundle.normal.raw.tolist() == pytest.approx(expected, rel=1e-4)
    assert len(list(bundle.normal.pieces())) == 1


def test_what_is_held_out_of_the_footage_is_not_trained_on(trained, monkeypatch):
    seen = []
    found = endings.end_training

    def watch(trained, *arguments, **more):
        seen.append(trained)
        return found(trained, *arguments, **more)

    monkeypatch.setattr("oddframe.tasks.train.end_training", watch)
    trained()
    clips = seen[0].clips
    positions = clips.trained.cache.in_footage(clips.trained.starts)
    (held,) = clips.footage
    assert (held.offset, held.count) == (340, 60)
    assert positions.max() + 4 < 340
    assert clips.held_out.cache.in_footage(clips.held_out.starts).min() >= 340


def test_what_the_camera_could_not_see_does_not_calibrate(video, tmp_path):
    def black_at_last(number, width, height):
        seen = walk(number, width, height)
        # The cache keeps frames 320 to 383.
        return seen if number < 386 else np.full_like(seen, 8)

    path = video("normal/a.mp4", frames=400, draw=black_at_last)
    settings = tiny_settings(**SHORT)
    report = train(path, tmp_path / "run", settings=settings, cache_gb=CACHE_GB, export=False)
    assert 30 < read_bundle(report.bundle).calibration.clips < 56


@pytest.mark.slow
def test_what_stayed_unused_is_said_with_the_flags_that_use_it(trained, recording):
    whole = trained("whole", cache_gb=4.0)
    assert not any("--cache-gb" in notice for notice in whole.notices)
    (sentence,) = [notice for notice in trained().notices if "--cache-gb" in notice]
    assert sentence.startswith("of 40 seconds of footage the cache kept 1")
    assert "--calibration-minutes" not in sentence
    gigabytes = float(re.search(r"--cache-gb (\S+)", sentence)[1])
    assert trained("more", cache_gb=gigabytes).share == 1.0


def test_the_stated_time_bounds_the_calibration(trained, monkeypatch):
    monkeypatch.setattr(endings, "SCORING_BATCH", 8)
    report = trained(calibration_minutes=1e-9)
    assert 0 < read_bundle(report.bundle).calibration.clips < 56
    (sentence,) = [notice for notice in report.notices if "--cache-gb" in notice]
    assert "of 5.6 seconds that were held out" in sentence
    assert "--calibration-minutes" in sentence
    with pytest.raises(SettingsError, match="calibration_minutes must be above 0"):
        trained("none", calibration_minutes=0.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("budget", "advice"),
    [
        ("1/day", "calibrate on 24 hours or more that it was not trained on"),
        # 7.2 of the 40 seconds that were given.
        ("500/hour", "train again and hold out more of the footage: --hold-out 0.18"),
    ],
)
def test_the_advice_is_true_for_what_was_given(budget, advice, trained):
    first = trained(false_alarms=budget).notices[0]
    assert f"too short for {budget}" in first
    assert first.endswith(advice)


def test_more_time_is_advised_where_enough_was_held_out(trained):
    report = trained(false_alarms="1000/hour", calibration_minutes=1e-9)
    assert "score more of what was held out: --calibration-minutes" in report.notices[0]


def wrong(trained, network=None):
    """A scorer that knows nothing of the network."""
    return fake(lambda clips: np.full(len(clips), 7.0, np.float32))


def fake(raw):
    return FakeScorer(raw, maps=flat_maps(32, 32), batch_size=8)


@pytest.mark.slow
def test_where_the_graph_is_refused_torch_scores_again(trained, monkeypatch):
    right = trained("right")
    monkeypatch.setattr(endings, "export_graph", lambda *_: (b"graph", ()))
    monkeypatch.setattr(endings, "fastest_scorer", lambda bundle, *_: wrong(bundle))

    def refuse(*_, **__):
        raise ParityError("it must agree, but does not")

    monkeypatch.setattr(endings, "check_parity", refuse)
    told = []
    report = trained(export=True, on_progress=lambda phase, *_: told.append(phase))
    assert report.threshold == right.threshold
    assert bytes_of(report.bundle) == bytes_of(right.bundle)
    (sentence,) = [notice for notice in report.notices if "needs torch" in notice]
    assert "has scored the held-out clips: it must agree" in sentence
    assert told.index("calibrate") < told.index("parity")


def test_a_graph_that_passes_has_scored(trained, monkeypatch):
    monkeypatch.setattr(endings, "export_graph", lambda *_: (b"graph", ()))
    monkeypatch.setattr(endings, "fastest_scorer", lambda bundle, *_: wrong(bundle))
    monkeypatch.setattr(endings, "check_parity", lambda bundle, *_, **__: bundle)
    bundle = read_bundle(trained(export=True).bundle)
    assert bundle.graphs == {"model.onnx": b"graph"}
    assert bundle.normal.raw.tolist() == [7.0] * 56


@pytest.mark.parametrize(
    "agreeing",
    ["openvino", *(pytest.param(one, marks=pytest.mark.slow) for one in ("onnx", "torch"))],
)
def test_the_first_backend_that_agrees_scores(agreeing, trained, monkeypatch):
    made = {}

    def make(bundle, name, precision, device, batch_size, threads):
        made[name] = wrong(bundle)
        if name == agreeing:
            network = load(bundle, backend="torch", device="cpu", precision="float32").scorer
            made[name] = fake(lambda clips: network.score(clips).raw)
        return made[name]

    chosen = []
    find = endings.fastest_scorer

    def watch(*arguments):
        chosen.append(find(*arguments))
        return chosen[-1]

    monkeypatch.setattr(endings, "fastest_scorer", watch)
    monkeypatch.setattr(endings, "export_graph", lambda *_: (b"graph", ()))
    monkeypatch.setattr(endings, "make_scorer", make)
    monkeypatch.setattr(endings, "installed", lambda name: True)
    monkeypatch.setattr(endings, "check_parity", lambda bundle, *_, **__: bundle)
    trained(export=True)
    if agreeing == "torch":
        assert isinstance(chosen[0], TorchScorer)
    else:
        assert chosen == [made[agreeing]]


@pytest.mark.slow
def test_a_finished_training_ends_again_as_it_ended(trained):
    report = trained()
    before = bytes_of(report.run, ("bundle/*", "footage.json"))
    assert trained(settings=None, resume=True).threshold == report.threshold
    assert bytes_of(report.run, ("bundle/*", "footage.json")) == before


@pytest.mark.slow
def test_a_training_without_an_exporter_says_so(trained, monkeypatch):
    def missing(network):
        raise MissingExtraError("exporting", "train")

    right = trained("right")
    monkeypatch.setattr("oddframe.inference.onnx_export.onnx_graph", missing)
    report = trained(export=True)
    assert (
        'the model needs torch: exporting needs an optional package: pip install "oddframe[train]"'
        in report.notices
    )
    assert bytes_of(report.bundle) == bytes_of(right.bundle)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("aspects", "found"),
    [((Fraction(2, 1), Fraction(2, 1)), 2.6667), ((Fraction(1, 1), Fraction(2, 1)), None)],
    ids=["one shape", "two shapes"],
)
def test_the_bundle_knows_in_what_shape_the_pictures_are_shown(aspects, found, video, tmp_path):
    for number, aspect in enumerate(aspects):

        def stretch(stream, aspect=aspect):
            stream.codec_context.sample_aspect_ratio = aspect

        video(f"normal/{number}.mkv", frames=60, draw=walk, prepare=stretch)
    settings = tiny_settings(**SHORT)
    report = train(tmp_path / "normal", tmp_path / "run", settings=settings, export=False)
    assert read_bundle(report.bundle).picture_aspect == found
