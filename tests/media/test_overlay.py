"""Pictures with their heat maps, and the strip with the curve below them."""

import numpy as np
import pytest

from oddframe.core.records import Score
from oddframe.errors import InputError, SettingsError
from oddframe.media.overlay import Overlay, blend_heat, clock_text, overlay

RED, BLUE = np.array([255, 72, 66]), np.array([92, 184, 255])


def grey(width=64, height=48):
    return np.full((height, width, 3), 120, np.uint8)


def heat(level):
    return np.full((16, 16), level, np.float32)


def near(pixels, colour):
    """How many pixels are close to a colour."""
    return int((np.abs(pixels.astype(int) - colour).max(axis=-1) < 40).sum())


@pytest.mark.parametrize(
    ("size", "shown"), [((360, 240), (720, 480)), ((640, 360), (640, 360)), ((61, 47), (122, 94))]
)
def test_small_pictures_are_doubled_and_sizes_are_even(size, shown):
    overlay = Overlay(size, 1.0)
    drawn = overlay.draw(grey(*size), heat(0), 0.2, 0.0)
    assert overlay.size[0] == shown[0]
    assert overlay.size[1] > shown[1]
    assert drawn.shape == (overlay.size[1], overlay.size[0], 3)
    assert drawn.dtype == np.uint8
    assert all(side % 2 == 0 for side in overlay.size)


def test_normal_places_show_the_plain_picture():
    assert np.array_equal(blend_heat(grey(), heat(0.2), map_scale=1.0), grey())


def test_only_the_hot_place_glows_and_hotter_places_cover_more():
    level = np.zeros((48, 64), np.float32)
    level[20:30, 30:44] = 4.0
    blended = blend_heat(grey(), level, 1.0).astype(int)
    assert np.abs(blended[24, 36] - 120).max() > 40
    assert np.array_equal(blended[:15], grey()[:15])
    changes = [
        np.abs(blend_heat(grey(), heat(x), 1.0)[0, 0].astype(int) - 120).max()
        for x in (0.4, 0.8, 1.5, 4)
    ]
    assert changes == sorted(changes)
    assert changes[0] < changes[-1]


def test_colours_mean_the_same_in_all_frames():
    alone = blend_heat(grey(), heat(1.0), 1.0)
    beside = np.zeros((16, 16), np.float32)
    beside[:8], beside[8:] = 1.0, 50.0
    assert np.array_equal(blend_heat(grey(), beside, 1.0)[:10], alone[:10])
    assert np.array_equal(blend_heat(grey(), heat(7.0), 7.0), alone)


def test_nan_and_negative_levels_show_the_plain_picture():
    level = heat(-3.0)
    level[3, 3] = np.nan
    assert np.array_equal(blend_heat(grey(), level, 1.0), grey())


def test_a_score_above_the_threshold_is_marked_and_others_are_not():
    calm = Overlay((320, 240), 1.0).draw(grey(320, 240), None, 0.5, 0.0)
    alarm = Overlay((320, 240), 1.0).draw(grey(320, 240), None, 0.51, 0.0)
    assert near(calm, RED) == 0
    assert (alarm[:480, 0] == RED).all()
    assert (alarm[0, :, :] == RED).all()
    assert near(calm, BLUE) > 0


def test_the_curve_grows_from_the_left_and_then_scrolls():
    overlay = Overlay((320, 240), 1.0, window_s=10)
    widths = []
    for step in range(60):
        drawn = overlay.draw(grey(320, 240), None, 0.3, 0.5 * step)
        curve = np.abs(drawn[480:, 200:].astype(int) - BLUE).max(axis=-1) < 60
        widths.append(int(curve.any(axis=0).sum()))
    assert widths[10] < widths[19]
    assert widths[25] == pytest.approx(widths[59], abs=6)


def test_frames_without_a_score_and_without_a_map_are_drawn():
    overlay = Overlay((320, 240), 1.0)
    for step in range(4):
        drawn = overlay.draw(grey(320, 240), None, None, 0.1 * step)
    assert near(drawn, RED) == near(drawn, BLUE) == 0
    assert np.array_equal(drawn[100:300, 100:300], np.full((200, 200, 3), 120))


def test_scores_from_before_the_window_are_forgotten():
    whole, end = (Overlay((320, 240), 1.0, window_s=2) for _ in range(2))
    for step in range(48):
        score = 0.9 if step < 28 else 0.4
        drawn = whole.draw(grey(320, 240), None, score, step / 8)
        if step >= 31:  # the window's 16 steps and the last frame
            drawn_from_end = end.draw(grey(320, 240), None, score, step / 8)
    assert np.array_equal(drawn, drawn_from_end)


def test_time_that_goes_back_begins_a_new_curve():
    used, fresh = (Overlay((320, 240), 1.0) for _ in range(2))
    for step in range(20):
        used.draw(grey(320, 240), None, 0.9, step / 8)
    drawn = [overlay.draw(grey(320, 240), None, 0.2, 0.0) for overlay in (used, fresh)]
    assert np.array_equal(*drawn)


@pytest.mark.parametrize(
    ("time_s", "text"),
    [
        (0, "0:00.0"),
        (7.26, "0:07.3"),
        (59.96, "1:00.0"),
        (760, "12:40.0"),
        (3723.4, "1:02:03.4"),
        (-0.5, "-0:00.5"),
    ],
)
def test_times_read_as_people_write_them(time_s, text):
    assert clock_text(time_s) == text


def test_wrong_pictures_and_scales_are_refused():
    with pytest.raises(SettingsError, match="48 x 64 x 3"):
        Overlay((64, 48), 1.0).draw(grey(48, 64), None, 0.1, 0.0)
    with pytest.raises(SettingsError, match="must be above 0"):
        Overlay((64, 48), 0.0)


def scored(level, score=0.3):
    return Score(0, 0.0, score=score, raw=1.0, map=heat(level), map_level=1.0)


def test_a_caller_s_frame_is_drawn_as_the_video_draws_it():
    hot = blend_heat(grey(), heat(4.0), 1.0)
    assert (hot != grey()).any()
    np.testing.assert_array_equal(overlay(grey(), scored(4.0)), hot)
    np.testing.assert_array_equal(overlay(grey(), scored(0.2)), grey())
    alarm = overlay(grey(200, 100), scored(0.2, score=0.9))
    assert near(alarm, RED) > 1000
    assert alarm.shape == (100, 200, 3)


def test_a_drawn_frame_has_the_colours_in_the_order_of_the_frame():
    frame = grey() + np.array([0, 20, 40], np.uint8)
    turned = overlay(frame[..., ::-1], scored(4.0, score=0.9), colour="bgr")
    np.testing.assert_array_equal(turned[..., ::-1], overlay(frame, scored(4.0, score=0.9)))
    flat = overlay(grey()[..., 0], scored(4.0))
    np.testing.assert_array_equal(flat, overlay(grey(), scored(4.0)))


def test_a_frame_without_a_score_stays_and_a_score_without_its_map_is_told():
    frame = grey()
    drawn = overlay(frame, Score(0, 0.0))
    np.testing.assert_array_equal(drawn, frame)
    drawn[:] = 0  # it is a copy
    assert frame.any()
    with pytest.raises(InputError, match=r"must carry its map to be drawn.*maps=True"):
        overlay(frame, Score(0, 0.0, score=0.9, raw=1.0))
    with pytest.raises(InputError, match="H x W x C"):
        overlay(np.zeros(3, np.uint8), scored(1.0))
    with pytest.raises(SettingsError, match="colour"):
        overlay(frame, scored(1.0), colour="hsv")
