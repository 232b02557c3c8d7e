"""The suite's part on Argo Rollouts: its real controller, and what the embedded cluster has in its place."""

import pytest

from tests.cluster.api import MERGE, STRATEGIC
from tests.cluster.argo import heard, tell
from tests.cluster.manifests import ARGO, CORE, pod_template, rollout, service
from tests.cluster.story import observed
from tests.cluster.witness import done

pytestmark = pytest.mark.anyio


async def a_rollout(api, space, strategy):
    path = f"{ARGO}/{space}/rollouts"
    await api.create(path, rollout("web", pod_template("web", "web:1", ready_after="0.4"), strategy))
    await api.until(f"{path}/web", lambda root: done({"kind": "Rollout", **root}))
    containers = (await api.get(f"{path}/web"))["spec"]["template"]["spec"]["containers"]
    changed = {"spec": {"template": {"spec": {"containers": [containers[0] | {"image": "web:2"}]}}}}
    refused = await api.ask("PATCH", f"{path}/web", changed, type=STRATEGIC)
    assert refused.status == 415, "no strategic merge for custom resources"
    await api.patch(f"{path}/web", changed, type=MERGE)
    return f"{path}/web"


async def paused(api, path):
    """The status of the Rollout once it is paused, by its newest spec."""
    root = await heard(api, path, lambda root: root["status"].get("phase") == "Paused" and observed(root))
    return root["status"]


async def test_canary_pauses_is_promoted_and_lands(argo, space):
    path = await a_rollout(argo, space, {"canary": {"steps": [{"setWeight": 50}, {"pause": {}}]}})
    status = await paused(argo, path)
    assert (status["currentStepIndex"], status["controllerPause"]) == (1, True)
    assert [each["reason"] for each in status["pauseConditions"]] == ["CanaryPauseStep"]
    assert status["stableRS"] != status["currentPodHash"]
    assert (status["updatedReplicas"], status["message"]) == (1, "CanaryPauseStep")
    root = await tell(argo, path, {"pauseConditions": None}, lambda root: done({"kind": "Rollout", **root}))
    assert root["status"]["stableRS"] == root["status"]["currentPodHash"]
    assert "controllerPause" not in root["status"]


async def test_canary_that_is_aborted_goes_back_and_says_so(argo, space):
    path = await a_rollout(argo, space, {"canary": {"steps": [{"setWeight": 50}, {"pause": {}}]}})
    await paused(argo, path)
    root = await tell(argo, path, {"abort": True}, lambda root: root["status"].get("phase") == "Degraded")
    assert root["status"]["message"].startswith("RolloutAborted: Rollout aborted update to revision 2")
    assert (root["status"]["abort"], root["status"]["currentStepIndex"]) == (True, 0)


async def test_blue_green_switches_its_services_when_promoted(argo, space):
    services = f"{CORE}/{space}/services"
    for name in ("active", "preview"):
        await argo.create(services, service(name, "web"))
    strategy = {"activeService": "active", "previewService": "preview", "autoPromotionEnabled": False}
    path = await a_rollout(argo, space, {"blueGreen": strategy})
    status = await paused(argo, path)
    assert [each["reason"] for each in status["pauseConditions"]] == ["BlueGreenPause"]
    old, new = status["blueGreen"]["activeSelector"], status["blueGreen"]["previewSelector"]
    assert (old, new) == (status["stableRS"], status["currentPodHash"])
    await tell(argo, path, {"pauseConditions": None}, lambda root: done({"kind": "Rollout", **root}))
    active = await argo.get(f"{services}/active")
    assert active["spec"]["selector"] == {"app": "web", "rollouts-pod-template-hash": new}
