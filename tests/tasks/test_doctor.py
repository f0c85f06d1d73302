import hashlib
import json
import shutil

import pytest

from oddframe.tasks.doctor import examine


def test_what_is_installed_here_is_enough():
    report = json.loads(json.dumps(examine()))
    assert report["ok"]
    assert report["versions"]["torch"]
    assert report["versions"]["oddframe"]
    assert report["ffmpeg"]
    assert all(report["codecs"].values())
    assert report["devices"][0]["name"] == "cpu"
    assert "bundle" not in report


def test_a_whole_bundle_is_described(tiny_run):
    for place in (tiny_run, tiny_run / "bundle"):
        report = examine(place)
        assert report["ok"]
        assert report["bundle"]["frames"] == "32 x 32 grey"
        assert report["bundle"]["rate_fps"] == 10.0
        assert report["bundle"]["in_sample"] is False
        assert report["bundle"]["parameters"] > 1_000
        weights = (tiny_run / "bundle" / "model.safetensors").read_bytes()
        assert (
            report["bundle"]["sha256"]["model.safetensors"] == hashlib.sha256(weights).hexdigest()
        )


@pytest.mark.parametrize(
    "name", ["model.safetensors", "config.json", "calibration.json", "README.md"]
)
def test_a_damaged_bundle_is_a_finding_with_the_name_of_the_file(
    name, tiny_run, oddframe_command, tmp_path
):
    folder = shutil.copytree(tiny_run / "bundle", tmp_path / "bundle")
    (folder / name).write_bytes((folder / name).read_bytes()[:-1])
    report = examine(folder)
    assert not report["ok"]
    assert str(folder / name) in report["bundle"]["problem"]
    left = oddframe_command("doctor", "--model", folder, "--json")
    assert left.code == 1
    assert left.json == {**report, "devices": left.json["devices"]}
    assert oddframe_command("doctor", "--model", folder).code == 1


def test_a_model_that_is_not_there_is_a_finding(tmp_path, oddframe_command):
    left = oddframe_command("doctor", "--model", tmp_path, "--json")
    assert left.code == 1
    assert (
        "must be a run folder, a model bundle or the name of a shipped model"
        in left.json["bundle"]["problem"]
    )


def test_a_missing_codec_is_a_finding(monkeypatch):
    monkeypatch.setattr(
        "oddframe.tasks.doctor.list_codecs",
        lambda: {"ffmpeg": "1", "codecs": {"h264": False, "png": True}},
    )
    assert not examine()["ok"]


def test_a_missing_package_is_shown_as_missing(monkeypatch):
    monkeypatch.setattr("oddframe.tasks.doctor.PACKAGES", ("numpy", "no-such-package"))
    versions = examine()["versions"]
    assert versions["no-such-package"] is None
    assert versions["numpy"]


def test_the_command_says_it_in_words(tiny_run, oddframe_command):
    left = oddframe_command("doctor", "--model", tiny_run)
    assert left.code == 0
    for word in ("torch", "ffmpeg", "h264", "cpu", "threshold", "32 x 32 grey"):
        assert word in left.out
