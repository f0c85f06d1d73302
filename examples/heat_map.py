"""Draw the heat map over frames of your own: python heat_map.py MODEL RECORDING PICTURE.png."""

import sys

import av
import numpy as np
from PIL import Image

import oddframe

model_path, recording, picture_path = sys.argv[1:4]
model = oddframe.load(model_path)

with av.open(recording) as container:
    frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]

# Maps are made only where they are asked for.
scores = list(model.scores(frames, fps=10, maps=True))
highest = max(scores, key=lambda one: one.score or 0)

# The map is at the network's size. Its numbers mean something in comparison with its level alone:
# normal video hardly ever reaches that.
hot = highest.map > highest.map_level
print(f"frame {highest.frame}: map {highest.map.shape}, {np.mean(hot):.1%} of it is hot")

# The same picture as in an overlay video, at the size of your frame.
drawn = oddframe.overlay(frames[highest.frame], highest)
Image.fromarray(drawn).save(picture_path)
print(f"{picture_path}: {drawn.shape[1]} x {drawn.shape[0]} pixels")
