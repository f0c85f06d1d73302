"""Score what OpenCV reads: python opencv_loop.py MODEL RECORDING_OR_CAMERA.

`cv2.VideoCapture` can be given as it is. Where you need the loop yourself, push each frame.
"""

import sys

import cv2

import oddframe

model_path, source = sys.argv[1:3]
model = oddframe.load(model_path, batch_size=1)  # one frame at a time: no batch to wait for

# The short way: OpenCV's times and its colours, blue first, are known.
capture = cv2.VideoCapture(source)
highest = max(score.score or 0 for score in model.scores(capture))
capture.release()
print(f"highest score: {highest:.2f}")

# The long way: your own loop.
capture = cv2.VideoCapture(source)
rate = capture.get(cv2.CAP_PROP_FPS) or 10
scored = 0
with model.stream(fps=rate, colour="bgr") as stream:
    while True:
        ok, frame = capture.read()
        if not ok:
            break
        for score in stream.push(frame):
            scored += score.score is not None
    scored += sum(score.score is not None for score in stream.flush())
capture.release()
print(f"{scored} frames have a score")
