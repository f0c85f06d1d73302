"""What a frame costs beside the network: from the decoded picture to the score and the map.

    python benchmarks/chain_cost.py [--times 15]

That is clips, batches and calibration. The shipped model's chain runs with a scorer that answers at
once, on noise in memory of 256 x 384; microseconds of the thread that scores, the median of some
passes over 400 frames.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from oddframe._types import Pixels
from oddframe.bundle.bundle import find_bundle, read_bundle
from oddframe.core.records import Frame
from oddframe.inference.model import Model
from oddframe.inference.scorer import ClipScores, pad_batch
from oddframe.media.source import FrameFormat

FRAMES, BATCH = 400, 8


class AtOnce:
    """A scorer that answers at once, with the same scores for every clip."""

    batch_size = BATCH

    def score(self, clips: Pixels) -> ClipScores:
        """Return ones for every clip, and empty maps."""
        count, (height, width) = len(pad_batch(clips, BATCH)), clips.shape[2:4]
        ones = np.ones(count, np.float32)
        return ClipScores(ones, ones, ones, ones, np.zeros((count, height, width), np.float32))


class InMemory:
    """A source whose frames are noise in memory, so that nothing is decoded."""

    def __init__(self) -> None:
        self.name, self.path = "noise", Path("noise")
        self.rate_fps, self.gap_s = 10.0, 0.35
        self.notices: list[str] = []
        random = np.random.default_rng(0)
        self._pictures = [random.integers(0, 256, (256, 384, 1), dtype=np.uint8) for _ in range(64)]

    def count_frames(self) -> int:
        """Return the number of frames of a pass."""
        return FRAMES

    def fingerprint(self) -> str:
        """Return a text that never changes, as the noise does not."""
        return "noise"

    def frames(self, wanted: FrameFormat) -> Iterator[Frame]:
        """Yield the frames; a few pictures take turns."""
        for number in range(FRAMES):
            yield Frame(
                number,
                number / self.rate_fps,
                self._pictures[number % 64],
                (wanted.width, wanted.height),
            )


def main() -> None:
    """Time some passes and print the median."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=15)
    args = parser.parse_args()
    model = Model(replace(read_bundle(find_bundle("ped2")), health=None), AtOnce())
    source, took = InMemory(), []
    for _ in range(args.times + 1):
        began = time.thread_time()
        for _ in model.scores(source, maps=True):
            pass
        took.append(1e6 * (time.thread_time() - began) / FRAMES)
    print(f"{median(took[1:]):.0f} microseconds a frame beside the network")


if __name__ == "__main__":
    main()
