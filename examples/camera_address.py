"""Score a camera from a script: python camera_address.py MODEL ADDRESS [SECONDS].

The address is rtsp://..., http://... or the number of a camera of this machine. For months of
watching, with a database and alerts, use `oddframe.watch`.
"""

import sys

import oddframe

model_path, address = sys.argv[1:3]
seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 10.0
# A camera has one new frame at a time: a larger batch would only be filled up.
model = oddframe.load(model_path, batch_size=1)

scored = 0
# A wrong address is an error at once; a connection that is lost later is made again.
for score in model.scores(address):
    if score.score is not None:
        scored += 1
        if score.score > 0.5:
            print(f"{score.time_s:.1f} s: {score.score:.2f}")
    if score.time_s >= seconds:
        break  # leaving the loop closes the connection
print(f"{scored} frames of the camera have a score")
