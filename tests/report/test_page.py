"""Words on pages, their style and script, and pictures that keep within a length."""

import base64
import io
import re
import subprocess
import sys

import jinja2
import numpy as np
import pytest
from PIL import Image

from oddframe.core.recalibration import raw_score_text
from oddframe.report.page import (
    data_uri,
    data_uris_within,
    length_text,
    plural,
    rarity,
    render,
    resize,
)
from tests.support.pages import read_page


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "as usual"),
        (0.29, "as usual"),
        (1.0, "1 in 10"),
        (2.531, "1 in 340"),
        (3.21, "1 in 1,600"),
        (5.99, "1 in 980,000"),
        (6.0, "beyond 1 in a million"),
        (31.0, "beyond 1 in a million"),
    ],
)
def test_rarity_in_words(value, words):
    assert rarity(value) == words


def test_numbers_with_their_nouns():
    assert [plural(count, "event") for count in (0, 1, 2, 1200)] == [
        "no events",
        "1 event",
        "2 events",
        "1,200 events",
    ]
    assert plural(0, "stretch", "stretches") == "no stretches"


def test_raw_scores_have_three_digits_and_no_exponent():
    scores = (7.69e-05, 0.00093712, 1.0, 66.666)
    assert [raw_score_text(score) for score in scores] == ["0.0000769", "0.000937", "1", "66.7"]


def test_lengths_as_people_say_them():
    assert [length_text(seconds) for seconds in (0.5, 29.9, 60, 754.2, 3600, 7322)] == [
        *("0.5 s", "29.9 s", "1 min 0 s", "12 min 34 s", "1 h 0 min", "2 h 2 min")
    ]


@pytest.fixture(scope="module")
def raw():
    """Style and script of a page."""
    facts = {"title": "x", "verdict": "x", "tiles": [], "rows": [], "has_truth": False, "note": ""}
    return {tag: text for tag, _, text in read_page(render("index.html", **facts)).raw}


def test_the_modules_of_a_page_become_one_in_which_each_name_is_declared_once(raw):
    script = raw["script"]
    assert not re.search(r"^import\b|\bfrom \"", script, re.M)
    names = re.findall(r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)", script, re.M)
    assert {"playTime", "ViewRange", "TimeChart", "ScoreChart", "ClipViewer"} <= set(names)
    for line in re.findall(r"^(?:export )?(?:const|let) .*?;$", script, re.M):
        names += re.findall(r", (\w+) = ", line)
    assert sorted(names) == sorted(set(names))


def test_the_palette_comes_first(raw):
    style = raw["style"]
    assert style.index("--paper: light-dark(") < style.index(".page")


def test_a_page_needs_nothing_of_the_server():
    code = (
        "import sys\n"
        "for name in ('fastapi', 'starlette', 'uvicorn'): sys.modules[name] = None\n"
        "from oddframe.report.page import render\n"
        "print(len(render('index.html', title='x', verdict='x', tiles=[], rows=[],"
        " has_truth=False, note='')))\n"
    )
    left = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(left.stdout) > 10_000


def test_a_fact_that_a_template_lacks_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        render("index.html", title="x")


def opened(address):
    head, content = address.split(",")
    assert head == "data:image/webp;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_picture_comes_back(channels):
    picture = np.tile(np.linspace(0, 255, 64, dtype=np.uint8)[None, :, None], (48, 1, channels))
    found = opened(data_uri(picture, 90))
    assert found.shape[:2] == (48, 64)
    assert np.abs(found[..., 0].astype(int) - picture[..., 0]).mean() < 4


@pytest.mark.parametrize("most", [200_000, 40_000, 4_000])
def test_together_they_are_no_longer_than_agreed(most):
    noise = np.random.default_rng(1).integers(0, 256, (10, 120, 160, 3), np.uint8)
    found = data_uris_within(list(noise), most)
    assert len(found) == 10
    assert sum(map(len, found)) <= most
    assert len({opened(one).shape for one in found}) == 1


def test_the_aspect_ratio_stays():
    picture = np.zeros((48, 64, 1), np.uint8)
    assert resize(picture, 32).shape == (24, 32, 1)
    assert resize(picture, 30, 30).shape == (30, 30, 1)
    assert resize(picture, 64) is picture
