"""The files of the front end and of reports: what the content security policy asks of them."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import oddframe
from oddframe.report import page as report_page
from oddframe.web.pages import FOLDER

PAGE = FOLDER / "index.html"
REPORT = Path(report_page.__file__).parent / "static"
APP_SCRIPTS = sorted([*(FOLDER / "js").glob("*.js"), *(FOLDER / "shared").glob("*.js")])
SCRIPTS = [*APP_SCRIPTS, *sorted(REPORT.glob("*.js"))]
APP_STYLES = sorted([*(FOLDER / "css").glob("*.css"), *(FOLDER / "shared").glob("*.css")])
STYLES = [*APP_STYLES, *sorted(REPORT.glob("*.css"))]
LONGEST = 450


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
    wanted = [
        attributes.get("src") or (attributes.get("href") if tag == "link" else None)
        for tag, attributes in page.tags
    ]
    files = [name for name in wanted if name]
    assert len(files) > 5
    assert [name for name in files if not (FOLDER / name).is_file()] == []
    assert {path.relative_to(FOLDER).as_posix() for path in APP_STYLES} <= set(files)


def exports(path):
    found = re.findall(r"^export (?:async )?(?:function|class) (\w+)", path.read_text(), re.M)
    for line in re.findall(r"^export (?:const|let) (.*)", path.read_text(), re.M):
        found += re.findall(r"(?:^|, )(\w+) = ", line)
    return set(found)


def module(path, where):
    """The file of an import; what reports share with the app lies with the app."""
    folder = FOLDER / "js" if where.startswith("../shared/") else path.parent
    return (folder / where).resolve()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_module_imports_what_others_export(path):
    text = path.read_text()
    imports = re.findall(r'^import \{([^}]*)\}\s+from "([^"]+)"', text, re.M)
    assert len(imports) == len(re.findall(r"^import\b", text, re.M))
    for names, where in imports:
        other = module(path, where)
        assert other.is_file()
        wanted = {name.split(" as ")[0].strip() for name in names.split(",")}
        assert wanted <= exports(other), f"{path.name} wants of {where}"
        used = text.replace(names, "", 1)
        assert [name for name in wanted if not re.search(rf"\b{name}\b", used)] == []
    for where in re.findall(r'import\("([^"]+)"\)', text):
        assert module(path, where).is_file()


@pytest.mark.parametrize("path", APP_SCRIPTS, ids=lambda path: path.name)
def test_a_module_can_be_joined_with_others(path):
    text = path.read_text()
    # One name for each export, and no text that spans lines.
    assert len(re.findall(r"^export\b", text, re.M)) == len(exports(path))
    if path.name != "markdown.js":
        assert [line for line in text.splitlines() if line.count("`") % 2] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_module_makes_elements_or_code_from_text(path):
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"
        r"|DOMParser|srcdoc|javascript:"
    )
    assert re.findall(forbidden, path.read_text()) == []


@pytest.mark.parametrize("path", [*SCRIPTS, *STYLES, PAGE], ids=lambda path: path.name)
def test_a_file_holds_one_idea_and_loads_nothing_from_elsewhere(path):
    text = path.read_text()
    assert len(text.splitlines()) <= LONGEST
    assert [line for line in text.splitlines() if len(line) > 100] == []
    assert [
        found
        for found in re.findall(r"https?://[\w.]+", text)
        if "www.w3.org" not in found and "10.0." not in found
    ] == []


@pytest.mark.parametrize(
    ("what", "place"),
    [(r'"(wheel|pointermove)"', "time_chart.js"), (r"\bIntl\.|toLocaleString", "format.js")],
)
def test_the_app_and_the_reports_zoom_and_write_numbers_in_one_place(what, place):
    found = {path.name for path in SCRIPTS if re.search(what, path.read_text())}
    # The editor of zones drags corners, not time.
    assert found - {"zones.js"} == {place}


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


TOKENS = (FOLDER / "shared" / "tokens.css").read_text()
PAIR = r"light-dark\((#[0-9a-f]{6,8}), (#[0-9a-f]{6,8})\)"


def themes():
    """The opaque colours of the light theme and of the dark one."""
    pairs = re.findall(rf"--([\w-]+): {PAIR};", TOKENS)
    return [
        {name: both[theme] for name, *both in pairs if len(both[theme]) == 7} for theme in (0, 1)
    ]


def test_there_is_one_palette_and_each_colour_has_both_themes_in_one_place():
    for path in STYLES:
        text = path.read_text()
        defined = re.findall(r"--([\w-]+):", text)
        if path.name == "tokens.css":
            assert len(defined) == len(set(defined)) > 20
        else:
            # Paper is white and saves ink; nothing else is defined anew.
            assert set(defined) <= {"paper", "card", "ink", "soft", "line", "well", "shade"}, (
                path.name
            )
            assert not defined or "@media print" in text
            assert "light-dark(" not in text
    (declared,) = re.findall(r":root \{([^}]*)\}", TOKENS)
    assert re.findall(r"#\w+", re.sub(PAIR, "", declared)) == []


def test_both_ways_to_the_dark_theme_give_the_same():
    light, dark = themes()
    assert light.keys() == dark.keys()
    assert light != dark
    chosen = re.findall(r':root\[data-theme="(\w+)"\] \{([^}]*)\}', TOKENS)
    assert chosen == [("dark", " color-scheme: dark; "), ("light", " color-scheme: light; ")]
    assert "prefers-color-scheme" not in TOKENS


@pytest.mark.parametrize("colours", themes(), ids=("light", "dark"))
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
    for folder in (FOLDER, REPORT):
        inside = folder.relative_to(Path(oddframe.__file__).parent).as_posix()
        assert re.search(rf'"{inside}/(\*\*/)?\*"', settings), inside
