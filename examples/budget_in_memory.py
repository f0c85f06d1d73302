"""Try other false-alarm budgets in memory: python budget_in_memory.py MODEL RECORDING.

The model on disk stays as it is; `oddframe calibrate` is what changes it.
"""

import sys

import oddframe

model_path, recording = sys.argv[1:3]

model = oddframe.load(model_path)
print(f"the model on disk: {model.threshold:.3g} for {model.bundle.calibration.budget}")

# Each is a model of its own with the same network; nothing on disk changes.
for budget in ("60/hour", "6/hour", "1/day", "1/month"):
    other = model.with_threshold(budget)
    events = oddframe.Events(other.events(recording))
    print(f"{budget:>8}: threshold {other.threshold:.3g}, {len(events)} event(s)")

# Or from the start, or as a raw score that you know.
strict = oddframe.load(model_path, false_alarms="1/month")
exact = model.with_threshold(raw=strict.threshold)
print(f"{exact.threshold == strict.threshold}")

try:
    model.threshold = 0.002
except AttributeError as error:
    print(f"not this way: {error}")
