"""Argo Rollouts behave as recorded: canary steps, promotion, abort, retry, blue-green, InvalidSpec."""

from typing import Any

import pytest

from app.demo import EmbeddedCluster
from tests.demo.client import ROLLOUTS, Client, template, until

pytestmark = pytest.mark.anyio
WEB = f"{ROLLOUTS}/web"
STEPS = [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {"duration": "3s"}}]
Obj = dict[str, Any]


class Rollout:
    """The Rollout under test."""

    def __init__(self, cluster: EmbeddedCluster, client: Client) -> None:
        self.cluster = cluster
        self.client = client

    async def make(self, strategy: Obj | None = None, **spec: Any) -> None:
        canary = {"canary": {"maxSurge": 1, "maxUnavailable": 0, "steps": STEPS}}
        body = {
            "replicas": 5,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": strategy or canary,
            "template": template("web:1.0"),
            **spec,
        }
        status, answer = await self.client.call("POST", ROLLOUTS, {"metadata": {"name": "web"}, "spec": body})
        assert status == 201, answer
        await self.phase("Healthy")

    @property
    def obj(self) -> Obj:
        entry = self.cluster.store.get("rollouts", "default", "web")
        assert entry is not None
        return entry.obj

    @property
    def status(self) -> Obj:
        return self.obj.get("status") or {}

    async def phase(self, name: str) -> Obj:
        """Wait for an observed phase."""

        def there() -> bool:
            seen = self.status.get("observedGeneration") == str(self.obj["metadata"]["generation"])
            paused = (
                name != "Paused"
                or bool(self.status.get("pauseConditions"))
                or bool(self.obj["spec"].get("paused"))
            )
            return seen and paused and self.status.get("phase") == name

        await until(there, f"phase {name}")
        return self.status

    async def ship(self, image: str) -> None:
        op = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}
        status, _ = await self.client.patch(WEB, [op], "application/json-patch+json")
        assert status == 200

    async def order(self, **status: Any) -> Obj:
        code, body = await self.client.patch(f"{WEB}/status", {"status": status})
        assert code == 200
        answer: Obj = body
        return answer

    def images(self) -> list[str]:
        return sorted(
            p.obj["spec"]["containers"][0]["image"]
            for p in self.cluster.store.rows("pods")
            if "deletionTimestamp" not in p.obj["metadata"]
        )


@pytest.fixture
def rollout(cluster: EmbeddedCluster, client: Client) -> Rollout:
    return Rollout(cluster, client)


async def test_first_deploy_skips_the_steps(rollout: Rollout) -> None:
    await rollout.make()
    assert rollout.status["currentStepIndex"] == len(STEPS)
    assert rollout.status["stableRS"] == rollout.status["currentPodHash"]
    assert rollout.status["observedGeneration"] == "1", "a string, as the CRD has it"


async def test_undated_pause_waits_and_a_promotion_goes_on(rollout: Rollout) -> None:
    await rollout.make()
    await rollout.ship("web:1.1")
    status = await rollout.phase("Paused")
    assert (status["currentStepIndex"], status["controllerPause"], status["message"]) == (
        1,
        True,
        "CanaryPauseStep",
    )
    assert rollout.images() == ["web:1.0"] * 4 + ["web:1.1"]
    generation = rollout.obj["metadata"]["generation"]
    answer = await rollout.order(pauseConditions=None)
    assert answer["status"]["phase"] == "Paused", "the answer still shows the old phase"
    assert answer["metadata"]["generation"] == generation
    await rollout.phase("Healthy")
    assert rollout.images() == ["web:1.1"] * 5
    assert rollout.status["duration"]["completionStatus"] == "Promoted"


async def test_abort_goes_back_and_retry_starts_over(rollout: Rollout) -> None:
    await rollout.make()
    await rollout.ship("web:1.1")
    await rollout.phase("Paused")
    await rollout.order(abort=True)
    status = await rollout.phase("Degraded")
    assert status["message"] == "RolloutAborted: Rollout aborted update to revision 2"
    assert status["currentStepIndex"] == 0
    await until(lambda: rollout.images() == ["web:1.0"] * 5, "the stable pods")
    await rollout.order(abort=False)
    assert (await rollout.phase("Paused"))["currentStepIndex"] == 1
    await rollout.order(promoteFull=True)
    await rollout.phase("Healthy")
    assert rollout.status["duration"]["completionStatus"] == "FastPromoted"


async def test_back_to_stable_clears_an_abort(rollout: Rollout) -> None:
    await rollout.make()
    await rollout.ship("web:1.1")
    await rollout.phase("Paused")
    await rollout.order(abort=True)
    await rollout.phase("Degraded")
    await rollout.ship("web:1.0")
    status = await rollout.phase("Healthy")
    assert "abort" not in status
    assert rollout.obj["metadata"]["annotations"]["rollout.argoproj.io/revision"] == "3"


async def test_bad_image_is_degraded_after_its_deadline(rollout: Rollout) -> None:
    await rollout.make(progressDeadlineSeconds=12)
    await rollout.ship("web:bad")
    status = await rollout.phase("Degraded")
    assert status["message"].startswith('ProgressDeadlineExceeded: ReplicaSet "web-')
    assert rollout.images().count("web:1.0") == 5


async def test_spec_pause_is_a_persons(rollout: Rollout, client: Client) -> None:
    await rollout.make()
    await client.patch(WEB, {"spec": {"paused": True}})
    status = await rollout.phase("Paused")
    assert (status["message"], "pauseConditions" in status) == ("manually paused", False)
    await client.patch(WEB, {"spec": {"paused": False}})
    await rollout.phase("Healthy")


async def test_blue_green_waits_before_the_switch(
    rollout: Rollout, client: Client, cluster: EmbeddedCluster
) -> None:
    for name in ("active", "preview"):
        spec = {"ports": [{"port": 80}], "selector": {"app": "web"}}
        await client.call(
            "POST", "/api/v1/namespaces/default/services", {"metadata": {"name": name}, "spec": spec}
        )

    def selected(name: str) -> str:
        entry = cluster.store.get("services", "default", name)
        assert entry is not None
        return str(entry.obj["spec"]["selector"].get("rollouts-pod-template-hash"))

    await rollout.make(
        {
            "blueGreen": {
                "activeService": "active",
                "previewService": "preview",
                "autoPromotionEnabled": False,
                "scaleDownDelaySeconds": 3,
            }
        },
        replicas=2,
    )
    old = rollout.status["currentPodHash"]
    await rollout.ship("web:2.0")
    status = await rollout.phase("Paused")
    assert status["message"] == "BlueGreenPause"
    assert (selected("active"), selected("preview")) == (old, status["currentPodHash"])
    await rollout.order(pauseConditions=None)
    status = await rollout.phase("Healthy")
    assert selected("active") == status["currentPodHash"] != old
    assert len(rollout.images()) == 4, "the old pods stay for scaleDownDelaySeconds"
    await until(lambda: rollout.images() == ["web:2.0"] * 2, "the old pods to go")


async def test_invalid_weight_is_taken_by_the_api_and_refused_by_the_controller(
    rollout: Rollout, client: Client
) -> None:
    await rollout.make()
    status, _ = await client.patch(WEB, {"spec": {"strategy": {"canary": {"steps": [{"setWeight": 200}]}}}})
    assert status == 200
    assert (await rollout.phase("Degraded"))["message"].startswith("InvalidSpec: ")


async def test_restart_replaces_pods_without_a_revision(
    rollout: Rollout, client: Client, cluster: EmbeddedCluster
) -> None:
    await rollout.make(replicas=2)
    before = {pod.uid for pod in cluster.store.rows("pods")}
    born = cluster.clock.now()
    await until(lambda: cluster.clock.now() > born + 2, "pods to be older than the restart")
    await client.patch(WEB, {"spec": {"restartAt": cluster.clock.stamp()}})
    await until(lambda: rollout.status.get("restartedAt"), "the restart")
    await rollout.phase("Healthy")
    assert not before & {
        pod.uid for pod in cluster.store.rows("pods") if "deletionTimestamp" not in pod.obj["metadata"]
    }
    assert rollout.obj["metadata"]["annotations"]["rollout.argoproj.io/revision"] == "1"
