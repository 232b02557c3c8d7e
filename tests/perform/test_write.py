"""What is kept and shown of a write."""

from app.engines.acting import Effect, Patch, Plan
from app.engines.port import DEPLOYMENT
from app.perform.write import HIDDEN, sendings, veiled


def test_values_of_environment_variables_are_not_shown():
    template = {
        "spec": {
            "containers": [{"name": "web", "image": "web:1", "env": [{"name": "KEY", "value": "s3cret"}]}]
        }
    }
    body = [
        {"op": "test", "path": "/metadata/uid", "value": "5a1b"},
        {"op": "replace", "path": "/spec/template", "value": template},
        {"op": "replace", "path": "/spec/template/spec/containers/0/env/0/value", "value": "s3cret"},
        {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "web:2"},
    ]
    shown = veiled(body)
    assert "s3cret" not in str(shown)
    assert shown[1]["value"]["spec"]["containers"][0] == {
        "name": "web", "image": "web:1", "env": [{"name": "KEY", "value": HIDDEN}]
    }  # fmt: skip
    assert [each["value"] for each in (shown[0], shown[3])] == ["5a1b", "web:2"]
    assert "s3cret" in str(body), "the body itself is left as it is"
    (sending,) = sendings(Plan("", (Patch(DEPLOYMENT, "shop", "web", body),), Effect()))
    assert sending.body == shown
