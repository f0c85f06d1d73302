from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.alerts import CameraStatus, alert, safe_name
from oddframe.errors import InputError
from tests.support.alerting import made_alert, made_event, wall


def test_wall_clock_times_come_from_the_clock_that_is_given():
    one = alert(made_event(2, "end"), lambda time_s: round(time_s * 1000))
    assert (one.start_us, one.peak_us, one.seen_us, one.end_us) == (20_000, 22_000, 24_000, 24_000)


def test_an_event_that_goes_on_has_no_end():
    assert made_alert(phase="start").end_us is None
    assert made_alert(phase="update").end_us is None
    assert made_alert(phase="end").end_us == wall(4.0)


def test_keys_tell_alerts_apart_and_repeat_for_the_same_one():
    alerts = [
        made_alert(number, phase) for number in range(3) for phase in ("start", "update", "end")
    ]
    alerts.append(alert(made_event(0, "update", score=0.9), wall))
    assert len({one.key for one in alerts}) == len(alerts)
    assert [one.key for one in alerts[:9]] == [
        made_alert(number, phase).key for number in range(3) for phase in ("start", "update", "end")
    ]


def test_an_end_keeps_its_key_when_it_is_told_again_with_less_known_of_it():
    end = made_alert(phase="end")
    assert replace(end, seen_us=end.seen_us - 5, peak_us=end.peak_us - 5).key == end.key


@given(st.lists(st.text(min_size=1), unique=True, min_size=2))
def test_plain_names_are_safe_and_different(names):
    plain = [safe_name(name) for name in names]
    assert len(set(plain)) == len(names)
    assert all(
        name.isascii() and not set(name) & set("/+#$. \\") and 0 < len(name) < 80 for name in plain
    )


def test_a_plain_name_stays():
    assert safe_name("Yard-2_b") == "Yard-2_b"


def test_a_camera_must_have_a_name():
    with pytest.raises(InputError, match="must have a name"):
        CameraStatus(camera="", at_us=0, online=True, state="live")
