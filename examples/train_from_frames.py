"""Train on frames from memory: python train_from_frames.py RECORDING RUN [PRESET].

A training goes over its footage many times, so the frames are put on disk once, as numbered
images. PNG keeps every value.
"""

import sys
import tempfile
from pathlib import Path

import av
from PIL import Image

import oddframe

recording, run = sys.argv[1:3]
preset = sys.argv[3] if len(sys.argv) > 3 else "fast"

with tempfile.TemporaryDirectory() as folder, av.open(recording) as container:
    # These would be your own frames: uint8, H x W x 3, red first.
    for number, frame in enumerate(container.decode(video=0)):
        Image.fromarray(frame.to_ndarray(format="rgb24")).save(Path(folder) / f"{number:06d}.png")
    # A folder of images has no rate of its own.
    report = oddframe.train(folder, run, preset=preset, fps=10)

print(f"{report.bundle} was trained on {report.clips} clips")
print(f"threshold: {report.threshold:.3g} for {report.false_alarms}")

model = oddframe.load(run)
highest = max((score.score or 0 for score in model.scores(recording)), default=0)
print(f"highest score of the footage itself: {highest:.2f}")
