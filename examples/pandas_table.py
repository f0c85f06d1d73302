"""Scores and events as tables of pandas: python pandas_table.py MODEL RECORDING."""

import sys

import oddframe

model_path, recording = sys.argv[1:3]
model = oddframe.load(model_path)

scores = oddframe.Scores(model.scores(recording)).to_pandas()
print(scores.describe().round(3))

by_second = scores.groupby(scores.time_s.astype(int)).score.max()
print(by_second.round(2).to_string())

events = oddframe.Events(model.events(recording)).to_pandas()
print(events[["start_s", "end_s", "score", "reason"]] if len(events) else "no events")

# `to_arrow()` and `to_numpy()` are there too.
print(oddframe.Scores(model.scores(recording)).to_numpy()["score"][-5:])
