"""The models that come with the package."""

import os
from pathlib import Path

import numpy as np
import pytest

from oddframe.bundle.bundle import SHIPPED
from oddframe.datasets.layouts import open_benchmark
from oddframe.inference.loading import load
from oddframe.media.discovery import open_source
from oddframe.metrics.frame import frame_metrics

PED2 = os.environ.get("ODDFRAME_PED2")
MOST_BYTES = 6_000_000


def test_each_is_small_and_says_where_it_comes_from():
    names = {folder.name for folder in SHIPPED.iterdir() if folder.is_dir()}
    assert names == {"ped2"}
    assert sum(path.stat().st_size for path in (SHIPPED / "ped2").iterdir()) < MOST_BYTES
    card = (SHIPPED / "ped2" / "README.md").read_text()
    assert "## UCSD Ped2" in card
    assert "CVPR 2010" in card
    assert "another camera, season or light needs its own model" in card
    assert card.split("\n\n")[1].startswith("**A demonstration, not a model for your camera.**")


@pytest.mark.slow
@pytest.mark.skipif(PED2 is None, reason="needs UCSD Ped2 in $ODDFRAME_PED2")
def test_ped2_has_the_accuracy_that_the_documentation_states():
    model = load("ped2")
    scores, labels = {}, {}
    for video in open_benchmark(Path(PED2)).testing:
        found = model.scores(open_source(video.path, 10.0), every_frame=True, health=False)
        scores[video.name] = np.array(
            [np.nan if score.raw is None else score.raw for score in found]
        )
        labels[video.name] = video.labels
    auc = frame_metrics(scores, labels).as_dict()["auc"]["micro"]
    assert auc["raw"] == pytest.approx(0.994, abs=0.001)
    assert auc["per_video"] == pytest.approx(0.989, abs=0.001)
