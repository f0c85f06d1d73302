"""The front end's files: what the strict policy and the promises about them ask for, without a browser."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from oddframe.serve.pages import FOLDER

PAGE = FOLDER / "index.html"
SCRIPTS = sorted((FOLDER / "js").glob("*.js"))
STYLES = sorted((FOLDER / "css").glob("*.css"))


class Tags(HTMLParser):
    """Start tags with their attributes, and the text inside scripts and styles."""

    def __init__(self):
        super().__init__()
        self.tags, self.inline, self._inside = [], "", None

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = None

    def handle_data(self, data):
        if self._inside in ("script", "style"):
            self.inline += data.strip()


@pytest.fixture(scope="module")
def page():
    tags = Tags()
    tags.feed(PAGE.read_text())
    return tags


def test_the_page_keeps_to_a_policy_without_inline_code(page):
    assert page.inline == ""
    for tag, attributes in page.tags:
        assert tag != "style"
        assert not [name for name in attributes if name == "style" or name.startswith("on")]


def test_the_page_loads_only_what_is_there(page):
    wanted = [told.get("src") or (told.get("href") if tag == "link" else None) for tag, told in page.tags]
    files = [name for name in wanted if name]
    assert len(files) > 5
    assert [name for name in files if not (FOLDER / name).is_file()] == []
    assert {f"css/{path.name}" for path in STYLES} <= set(files)


def exports(path):
    found = re.findall(r"^export (?:async )?(?:function|class) (\w+)", path.read_text(), re.M)
    for line in re.findall(r"^export (?:const|let) (.*)", path.read_text(), re.M):
        found += re.findall(r"(?:^|, )(\w+) = ", line)
    return set(found)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_module_imports_what_others_export(path):
    text = path.read_text()
    for names, where in re.findall(r'^import \{([^}]*)\} from "\./([^"]+)"', text, re.M):
        other = FOLDER / "js" / where
        assert other.is_file()
        wanted = {name.split(" as ")[0].strip() for name in names.split(",")}
        assert wanted <= exports(other), f"{path.name} wants of {where}"
    for where in re.findall(r'import\("\./([^"]+)"\)', text):
        assert (FOLDER / "js" / where).is_file()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_module_makes_elements_or_code_from_text(path):
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|srcdoc|javascript:"
    )
    assert re.findall(forbidden, path.read_text()) == []


@pytest.mark.parametrize("path", [*SCRIPTS, *STYLES, PAGE], ids=lambda path: path.name)
def test_a_file_holds_one_idea_and_loads_nothing_from_elsewhere(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    assert [
        found for found in re.findall(r"https?://[\w.]+", text) if "www.w3.org" not in found and "10.0." not in found
    ] == []


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def themes():
    """The colours of the light theme, of the dark one that is chosen, and of the system's dark one."""
    text = (FOLDER / "css" / "tokens.css").read_text()
    blocks = re.findall(r"(:root[^{]*)\{([^}]*--paper[^}]*)\}", text)
    return {head.strip(): dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})\b", body)) for head, body in blocks}


def test_both_ways_to_the_dark_theme_give_the_same():
    light, *dark = themes().values()
    assert len(dark) == 2
    assert dark[0] == dark[1] != light


@pytest.mark.parametrize("colours", themes().values(), ids=("light", "system dark", "dark"))
def test_text_and_controls_can_be_told_from_what_is_behind_them(colours):
    for name in ("ink", "soft", "calm", "alarm", "good", "warn"):
        for behind in ("paper", "card", "well"):
            assert contrast(colours[name], colours[behind]) >= 4.5, (name, behind)
    assert contrast(colours["on-calm"], colours["calm"]) >= 4.5
    assert contrast(colours["card"], colours["warn"]) >= 4.5
    for name in ("edge", "looks", "moves", "pattern", "fault", "focus"):
        assert contrast(colours[name], colours["card"]) >= 3, name


def test_the_files_are_in_the_package():
    settings = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert '"serve/static/**/*"' in settings
