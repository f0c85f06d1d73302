"""Drift of a camera's scores in words, and the state of the server."""

from datetime import date, timedelta

import numpy as np
import pytest

from oddframe.web.api_health import LEAST_SECONDS, Day, drift_sentence, find_step, split_days

MONDAY = date(2026, 9, 21)


def days(*levels):
    return [
        Day(MONDAY + timedelta(days=number), level, 1.5 * level, 24.0)
        for number, level in enumerate(levels)
    ]


def test_a_rise_names_its_day():
    assert drift_sentence(days(0.2, 0.21, 0.2, 0.4, 0.41, 0.39)).startswith(
        "Scores have risen since Thursday"
    )


def test_a_rise_long_ago_has_a_date():
    assert "risen since 24 Sep 2026" in drift_sentence(days(*[0.2] * 3, *[0.4] * 12))


def test_a_rise_asks_for_a_new_model_and_a_fall_does_not():
    assert find_step(days(0.2, 0.2, 0.4, 0.4)).log_ratio > 0
    assert find_step(days(0.4, 0.4, 0.1, 0.1)).log_ratio < 0
    assert find_step(days(0.2, 0.22, 0.19, 0.24)) == (None, 0.0)


def test_a_camera_says_whether_it_should_be_learnt_again(served, alarmed):
    with served() as (client, context):
        alarmed(client, context)
        found = client.get("/api/v1/cameras/yard/drift").json()
        assert (found["days"], found["learn_again"]) == ([], False)
        assert client.get("/api/v1/cameras/other/drift").status_code == 404


def test_a_fall_is_told_too():
    assert "fallen since Wednesday" in drift_sentence(days(0.4, 0.4, 0.1, 0.1))


@pytest.mark.parametrize(
    "levels", [(0.2, 0.22, 0.19, 0.24), (0.2, 0.25), (0.2, 0.2, 0.2, 0.9, 0.2, 0.2)]
)
def test_ordinary_days_are_no_drift(levels):
    assert drift_sentence(days(*levels)) == "Scores have not changed."


@pytest.mark.parametrize("levels", [(), (0.2,)])
def test_one_day_says_nothing(levels):
    assert "not enough days" in drift_sentence(days(*levels))


def test_days_are_those_of_the_machine_and_thin_ones_are_left_out():
    from time import mktime

    start = int(mktime((2026, 9, 21, 0, 0, 0, 0, 0, -1)))
    seconds = np.concatenate(
        [
            np.arange(start, start + 3600),
            np.arange(start + 86_400, start + 86_400 + LEAST_SECONDS - 1),
        ]
    )
    raw = np.full(len(seconds), 0.5)
    raw[: len(raw) // 2] = 0.25
    (day,) = split_days(seconds, raw, 2.0)
    assert (day.day, day.hours) == (MONDAY, 1.0)
    assert day.median == pytest.approx(0.125, abs=0.13)
    assert day.p95 == pytest.approx(0.25)
    assert split_days(seconds[:0], raw[:0], 2.0) == []


def test_health_tells_the_state_of_cameras_disk_and_process(served, alarmed):
    with served() as (client, context):
        alarmed(client, context)
        health = client.get("/api/v1/health").json()
        (camera,) = health["cameras"]
        assert camera["name"] == "yard"
        assert camera["drift"] == {
            "days": [],
            "sentence": "There are not enough days yet to see drift.",
            "learn_again": False,
        }
        assert health["disk"]["free_gb"] > 0
        assert health["process"]["watching"] is True
        assert health["process"]["rss_mb"] > 1
        assert client.get("/api/v1/health").json()["cameras"][0]["drift"] == camera["drift"]
