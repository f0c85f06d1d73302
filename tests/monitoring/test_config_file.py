import json
import os
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.zones import Polygon, Schedule, Zones
from oddframe.errors import SettingsError
from oddframe.media.live_config import LiveSettings
from oddframe.monitoring.config import named_cameras
from oddframe.monitoring.config_file import Variables, read_camera_file
from oddframe.sinks.jsonl import JsonLinesConfig
from oddframe.sinks.mqtt import MqttConfig
from oddframe.sinks.prometheus import PrometheusConfig
from oddframe.sinks.sink import Retry
from oddframe.sinks.webhook import WebhookConfig

WHOLE = """
model = "runs/door"
false_alarms = "1/day"

[watch]
pictures = false
keep_days = 7

[[camera]]
name = "Tür 1"
source = "rtsp://bob:${DOOR}@10.0.0.7/stream1"
transport = "udp"
model = "ped2"
false_alarms = "2/day"
health = false
fps = 10

[camera.zones]
cool_down_s = 30
time_zone = "Europe/Berlin"
armed = ["mon-fri 18:00-06:00"]
watch = [{ name = "step", polygon = [[0.1, 0.2], [0.5, 0.2], [0.5, 0.9]] }]

[camera.live]
read_timeout_s = 5
queue = 8

[[camera]]
name = "yard"
source = "/dev/video2"

[sinks.phone]
kind = "webhook"
url = "https://example.org/api/${HOOK}"
headers = { Authorization = "Bearer ${TOKEN}" }
phases = ["start"]
retry = { most_s = 30 }

[sinks.house]
kind = "mqtt"
host = "broker"
username = "oddframe"
password = "${BROKER}"

[sinks.figures]
kind = "prometheus"
port = 9999

[sinks.log]
kind = "json_lines"
path = "log/alerts.jsonl"
"""
VARIABLES = {
    "DOOR": "s3cret@home",
    "HOOK": "T0/s3crethook x",
    "TOKEN": "s3crettoken",
    "BROKER": "s3cretbroker",
}


@pytest.fixture
def read(tmp_path):
    def reading(text, suffix=".toml", variables=None, **given):
        path = tmp_path / f"cameras{suffix}"
        path.write_text(text)
        return read_camera_file(
            path, variables=VARIABLES if variables is None else variables, **given
        )

    return reading


def test_everything_that_a_file_may_say_arrives(read, tmp_path):
    plan = read(WHOLE)
    assert plan.model == str(tmp_path / "runs/door")
    assert (plan.settings.pictures, plan.settings.keep_days, plan.settings.store) == (
        False,
        7.0,
        True,
    )
    door, yard = plan.cameras
    assert (door.name, door.address.transport, door.address.kind) == ("Tür 1", "udp", "rtsp")
    assert door.address.secret == "rtsp://bob:s3cret%40home@10.0.0.7/stream1"
    assert (door.model, door.false_alarms, door.health, door.fps) == ("ped2", "2/day", False, 10.0)
    assert door.zones == Zones(
        watch=(Polygon(((0.1, 0.2), (0.5, 0.2), (0.5, 0.9)), "step"),),
        armed=Schedule.parse(["mon-fri 18:00-06:00"], "Europe/Berlin"),
        cool_down_s=30,
    )
    assert door.live == LiveSettings(read_timeout_s=5.0, queue=8)
    assert (yard.model, yard.false_alarms, yard.address.secret) == (None, "1/day", "/dev/video2")
    assert (yard.health, yard.zones, yard.live) == (True, None, LiveSettings())
    assert plan.settings.sinks == {
        "phone": WebhookConfig(
            url="https://example.org/api/T0/s3crethook%20x",
            headers={"Authorization": "Bearer s3crettoken"},
            phases=("start",),
            retry=Retry(most_s=30.0),
        ),
        "house": MqttConfig(host="broker", username="oddframe", password="s3cretbroker"),
        "figures": PrometheusConfig(port=9999),
        "log": JsonLinesConfig(path=tmp_path / "log/alerts.jsonl"),
    }


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16"])
def test_a_file_from_an_editor_with_a_mark_says_the_same(read, tmp_path, coding):
    plain = read(WHOLE)
    path = tmp_path / "cameras.toml"
    path.write_text(WHOLE, encoding=coding, newline="\r\n")
    assert read_camera_file(path, variables=VARIABLES) == plain


def test_json_says_the_same(read):
    values = {"model": "/m", "camera": [{"name": "a", "source": "rtsp://cam/x"}]}
    assert read(json.dumps(values), ".json") == read(
        'model = "/m"\n[[camera]]\nname = "a"\nsource = "rtsp://cam/x"'
    )


def test_the_plan_knows_all_secrets_longest_first(read):
    plan = read(WHOLE)
    assert {
        "s3cret@home",
        "s3cret%40home",
        "bob:s3cret@home",
        "s3cretbroker",
        "Bearer s3crettoken",
    } <= {*plan.secrets}
    assert {"s3crethook x", "s3crethook%20x", "api/T0/s3crethook%20x"} <= {*plan.secrets}
    assert "api" not in plan.secrets
    assert "" not in plan.secrets
    assert list(map(len, plan.secrets)) == sorted(map(len, plan.secrets), reverse=True)
    assert not any(secret in repr(plan) for secret in plan.secrets)


def test_paths_are_seen_from_the_file(read, tmp_path, video):
    video("clips/a.mp4")
    (tmp_path / "ped2").mkdir()
    plan = read('model = "ped2"\n[[camera]]\nname = "a"\nsource = "clips/a.mp4"')
    assert plan.model == str(tmp_path / "ped2"), "an existing path wins over a shipped model"
    assert plan.cameras[0].address.secret == str(tmp_path / "clips/a.mp4")
    assert plan.cameras[0].is_file


def test_a_camera_may_be_a_number(read):
    assert (
        read('model = "m"\n[[camera]]\nname = "a"\nsource = "0"').cameras[0].address.secret
        == "/dev/video0"
    )


def test_a_variable_may_be_a_whole_address(read):
    text = """
model = "m"
[[camera]]
name = "a"
source = "${WHERE}"
[sinks.p]
kind = "webhook"
url = "${HOOK}"
"""
    plan = read(
        text, variables={"WHERE": "rtsp://bob:s3cret@cam/x", "HOOK": "https://h/?key=s3cret&x=1"}
    )
    assert plan.cameras[0].address.secret == "rtsp://bob:s3cret@cam/x"
    assert plan.settings.sinks["p"].url == "https://h/?key=s3cret&x=1"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", '{"k": "a$$\\"b", "t": "$source"}'),
        ("text/plain", '{"k": "a$$"b", "t": "$source"}'),
    ],
)
def test_a_template_has_values_of_the_message_and_variables(read, kind, body):
    text = f"""
model = "m"
[[camera]]
name = "a"
source = "0"
[sinks.p]
kind = "webhook"
url = "http://h"
content_type = "{kind}"
template = '{{"k": "${{KEY}}", "t": "${{source}}"}}'
"""
    made = read(text, variables={"KEY": 'a$"b', "source": "not this"}).settings.sinks["p"]
    assert made.template == body.replace("$source", "${source}")


def test_people_are_told_by_rules_in_words_and_at_addresses_with_variables(read):
    text = """
model = "m"
[watch]
public_url = "https://cameras.example.org"
[[camera]]
name = "a"
source = "0"
[sinks.team]
kind = "apprise"
urls = ["mailto://${USER}:${PASSWORD}@example.org"]
title = "${source} at ${SITE}"
[sinks.team.rules]
hours = ["mon-fri 18:00-06:00"]
time_zone = "Europe/Berlin"
digest_s = 3600
"""
    settings = read(
        text, variables={"USER": "bob", "PASSWORD": "p%40ss", "SITE": 'the "yard"'}
    ).settings
    team = settings.sinks["team"]
    assert settings.public_url == "https://cameras.example.org"
    assert team.urls == ("mailto://bob:p%40ss@example.org",)
    assert team.title == '${source} at the "yard"'
    assert (team.rules.digest_s, team.rules.schedule.time_zone) == (3600, "Europe/Berlin")


def test_a_public_address_with_which_no_link_can_begin_is_refused(read):
    with pytest.raises(SettingsError, match="watch: public_url must be the address"):
        read('model = "m"\n[watch]\npublic_url = "cameras"\n[[camera]]\nname = "a"\nsource = "0"')


def test_a_model_beside_the_file_is_for_cameras_without_one_of_their_own(read):
    plan = read(WHOLE, model="other")
    assert [plan.model_of(one) for one in plan.cameras] == ["ped2", "other"]
    assert read('[[camera]]\nname = "a"\nsource = "0"', model="other").model == "other"


CAMERA = 'model = "m"\n[[camera]]\nname = "door"\nsource = "rtsp://cam/x"\n'
SINK = f'{CAMERA}[sinks.phone]\nkind = "webhook"\nurl = "http://h"\n'


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "there must be a camera to watch"),
        ("camera = [", "must be a readable TOML or JSON file"),
        ('modell = "m"', r"cameras\.toml: unknown setting modell; did you mean model\?"),
        ("model = 3", r"cameras\.toml: model must be a text, got 3"),
        ('false_alarms = "often"', r"cameras\.toml: a false-alarm budget must read like"),
        ("camera = 3", r"camera must be a list, got a value of kind int"),
        ("camera = [3]", r"camera\[0\] must be a table"),
        (CAMERA.replace('model = "m"', ""), "camera 'door' needs a model"),
        (
            f'{CAMERA}[[camera]]\nname = "DOOR"\nsource = "0"',
            "must have different names, got 'door' and 'DOOR'",
        ),
        (f'{CAMERA}[[camera]]\nsource = "0"', "camera number 2: name must be given"),
        (f'{CAMERA}[[camera]]\nname = "b"', "camera 'b': source must be given"),
        (f"{CAMERA}heatlh = true", "camera 'door': unknown setting heatlh; did you mean health?"),
        (
            f'{CAMERA}transport = "http"',
            "camera 'door': transport must be 'tcp' or 'udp', got 'http'",
        ),
        (f'{CAMERA}false_alarms = "often"', "camera 'door': a false-alarm budget must read like"),
        (
            f"{CAMERA}zones = {{ wach = [] }}",
            "camera 'door': zones: unknown setting wach; did you mean watch?",
        ),
        (
            f"{CAMERA}live = {{ stal_s = 3 }}",
            r"camera 'door': unknown setting live\.stal_s; did you mean stall_s",
        ),
        (
            f"{CAMERA}live = {{ stall_s = 0 }}",
            "camera 'door': live.stall_s must be above 0 and at most 3600",
        ),
        (CAMERA.replace("rtsp:", "gopher:"), "camera 'door': a stream's address must begin with"),
        (
            CAMERA.replace("rtsp://cam/x", "a.mp4"),
            "camera 'door': .*a.mp4 must be rtsp.* nothing is there",
        ),
        (
            CAMERA.replace("rtsp://", "rtsp://${GATE}@"),
            r"camera 'door': .*names the variable \$\{GATE\}",
        ),
        (
            CAMERA.replace("rtsp://cam/x", "${GATE}"),
            r"camera 'door': the variable \$\{GATE\} must be set",
        ),
        (
            f"{CAMERA}[watch]\nkep_days = 3",
            r"watch: unknown setting kep_days; did you mean keep_days\?",
        ),
        (f"{CAMERA}[watch]\nkeep_days = -3", "watch: keep_days must be at least 0, got -3"),
        (f"{CAMERA}[watch]\nfast = true", "watch: fast must be given on the command line"),
        (f"{CAMERA}[watch]\nsinks = 3", "watch: sinks must be tables of their own"),
        (
            f'{CAMERA}[sinks]\nurl = "s3cret"',
            r"sinks\.url must be a table, got a value of kind str",
        ),
        (
            f'{CAMERA}[sinks.phone]\nurl = "http://h"',
            r"sinks\.phone: kind must be one of webhook, mqtt, .*, got None",
        ),
        (
            f'{CAMERA}[sinks.phone]\nkind = "webhok"',
            r"sinks\.phone: kind must be one of webhook, .* got 'webhok'",
        ),
        (f'{CAMERA}[sinks.phone]\nkind = "webhook"', r"sinks\.phone: url must be given"),
        (SINK.replace("http", "ftp"), r"sinks\.phone: a webhook's url must be http"),
        (
            SINK.replace("http://h", "http://${GATE}"),
            r"sinks\.phone: the variable \$\{GATE\} must be set",
        ),
        (f"{SINK}tmeplate = 3", r"sinks\.phone: unknown setting tmeplate; did you mean template\?"),
        (
            f'{SINK}phases = ["began"]',
            r"sinks\.phone: phases\[0\] must be 'start', 'update', 'end' or 'description'",
        ),
        (
            f"{SINK}headers = {{ Key = 3 }}",
            r"sinks\.phone: headers\.Key must be a text, got a value of kind int",
        ),
        (SINK.replace("sinks.phone", "sinks.events"), 'must not be called "events"'),
        (
            f'{SINK}template = \'{{"a": "${{GATE}}"}}\'',
            r"sinks\.phone: the variable \$\{GATE\} must be set",
        ),
    ],
)
def test_mistakes_name_the_file_and_the_place(read, text, named):
    with pytest.raises(SettingsError, match=named) as caught:
        read(text)
    assert "cameras.toml" in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"none\.toml must be a readable"):
        read_camera_file(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "text",
    [
        CAMERA.replace("rtsp://cam", "rtsp://bob:${KEY}@cam:99999"),
        CAMERA.replace("rtsp://cam/x", "${KEY}"),
        CAMERA.replace("rtsp://cam/x", "rtsp:/bob:Zq7${KEY}Zq7@cam"),
        CAMERA.replace("rtsp://cam", "rtsp://bob:Zq7@ca m"),
        CAMERA.replace('"rtsp://cam/x"', '["Zq7"]'),
        f'{CAMERA}[sinks.p]\nkind = "mqtt"\nhost = "h"\npassword = "${{KEY}}"\n',
        f'{CAMERA}[sinks.p]\nkind = "mqtt"\nhost = "h"\npassword = ["Zq7"]\n',
        f'{CAMERA}[sinks.p]\nkind = "mqtt"\nhost = "h"\nport = "${{KEY}}"\n',
        f'{CAMERA}[sinks.p]\nkind = "mqtt"\nhost = "h"\nprefix = "+${{KEY}}"\n',
        f'{CAMERA}[sinks.p]\nkind = "webhook"\nurl = "${{KEY}}"\n',
        f'{CAMERA}[sinks.p]\nkind = "webhook"\nurl = "http://h:${{KEY}}/"\n',
        f'{CAMERA}[sinks.p]\nkind = "webhook"\nurl = ["Zq7"]\n',
        f'{CAMERA}[[sinks]]\nkind = "webhook"\nurl = "Zq7"\n',
        f"{SINK}template = '${{KEY}}'\n",
        f'{SINK}headers = {{ Key = "ü${{KEY}}" }}\n',
        f'{SINK}headers = "Key: Zq7"\n',
        f'{SINK}phases = ["${{KEY}}"]\n',
    ],
)
def test_no_error_holds_a_secret(read, text):
    with pytest.raises(SettingsError) as caught:
        read(text, variables={"KEY": "Zq7 s$'3\"cretü"})
    shown = "".join(traceback.format_exception(caught.value)[-1:]) + repr(caught.value.__context__)
    assert "cret" not in shown.replace("secret", "")
    assert "Zq7" not in shown


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_whatever_is_in_a_variable_arrives_whole_or_is_refused_without_a_word(
    tmp_path_factory, value
):
    path = tmp_path_factory.getbasetemp() / "whatever.toml"
    path.write_text(f'{SINK.replace("//h", "//h/${KEY}")}headers = {{ Key = "a${{KEY}}" }}\n')
    secret = f"Zq7{value}Zq7"
    try:
        sink = read_camera_file(path, variables={"KEY": secret}).settings.sinks["phone"]
    except SettingsError as error:
        message = str(error)
    else:
        message = ""
        assert sink.headers == {"Key": f"a{secret}"}
        assert secret in sink.secrets
    assert "Zq7" not in message


def test_a_text_gets_the_values_of_its_variables_as_they_are():
    assert Variables({"A": "x/ü$", "B_1": ""}).fill("${A}-${B_1}-$A-${ A}") == "x/ü$--$A-${ A}"


@pytest.mark.parametrize("text", ["${B}", "${}", "a ${a} b"])
def test_a_variable_that_is_not_set_is_named(text):
    with pytest.raises(SettingsError, match=r"the variable \$\{\w*\} must be set"):
        Variables({"A": "x"}).fill(text)


def test_the_environment_is_asked_where_nothing_is_given(monkeypatch):
    monkeypatch.setenv("ODDFRAME_TEST_DOOR", "x")
    assert Variables().fill("${ODDFRAME_TEST_DOOR}") == "x"


def test_texts_of_a_sink_are_filled_wherever_they_lie():
    table = {"host": "${A}", "port": 3, "deep": {"more": ["${A}", 1, {"x": "${A}"}]}, "${A}": True}
    filled = {"host": "x", "port": 3, "deep": {"more": ["x", 1, {"x": "x"}]}, "${A}": True}
    assert Variables({"A": "x"}).fill_in_sink(table) == filled


@pytest.mark.parametrize(
    ("url", "filled"),
    [
        ("http://h/${A}", "http://h/a/b:c%40%3F%26%20%25"),
        ("http://h/?x=${A}&y=1", "http://h/?x=a/b:c%40%3F%26%20%25&y=1"),
        ("${A}", "a/b:c@?& %"),
    ],
)
def test_in_a_url_a_value_stays_in_its_place(url, filled):
    assert Variables({"A": "a/b:c@?& %"}).fill_in_sink({"url": url}) == {"url": filled}


def test_values_that_were_used_are_scrubbed_in_every_spelling_and_others_are_not():
    variables = Variables({"A": "a b@c'", "B": "zzz", "LONG": "a b@c'd"})
    variables.fill("${A}${LONG}")
    message = variables.scrub("""a b@c'd, a%20b%40c%27, a b@c', zzz, "a b@c'" """)
    assert message == """${LONG}, ${A}, ${A}, zzz, "${A}" """


@pytest.mark.parametrize("name", [b"k\xfcche.mp4", b"x" * 200 + b".mp4"])
def test_a_file_of_any_name_can_be_watched(tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(b"")
    (camera,) = named_cameras([path])
    assert camera.name.isprintable()
    assert len(camera.name.encode()) <= 120


def test_a_file_of_authorities_is_seen_from_the_file(read, tmp_path):
    text = WHOLE.replace('host = "broker"', 'host = "broker"\ntls = true\nca_file = "ca.pem"')
    assert read(text).settings.sinks["house"].ca_file == tmp_path / "ca.pem"
