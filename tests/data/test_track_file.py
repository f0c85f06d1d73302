import pytest

from oddframe.data.track_file import read_tracks
from oddframe.errors import LayoutError


def test_boxes_by_frame(tmp_path):
    path = tmp_path / "01.txt"
    path.write_text("0,154,4,142,119,249\n1,154,0,0,2,2\n\n0,155,6,145,129,254\n")
    frames = read_tracks(path, "01", (480, 856))
    assert sorted(frames) == [154, 155]
    assert [true.track for true in frames[154]] == ["01/0", "01/1"]
    region = frames[154][0].region
    assert (region.left, region.top, region.pixels.shape) == (4, 142, (107, 115))


def test_a_header_and_boxes_beyond_the_edge(tmp_path):
    path = tmp_path / "01.txt"
    path.write_text("track_id,frame,x_min,y_min,x_max,y_max\ncar,0,-5,-3.2,4,900\n")
    region = read_tracks(path, "01", (48, 64))[0][0].region
    assert (region.left, region.top, region.pixels.shape) == (0, 0, (48, 4))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0,1,2,3,4\n", r"line 1 must be track_id,frame,.* found '0,1,2,3,4'"),
        ("0,0,0,0,2,2\n0,1.5,0,0,2,2\n", "line 2 must be"),
        ("0,-1,0,0,2,2\n", "frames counted from 0"),
        ("0,0,nan,0,2,2\n", "line 1 must be"),
        ("0,0,x,0,2,2\n", "line 1 must be"),
        ("0,0,100,0,120,2\n", "line 1: no pixel of the 64 x 48 frame"),
        ("0,0,3,0,2,2\n", "a box must hold a pixel"),
    ],
)
def test_what_is_no_box_is_named(text, words, tmp_path):
    path = tmp_path / "01.txt"
    path.write_text(text)
    with pytest.raises(LayoutError, match=words):
        read_tracks(path, "01", (48, 64))


def test_what_is_no_text_is_refused(tmp_path):
    path = tmp_path / "01.txt"
    path.write_bytes(b"\x80\x04\x95\xff")
    with pytest.raises(LayoutError, match="must be a text file"):
        read_tracks(path, "01", (48, 64))
    with pytest.raises(LayoutError, match="cannot be read"):
        read_tracks(tmp_path / "none.txt", "01", (48, 64))
