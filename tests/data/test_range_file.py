import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.data.range_file import holds_ranges, read_ranges
from oddframe.errors import LayoutError


def ranges_of(path, text):
    path.write_text(text)
    return [intervals.T.tolist() for intervals in read_ranges(path)]


def test_the_lines_of_the_official_files(tmp_path):
    text = """
TestVideoFile = {};
TestVideoFile{end+1}.gt_frame = [60:152];
TestVideoFile{end+1}.gt_frame = [5:90, 140:200];   % two
TestVideoFile{ end + 1 } . gt_frame=[ 1 : 4 ; 9 12:13 ]
TestVideoFile{end+1}.gt_frame = [];
% TestVideoFile{end+1}.gt_frame = [1:9];
TestVideoFile{end+1}.gt_frame = [1:2, ... and on
    7:8];
"""
    expected = [[[60, 152]], [[5, 90], [140, 200]], [[1, 4], [9, 9], [12, 13]], [], [[1, 2], [7, 8]]]
    assert ranges_of(tmp_path / "UCSDped2.m", text) == expected
    assert ranges_of(tmp_path / "UCSDped2.m", text.replace("\n", "\r\n")) == expected
    assert holds_ranges(tmp_path / "UCSDped2.m")


@given(st.lists(st.lists(st.tuples(st.integers(1, 999), st.integers(1, 999)), max_size=4), min_size=1, max_size=5))
def test_what_is_written_is_read(tmp_path_factory, videos):
    path = tmp_path_factory.mktemp("m") / "x.m"
    lines = [f"TestVideoFile{{end+1}}.gt_frame = [{', '.join(f'{a}:{b}' for a, b in video)}];" for video in videos]
    assert ranges_of(path, "\n".join(lines)) == [[list(pair) for pair in video] for video in videos]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found none"),
        ("x = [1:2];", "found none"),
        ("TestVideoFile{end+1}.gt_frame = [1:end];", r"found \[1:end\]"),
        ("TestVideoFile{end+1}.gt_frame = [1:2:9];", r"found \[1:2:9\]"),
        ("TestVideoFile{end+1}.gt_frame = [1.5:2];", r"found \[1\.5:2\]"),
        ("TestVideoFile{end+1}.gt_frame = find(x);\nTestVideoFile{end+1}.gt_frame = [1:2];", r"found 'Test.*find\(x\)"),
        ("TestVideoFile{2}.gt_frame = [1:2];", "in order, found number 2"),
    ],
)
def test_what_is_not_understood_is_never_passed_over(tmp_path, text, said):
    with pytest.raises(LayoutError, match=rf"(?s)x\.m: .*{said}"):
        ranges_of(tmp_path / "x.m", text)


def test_unreadable_and_endless_files_are_refused(tmp_path):
    with pytest.raises(LayoutError, match="cannot be read"):
        read_ranges(tmp_path / "none.m")
    with pytest.raises(LayoutError, match="no more than"):
        ranges_of(tmp_path / "x.m", "%" * 2_000_000)
