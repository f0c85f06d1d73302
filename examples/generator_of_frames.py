"""Score frames as they come from a generator: python generator_of_frames.py MODEL RECORDING.

The generator may read a queue, a robot or a file of your own. It is asked for a frame when one is
needed, on your thread, so no more than a few frames are ever in memory.
"""

import sys
from collections.abc import Iterator

import av
import numpy as np

import oddframe


def frames_with_times(path: str) -> Iterator[tuple[float, np.ndarray]]:
    """Yield the time of each frame in seconds, and the frame."""
    with av.open(path) as container:
        for frame in container.decode(video=0):
            yield frame.time, frame.to_ndarray(format="rgb24")


model_path, recording = sys.argv[1:3]
model = oddframe.load(model_path)

# Pairs carry their own times, so uneven ones and pauses are understood and no rate is needed.
for score in model.scores(frames_with_times(recording)):
    if score.score is not None:
        mark = "  <- unusual" if score.score > 0.5 else ""
        print(f"{score.time_s:6.2f} s  {score.score:.3f}{mark}")
