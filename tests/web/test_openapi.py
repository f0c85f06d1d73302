"""The API keeps to its schema: whatever is sent, no answer is a failure of the server.

And none has a status that the schema does not name.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.alerting import made_alert

EXAMPLES = settings.default.max_examples * 15 // 100
ENDLESS = {"/api/v1/stream", "/api/v1/cameras/{name}/live.mjpeg"}
PASSED = {"method", "url", "params", "json", "data", "content", "headers"}


def test_the_schema_names_every_path(client):
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    assert {
        "/api/v1/cameras",
        "/api/v1/events/{row}/review",
        "/api/v1/cameras/{name}/budget",
        *ENDLESS,
    } <= set(paths)


def test_a_body_that_is_no_text_is_refused_like_any_other_that_is_wrong(client):
    for body in (b"\xff\xfe{", b"{", b"[]"):
        answer = client.post(
            "/api/v1/cameras", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 422, body
        assert "parsing" not in answer.json()["detail"]


@pytest.mark.slow
def test_nothing_that_fits_the_schema_or_does_not_ends_in_a_failure_of_ours(served, clip):
    import schemathesis  # takes a second

    modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
    clip()
    with served() as (client, context):
        client.post(
            "/api/v1/cameras", json={"name": "yard", "source": "yard.mp4", "model": "models/tiny"}
        )
        context.store.put_event(made_alert(1, "end"))
        context.store.flush()
        schema = schemathesis.openapi.from_dict(client.get("/api/v1/openapi.json").json())
        operations = [
            result.ok() for result in schema.get_all_operations() if result.ok().path not in ENDLESS
        ]
        # With the first account people have to sign in, and all that follows would be refused.
        operations.sort(key=lambda operation: "/accounts" in operation.path)
        answered = set()

        def ask(operation):
            @given(data=st.data())
            @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
            def once(data):
                case = data.draw(
                    operation.as_strategy(generation_mode=data.draw(st.sampled_from(modes)))
                )
                kwargs = case.as_transport_kwargs(base_url="http://localhost")
                if isinstance(kwargs.get("data"), str | bytes):
                    kwargs["content"] = kwargs.pop("data")
                answer = client.request(
                    **{name: value for name, value in kwargs.items() if name in PASSED}
                )
                assert answer.status_code < 500 or answer.status_code == 503, (
                    operation.label,
                    case,
                    answer.text,
                )
                documented = operation.definition.raw["responses"]
                assert str(answer.status_code) in documented, (operation.label, case, answer.text)
                answered.add((operation.label, answer.status_code // 100))

            once()

        for operation in operations:
            ask(operation)
        assert {label for label, _ in answered} == {operation.label for operation in operations}
        assert any(status == 2 for _, status in answered)
