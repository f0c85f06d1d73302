"""The picture of scores and the picture of losses."""

import numpy as np
import pytest
from PIL import Image

from oddframe.errors import InputError, OutputError
from oddframe.media.plots import save_curve, save_loss_curves
from tests.support.dying import full_at

BLUE, RED, GREEN = (0x2F, 0x7F, 0xC1), (0xD8, 0x34, 0x2C), (0x3F, 0x9B, 0x58)


def drawn(path, *args, **wishes):
    save_curve(path, *args, **wishes)
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def near(pixels, colour):
    return np.abs(pixels - colour).max(axis=-1) < 12


def test_the_curve_leaves_a_gap_where_there_is_no_score(tmp_path):
    times_s = np.arange(100) * 0.1
    scores = np.full(100, 0.3)
    whole = near(drawn(tmp_path / "a.png", times_s, scores)[40:320], BLUE).any(axis=0).sum()
    scores[40:60] = np.nan
    broken = near(drawn(tmp_path / "a.png", times_s, scores)[40:320], BLUE).any(axis=0).sum()
    assert broken == pytest.approx(0.79 * whole, rel=0.04)


def test_scores_above_the_threshold_events_and_truth_are_shown(tmp_path):
    times_s = np.arange(100) * 0.1
    scores = np.where((times_s > 4) & (times_s < 6), 0.9, 0.1)
    plain = drawn(tmp_path / "a.png", times_s, np.full(100, 0.1))
    full = drawn(
        tmp_path / "a.png", times_s, scores, events=[(4, 6)], truth=[(3.9, 6.1)], title="cam_$1_$"
    )
    assert not near(plain, GREEN).any()
    assert near(full, GREEN).sum() > 500
    pink = (full[..., 0] > 240) & (full[..., 1] > 190) & (full[..., 1] < 235)
    assert pink.sum() > 5000


@pytest.mark.parametrize(
    ("times_s", "scores"),
    [([], []), ([0.0], [0.4]), ([0.0, 0.1], [float("nan")] * 2), ([0, 4000], [0.1, 0.2])],
)
def test_recordings_of_any_length_give_a_picture(tmp_path, times_s, scores):
    assert drawn(tmp_path / "a.png", times_s, scores).shape[2] == 3


def test_rows_of_different_length_are_refused(tmp_path):
    with pytest.raises(InputError, match="same length"):
        save_curve(tmp_path / "a.png", [0, 1], [0.1])


def test_a_full_disk_leaves_the_old_curve(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("old")
    with full_at(0, tmp_path), pytest.raises(OutputError, match="the disk is full"):
        save_curve(path, [0, 1], [0.1, 0.2])
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


ENTRIES = [
    *({"step": n, "phase": "pretrain", "appearance": 1 / n, "motion": 2 / n} for n in range(1, 30)),
    {"step": 15, "phase": "pretrain", "held_out": {"appearance": 0.2, "motion": 0.3}},
    {"step": 29, "phase": "centres", "sizes": [3, 4]},
    *(
        {"step": n, "phase": "joint", "appearance": 1 / n, "motion": 2 / n, "cluster": 0.5}
        for n in range(30, 60)
    ),
    {"step": 45, "phase": "joint", "held_out": {"appearance": 0.1, "motion": 0.2, "cluster": 0.4}},
]


def picture(path, entries):
    save_loss_curves(path, entries)
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def test_each_loss_has_a_curve_of_its_own(tmp_path):
    three = picture(tmp_path / "a.png", ENTRIES)
    two = picture(tmp_path / "b.png", ENTRIES[:29])
    assert three.shape[0] > two.shape[0] > 200
    assert three.std() > 5


def test_held_out_losses_are_shown(tmp_path):
    without = [entry for entry in ENTRIES if "held_out" not in entry]
    assert not np.array_equal(
        picture(tmp_path / "a.png", ENTRIES), picture(tmp_path / "b.png", without)
    )


@pytest.mark.parametrize("entries", [[], ENTRIES[:1], ENTRIES[29:31]])
def test_short_logs_are_drawn_too(entries, tmp_path):
    assert picture(tmp_path / "a.png", entries).size


def test_a_loss_that_is_left_out_of_some_lines(tmp_path):
    assert picture(
        tmp_path / "a.png", [*ENTRIES, {"step": 60, "phase": "joint", "motion": 0.1}]
    ).size


def test_a_full_disk_leaves_the_old_loss_curves(tmp_path):
    (tmp_path / "a.png").write_bytes(b"old")
    with (
        full_at(0, tmp_path),
        pytest.raises(OutputError, match=r"a\.png could not be written: the disk is full"),
    ):
        save_loss_curves(tmp_path / "a.png", ENTRIES)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]
