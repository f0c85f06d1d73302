"""A server on a data folder of its own, with a model that finds bright frames unusual."""

import time
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from starlette.testclient import TestClient

from oddframe.core.alerts import alert
from oddframe.core.event_rules import EventRules
from oddframe.inference.loading import load
from oddframe.inference.model import Model
from oddframe.web import model_registry
from oddframe.web.context import now_us
from oddframe.web.server import ServeSettings, assemble
from tests.support.alerting import made_event
from tests.support.scorers import bright_is_unusual

LOUD, CALM = 230, 60


@pytest.fixture
def models(tiny_run, monkeypatch):
    """Makes every model one that finds bright frames unusual, and that knows no camera."""

    def loaded(bundle, **_):
        calibration = replace(bundle.calibration, rules=EventRules(merge_gap_s=0.3))
        known = replace(bundle, health=None, calibration=calibration)
        return Model(known, bright_is_unusual(calibration.threshold))

    monkeypatch.setattr(model_registry, "load", loaded)
    return load


@pytest.fixture
def data(tmp_path, tiny_run, models):
    """A data folder with a model and no camera."""
    folder = tmp_path / "data"
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "tiny").symlink_to(tiny_run)
    return folder


@pytest.fixture
def clip(video, data):
    """Writes a recording into the data folder: two seconds that are bright in the middle."""

    def draw(number, width=64, height=48):
        return np.full((height, width, 3), LOUD if 7 <= number < 14 else CALM, np.uint8)

    def make(name="yard.mp4", frames=20):
        path = video(name, frames=frames, draw=draw)
        return path.rename(data / name)

    return make


@pytest.fixture
def served(data):
    """Starts the app on the data folder: `with served() as (client, context)`."""

    @contextmanager
    def start(token_hash=None, **settings):
        app, context = assemble(ServeSettings(data=data, **settings), data, token_hash)
        context.supervisor.start()
        try:
            with TestClient(app, base_url="http://localhost", client=("10.0.0.9", 5)) as client:
                yield client, context
        finally:
            context.supervisor.stop()
            assert context.supervisor.join(120)

    return start


@pytest.fixture
def client(served):
    """The app without a token and without cameras."""
    with served() as (client, _):
        yield client


def wait_until(holds, timeout_s=120.0):
    deadline = time.monotonic() + timeout_s
    while not (found := holds()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.03)
    return found


@pytest.fixture
def alarmed():
    """Adds a camera that cannot be reached, with alarms of the last minutes; returns them."""

    def make(client, context, scores=(0.75,), **more):
        model = context.supervisor.registry.load(
            str(context.supervisor.data / "models" / "tiny")
        ).bundle
        began_us = now_us() - 3_600_000_000
        context.store.put_threshold(
            "yard", began_us, model.calibration.threshold, model.fingerprint
        )
        given = {"name": "yard", "source": "rtsp://127.0.0.1:9/a", "model": "models/tiny", **more}
        assert client.post("/api/v1/cameras", json=given).status_code == 201
        for number, score in enumerate(scores):
            event = made_event(number, "end", score=score)
            context.store.put_event(
                alert(event, lambda time_s: began_us + 60_000_000 + round(time_s * 1e6))
            )
        context.store.flush()
        return client.get("/api/v1/events").json()["events"]

    return make


@pytest.fixture
def until():
    """Waits until something holds, and gives it."""
    return wait_until
