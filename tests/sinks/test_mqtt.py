import pytest

from oddframe.errors import SettingsError
from oddframe.sinks.mqtt import MqttConfig, Topics


def test_home_assistant_learns_what_it_needs():
    configs = Topics("home/cams", "homeassistant").discovery("Hof 1/2")
    assert len(configs) == 4
    for topic, config in configs.items():
        start, component, node, item, end = topic.split("/")
        assert (start, end) == ("homeassistant", "config")
        assert component in ("binary_sensor", "sensor")
        assert node.replace("_", "").replace("-", "").isalnum()
        assert config["unique_id"] == f"{node}_{item}"
        assert config["availability_topic"] == "home/cams/available"
        assert config["state_topic"].startswith("home/cams/Hof_1_2-")
        assert config["device"]["identifiers"] == [node]
        assert config["device"]["name"] == "Oddframe Hof 1/2"
        assert config["origin"]["name"] == "Oddframe"
        assert config["value_template"] == f"{{{{ value_json.{item} }}}}"


def test_two_cameras_or_prefixes_never_share_an_entity():
    def identities(prefix, camera):
        return {config["unique_id"] for config in Topics(prefix, "ha").discovery(camera).values()}

    everything = [
        identities(prefix, camera)
        for prefix in ("a", "a/b", "a_b")
        for camera in ("x", "x y", "x_y", "b_x")
    ]
    assert len(set.union(*everything)) == 4 * len(everything)


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"host": ""}, r"mqtt\.host must not be empty"),
        ({"port": 0}, "port must be from 1 to 65535, got 0"),
        ({"prefix": "a/#"}, r"prefix must be a topic without \+ and #"),
        ({"prefix": ""}, "prefix must not be empty"),
        ({"discovery_prefix": "+"}, "discovery_prefix must be a topic"),
        ({"password": "hunter2"}, "must have a username"),
        ({"keepalive_s": 1}, "keepalive_s must be from 5 to 65535, got 1"),
    ],
)
def test_settings_that_cannot_work_are_refused(wish, said):
    with pytest.raises(SettingsError, match=said) as caught:
        MqttConfig(**{"host": "broker", **wish})
    assert "hunter2" not in str(caught.value)


def test_a_password_is_never_shown():
    assert "hunter2" not in repr(MqttConfig(host="broker", username="me", password="hunter2"))
