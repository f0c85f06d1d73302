"""Fixtures that several tests against real servers share."""

import pytest

from tests.support.shared import shared_folder


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    """The scene with known events, encoded for the RTSP server; see `watch_scene.Scenes`."""
    from tests.support.rtsp import require_rtsp
    from tests.support.watch_scene import encode_scenes

    require_rtsp()
    return encode_scenes(tmp_path_factory.mktemp("scenes"))


@pytest.fixture(scope="session")
def scene_model(tmp_path_factory):
    """The run folder of a model that finds exactly the known events of the scene; read only."""
    from tests.support.watch_scene import learn_scene

    return shared_folder(tmp_path_factory, "scene", learn_scene) / "run"


@pytest.fixture(scope="session")
def graph_model(scene_model, tmp_path_factory):
    """The bundle of the model of the scene with a graph, which needs no torch to run; read only."""
    import shutil

    from oddframe.tasks.export import export

    def make(folder):
        shutil.copytree(scene_model, folder / "run")
        export(folder / "run", "onnx")

    return shared_folder(tmp_path_factory, "scene-graph", make) / "run" / "bundle"
