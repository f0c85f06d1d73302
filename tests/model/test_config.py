"""The settings of the network: what they refuse, what they are by default and what follows."""

from dataclasses import replace

import pytest

from oddframe.core.smoothing import SmoothingWindow
from oddframe.errors import SettingsError
from oddframe.model.config import NetworkConfig

SMALL = NetworkConfig(height=32, width=32, channels=2, clusters=3)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"height": 40}, "height"),
        ({"width": 0}, "width"),
        ({"height": 48, "stem_stride": 2}, "multiple of 32"),
        ({"interval": 0}, "interval"),
        ({"channels": 0}, "channels"),
        ({"channels": 3, "skips": False}, "even"),
        ({"channels": 2, "decoder_channels": 1}, "even"),
        ({"decoder_channels": 0}, "decoder_channels"),
        ({"appearance": False, "motion": False}, "at least one"),
        ({"clusters": -1}, "clusters"),
        ({"clusters": 0}, "fusion"),
        ({"score_windows": ()}, "score_windows"),
        ({"score_windows": (1, 64)}, "score_windows"),
        ({"score_share": 0.0}, "score_share"),
        ({"appearance_weight": -0.1}, "appearance_weight"),
        ({"error_power": 0.0}, "error_power"),
        ({"error_power": 1.5}, "error_power"),
        ({"score_share": float("nan")}, "score_share"),
        ({"score_power": 0.0}, "score_power"),
        ({"score_power": float("nan")}, "score_power"),
        ({"scored_frame": "first"}, "scored_frame"),
        ({"colour": "gray"}, "'rgb' or 'grey', got 'gray'"),
        ({"fusion": "sum"}, "fusion"),
        ({"attention": "max"}, "attention"),
        ({"stem_stride": 4}, "stem_stride"),
    ],
)
def test_what_cannot_be_built_is_refused_by_name(changes, named):
    with pytest.raises(SettingsError, match=named):
        replace(SMALL, **changes)


def test_defaults_are_the_methods():
    config = NetworkConfig()
    assert (config.height, config.width, config.colour, config.interval) == (256, 256, "rgb", 1)
    assert (config.channels, config.clusters, config.attention, config.code_norm) == (
        32,
        32,
        "sum",
        "l1",
    )
    assert (config.rebuilt_frame, config.fusion, config.kmeans_space) == (
        "first",
        "product",
        "normalised",
    )
    assert (config.score_windows, config.score_share) == ((1,), 1.0)
    assert (config.empty_scene, config.decoder_channels) == (False, None)


def test_codes_follow_the_width_and_the_streams_in_use():
    assert (NetworkConfig().code_width, NetworkConfig().code_stride) == (512, 8)
    assert replace(SMALL, motion=False).code_width == 16
    assert replace(SMALL, stem_stride=2).code_stride == 16


@pytest.mark.parametrize(
    ("scored_frame", "score_clips", "window", "known_after"),
    [
        ("last", 1, SmoothingWindow(0, 0), 0),
        ("last", 5, SmoothingWindow(4, 0), 0),
        ("middle", 1, SmoothingWindow(0, 0), 6),
        ("middle", 5, SmoothingWindow(2, 2), 8),
        ("middle", 4, SmoothingWindow(2, 1), 7),
    ],
)
def test_a_score_is_known_when_its_clips_are(scored_frame, score_clips, window, known_after):
    config = replace(SMALL, interval=3, scored_frame=scored_frame, score_clips=score_clips)
    assert config.neighbours == window
    assert config.known_after == known_after
