"""What the watcher finds reaches those who listen: phases of events, and the states of cameras."""

import json


def test_phases_of_an_event_and_states_of_cameras_are_sent(served, clip, until):
    clip()
    with served() as (client, context):
        listener = context.hub.listen()
        given = {"name": "yard", "source": "yard.mp4", "model": "models/tiny"}
        assert client.post("/api/v1/cameras", json=given).status_code == 201
        received = []

        def messages(kind):
            received.extend(listener.take().decode().split("\n\n"))
            head = f"event: {kind}\ndata: "
            return [
                json.loads(message.removeprefix(head))
                for message in received
                if message.startswith(head)
            ]

        def phases():
            return {event["phase"] for event in messages("event")}

        until(lambda: {"start", "end"} <= phases())
        stored = {event["row"] for event in client.get("/api/v1/events").json()["events"]}
        assert {event["row"] for event in messages("event")} <= stored
        (camera,) = until(lambda: messages("status"))[-1]["cameras"]
        assert camera["name"] == "yard"
