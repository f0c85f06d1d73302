"""The nearest normal example is that whose code is nearest."""

import numpy as np
import pytest

from oddframe.bundle.bundle import read_bundle
from oddframe.core.records import Clip, Frame
from oddframe.errors import RunError
from oddframe.model.network import Network
from oddframe.report.nearest_normal import NormalExamples, training_clips
from oddframe.training.run_folder import RunFolder


@pytest.fixture(scope="module")
def network(tiny_run):
    """The trained network."""
    return Network.of(read_bundle(tiny_run / "bundle").network)


@pytest.fixture(scope="module")
def examples(tiny_run, network):
    """Examples of what it learned."""
    return NormalExamples.of(tiny_run / "bundle", network)


def clip_of(pixels):
    return Clip(
        tuple(Frame(number, number / 10, one, (64, 48)) for number, one in enumerate(pixels))
    )


def hot_at(row, column):
    """A map of 32 x 32 whose hottest place of the code's 4 x 4 is this one."""
    found = np.full((32, 32), 0.1, np.float32)
    found[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 1.0
    return found


def test_a_clip_of_the_footage_is_nearest_to_itself(examples, tiny_run, network):
    clips = training_clips(RunFolder(tiny_run), network)
    pixels = clips.clips(np.array([70]))[0]
    found = examples.nearest(clip_of(pixels), hot_at(1, 2), None)
    assert found.distance == pytest.approx(0.0, abs=2e-3)
    assert found.here == (2.5 / 4, 1.5 / 4)
    assert found.source in ("a", "b", "c")
    assert np.array_equal(found.picture, pixels[4]), (
        "the recordings are the same, so it may be in any of them"
    )
    assert found.picture.shape == (32, 32, 1)


def test_only_the_hottest_place_in_the_box_counts(examples, tiny_run, network):
    clip = clip_of(training_clips(RunFolder(tiny_run), network).clips(np.array([3]))[0])
    hot = hot_at(3, 3)
    hot[:8, :8] = 0.5
    assert examples.nearest(clip, hot, None).here == (3.5 / 4, 3.5 / 4)
    assert examples.nearest(clip, hot, (0.0, 0.0, 0.4, 0.4)).here == (0.5 / 4, 0.5 / 4)
    # A box between the middles of all places holds none: the whole picture does then.
    assert examples.nearest(clip, hot, (0.26, 0.26, 0.27, 0.27)).here == (3.5 / 4, 3.5 / 4)


def test_what_is_unlike_the_footage_lies_farther_than_what_is_usual(examples):
    noise = np.random.default_rng(4).integers(0, 256, (5, 32, 32, 1), np.uint8)
    assert examples.nearest(clip_of(noise), hot_at(2, 2), None).distance > examples.typical >= 0


def test_without_the_frames_there_are_none(tmp_path, network):
    with pytest.raises(RunError, match="they are gone"):
        NormalExamples.of(tmp_path / "bundle", network)
