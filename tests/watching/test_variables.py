import pytest

from oddframe.errors import SettingsError
from oddframe.watching.variables import Variables


def test_a_text_gets_the_values_of_its_variables_as_they_are():
    assert Variables({"A": "x/ü$", "B_1": ""}).fill("${A}-${B_1}-$A-${ A}") == "x/ü$--$A-${ A}"


@pytest.mark.parametrize("text", ["${B}", "${}", "a ${a} b"])
def test_a_variable_that_is_not_set_is_named(text):
    with pytest.raises(SettingsError, match=r"the variable \$\{\w*\} must be set"):
        Variables({"A": "x"}).fill(text)


def test_the_environment_is_asked_where_nothing_is_given(monkeypatch):
    monkeypatch.setenv("ODDFRAME_TEST_DOOR", "x")
    assert Variables().fill("${ODDFRAME_TEST_DOOR}") == "x"


def test_texts_of_a_sink_are_filled_wherever_they_lie():
    table = {"host": "${A}", "port": 3, "deep": {"more": ["${A}", 1, {"x": "${A}"}]}, "${A}": True}
    filled = {"host": "x", "port": 3, "deep": {"more": ["x", 1, {"x": "x"}]}, "${A}": True}
    assert Variables({"A": "x"}).fill_in_sink(table) == filled


@pytest.mark.parametrize(
    ("url", "filled"),
    [
        ("http://h/${A}", "http://h/a/b:c%40%3F%26%20%25"),
        ("http://h/?x=${A}&y=1", "http://h/?x=a/b:c%40%3F%26%20%25&y=1"),
        ("${A}", "a/b:c@?& %"),
    ],
)
def test_in_a_url_a_value_stays_in_its_place(url, filled):
    assert Variables({"A": "a/b:c@?& %"}).fill_in_sink({"url": url}) == {"url": filled}


def test_values_that_were_used_are_scrubbed_in_every_spelling_and_others_are_not():
    variables = Variables({"A": "a b@c'", "B": "zzz", "LONG": "a b@c'd"})
    variables.fill("${A}${LONG}")
    said = variables.scrub("""a b@c'd, a%20b%40c%27, a b@c', zzz, "a b@c'" """)
    assert said == """${LONG}, ${A}, ${A}, zzz, "${A}" """
