import json

import pytest
from alerting import made_alert
from hypothesis import given
from hypothesis import strategies as st

from oddframe.sinks.alert_sink import message_of
from oddframe.sinks.webhook_body import Body


@given(st.text(), st.sampled_from(["start", "end"]))
def test_a_template_makes_json_whatever_the_camera_is_called(name, phase):
    template = '{"text": "$source: ${reason} until $end", "box": $box, "price": "5 $$", "score": $score}'
    message = message_of(made_alert(phase=phase, source=name))
    made = json.loads(Body(template, "application/json; charset=utf-8").of(message))
    end = message["end"] or ""
    assert made == {
        "text": f"{name}: moves wrong until {end}",
        "box": [0.25, 0.5, 0.75, 1.0],
        "price": "5 $",
        "score": 0.75,
    }


def test_what_is_not_known_is_null_or_nothing():
    message = message_of(made_alert(box=None))
    assert Body('{"box": $box, "clip": "$clip"}', "application/json").of(message) == b'{"box": null, "clip": ""}'
    assert Body("box $box, clip $clip", "text/plain").of(message) == b"box , clip "


def test_plain_text_is_not_escaped():
    assert Body('say "$source"', "text/plain").of(message_of(made_alert(source='a "b"'))) == b'say "a "b""'


@pytest.mark.parametrize("template", ["${source.__class__}", "{source}", "{{ source }}"])
def test_templates_run_no_code(template):
    try:
        body = Body(template, "text/plain").of(message_of(made_alert()))
    except ValueError:
        return
    assert body == template.encode()
