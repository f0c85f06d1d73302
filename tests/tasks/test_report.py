"""The pages over results: what is on them, and what is not."""

import base64
import hashlib
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from oddframe.batch.recordings import Extras
from oddframe.bundle.bundle import find_bundle, read_bundle, write_calibration
from oddframe.core.zones import Polygon, Zones
from oddframe.errors import SourceError, SourceNotFoundError
from oddframe.media.discovery import open_source
from oddframe.media.overlay import clock_text
from oddframe.media.source import FrameFormat
from oddframe.media.video_writer import VideoWriter
from oddframe.report.index_page import Intro
from oddframe.report.score_page import Extra
from oddframe.tasks.report import write_report
from oddframe.tasks.score import score
from tests.support.pages import read_page
from tests.support.tiny import bytes_of, walk

# Pages have a chart of their own in place of the picture.
pytestmark = pytest.mark.usefixtures("no_curves")

WILD = """<img src=x onerror=alert(1)>&'"</script>"""


def write_video(path, frames, draw=walk, size=(64, 48)):
    with VideoWriter(path, 10.0, size) as written:
        for number in range(frames):
            written.write(draw(number, *size))
    return path


@pytest.fixture(scope="module")
def loud_run(tiny_run, tmp_path_factory):
    """The tiny run with a threshold that every frame is above, and maps that are hot."""
    run = tmp_path_factory.mktemp("loud") / "run"
    shutil.copytree(tiny_run, run)
    bundle = read_bundle(find_bundle(run))
    found = bundle.calibration
    low = replace(
        found, threshold=1e-9, release=1e-10, threshold_low=1e-10, map_level=found.map_level / 50
    )
    write_calibration(run / "bundle", low, bundle.normal, bundle.card)
    return run


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """A recording in which a box walks; read only."""
    return write_video(tmp_path_factory.mktemp("recorded") / "door.mp4", frames=40, draw=walk)


@pytest.fixture(scope="module")
def results(loud_run, recording, tmp_path_factory):
    """What was found in it; read only."""
    out = tmp_path_factory.mktemp("scored") / "out"
    score(recording, loud_run, out, device="cpu", health=False)
    return out


@pytest.fixture
def out(results, tmp_path):
    """A copy of the results to write pages into."""
    return shutil.copytree(results, tmp_path / "out")


@pytest.fixture(scope="module")
def page(results, tmp_path_factory):
    """The page of the recording, parsed."""
    out = shutil.copytree(results, tmp_path_factory.mktemp("page") / "out")
    written = write_report(out, device="cpu")
    assert written.pages == (out / "door.report.html",)
    assert written.notices == ()
    return read_page(written.page)


def event_of(out):
    lines = [json.loads(line) for line in (out / "door.events.jsonl").read_text().splitlines()]
    (event,) = [line for line in lines if line["phase"] == "end"]
    return event


def test_an_event_is_shown_with_all_that_is_known_of_it(page, results):
    event = event_of(results)
    card = page.text["event-1"]
    for name in ("start_s", "peak_s", "end_s"):
        assert clock_text(event[name]) in card
    assert f"{event['score']:.2f}" in card
    assert event["reason"] in page.text["event-1-title"].lower()
    assert [bar["class"] for bar in page.all("rect") if bar.get("class", "").startswith("f-")] == [
        *("f-appearance", "f-motion", "f-cluster")
    ]
    for words in (
        "Looks wrong",
        "Moves wrong",
        "Unlike any known pattern",
        "most similar place in the normal footage",
    ):
        assert words in card
    for picture in ("snap", "heat"):
        (shown,) = page.all("img", class_=picture)
        assert shown["src"].startswith("data:image/webp;base64,")
    (box,) = page.all("rect", class_="over")
    edges = [1000 * edge for edge in event["box"]]
    assert float(box["x"]) == pytest.approx(edges[0])
    assert float(box["width"]) == pytest.approx(edges[2] - edges[0])


def test_the_nearest_normal_example_is_named_by_its_recording(page):
    assert re.search(r"\b[abc] at 0:0\d\.\d", page.text["event-1"])
    assert re.search(r"Distance between their codes: \d\.\d\d \(at most 2\)", page.text["event-1"])


def test_the_clip_shows_the_frames_around_the_peak(page, results):
    event = event_of(results)
    viewer = page.data["viewers"]["1"]
    times = [frame["t"] for frame in viewer["frames"]]
    assert 10 <= len(times) <= 41
    assert times == sorted(times)
    assert times[viewer["peak"]] == pytest.approx(event["peak_s"])
    assert viewer["frames"][viewer["peak"]]["s"] == pytest.approx(event["score"], abs=1e-3)
    assert all(frame["src"].startswith("data:image/webp") for frame in viewer["frames"])
    assert all(frame["heat"].startswith("data:image/webp") for frame in viewer["frames"])
    assert len({frame["src"] for frame in viewer["frames"]}) > len(times) // 2, "the frames differ"


def test_the_snapshot_is_the_frame_at_the_peak(page, results, recording):
    peak_s = event_of(results)["peak_s"]
    frames = open_source(recording).frames(FrameFormat(2, 2, "grey", 64))
    true = next(frame.picture for frame in frames if abs(frame.time_s - peak_s) < 1e-6)
    (shown,) = page.all("img", class_="snap")
    content = base64.b64decode(shown["src"].split(",")[1])
    difference = np.abs(
        np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(float) - true
    )
    assert difference.mean() < 6


@pytest.mark.parametrize(
    ("aspect", "size"), [(Fraction(2, 1), (128, 48)), (Fraction(3, 4), (64, 64))]
)
def test_pictures_of_events_have_the_shape_that_players_show(
    aspect, size, loud_run, video, tmp_path
):
    def stretch(stream):
        stream.codec_context.sample_aspect_ratio = aspect

    path = video("door.mkv", frames=12, draw=walk, prepare=stretch)
    score(path, loud_run, tmp_path / "out", device="cpu", health=False)
    shown = read_page(write_report(tmp_path / "out", device="cpu").pages[0])
    pictures = [one["src"] for one in shown.all("img", class_="snap")]
    pictures += [frame["src"] for frame in shown.data["viewers"]["1"]["frames"]]
    sizes = {
        Image.open(io.BytesIO(base64.b64decode(picture.split(",")[1]))).size for picture in pictures
    }
    assert sizes == {size}


@pytest.mark.parametrize("fps", [None, 10])
def test_events_of_images_whose_names_are_times_are_shown(fps, loud_run, tmp_path):
    folder = tmp_path / "day"
    folder.mkdir()
    for number in range(12):
        name = f"{1_700_000_000_000 + 100 * number}.jpg"
        Image.fromarray(walk(number)).save(folder / name)
    score(folder, loud_run, tmp_path / "out", device="cpu", health=False, fps=fps)
    written = write_report(tmp_path / "out", device="cpu")
    assert not any("no pictures" in notice for notice in written.notices)
    viewer = read_page(written.pages[0]).data["viewers"]["1"]
    assert [frame["t"] for frame in viewer["frames"]] == pytest.approx(
        [n / 10 for n in range(4, 12)]
    )
    assert all("heat" in frame for frame in viewer["frames"])


def test_the_curve_is_that_of_the_table(page, results):
    chart = page.data["charts"]["score"]
    steps, scores = (
        np.frombuffer(base64.b64decode(chart[name]), "<u2") for name in ("steps", "scores")
    )
    rows = [line.split(",") for line in (results / "door.scores.csv").read_text().splitlines()[1:]]
    known = [(float(row[1]), float(row[2])) for row in rows if row[2]]
    assert (chart["start_ms"] + np.cumsum(steps)) / 1000 == pytest.approx(
        [time_s for time_s, _ in known]
    )
    assert scores / 65534 == pytest.approx([value for _, value in known], abs=1e-4)
    assert chart["threshold"] == 0.5
    assert [one["n"] for one in chart["events"]] == [1]
    (path,) = [path["d"] for path in page.all("path", class_="s-score") if len(path["d"]) > 100]
    assert path.count("L") + path.count("M") == len(known), "it is drawn without a script too"


def test_settings_and_summary_are_there(page, loud_run, recording):
    settings = page.text[""]
    for text in (str(recording), str(loud_run / "bundle"), "32 x 32", "1/day", "torch float32"):
        assert text in settings
    assert "One unusual event in 3.9 s" in page.text[""]


@pytest.mark.parametrize("kind", ["results", "training"])
def test_nothing_is_loaded_and_no_script_but_ours_may_run(kind, page, tiny_run):
    shown = page if kind == "results" else read_page(tiny_run / "report.html")
    assert all(
        address.startswith(("data:image/webp;base64,", "#")) for address in shown.addresses()
    )
    (policy,) = [
        one["content"]
        for one in shown.all("meta")
        if one.get("http-equiv") == "Content-Security-Policy"
    ]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy.replace("http-equiv", "")
    for tag, attributes, text in shown.raw:
        assert "http:" not in text
        assert "https:" not in text
        if attributes.get("type") != "application/json":
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not [tag for tag, _ in shown.tags if tag in ("link", "iframe", "object", "base", "form")]
    assert not [
        1
        for _, attributes in shown.tags
        if "style" in attributes or any(k.startswith("on") for k in attributes)
    ]


def test_everything_has_a_name_for_those_who_do_not_see(page):
    identities = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identities) == len(set(identities))
    for _, attributes in page.tags:
        for name in ("aria-labelledby", "aria-describedby"):
            assert attributes.get(name, identities[0]) in identities
    assert all("alt" in image for image in page.all("img"))
    assert all("aria-label" in control for control in page.all("input", type="range"))
    (html,) = page.all("html")
    assert html["lang"] == "en"


def test_html_in_names_stays_text(loud_run, tmp_path):
    (tmp_path / "in").mkdir()
    # A slash alone cannot be in a file's name.
    name = WILD.replace("/", "")
    write_video(tmp_path / "in" / f"{name}.mp4", frames=20, draw=walk)
    write_video(tmp_path / "in" / "b.mp4", frames=12, draw=walk)
    score(tmp_path / "in", loud_run, tmp_path / "out", device="cpu", health=False)
    lines = tmp_path / "out" / "b.events.jsonl"
    lines.write_text(
        lines.read_text()
        .replace("moves wrong", WILD.replace('"', "'"))
        .replace("looks wrong", "x<b>")
    )
    index, *pages = write_report(tmp_path / "out", device="cpu").pages
    for path in (index, *pages):
        shown = read_page(path)
        assert not shown.all("img", src="x")
        assert not shown.all("b", src="x")
        assert not [1 for _, attributes in shown.tags if "onerror" in attributes]
        assert path.read_text().count("</script>") == len(
            [1 for tag, *_ in shown.raw if tag == "script"]
        )
    assert name in read_page(index).text[""]
    (wild,) = [path for path in pages if path.name.startswith("<")]
    assert name in read_page(wild).text[""]
    links = [attributes["href"] for attributes in read_page(index).all("a")]
    assert links
    assert all(re.fullmatch(r"[A-Za-z0-9%._-]+", link) for link in links)


def test_the_most_unusual_recording_comes_first(loud_run, tmp_path):
    paths = [write_video(tmp_path / f"{name}.mp4", frames=20, draw=walk) for name in "abc"]
    score(paths, loud_run, tmp_path / "out", device="cpu", health=False)
    for name, factor in (("a", 0.5), ("b", 0.99), ("c", 0.7)):
        table = tmp_path / "out" / f"{name}.scores.csv"
        rows = [line.split(",") for line in table.read_text().splitlines()]
        rows[1:] = [
            [*row[:2], row[2] and repr(float(row[2]) * factor), *row[3:]] for row in rows[1:]
        ]
        table.write_text("\n".join(map(",".join, rows)) + "\n")
    written = write_report(tmp_path / "out", device="cpu")
    assert [path.name for path in written.pages] == [
        "index.html",
        *(f"{name}.report.html" for name in "abc"),
    ]
    index = read_page(written.page)
    assert [link["href"] for link in index.all("a")] == [f"{name}.report.html" for name in "bca"]
    assert "3 unusual events in 3 recordings of 3" in index.text[""]
    assert len(index.all("img")) == 3


def test_where_the_recording_is_gone_the_numbers_stay(out, recording, tmp_path):
    facts = out / "door.score.json"
    facts.write_text(facts.read_text().replace(str(recording), str(tmp_path / "gone" / "door.mp4")))
    written = write_report(out, device="cpu")
    assert len(written.notices) == 1
    shown = read_page(written.page)
    assert "no longer at" in shown.text[""]
    assert "--footage" in shown.text[""]
    assert not shown.all("img")
    assert shown.data["viewers"] == {}
    assert len(shown.data["charts"]["score"]["events"]) == 1
    assert "No picture" in shown.text["event-1"]
    found = write_report(out, footage=recording.parent, device="cpu")
    assert found.notices == ()
    assert len(read_page(found.page).all("img", class_="snap")) == 1
    assert write_report(out, footage=recording, device="cpu").notices == ()


def test_a_recording_that_was_replaced_is_not_shown(out, tmp_path):
    other = write_video(tmp_path / "door.mp4", frames=30)
    (notice,) = write_report(out, footage=other, device="cpu").notices
    assert "is not what was scored" in notice


def test_results_of_an_earlier_version_are_shown_as_far_as_they_go(out):
    (out / "door.score.json").unlink()
    written = write_report(out, device="cpu")
    assert "earlier version" in written.notices[0]
    shown = read_page(written.page)
    assert not shown.all("img")
    assert "event-1" in shown.text


def test_without_the_model_there_is_heat_where_maps_were_kept(loud_run, recording, tmp_path):
    run = shutil.copytree(loud_run, tmp_path / "run")
    for maps in (False, True):
        score(
            recording,
            run,
            tmp_path / str(maps),
            device="cpu",
            health=False,
            extras=Extras(maps=maps),
        )
    with_model = read_page(write_report(tmp_path / "True", device="cpu").page)
    shutil.rmtree(run)
    for maps in (False, True):
        written = write_report(tmp_path / str(maps), device="cpu")
        assert "nothing is there" in written.notices[0]
        shown = read_page(written.page)
        assert len(shown.all("img", class_="snap")) == 1
        assert len(shown.all("img", class_="heat")) == maps
        assert "most similar place" not in shown.text["event-1"]
    assert shown.all("img", class_="heat") == with_model.all("img", class_="heat")
    assert write_report(tmp_path / "False", model=loud_run, device="cpu").notices == ()


def test_another_model_in_its_place_is_not_taken_for_it(out, loud_run, tmp_path):
    bundle = shutil.copytree(loud_run / "bundle", tmp_path / "bundle")
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["sha256"]["model.safetensors"] = "0" * 64
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    (notice,) = write_report(out, model=bundle, device="cpu").notices
    assert "now holds another model than the one used for scoring" in notice


def test_a_bundle_by_itself_has_no_normal_examples_and_says_so(out, loud_run, tmp_path):
    shutil.copytree(loud_run / "bundle", tmp_path / "alone")
    written = write_report(out, model=tmp_path / "alone", device="cpu")
    assert written.notices == ()
    shown = read_page(written.page)
    assert "No normal examples" in shown.text["no-examples"]
    assert len(shown.all("img", class_="heat")) == 1


def test_what_zones_leave_out_is_not_hot(loud_run, recording, tmp_path):
    zones = Zones(watch=(Polygon(((0.0, 0.0), (0.4, 0.0), (0.4, 1.0), (0.0, 1.0)), "left"),))
    score(recording, loud_run, tmp_path, device="cpu", health=False, zones=zones)
    shown = read_page(write_report(tmp_path, device="cpu").page)
    (heat,) = shown.all("img", class_="heat")
    opacity = np.asarray(Image.open(io.BytesIO(base64.b64decode(heat["src"].split(",")[1]))))[
        ..., 3
    ]
    assert opacity[:, opacity.shape[1] // 2 :].max() < 8
    assert opacity.max() > 60
    assert "1 watch zone" in shown.text[""]


def test_folders_of_images_are_shown_too(loud_run, images, tmp_path):
    score(
        images("frames", range(7, 27)),
        loud_run,
        tmp_path / "out",
        device="cpu",
        health=False,
        fps=5.0,
    )
    written = write_report(tmp_path / "out", device="cpu")
    assert written.notices == ()
    assert len(read_page(written.page).all("img", class_="snap")) == 1


def test_a_faster_recording_is_shown_by_the_frames_that_were_scored(loud_run, video, tmp_path):
    score(
        video("fast.mp4", frames=75, rate_fps=25, draw=walk),
        loud_run,
        tmp_path,
        device="cpu",
        health=False,
    )
    written = write_report(tmp_path, device="cpu")
    assert written.notices == ()
    frames = read_page(written.page).data["viewers"]["1"]["frames"]
    assert all(frame["s"] is not None for frame in frames)
    # Those at the front lack the frames before them: the first clip ends on the first score.
    assert sum("heat" in frame for frame in frames) >= len(frames) - 4


def test_the_same_results_give_the_same_pages(out, tmp_path):
    write_report(out, device="cpu")
    first = bytes_of(out, ["*.html"])
    write_report(out, device="cpu")
    assert bytes_of(out, ["*.html"]) == first


def test_fewer_events_with_pictures_where_that_is_asked_for(out):
    shown = read_page(write_report(out, events=0, device="cpu").page)
    assert not shown.all("img")
    assert (
        "moves wrong" in shown.text[""]
        or "looks wrong" in shown.text[""]
        or "unlike" in shown.text[""]
    )


def test_one_recording_of_several_gets_its_page_alone(loud_run, tmp_path):
    paths = [write_video(tmp_path / f"{name}.mp4", frames=12, draw=walk) for name in "ab"]
    score(paths, loud_run, tmp_path / "out", device="cpu", health=False)
    assert write_report(tmp_path / "out" / "a.events.jsonl", device="cpu").pages == (
        tmp_path / "out/a.report.html",
    )
    written = write_report(tmp_path / "out", only={"b"}, device="cpu")
    assert [path.name for path in written.pages] == ["index.html", "b.report.html"]


def test_truth_and_words_of_ones_own(out, tmp_path):
    (tmp_path / "up").mkdir()
    written = write_report(
        out,
        extras={"door": Extra(truth=((1.0, 2.0),), sentence="A test.")},
        intro=Intro(title="All of it", verdict="Look.", tiles=[("Found", "1 of 1", "")]),
        index=tmp_path / "up" / "start.html",
        device="cpu",
    )
    index = read_page(written.page)
    assert written.page.name == "start.html"
    assert "All of it" in index.text[""]
    (link,) = [link["href"] for link in index.all("a")]
    assert (written.page.parent / link).resolve() == out / "door.report.html"
    assert read_page(out / "door.report.html").data["charts"]["score"]["truth"] == [[1.0, 2.0]]
    assert index.all("rect", class_="s-truth")


def test_camera_faults_are_listed_and_drawn(out):
    lines = out / "door.events.jsonl"
    fault = {
        **event_of(out),
        "kind": "health",
        "reason": "the picture is black",
        "parts": {},
        "box": None,
        "score": 1.0,
    }
    lines.write_text(lines.read_text() + json.dumps(fault) + "\n")
    shown = read_page(write_report(out, device="cpu").page)
    assert shown.text[""].count("the picture is black") >= 2
    assert len(shown.data["charts"]["score"]["faults"]) == 1
    assert len(shown.data["charts"]["score"]["events"]) == 1


def test_what_is_no_folder_of_results_is_refused(tmp_path, out):
    for path in (tmp_path / "nothing", tmp_path, tmp_path / "a.txt", out / "no.scores.csv"):
        with pytest.raises(SourceNotFoundError, match="must be a folder that oddframe score wrote"):
            write_report(path)
    (out / "door.scores.csv").write_text("frame,time\n1,x\n")
    with pytest.raises(SourceError, match="must be what oddframe score wrote"):
        write_report(out)


@pytest.mark.slow
def test_a_page_of_ten_events_of_noise_stays_below_5_mb(loud_run, tmp_path):
    def noise(number, width, height):
        return np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)

    path = write_video(tmp_path / "noise.mp4", frames=520, size=(640, 480), draw=noise)
    score(path, loud_run, tmp_path / "out", device="cpu", health=False)
    lines = tmp_path / "out" / "noise.events.jsonl"
    event = [json.loads(line) for line in lines.read_text().splitlines()][-1]
    ten = [
        {**event, "id": str(n), "start_s": 5.0 * n, "peak_s": 5.0 * n + 2.5, "end_s": 5.0 * n + 5}
        for n in range(10)
    ]
    lines.write_text("".join(json.dumps(one) + "\n" for one in ten))
    page = write_report(tmp_path / "out", device="cpu").page
    assert len(read_page(page).all("img", class_="snap")) == 10
    assert page.stat().st_size < 5_000_000


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no chromium")
def test_a_browser_runs_the_page(out, tmp_path):
    page = write_report(out, device="cpu").page
    command = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--enable-logging=stderr",
    ]
    left = subprocess.run(
        [
            *command,
            f"--user-data-dir={tmp_path / 'browser'}",
            "--virtual-time-budget=2000",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "CONSOLE" not in left.stderr, "neither an error nor a refusal by the security policy"
    shown = read_page(left.stdout)
    assert shown.all("html", class_="scripted")
    assert shown.text["curve-readout"] == "Point at the curve to read its values."
    assert "score" in shown.text["event-1"]
    (range_,) = shown.all("input", type="range")
    assert int(range_["max"]) == len(shown.data["viewers"]["1"]["frames"]) - 1


def test_the_command_says_where_the_page_is(oddframe_command, loud_run, recording, out, tmp_path):
    left = oddframe_command("report", out, "--json")
    assert left.code == 0
    assert left.json["pages"] == [str(out / "door.report.html")]
    assert left.err == ""
    left = oddframe_command("report", out, "--events", 1)
    assert "door.report.html" in "".join(left.out.split())
    left = oddframe_command("report", tmp_path / "nothing")
    assert (left.code, left.out) == (2, "")
    assert "must be a folder that oddframe score wrote" in left.error
    left = oddframe_command(
        "score",
        recording,
        "-m",
        loud_run,
        "-o",
        tmp_path / "new",
        "--no-health",
        "--report",
        "--json",
    )
    assert left.json["pages"] == [str(tmp_path / "new" / "door.report.html")]
    assert (tmp_path / "new" / "door.report.html").is_file()
    left = oddframe_command("report", loud_run)
    assert left.code == 0
    assert (loud_run / "report.html").is_file()
