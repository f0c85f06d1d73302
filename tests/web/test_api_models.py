"""The API of models: the list, with where each is used, and the report of a training."""


def test_the_list_says_where_each_model_is_used(served, alarmed):
    with served() as (client, context):
        alarmed(client, context, [])
        models = {model["name"]: model for model in client.get("/api/v1/models").json()["models"]}
        tiny = models["models/tiny"]
        assert tiny["used_by"] == ["yard"]
        assert tiny["preset"] is None
        assert len(tiny["sha256"]) == 64


def test_the_report_of_a_training_is_shown_in_a_sandbox(client):
    (address,) = {
        model["report"]
        for model in client.get("/api/v1/models").json()["models"]
        if model["name"] == "models/tiny"
    }
    answer = client.get(address)
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("sandbox allow-scripts")
    assert client.get("/api/v1/models/report", params={"model": "/etc"}).status_code == 404
