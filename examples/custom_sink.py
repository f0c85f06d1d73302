"""Send alerts to a function of your own: python custom_sink.py MODEL RECORDING.

Any function will do: it may post to a chat, write to a message queue or switch on a light.
"""

import sys
import tempfile
from collections.abc import Mapping
from typing import Any

import oddframe

model_path, recording = sys.argv[1:3]


def tell(alert: Mapping[str, Any]) -> None:
    """Take an alert; docs/sinks.md lists what is in it."""
    print(f"{alert['source']}: {alert['phase']} of {alert['reason']!r} at {alert['start_s']:.1f} s")


# In memory: the function is called before the event is handed on, and its errors are yours.
model = oddframe.load(model_path)
for _ in model.events(recording, sinks=[tell]):
    pass

# While cameras are watched: in a thread of its own, again and again until it does not raise.
# The address of a camera goes where the recording is here.
settings = oddframe.WatchSettings(fast=True, store=False)
with tempfile.TemporaryDirectory() as folder:
    report = oddframe.watch(recording, model_path, folder, settings=settings, sinks=[tell])
print(f"{report.cameras[0].state.frames} frames were watched")
