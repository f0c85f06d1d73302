"""A web service that scores uploaded recordings, several at once, without a file of your own.

    ODDFRAME_MODEL=runs/door uvicorn upload_with_fastapi:app
    curl --data-binary @monday.mp4 http://127.0.0.1:8000/events

One model serves all requests: it may be used by several threads at the same time.
"""

import os
from functools import cache
from typing import Any

from fastapi import FastAPI, HTTPException, Request

import oddframe

app = FastAPI()


@cache
def model() -> oddframe.Model:
    """Load the model once, with the first request."""
    return oddframe.load(os.environ["ODDFRAME_MODEL"])


@app.post("/events")
async def find_events(request: Request) -> dict[str, Any]:
    """Find the events of the recording in the body."""
    recording = await request.body()
    try:
        # The event loop stays free while a thread scores.
        events = [event async for event in model().events_async(recording)]
    except oddframe.OddframeError as error:
        # Its sentence says what must hold, what was found and what to do.
        raise HTTPException(422, str(error)) from error
    found = [event.as_dict() for event in events if event.phase == "end"]
    return {"bytes": len(recording), "events": found}
