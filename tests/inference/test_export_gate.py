import numpy as np
import pytest
import torch

from oddframe.datasets.frame_cache import FrameRun
from oddframe.errors import SourceError
from oddframe.inference.backends import GPU_HALF, available
from oddframe.inference.export_gate import (
    STRETCH_CLIPS,
    check_parity,
    footage_from_cache,
    synthetic_footage,
)
from oddframe.inference.parity import RAW_LIMIT
from oddframe.inference.torch_backend import all_digits

INTERVAL = 2


class Footage:
    """A cache of grey frames, all of them different."""

    stretches = (FrameRun("yard", 0, 300),)

    def __init__(self):
        self.frames = np.random.default_rng(0).integers(60, 120, (300, 32, 32, 1), dtype=np.uint8)

    def take(self, positions):
        return self.frames[positions]

    def stretch_of(self, _position):
        return self.stretches[0]


def odd_frames(frames):
    """Those with something in them that the footage has not, as bytes."""
    return {frame.tobytes() for frame in frames.reshape(-1, 32, 32, 1) if frame.max() > 120}


def test_ranges_come_from_normal_and_odd_clips_but_not_from_the_odd_ones_that_are_compared():
    found = footage_from_cache(Footage(), INTERVAL, "footage")
    normal = np.array([not odd_frames(clip) for clip in found.ranging])
    assert normal.sum() >= 128
    assert (~normal).sum() >= STRETCH_CLIPS
    compared = set().union(*(odd_frames(stretch) for stretch in found.stretches))
    assert compared
    assert compared.isdisjoint(odd_frames(found.ranging))


def test_the_normal_clips_are_those_of_the_footage():
    footage = Footage()
    found = footage_from_cache(footage, INTERVAL, "footage")
    starts = {frame.tobytes(): number for number, frame in enumerate(footage.frames)}
    for clip in found.ranging[:128]:
        begin = starts[clip[0].tobytes()]
        np.testing.assert_array_equal(
            clip, footage.frames[begin : begin + 4 * INTERVAL + 1 : INTERVAL]
        )


def test_what_is_compared_is_normal_and_odd():
    found = footage_from_cache(Footage(), INTERVAL, "footage")
    odd = [bool(odd_frames(stretch)) for stretch in found.stretches]
    assert odd == [False] * 4 + [True] * 2


def test_footage_without_a_whole_clip_is_refused():
    footage = Footage()
    footage.stretches = (FrameRun("yard", 0, 8),)
    with pytest.raises(SourceError, match="needs 9 unbroken frames"):
        footage_from_cache(footage, INTERVAL, "footage")


def test_half_precision_of_torch_is_noted_and_what_did_not_pass_is_not_offered(bundle):
    """On the processor, in place of a GPU."""
    noted = check_parity(bundle, GPU_HALF, synthetic_footage(bundle), refuse=False)
    entry = noted.parity[str(GPU_HALF)]
    assert entry["precision"] == "bfloat16"
    assert entry["passed"] == (entry["raw_error"] <= RAW_LIMIT["bfloat16"])
    assert (GPU_HALF in available(noted, "cuda")) == entry["passed"]


def test_digits_are_kept_only_meanwhile():
    convolutions = torch.backends.cudnn.conv
    before = convolutions.fp32_precision
    with all_digits():
        assert convolutions.fp32_precision == "ieee"
    assert convolutions.fp32_precision == before
