"""Find events without writing a file: python events_in_memory.py MODEL RECORDING."""

import sys

import oddframe

model_path, recording = sys.argv[1:3]
model = oddframe.load(model_path)

# Each event is told when it starts, while it lasts and when it ends, as a live alarm would be.
for event in model.events(recording):
    print(f"{event.phase:6} {event.start_s:5.1f} to {event.end_s:5.1f} s  {event.reason}")

# Or once each, as it was at its end.
events = oddframe.Events(model.events(recording))
for event in events:
    where = "somewhere"
    if event.box is not None:
        x_min, y_min, x_max, y_max = event.box  # shares of width and height
        where = f"around {(x_min + x_max) / 2:.0%} from the left, {(y_min + y_max) / 2:.0%} down"
    print(
        f"{event.kind} {event.id}: highest score {event.score:.2f} at {event.peak_s:.1f} s {where}"
    )
print(f"{len(events)} event(s)")
