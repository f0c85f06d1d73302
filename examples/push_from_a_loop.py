"""Push frames from a loop of your own, with its times: python push_from_a_loop.py MODEL RECORDING.

For callers whose loop must not be taken away: a robot's control loop, a game, a message handler.
"""

import sys

import av

import oddframe

model_path, recording = sys.argv[1:3]
# With a batch of one the network computes one clip for each frame, and no copies.
model = oddframe.load(model_path, batch_size=1)


def handle(score: oddframe.Score) -> None:
    """React to a score; it belongs to a frame a moment ago, which `score.frame` numbers."""
    if score.score is not None and score.score > 0.5:
        print(f"unusual at {score.time_s:.2f} s (frame {score.frame}): {score.score:.2f}")


pushed = 0
with av.open(recording) as container, model.stream() as stream:
    for frame in container.decode(video=0):
        picture = frame.to_ndarray(format="rgb24")
        # Times are seconds on any clock that goes forward.
        for score in stream.push(picture, frame.time):
            handle(score)
        pushed += 1
    # The last frames had to wait for others; no more will come.
    for score in stream.flush():
        handle(score)
print(f"{pushed} frames were pushed")
