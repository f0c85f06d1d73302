import numpy as np
import pytest
from dying import full_at
from PIL import Image

from oddframe.errors import OutputError
from oddframe.media.loss_curves import save_loss_curves

ENTRIES = [
    *({"step": n, "phase": "pretrain", "appearance": 1 / n, "motion": 2 / n} for n in range(1, 30)),
    {"step": 15, "phase": "pretrain", "held_out": {"appearance": 0.2, "motion": 0.3}},
    {"step": 29, "phase": "centres", "sizes": [3, 4]},
    *({"step": n, "phase": "joint", "appearance": 1 / n, "motion": 2 / n, "cluster": 0.5} for n in range(30, 60)),
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
    assert not np.array_equal(picture(tmp_path / "a.png", ENTRIES), picture(tmp_path / "b.png", without))


@pytest.mark.parametrize("entries", [[], ENTRIES[:1], ENTRIES[29:31]])
def test_short_logs_are_drawn_too(entries, tmp_path):
    assert picture(tmp_path / "a.png", entries).size


def test_a_loss_that_is_left_out_of_some_lines(tmp_path):
    assert picture(tmp_path / "a.png", [*ENTRIES, {"step": 60, "phase": "joint", "motion": 0.1}]).size


def test_a_full_disk_leaves_the_old_picture(tmp_path):
    (tmp_path / "a.png").write_bytes(b"old")
    with full_at(0, tmp_path), pytest.raises(OutputError, match=r"a\.png could not be written: the disk is full"):
        save_loss_curves(tmp_path / "a.png", ENTRIES)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]
