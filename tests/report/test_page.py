"""Words on pages, and how a page comes to its style and script."""

import re
import subprocess
import sys

import jinja2
import pytest
from pages import read_page

from oddframe.report.page import length_text, plural, rarity, rendered


@pytest.mark.parametrize(
    ("surprise", "words"),
    [(0.0, "as usual"), (0.29, "as usual"), (1.0, "1 in 10"), (2.531, "1 in 340"), (3.21, "1 in 1,600"),
     (5.99, "1 in 980,000"), (6.0, "beyond 1 in a million"), (31.0, "beyond 1 in a million")],
)  # fmt: skip
def test_rarity_in_words(surprise, words):
    assert rarity(surprise) == words


def test_numbers_with_their_nouns():
    assert [plural(count, "event") for count in (0, 1, 2, 1200)] == ["no events", "1 event", "2 events", "1,200 events"]
    assert plural(0, "stretch", "stretches") == "no stretches"


def test_lengths_as_people_say_them():
    assert [length_text(seconds) for seconds in (0.5, 29.9, 60, 754.2, 3600, 7322)] == [
        *("0.5 s", "29.9 s", "1 min 0 s", "12 min 34 s", "1 h 0 min", "2 h 2 min")
    ]


@pytest.fixture(scope="module")
def raw():
    """Style and script of a page."""
    facts = {"title": "x", "verdict": "x", "tiles": [], "rows": [], "has_truth": False, "note": ""}
    return {tag: text for tag, _, text in read_page(rendered("index.html", **facts)).raw}


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
        "from oddframe.report.page import rendered\n"
        "print(len(rendered('index.html', title='x', verdict='x', tiles=[], rows=[],"
        " has_truth=False, note='')))\n"
    )
    left = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(left.stdout) > 10_000


def test_a_fact_that_a_template_lacks_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        rendered("index.html", title="x")
