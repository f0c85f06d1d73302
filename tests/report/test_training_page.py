"""The page of a training: what was learned, shown."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from oddframe.bundle.bundle import read_bundle, write_bundle
from oddframe.core.recalibration import raw_score_text
from oddframe.errors import RunError
from oddframe.report.training_page import write_training_page
from oddframe.report.training_samples import cluster_centres
from oddframe.tasks.report import write_report
from tests.support.pages import read_page


@pytest.fixture(scope="module")
def page(tiny_run):
    """The page that the training itself has written."""
    return read_page(tiny_run / "report.html")


@pytest.fixture
def run(tiny_run, tmp_path):
    """A copy of the run."""
    return shutil.copytree(tiny_run, tmp_path / "run")


def test_it_is_that_of_the_verb(tiny_run, run):
    again = write_report(run, device="cpu")
    assert again.pages == (run / "report.html",)
    assert (run / "report.html").read_bytes() == (tiny_run / "report.html").read_bytes()


@pytest.mark.parametrize(("aspect", "height"), [(2.0, 0.5), (0.75, 4 / 3), (None, 1.0)])
def test_frames_have_the_shape_in_which_players_show_the_footage(aspect, height, run):
    bundle = read_bundle(run / "bundle")
    assert bundle.picture_aspect == pytest.approx(64 / 48, abs=1e-4)
    write_bundle(run / "bundle", replace(bundle, picture_aspect=aspect))
    write_training_page(run, device="cpu")
    shown = [one for one in read_page(run / "report.html").all("img") if "width" in one]
    # Rows of parts of frames and what is as wide as the page have shapes of their own.
    shapes = [int(one["height"]) / int(one["width"]) for one in shown]
    assert sum(abs(shape - height) < 0.02 for shape in shapes) >= 20


def test_losses_are_those_of_the_log(page, tiny_run):
    entries = [json.loads(line) for line in (tiny_run / "log.jsonl").read_text().splitlines()]
    charts = page.data["charts"]
    assert set(charts) == {"appearance", "motion", "cluster", "repulsion"} & set(entries[-2])
    for name, chart in charts.items():
        trained = [entry for entry in entries if name in entry]
        assert chart["x"] == [entry["step"] for entry in trained]
        assert chart["y"] == pytest.approx([entry[name] for entry in trained], rel=1e-4)
        held_out = [entry["held_out"] for entry in entries if name in entry.get("held_out", {})]
        assert chart["dots"]["y"] == pytest.approx([entry[name] for entry in held_out], rel=1e-4)
        assert chart["marks"] == [6]


def test_clips_are_shown_step_by_step(page):
    captions = [
        *(
            "x0: first frame",
            "x̂0: rebuilt",
            "Δ: what changed",
            "Δ̂: change predicted",
            "x4: last frame",
        ),
        *("predicted x4", "error", "attention", "distance from clusters"),
    ]
    text = page.text[""]
    for caption in captions:
        assert text.count(caption) == 4
    for what in ("Calmest", "Typical", "Busier than nine in ten", "Most unusual"):
        assert what in text


def test_the_atlas_has_every_centre_and_shares_of_all_places(page):
    text = page.text[""]
    assert sorted(map(int, re.findall(r"Centre (\d+)", text))) == [1, 2, 3, 4]
    shares = list(map(float, re.findall(r"([\d.]+) % of all places", text)))
    assert sum(shares) == pytest.approx(100, abs=0.3)
    assert shares == sorted(shares, reverse=True)
    rows = [image for image in page.all("img") if "nearest to centre" in image["alt"]]
    assert len(rows) == sum(share > 0 for share in shares)


def test_the_histogram_holds_all_normal_frames(page, tiny_run):
    titles = re.findall(r": (\d[\d,]*) frames?(?=\n|$)", page.text[""], flags=re.MULTILINE)
    calibration = json.loads((tiny_run / "bundle" / "calibration.json").read_text())
    assert sum(int(count.replace(",", "")) for count in titles) == calibration["clips"]
    assert raw_score_text(calibration["threshold"]) in page.text[""]


def test_odd_stretches_are_shown_and_whether_they_were_trained_on(run):
    used = json.loads((run / "footage.json").read_text())
    odd = {
        "source": "<i>a</i>",
        "start_s": 1.0,
        "end_s": 2.0,
        "score": 0.75,
        "begin": 10,
        "end": 20,
    }
    for dropped, words in (
        (False, "They were used for training"),
        (True, "They were left out of the training"),
    ):
        (run / "footage.json").write_text(json.dumps({**used, "odd": [odd], "dropped": dropped}))
        shown = read_page(write_training_page(run, device="cpu"))
        assert words in shown.text[""]
        assert "<i>a</i>, 0:01.0 to 0:02.0" in shown.text[""]
        assert not shown.all("i")
        assert len([image for image in shown.all("img") if "with heat map" in image["alt"]]) == 1


def test_the_training_says_which_footage_it_used(tiny_run):
    used = json.loads((tiny_run / "footage.json").read_text())
    assert {one["source"] for one in used["stretches"]} == {"a", "b", "c"}
    assert sum(one["count"] for one in used["stretches"]) == 120
    assert used["dropped"] is False


def test_without_its_frames_the_rest_is_shown(run):
    shutil.rmtree(run / "cache")
    (run / "footage.json").unlink()
    shown = read_page(write_training_page(run, device="cpu"))
    assert "No clips and no atlas" in shown.text[""]
    assert "earlier version" in shown.text[""]
    assert not shown.all("img")
    assert shown.data["charts"]


def test_what_cannot_be_read_is_named(run):
    (run / "footage.json").write_text("{}")
    with pytest.raises(RunError, match=r"footage\.json must say which footage was used"):
        write_training_page(run, device="cpu")


def test_pages_of_results_need_no_torch():
    light = "import sys, oddframe.tasks.report; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", light], check=False).returncode == 0


def test_maps_and_patches_of_a_centre_come_from_where_it_is_nearest():
    distances = np.ones((2, 2, 3, 2), np.float32)
    distances[:, :, 0, 1] = 0.5
    distances[1, 1, 0, 1] = 0.1
    frames = np.zeros((2, 32, 48, 1), np.uint8)
    frames[1, 16:, :16] = 200
    first, second = cluster_centres(distances, frames)
    assert (first.number, second.number) == (0, 1)
    assert first.share == pytest.approx(2 / 3)
    assert second.where.tolist() == [[1, 0, 0], [1, 0, 0]]
    assert len(second.patches) == 2
    assert second.patches[0].max() == 200, "the nearest comes first"
