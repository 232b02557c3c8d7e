"""What deploy/ ships, as a real API server judges it: every field known, every value valid, the pod restricted."""

from pathlib import Path

import pytest

from tests.cluster.account import apply
from tests.cluster.manifests import CORE
from tests.test_deploy import kustomized

pytestmark = pytest.mark.anyio
STRICT = {"dryRun": "All", "fieldValidation": "Strict"}


@pytest.mark.parametrize("full", [False, True], ids=["sqlite", "postgresql"])
async def test_the_shipped_manifests_are_taken(real, tmp_path: Path, full: bool) -> None:
    made = kustomized(tmp_path, full=full)
    namespace = await apply(real.api, made.pop("Namespace shipboard"))
    try:
        paths = [await apply(real.api, document, **STRICT) for document in made.values()]
        assert len(paths) >= 9
        account = {"metadata": {"name": "shipboard"}}
        await real.api.create(f"{CORE}/shipboard/serviceaccounts", account)
        pod = {"metadata": {"name": "one"}, "spec": made["Deployment shipboard"]["spec"]["template"]["spec"]}
        await real.api.create(f"{CORE}/shipboard/pods", pod, **STRICT)
        pod["spec"]["containers"][0]["securityContext"] = {}
        refused = await real.api.ask("POST", f"{CORE}/shipboard/pods", pod, **STRICT)
        assert refused.status == 403, "the namespace lets only restricted pods in"
    finally:
        await real.api.delete(namespace)
        await real.api.until(
            f"{CORE}?fieldSelector=metadata.name=shipboard", lambda found: not found["items"]
        )
