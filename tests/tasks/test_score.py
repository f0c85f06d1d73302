import csv
import errno
import itertools
import json
import os
import zipfile
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

import oddframe
import oddframe.batch.recordings
import oddframe.tasks.score
from oddframe import Extras
from oddframe.core.events import THRESHOLD
from oddframe.core.zones import Polygon, Zones
from oddframe.errors import MissingExtraError, OutputError, SettingsError, SourceError
from oddframe.files import output_error
from oddframe.inference.loading import load
from oddframe.inference.model import Model
from oddframe.media.convert import picture_size
from oddframe.media.discovery import find_sources, open_source
from oddframe.media.overlay import Overlay
from oddframe.media.source import FrameFormat
from oddframe.media.video_writer import VideoWriter
from oddframe.results.provenance import read_facts
from oddframe.tasks.score import score
from tests.support.archive_runs import film
from tests.support.dying import dying_at, full_at
from tests.support.scorers import FakeScorer
from tests.support.tiny import bytes_of, walk

EVERYTHING = Extras(parquet=True, maps=True, overlay=True)


@pytest.fixture(scope="module")
def model(tiny_run):
    """Flat pictures are no fault to it: it knows no camera."""
    loaded = load(tiny_run, device="cpu")
    return Model(replace(loaded.bundle, health=None), loaded.scorer)


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("no_curves")
def test_the_table_has_a_row_for_each_frame(model, video, tmp_path):
    path = video(frames=20, draw=walk)
    report = score(path, model, tmp_path / "out")
    assert (tmp_path / "out" / "a.scores.csv").read_text().splitlines()[0] == (
        "frame,time_s,score,raw,appearance,motion,cluster"
    )
    table = rows(tmp_path / "out" / "a.scores.csv")
    expected = list(model.scores(path))
    assert len(table) == len(expected) == 20
    for row, one in zip(table, expected, strict=True):
        for name, text in row.items():
            # Numbers read back as they were, to the last bit.
            assert (None if text == "" else float(text)) == getattr(one, name)
    assert [row["frame"] for row in table if row["raw"] == ""] == ["0", "1", "2", "3"]
    (recording,) = report.recordings
    assert (recording.name, recording.path, recording.frames, recording.scored) == (
        "a",
        path,
        20,
        16,
    )
    assert recording.peak == max(one.score for one in expected[4:])
    assert report.skipped == recording.notices == ()


@pytest.mark.usefixtures("no_curves")
def test_scores_rise_with_raw_and_the_threshold_is_a_half(model, video, tmp_path):
    score(video(frames=40, draw=walk), model, tmp_path)
    pairs = sorted(
        (float(row["raw"]), float(row["score"]))
        for row in rows(tmp_path / "a.scores.csv")
        if row["raw"]
    )
    threshold = model.bundle.calibration.threshold
    for (before, low), (after, high) in pairwise(pairs):
        assert (low < high) == (before < after)
    for raw, value in pairs:
        assert value == pytest.approx(raw / (raw + threshold), rel=1e-12)
        assert (value > 0.5) == (raw > threshold)
    assert model.bundle.calibration.score(threshold) == THRESHOLD


def loud(model, clips):
    """The model as if these clips were unusual."""
    numbers, threshold = itertools.count(), model.bundle.calibration.threshold

    def raw(_):
        return np.full(1, threshold * (3.0 if next(numbers) in clips else 0.5), np.float32)

    def maps(clips, scores):
        return np.ones((1, 32, 32), np.float32)

    return Model(model.bundle, FakeScorer(raw, maps=maps, parts=(1.0, 1.0, 1.0), batch_size=1))


@pytest.mark.usefixtures("no_curves")
def test_stretches_above_the_threshold_become_events(model, video, tmp_path):
    report = score(
        video("door.mp4", frames=60), loud(model, {6, 7, 8, 9, 12, *range(40, 56)}), tmp_path
    )
    lines = [json.loads(line) for line in (tmp_path / "door.events.jsonl").read_text().splitlines()]
    told = [(line["phase"], line["start_s"], line["end_s"], line["peak_s"]) for line in lines]
    # Within the merge gap of 2 seconds the single clip goes on with the first event; a second later
    # there is word of the one that lasts.
    assert told == [
        ("start", 1.0, 1.3, 1.0),
        ("end", 1.0, 1.6, 1.0),
        ("start", 4.4, 4.7, 4.4),
        ("update", 4.4, 5.7, 4.4),
        ("end", 4.4, 5.9, 4.4),
    ]
    assert list(lines[0]) == [
        *(
            "id",
            "kind",
            "phase",
            "source",
            "start_s",
            "end_s",
            "peak_s",
            "score",
            "box",
            "reason",
            "parts",
        )
    ]
    assert {line["source"] for line in lines} == {"door"}
    assert [line["score"] for line in lines] == pytest.approx([0.75] * 5)
    assert [event.as_dict() for event in report.recordings[0].events] == [lines[1], lines[4]]
    assert report.recordings[0].events[0].mask.shape == (32, 32)


@pytest.mark.usefixtures("no_curves")
def test_without_events_the_file_is_there_and_empty(model, video, tmp_path):
    score(video(frames=9), loud(model, ()), tmp_path)
    assert (tmp_path / "a.events.jsonl").read_text() == ""


def change_maps(clips, raw=None):
    """The change from each clip's first frame to its last."""
    return np.abs(clips[:, 4, ..., 0].astype(np.float32) - clips[:, 0, ..., 0])


def change(clips):
    return change_maps(clips).mean(axis=(1, 2)) + np.float32(1e-6)


@pytest.mark.usefixtures("no_curves")
def test_events_say_where_and_why(model, video, tmp_path):
    def flicker(number, width, height):
        picture = np.full((height, width, 3), 90, np.uint8)
        if number >= 20:
            picture[6:24, 8:32] = np.random.default_rng(number).integers(0, 2) * 255
        return picture

    low = replace(model.bundle.calibration, threshold=5.0, release=1e-3, map_level=60.0)
    changes = Model(
        replace(model.bundle, calibration=low),
        FakeScorer(change, maps=change_maps, parts=(0.0, 1.0, 0.0)),
    )
    (event,) = (
        score(video("door.mp4", frames=40, draw=flicker), changes, tmp_path).recordings[0].events
    )
    assert 2.0 <= event.start_s <= 2.5
    assert event.box == pytest.approx((8 / 64, 6 / 48, 32 / 64, 24 / 48), abs=2 / 32)
    assert event.mask[10, 10]
    assert not event.mask[24, 24]
    assert event.reason == "moves wrong"
    assert event.parts["motion"] > 3 > event.parts["appearance"] == 0.0


@pytest.mark.usefixtures("no_curves")
def test_what_is_ignored_raises_no_alarm(model, video, tmp_path):
    """The same clips with and without the zone in which they move."""
    path = video(frames=30, draw=walk)
    low = replace(model.bundle.calibration, threshold=1e-9, release=1e-9)
    loud_everywhere = Model(replace(model.bundle, calibration=low), model.scorer)
    everything = Polygon(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))
    corner = Polygon(((0.0, 0.0), (0.3, 0.0), (0.3, 0.3), (0.0, 0.3)))
    (event,) = score(path, loud_everywhere, tmp_path / "all").recordings[0].events
    zones = Zones(watch=(corner,), cool_down_s=60.0)
    (inside,) = score(path, loud_everywhere, tmp_path / "corner", zones=zones).recordings[0].events
    assert max(inside.box) <= 0.32 < max(event.box)
    with pytest.raises(SettingsError, match="nothing is left"):
        score(path, loud_everywhere, tmp_path / "none", zones=Zones(ignore=(everything,)))


def test_plain_results_are_a_table_events_and_a_curve(model, video, tmp_path):
    report = score(video(frames=9), model, tmp_path / "deep" / "out")
    names = {"a.scores.csv", "a.events.jsonl", "a.curve.png", "a.score.json"}
    assert {path.name for path in (tmp_path / "deep" / "out").iterdir()} == names
    assert {path.name for path in report.recordings[0].files} == names
    assert all(path.is_file() for path in report.recordings[0].files)
    with Image.open(tmp_path / "deep" / "out" / "a.curve.png") as picture:
        assert picture.format == "PNG"


@pytest.mark.usefixtures("no_curves")
def test_everything_that_can_be_asked_for(model, video, tmp_path):
    path = video(frames=20, draw=walk)
    report = score(path, model, tmp_path / "out", extras=EVERYTHING)
    assert len(report.recordings[0].files) == 7
    scores = list(model.scores(path, maps=True))
    with np.load(tmp_path / "out" / "a.maps.npz") as maps:
        assert sorted(maps.files, key=int) == [str(number) for number in range(4, 20)]
        for one in scores[4:]:
            logarithms = maps[str(one.frame)]
            assert (logarithms.dtype, logarithms.shape) == (np.float16, (32, 32))
            np.testing.assert_allclose(logarithms, np.log(one.map), rtol=2e-3)
    overlay = open_source(tmp_path / "out" / "a.overlay.mp4")
    frames = list(overlay.frames(FrameFormat(16, 16, "rgb")))
    assert len(frames) == 20
    assert [frame.time_s for frame in frames] == pytest.approx(
        [one.time_s for one in scores], abs=1e-3
    )
    assert frames[0].source_size[0] >= 640


@pytest.mark.parametrize(
    ("size", "aspect", "shown"),
    [((80, 96), Fraction(12, 5), (640, 320)), ((180, 120), Fraction(8, 9), (640, 480))],
    ids=["half as wide", "NTSC"],
)
def test_the_overlay_has_the_shape_in_which_players_show_the_recording(
    size, aspect, shown, model, video, tmp_path
):
    def stretch(stream):
        stream.codec_context.sample_aspect_ratio = aspect

    path = video(frames=8, size=size, draw=walk, prepare=stretch)
    score(path, model, tmp_path / "out", extras=Extras(overlay=True))
    overlay = open_source(tmp_path / "out" / "a.overlay.mp4")
    frame = next(iter(overlay.frames(FrameFormat(2, 2, "grey"))))
    assert frame.source_size == frame.shown_size
    width, height = frame.source_size
    # Below the picture is the strip with the curve.
    assert (width, height - Overlay(shown, 1.0).size[1] + shown[1]) == shown


@pytest.mark.usefixtures("no_curves")
def test_parquet_holds_the_same_table(model, video, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    score(video(frames=9), model, tmp_path, extras=Extras(parquet=True))
    table = parquet.read_table(tmp_path / "a.scores.parquet").to_pylist()
    for row, text in zip(table, rows(tmp_path / "a.scores.csv"), strict=True):
        assert row == {name: None if value == "" else float(value) for name, value in text.items()}


def test_without_pyarrow_it_is_said_what_to_install(model, video, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r'pip install "oddframe\[parquet\]"'):
        score(video(frames=9), model, tmp_path / "out", extras=Extras(parquet=True))
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.usefixtures("no_curves")
def test_a_broken_recording_among_good_ones_is_named(model, video, tmp_path):
    video("in/a.mp4", frames=9)
    video("in/c.mp4", frames=4)
    (tmp_path / "in" / "b.mp4").write_text("no video")
    report = score(tmp_path / "in", model, tmp_path / "out")
    assert [one.name for one in report.recordings] == ["a"]
    assert len(report.skipped) == 2
    assert "b.mp4" in report.skipped[0]
    assert "c.mp4 must have 5 unbroken frames" in report.skipped[1]
    assert {path.name.split(".")[0] for path in (tmp_path / "out").iterdir()} == {"a"}


AWKWARD_NAMES = {
    b"tor\xfc.mp4": "tor\ufffd",
    b"\x93gate\x94.mp4": "\ufffdgate\ufffd",
    b"line\nbreak.mp4": "line\ufffdbreak",
}
"""Names as old archives and Windows shares have them, and what results are called after them."""


@pytest.mark.usefixtures("no_curves")
def test_names_that_are_no_text_or_too_long_are_scored_with_the_others(model, video, tmp_path):
    data = video("b.mp4", frames=12, draw=walk).read_bytes()
    names = [*AWKWARD_NAMES, b"x" * 249 + b".mp4", "\u00fc".encode() * 120 + b".mp4", b"a.mp4"]
    folder = tmp_path / "in"
    folder.mkdir()
    for name in names:
        (folder / os.fsdecode(name)).write_bytes(data)
    report = score(folder, model, tmp_path / "out", extras=Extras(parquet=True))
    assert report.skipped == ()
    found = {recording.name for recording in report.recordings}
    assert len(found) == len(names)
    assert found >= {"a", *AWKWARD_NAMES.values()}
    assert all(len(name.encode()) <= 230 for name in found)
    for recording in report.recordings:
        assert all(path.is_file() for path in recording.files)
        # A report finds the recording again, whatever bytes its name has.
        facts = read_facts(tmp_path / "out" / f"{recording.name}.score.json")
        assert Path(facts.recording) == recording.path.absolute()


@pytest.mark.parametrize("code", [errno.ENAMETOOLONG, errno.EILSEQ])
def test_a_name_that_the_file_system_does_not_take_is_the_recordings_own_fault(
    model, video, tmp_path, monkeypatch, code
):
    for name in ("a", "b"):
        video(f"in/{name}.mp4", frames=12, draw=walk)
    real = oddframe.batch.recordings.event_lines

    def refuse(path):
        if path.name.startswith("a."):
            error = OSError(code, os.strerror(code))
            raise output_error(path, error) from error
        return real(path)

    monkeypatch.setattr(oddframe.batch.recordings, "event_lines", refuse)
    report = score(tmp_path / "in", model, tmp_path / "out")
    assert [recording.name for recording in report.recordings] == ["b"]
    (skipped,) = report.skipped
    assert skipped.startswith("a: ")


@pytest.mark.parametrize("refused", ["a", pytest.param("b", marks=pytest.mark.slow)])
def test_an_overlay_that_the_encoder_refuses_is_named_and_all_else_is_written(
    model, video, tmp_path, monkeypatch, refused
):
    for name in ("a", "b"):
        video(f"in/{name}.mp4", frames=12, draw=walk)
    encode = VideoWriter.write

    def write(self, picture, time_s=None):
        if self.path.name.startswith(refused):
            raise OutputError("refused") from av.error.ExternalError(-1, "external library")
        encode(self, picture, time_s)

    monkeypatch.setattr(VideoWriter, "write", write)
    report = score(tmp_path / "in", model, tmp_path / "out", extras=EVERYTHING)
    for recording in report.recordings:
        overlays = [path for path in recording.files if path.name.endswith(".overlay.mp4")]
        is_refused = recording.name == refused
        assert bool(overlays) != is_refused
        told = [text for text in recording.notices if text.startswith("no overlay was written")]
        assert bool(told) == is_refused
        assert (tmp_path / "out" / f"{recording.name}.maps.npz").is_file()


@pytest.mark.parametrize("size", [(2, 1200), (1200, 2), (6, 4000), (2, 18000)])
def test_a_very_narrow_picture_is_shown_in_a_size_that_can_be(size):
    width, height = picture_size(size, 640)
    assert height <= 4096
    assert width * height <= 640 * 4096
    assert min(width, height) >= 2


@pytest.mark.usefixtures("no_curves")
def test_where_nothing_can_be_scored_it_is_an_error(model, video, tmp_path):
    with pytest.raises(
        SourceError, match=r"a\.mp4 must have 5 unbroken frames .* none of its 3 frames"
    ):
        score(video(frames=3), model, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.usefixtures("no_curves")
def test_a_recording_that_vanishes_on_the_way_is_named(model, video, tmp_path, monkeypatch):
    video("in/a.mp4", frames=9)
    gone = video("in/b.mp4", frames=9)

    def find_and_lose(*wanted):
        found = find_sources(*wanted)
        gone.unlink()
        return found

    monkeypatch.setattr("oddframe.tasks.score.find_sources", find_and_lose)
    report = score(tmp_path / "in", model, tmp_path / "out")
    assert [one.name for one in report.recordings] == ["a"]
    assert "b.mp4" in report.skipped[0]


@pytest.mark.usefixtures("no_curves")
def test_recordings_of_the_same_name_get_files_of_their_own(model, video, tmp_path):
    for place in ("in/monday/cam.mp4", "in/tuesday/cam.mp4", "in/tuesday/cam.avi"):
        codec = {"codec": "mpeg4"} if place.endswith("avi") else {}
        video(place, frames=9, **codec)
    report = score(tmp_path / "in", model, tmp_path / "out")
    assert len({one.name for one in report.recordings}) == 3
    assert len(list((tmp_path / "out").iterdir())) == 12


@pytest.mark.usefixtures("no_curves")
def test_several_sources_at_once(model, video, images, tmp_path):
    report = score([video("a.mp4", frames=9), images("b", range(9))], model, tmp_path / "out")
    assert [one.name for one in report.recordings] == ["a", "b"]


@pytest.mark.usefixtures("no_curves")
def test_a_slower_recording_is_scored_with_a_notice(model, video, tmp_path):
    report = score(video(frames=12, rate_fps=4), model, tmp_path)
    assert "has 4 frames per second where 10 are wanted" in report.recordings[0].notices[0]


def test_the_same_recording_gives_the_same_files(model, video, tmp_path):
    path = video(frames=12, draw=walk)
    for out in ("one", "two"):
        score(path, model, tmp_path / out, extras=EVERYTHING)
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


def test_old_results_stay_whole_until_all_new_ones_are_there(model, video, tmp_path):
    out = tmp_path / "out"
    score(video(frames=12, draw=walk), model, out, extras=EVERYTHING)
    before = bytes_of(out)
    changed = video(frames=13, draw=walk)
    for number in range(0, 12, 4):
        with (
            full_at(number, out),
            pytest.raises(OutputError, match=r"out/a\..* could not be written|out could not"),
        ):
            score(changed, model, out, extras=EVERYTHING)
        assert bytes_of(out) == before
        assert len(list(out.iterdir())) == len(before) == 7


def test_a_kill_leaves_only_whole_files(model, video, tmp_path):
    path, out = video(frames=9), tmp_path / "out"
    with dying_at(None, out) as watch:
        score(path, model, out)
    whole = bytes_of(out)
    for number in range(1, watch.count, 5):
        out = tmp_path / f"{number:02d}"
        with dying_at(number, out):
            score(path, model, out)
        there = {
            name: content for name, content in bytes_of(out).items() if not name.startswith(".")
        }
        assert there.items() <= whole.items()


@pytest.mark.usefixtures("no_curves")
def test_progress_counts_the_frames_of_each_recording(model, video, tmp_path):
    told = []
    video("in/a.mp4", frames=25)
    video("in/b.mp4", frames=9)
    score(tmp_path / "in", model, tmp_path / "out", on_progress=lambda *what: told.append(what))
    assert told == [("a", 10, 25, {}), ("a", 20, 25, {}), ("a", 25, 25, {}), ("b", 9, 9, {})]


@pytest.mark.usefixtures("no_curves")
def test_models_are_given_by_path_too(tiny_run, video, tmp_path):
    path = video(frames=9, draw=walk)
    for number, model in enumerate((tiny_run, str(tiny_run / "bundle"), load(tiny_run))):
        report = oddframe.score(path, model, tmp_path / str(number), device="cpu")
        assert report.recordings[0].scored == 5
    assert bytes_of(tmp_path / "0") == bytes_of(tmp_path / "1") == bytes_of(tmp_path / "2")


@pytest.mark.usefixtures("no_curves")
def test_maps_are_compressed(model, video, tmp_path):
    score(video(frames=9, draw=walk), model, tmp_path, extras=Extras(maps=True))
    with zipfile.ZipFile(tmp_path / "a.maps.npz") as archive:
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_DEFLATED}


@pytest.mark.parametrize("threads", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_several_recordings_are_scored_as_each_would_be_alone(
    threads, exported_run, tmp_path, monkeypatch
):
    monkeypatch.setattr("oddframe.batch.recordings.LEAST_FRAMES", 10)
    started = []
    pool = oddframe.batch.recordings.LocalPool
    monkeypatch.setattr(
        "oddframe.batch.recordings.LocalPool", lambda *given: started.append(1) or pool(*given)
    )
    (tmp_path / "in").mkdir()
    for name in "abc":
        film(tmp_path / "in" / f"{name}.mp4", 20 + ord(name) % 3)
    options = {"backend": "onnx", "health": False}
    report = score(tmp_path / "in", exported_run, tmp_path / "all", **options, threads=threads)
    assert bool(started) == (threads == 2)
    assert [one.name for one in report.recordings] == ["a", "b", "c"]
    for one in report.recordings:
        score(one.path, exported_run, tmp_path / "alone", **options)
    everything = bytes_of(tmp_path / "all")
    assert everything == bytes_of(tmp_path / "alone")
    assert {"a.scores.csv", "b.events.jsonl", "c.curve.png"} <= set(everything)


@pytest.mark.parametrize("threads", [0, -1])
def test_threads_must_be_at_least_one(threads, tiny_run, video, tmp_path):
    with pytest.raises(SettingsError, match=f"threads must be at least 1, got {threads}"):
        score(video(), tiny_run, tmp_path / "out", threads=threads)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("no_curves")
def test_without_a_gpu_that_decodes_each_recording_says_so(model, video, images, tmp_path):
    path = video(frames=20, draw=walk)
    plain = score(path, model, tmp_path / "plain")
    asked = score([path, images()], model, tmp_path / "asked", nvdec=True)
    table = "a.scores.csv"
    assert (tmp_path / "asked" / table).read_bytes() == (tmp_path / "plain" / table).read_bytes()
    assert plain.recordings[0].notices == ()
    notices = {recording.name: recording.notices for recording in asked.recordings}
    assert notices["a"][0].startswith("decoded on the processor and not with NVDEC: ")
    # Images are never decoded there, and nobody expects it.
    assert notices["frames"] == ()


@pytest.mark.usefixtures("no_curves")
def test_how_long_the_run_is_decides_whether_the_network_is_compiled(
    tiny_run, model, video, tmp_path, monkeypatch
):
    asked = []

    def note(loaded, count_clips):
        asked.append((loaded.options.compiled, count_clips()))
        return loaded

    monkeypatch.setattr(oddframe.tasks.score, "compile_if_long", note)
    paths = [video(f"{name}.mp4", frames=20, draw=walk) for name in "ab"]
    options = {"device": "cpu", "backend": "torch", "precision": "float32"}
    score(paths, tiny_run, tmp_path / "out", compiled=False, **options)
    score(paths[:1], tiny_run, tmp_path / "out", **options)
    assert asked == [(False, 40), (None, 20)]
    # A model that was loaded before is the caller's.
    score(paths[:1], model, tmp_path / "out")
    assert len(asked) == 2
