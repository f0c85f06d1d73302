"""Score several recordings in asyncio: python async_scores.py MODEL RECORDING...

The event loop goes on while a thread scores; frames may come from an asynchronous generator.
"""

import asyncio
import sys
from collections.abc import AsyncIterator

import av
import numpy as np

import oddframe

model_path, *recordings = sys.argv[1:]
model = oddframe.load(model_path)


async def received(path: str) -> AsyncIterator[tuple[float, np.ndarray]]:
    """Yield frames with their times, as a network connection would."""
    with av.open(path) as container:
        for frame in container.decode(video=0):
            await asyncio.sleep(0)
            yield frame.time, frame.to_ndarray(format="rgb24")


async def highest_of(path: str) -> float:
    """Score one recording; `events_async` is the same for events."""
    highest = 0.0
    async for score in model.scores_async(received(path)):
        highest = max(highest, score.score or 0)
    return highest


async def main() -> None:
    """Score all of them at the same time."""
    for path, highest in zip(
        recordings, await asyncio.gather(*map(highest_of, recordings)), strict=True
    ):
        print(f"{path}: {highest:.2f}")


asyncio.run(main())
