"""A model of another view is refused until somebody has seen both views."""

import pytest

from tests.support.two_views import frame_of_view, write_model_of_view


@pytest.fixture
def known(data, tiny_run):
    """Puts a model into the data folder that has learnt the view of seed 1, and one without."""
    write_model_of_view(data / "models", "known", tiny_run, 1)
    write_model_of_view(data / "models", "blind", tiny_run, None)


@pytest.fixture
def gate(client, data, video, until):
    """Adds a camera that shows the view of a seed, and waits for its picture."""

    def add(seed):
        path = video("gate.mp4", frames=20, draw=lambda number, *_: frame_of_view(seed, number))
        path.rename(data / "gate.mp4")
        given = {"name": "gate", "source": "gate.mp4", "loop": True, "model": "models/tiny"}
        assert client.post("/api/v1/cameras", json=given).status_code == 201
        until(lambda: client.get("/api/v1/cameras/gate/live.jpg").status_code == 200)

    return add


def compared(client, model):
    return client.get("/api/v1/cameras/gate/view", params={"model": model}).json()


def use(client, model, **more):
    return client.put("/api/v1/cameras/gate", json={"model": model, **more})


def test_a_model_of_another_view_needs_a_confirmation(client, known, gate):
    gate(2)
    found = compared(client, "models/known")
    assert found["differs"] is True
    assert "of the scene is not where it was" in found["sentence"]
    for picture in (found["camera_picture"], found["model_picture"]):
        assert client.get(picture).headers["content-type"] == "image/jpeg"
    refused = use(client, "models/known")
    assert refused.status_code == 409
    assert found["sentence"] in refused.json()["detail"]
    assert "other_view" in refused.json()["detail"]
    assert client.get("/api/v1/cameras/gate").json()["model"] == "models/tiny"
    taken = use(client, "models/known", other_view=True)
    assert (taken.status_code, taken.json()["model"]) == (200, "models/known")
    # The model that it has is no other one, whatever it shows.
    assert use(client, "models/known", health=False).status_code == 200


def test_a_model_of_the_same_view_is_taken_at_once(client, known, gate):
    gate(1)
    found = compared(client, "models/known")
    assert (found["differs"], found["sentence"]) == (False, "")
    assert use(client, "models/known").status_code == 200


def test_what_cannot_be_compared_is_said_and_not_refused(client, known, gate):
    gate(2)
    blind = compared(client, "models/blind")
    assert (blind["differs"], blind["model_picture"]) == (False, None)
    assert "keeps no picture of its view" in blind["sentence"]
    assert use(client, "models/blind").status_code == 200
    assert client.get("/api/v1/models/view.jpg?model=models/blind").status_code == 404
    given = {"name": "dark", "source": "rtsp://127.0.0.1:9/a", "model": "models/tiny"}
    assert client.post("/api/v1/cameras", json=given).status_code == 201
    dark = client.get("/api/v1/cameras/dark/view?model=models/known").json()
    assert (dark["differs"], dark["camera_picture"]) == (False, None)
    assert "shows no picture now" in dark["sentence"]


def test_only_models_that_can_be_chosen_are_looked_at(client, gate):
    gate(1)
    assert client.get("/api/v1/cameras/other/view?model=models/tiny").status_code == 404
    for model in ("/etc", "../../etc", "nothing"):
        assert client.get(f"/api/v1/cameras/gate/view?model={model}").status_code == 404
        assert client.get(f"/api/v1/models/view.jpg?model={model}").status_code == 404
