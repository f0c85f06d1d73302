"""Score frames that are an array already: python array_of_frames.py MODEL RECORDING.

Here the array comes from a recording; yours may come from a simulator, a sensor or a test.
"""

import sys

import av
import numpy as np

import oddframe

model_path, recording = sys.argv[1:3]

with av.open(recording) as container:
    frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
print(f"frames: {frames.shape}, {frames.dtype}")  # T x H x W x 3, uint8, red first

model = oddframe.load(model_path)
# An array has no times, so the rate must be said. Any size will do; Oddframe resizes.
scores = list(model.scores(frames, fps=10))

for score in scores:
    if score.score is not None:  # the first frames have no clip behind them yet
        print(f"frame {score.frame} at {score.time_s:.1f} s: {score.score:.2f}")

highest = max(scores, key=lambda one: one.score or 0)
print(f"the most unusual frame is {highest.frame}; 0.5 is the threshold")
