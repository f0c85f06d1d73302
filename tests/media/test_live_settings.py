import pytest

from oddframe.errors import SettingsError
from oddframe.media.live_settings import LiveSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("open_timeout_s", 0),
        ("read_timeout_s", -1),
        ("quiet_s", float("nan")),
        ("stall_s", 1e9),
        ("longest_wait_s", 0.5),
        ("keep_s", -1),
        ("keep_mb", 0),
        ("queue", 0),
        ("queue", 1.5),
        ("decoder_threads", 0),
    ],
)
def test_a_knob_out_of_range_is_named(name, value):
    with pytest.raises(SettingsError, match=name):
        LiveSettings(**{name: value})


def test_the_defaults_hold_together():
    settings = LiveSettings()
    assert settings.quiet_s < settings.stall_s
    assert settings.first_wait_s < settings.longest_wait_s
