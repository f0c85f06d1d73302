"""The bundle: what is written is read, what is damaged is named, and a kill leaves one of both."""

import functools
import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch

from oddframe.bundle.bundle import Bundle, find_bundle, read_bundle, write_bundle, write_calibration
from oddframe.bundle.storage import FORMAT
from oddframe.core.calibration import ARRAYS, NormalScores
from oddframe.errors import BundleError, OutputError, SourceNotFoundError
from oddframe.model.fusion import AnomalyScorer
from oddframe.model.network import Network
from tests.support.dying import dying_at, full_at
from tests.support.tiny import bytes_of, tiny_calibration, tiny_settings

FILES = {
    "README.md",
    "calibration.json",
    "config.json",
    "manifest.json",
    "model.safetensors",
    "normal.safetensors",
}
TEXTS = {"README.md", "calibration.json", "config.json", "manifest.json"}


def normal_scores(seed=0):
    raw = 1 + np.random.default_rng(seed).random(20, np.float32)
    return NormalScores(
        recording=np.repeat(np.arange(2, dtype=np.int32), 10),
        time_s=np.tile(np.arange(10) / 10, 2),
        **dict.fromkeys(("raw", "appearance", "motion", "cluster", "map_peak"), raw),
        rate_fps=10.0,
        in_sample=bool(seed),
    )


@functools.cache
def new_bundle(seed=0):
    torch.manual_seed(seed)
    calibration = tiny_calibration(threshold=0.25 + seed)
    return Bundle(
        network=Network(tiny_settings().network).trained(),
        rate_fps=10.0 + seed,
        calibration=calibration,
        card=f"Modell № {seed}\n",
        normal=normal_scores(seed),
    )


@pytest.fixture
def folder(tmp_path):
    write_bundle(tmp_path / "bundle", new_bundle())
    return tmp_path / "bundle"


def names(folder):
    return {path.name for path in folder.iterdir()}


def forge(folder, name, content):
    """Put a file into a bundle, with its hash into the manifest."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"][name] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def summary(bundle):
    return bundle.rate_fps, bundle.calibration.threshold, bundle.card


def test_what_is_read_is_what_was_written(folder):
    written, read = new_bundle(), read_bundle(folder)
    assert replace(read, network=written.network) == written
    assert read.network.config == written.network.config
    clips = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (2, 5, 32, 32, 1), dtype=np.uint8)
    )
    for ours, theirs in zip(
        AnomalyScorer(Network.of(read.network))(clips),
        AnomalyScorer(Network.of(written.network))(clips),
        strict=True,
    ):
        assert torch.equal(ours, theirs)
    assert names(folder) == FILES


def test_the_same_bundle_gives_the_same_bytes(folder, tmp_path):
    write_bundle(tmp_path / "again", new_bundle())
    assert bytes_of(tmp_path / "again") == bytes_of(folder)


def test_weights_are_safetensors_and_the_rest_is_text(folder):
    with safetensors.safe_open(folder / "model.safetensors", "pt") as file:
        assert set(file.keys()) == set(new_bundle().network.weights)
    for name in TEXTS:
        text = (folder / name).read_text(encoding="utf-8")
        assert name == "README.md" or json.loads(text)


@pytest.mark.parametrize("name", sorted(FILES - {"manifest.json"}))
@pytest.mark.parametrize("damage", ["missing", "cut", "altered", "longer", "empty"])
def test_a_damaged_file_is_refused_by_name(name, damage, folder):
    path = folder / name
    data = bytearray(path.read_bytes())
    path.unlink()
    if damage != "missing":
        data[len(data) // 2] ^= damage == "altered"
        cut = {"cut": data[:-1], "longer": data + b"\n", "empty": b""}.get(damage, data)
        path.write_bytes(cut)
    with pytest.raises(BundleError, match=re.escape(str(path))):
        read_bundle(folder)


@pytest.mark.parametrize(
    ("manifest", "named"),
    [
        (b"", "cannot be read"),
        (b"[]", "cannot be read"),
        (b'{"format": 2}', "cannot be read"),
        (b'{"format": 3, "parts": {}}', f"must be of format {FORMAT}, found 3"),
        (b'{"format": 1, "sha256": {}}', f"must be of format {FORMAT}, found 1; use the Oddframe"),
        (b'{"format": "2", "sha256": {}}', "must be of format"),
        (
            b'{"format": 2, "sha256": {}}',
            "README.md, calibration.json, config.json, model.safetensors is missing",
        ),
        (b'{"format": 2, "sha256": 3}', "cannot be read"),
    ],
)
def test_a_manifest_that_cannot_be_one_is_refused(manifest, named, folder):
    (folder / "manifest.json").write_bytes(manifest)
    with pytest.raises(BundleError, match=rf"manifest\.json .*{named}"):
        read_bundle(folder)


def test_a_manifest_cannot_reach_out_of_its_folder(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"]["../secret"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"its own folder only, found \.\./secret"):
        read_bundle(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", {"network": {"colour": "infrared"}, "rate_fps": 10.0}),
        ("config.json", {"network": {}}),
        ("config.json", []),
        ("calibration.json", {"threshold": -1.0, "clips": 1, "in_sample": False, "map_level": 1.0}),
        ("calibration.json", {"threshold": 1.0}),
        ("calibration.json", {**tiny_calibration().as_dict(), "release": 3.0}),
        ("calibration.json", {**tiny_calibration().as_dict(), "tails": 3}),
        ("calibration.json", {**tiny_calibration().as_dict(), "colour": "blue"}),
        ("normal.safetensors", {}),
    ],
)
def test_whole_files_that_make_no_sense_are_refused(name, content, folder):
    forge(folder, name, json.dumps(content).encode())
    with pytest.raises(BundleError, match="not a bundle that this version understands"):
        read_bundle(folder)


def test_normal_scores_are_kept_to_the_bit(folder):
    read, written = read_bundle(folder).normal, normal_scores()
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
        assert getattr(read, name).dtype == getattr(written, name).dtype
    assert (read.rate_fps, read.in_sample) == (10.0, False)


def test_a_bundle_may_leave_them_out(tmp_path):
    write_bundle(tmp_path, replace(new_bundle(), normal=None))
    assert names(tmp_path) == FILES - {"normal.safetensors"}
    assert read_bundle(tmp_path).normal is None


def test_a_new_calibration_leaves_the_rest_as_it_is(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    forge(folder, "model.onnx", b"exported")
    write_calibration(folder, tiny_calibration(threshold=9.0), normal_scores(1), "Another card\n")
    read = read_bundle(folder)
    assert summary(read) == (10.0, 9.0, "Another card\n")
    assert read.normal.in_sample
    assert (folder / "model.onnx").read_bytes() == b"exported"
    kept = json.loads((folder / "manifest.json").read_text())["sha256"]
    assert {name for name in kept if kept[name] == manifest["sha256"].get(name)} == {
        "config.json",
        "model.safetensors",
    }
    assert names(folder) == FILES | {"model.onnx"}


def test_a_kill_while_calibrating_leaves_the_old_calibration_or_the_new(folder, tmp_path):
    with dying_at(None, tmp_path / "dry") as watch:
        write_calibration(
            shutil.copytree(folder, tmp_path / "dry"),
            tiny_calibration(threshold=9.0),
            normal_scores(1),
            "",
        )
    seen = []
    for number in range(watch.count):
        copy = shutil.copytree(folder, tmp_path / f"{number:02d}")
        with dying_at(number, copy):
            write_calibration(copy, tiny_calibration(threshold=9.0), normal_scores(1), "new")
        read = read_bundle(copy)
        seen.append((read.calibration.threshold, read.normal.in_sample, read.card))
    assert seen == sorted(seen)
    assert set(seen) == {(0.25, False, new_bundle().card), (9.0, True, "new")}


def test_weights_of_another_network_are_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    config["network"]["channels"] = 3
    forge(folder, "config.json", json.dumps(config).encode())
    with pytest.raises(BundleError, match="the weights of a model must be those of its settings"):
        Network.of(read_bundle(folder).network)


def test_a_kill_at_any_moment_leaves_the_old_bundle_or_the_new(folder, tmp_path):
    old, new, third = summary(new_bundle()), summary(new_bundle(1)), summary(new_bundle(2))
    with dying_at(None, tmp_path / "dry") as watch:
        write_bundle(shutil.copytree(folder, tmp_path / "dry"), new_bundle(1))
    assert watch.count >= 25
    seen = []
    for number in range(watch.count):
        copy = shutil.copytree(folder, tmp_path / f"{number:02d}")
        with dying_at(number, copy):
            write_bundle(copy, new_bundle(1))
        seen.append(summary(read_bundle(copy)))
        if number % 3 == 0:
            with dying_at(number, copy):
                write_bundle(copy, new_bundle(2))
            assert summary(read_bundle(copy)) in (seen[-1], third)
        write_bundle(copy, new_bundle(2))
        assert summary(read_bundle(copy)) == third
        assert names(copy) == FILES
    assert seen == sorted(seen)
    assert {old, new} == set(seen)


def test_a_kill_in_the_middle_of_the_first_bundle_leaves_none(tmp_path):
    with dying_at(None, tmp_path / "dry") as watch:
        write_bundle(tmp_path / "dry", new_bundle())
    for number in range(0, watch.count, 2):
        folder = tmp_path / f"{number:02d}"
        with dying_at(number, folder):
            write_bundle(folder, new_bundle())
        try:
            assert summary(read_bundle(find_bundle(folder))) == summary(new_bundle())
        except SourceNotFoundError:
            assert not (folder / "manifest.json").exists()
        write_bundle(folder, new_bundle())
        assert names(folder) == FILES


def test_a_full_disk_leaves_the_old_bundle_and_nothing_else(folder):
    before = bytes_of(folder)
    for number in range(10):
        with full_at(number, folder), pytest.raises(OutputError, match="the disk is full"):
            write_bundle(folder, new_bundle(1))
        assert bytes_of(folder) == before
        assert names(folder) == FILES


def test_a_bundle_is_found_by_itself_and_by_its_run(folder):
    assert find_bundle(folder) == folder
    assert find_bundle(str(folder.parent)) == folder


def test_a_shipped_model_is_found_by_its_name_unless_a_path_is_there(folder, tmp_path, monkeypatch):
    shipped = tmp_path / "package"
    shutil.copytree(folder, shipped / "plaza")
    monkeypatch.setattr("oddframe.bundle.bundle.SHIPPED", shipped)
    monkeypatch.chdir(tmp_path)
    assert find_bundle("plaza") == shipped / "plaza"
    with pytest.raises(SourceNotFoundError):
        find_bundle("elsewhere/plaza")
    shutil.copytree(folder, tmp_path / "plaza")
    assert find_bundle("plaza") == Path("plaza")


@pytest.mark.parametrize("aspect", [1.3333, 0.5625, None])
def test_the_shape_of_the_pictures_is_kept(aspect, tmp_path):
    write_bundle(tmp_path / "bundle", replace(new_bundle(), picture_aspect=aspect))
    assert read_bundle(tmp_path / "bundle").picture_aspect == aspect
    # Bundles of 0.1.0 say nothing of it.
    config = json.loads((tmp_path / "bundle" / "config.json").read_text())
    assert ("picture_aspect" in config) == (aspect is not None)


def test_where_there_is_no_bundle_the_sentence_says_what_was_found(tmp_path):
    with pytest.raises(SourceNotFoundError, match="nothing is there"):
        find_bundle(tmp_path / "none")
    with pytest.raises(
        SourceNotFoundError, match=r"neither it nor its bundle folder has a manifest\.json"
    ):
        find_bundle(tmp_path)
