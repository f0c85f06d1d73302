import numpy as np
import pytest

from oddframe.core.health.learning import FROZEN_S
from oddframe.synthetic.camera_faults import blacken, cover, darken, defocus, turn
from tests.support.health_scene import RATE_FPS, drawn, learned, watched


def changed(recording, begin, end, change):
    random = np.random.default_rng(0)
    return [change(p, random) if begin <= n < end else p for n, p in enumerate(recording)]


BAD = {
    "covered": lambda p, r: cover(p, 1.0, 2.0, r),
    "covered ": lambda p, r: blacken(p, 2.0, r),
    "out of focus": lambda p, r: defocus(p, 2.0, 2.0, r),
    "frozen": lambda p, r: drawn(2, 200)[40],
}


@pytest.mark.parametrize(
    "fault",
    ["covered", pytest.param("covered ", marks=pytest.mark.slow), "out of focus", "frozen"],
)
def test_bad_footage_is_found_and_teaches_nothing(fault):
    length = 140 if fault == "frozen" else 80
    with_it = changed(drawn(2, 200), 40, 40 + length, BAD[fault])
    found, bad = learned(drawn(1, 200), with_it, *[drawn(3, 100)] * 5)
    (span,) = bad
    assert span.fault == fault.strip()
    # All of it, no more than a margin around it, and nothing of other recordings.
    begin, end = 240, 240 + length
    assert max(200, begin - 40) <= span.begin <= begin + 1
    assert end <= span.end <= min(400, end + 60)
    clean, _ = learned(drawn(1, 200), drawn(2, 200), *[drawn(3, 100)] * 5)
    for name in ("frozen_after_s", "most_lost", "least_sharpness", "most_shift_px"):
        assert getattr(found, name) == pytest.approx(getattr(clean, name), rel=0.05)


def test_what_is_seen_often_is_usual():
    night = [darken(p, 0.0, 1.0, np.random.default_rng(n)) for n, p in enumerate(drawn(2, 200))]
    found, bad = learned(drawn(1, 200), night, drawn(3, 100))
    assert bad == ()
    changes, usable = watched(night[:100], found)
    assert changes == []
    assert all(usable)


def test_a_rare_night_with_something_to_see_is_kept():
    night = changed(drawn(2, 200), 50, 110, lambda p, r: darken(p, 0.12, 1.0, r))
    assert learned(drawn(1, 200), night, drawn(3, 100))[1] == ()


def test_footage_of_two_views_switches_the_view_off():
    other = [turn(p, 30) for p in drawn(2, 200)]
    found, bad = learned(drawn(1, 200), other, drawn(3, 100))
    assert bad == ()
    assert watched(other[:100], found)[0] == []


def still_at_times(lengths_s):
    """Moving frames with runs of repeats between them, as an encoder makes of a still scene."""
    pictures, source = [], iter(range(10_000))
    for length_s in lengths_s:
        pictures += [drawn(1, 200)[next(source) % 200] for _ in range(15)]
        pictures += [pictures[-1]] * round(length_s * RATE_FPS)
    return [*pictures, *drawn(2, 200)[:30]]


def test_runs_of_all_lengths_are_usual_and_make_the_watch_patient():
    found, bad = learned(still_at_times([0.5, 1, 3, 6, 15]))
    assert bad == ()
    assert found.frozen_after_s == pytest.approx(45, abs=1)


def test_a_run_from_nowhere_is_a_freeze():
    recording = still_at_times([0.5, 1, 2, 30])
    found, bad = learned(recording, *[drawn(2, 200)] * 6)
    assert [span.fault for span in bad] == ["frozen"]
    assert (bad[0].end - bad[0].begin) / RATE_FPS == pytest.approx(30, abs=0.3)
    assert found.frozen_after_s == FROZEN_S


def test_a_camera_of_half_the_rate_is_never_still():
    doubled = [p for p in drawn(1, 200) for _ in range(2)]
    found, bad = learned(doubled)
    assert (bad, found.frozen_after_s) == ((), FROZEN_S)
    assert watched(doubled, found)[0] == []


def test_a_scene_without_structure_knows_only_dark_and_still():
    random = np.random.default_rng(0)
    wall = [
        np.clip(random.normal(120, 3, (128, 192, 1)), 0, 255).astype(np.uint8) for _ in range(150)
    ]
    found, bad = learned(wall)
    assert (bad, found.most_lost, found.least_sharpness) == ((), 1.0, 0.0)
    assert watched(wall, found)[0] == []
    dark = [np.full_like(wall[0], 3)] * 80
    assert [one.state for one in watched([*wall, *dark], found)[0]] == ["covered"]


def test_one_frame_is_footage_enough():
    found, bad = learned(drawn(1, 200)[:1])
    assert bad == ()
    assert watched(drawn(1, 200)[:30], found)[0] == []


def test_large_and_coloured_frames_are_shrunk():
    random = np.random.default_rng(0)
    large = [random.integers(0, 256, (600, 800, 3), dtype=np.uint8) for _ in range(4)]
    found, _ = learned(large)
    assert found.scene.shape == (200, 266)
