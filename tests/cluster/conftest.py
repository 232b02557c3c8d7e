"""A cluster for the tests of this folder, kept for the session: a control plane of our own, or one that is named.

SHIPBOARD_TEST_KUBECONFIG names another cluster (kind, k3d, a real one); its current context's user must be allowed
to create nodes and namespaces. Tests that stop, starve or reconfigure the control plane need our own.
"""

import itertools
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.demo import EmbeddedCluster
from tests import machine
from tests.cluster import argo as rollouts
from tests.cluster import flagger
from tests.cluster.account import account
from tests.cluster.api import Api
from tests.cluster.board import Board, watching
from tests.cluster.building import Unavailable
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubelet import Kubelet
from tests.cluster.levers import Twins
from tests.cluster.manifests import HOLLOW

_serial = itertools.count(1)


@dataclass
class RealCluster:
    """A cluster with a real API server; `plane` is None where it is not ours."""

    api: Api
    kubelet: Kubelet
    plane: ControlPlane | None
    _argo: bool = field(default=False)
    _flagger: bool = field(default=False)

    @property
    def own(self) -> ControlPlane:
        """The control plane, for tests that are hard on it."""
        if self.plane is None:
            pytest.skip("needs a control plane of our own, not SHIPBOARD_TEST_KUBECONFIG")
        return self.plane

    async def install_argo(self) -> None:
        """Make sure that Argo Rollouts is there."""
        if not self._argo:
            try:
                await rollouts.install(self.api, self.own)
            except Unavailable as error:
                machine.lacks(f"no Argo Rollouts: {error}")
            self._argo = True

    async def install_flagger(self) -> None:
        """Make sure that Flagger is there."""
        if not self._flagger:
            try:
                await flagger.install(self.api, self.own)
            except Unavailable as error:
                machine.lacks(f"no Flagger: {error}")
            self._flagger = True

    async def remove_argo(self) -> None:
        """Make sure that it is not."""
        if self._argo:
            await rollouts.remove(self.api, self.own)
            self._argo = False


@pytest.fixture(scope="session")
async def real() -> AsyncIterator[RealCluster]:
    async with AsyncExitStack() as stack:
        named = os.environ.get("SHIPBOARD_TEST_KUBECONFIG")
        plane = None
        if not named:
            try:
                plane = await stack.enter_async_context(ControlPlane())
            except Unavailable as error:
                machine.lacks(
                    f"no control plane: {error}; SHIPBOARD_TEST_KUBECONFIG can name a cluster instead"
                )
        api = await stack.enter_async_context(Api(named or plane.kubeconfig if plane else str(named)))
        kubelet = await stack.enter_async_context(
            Kubelet(api, leave=plane is None, certificates=plane.folder if plane else None)
        )
        yield RealCluster(api, kubelet, plane)


@pytest.fixture(scope="session")
async def embedded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with EmbeddedCluster(time_scale=10) as cluster:
        kubeconfig = cluster.kubeconfig(tmp_path_factory.mktemp("embedded") / "kubeconfig")
        async with Api(kubeconfig) as api:
            for node in (await api.get("/api/v1/nodes"))["items"]:
                labels = {"metadata": {"labels": {HOLLOW: "true"}}}
                await api.patch(f"/api/v1/nodes/{node['metadata']['name']}", labels)
            yield api


@pytest.fixture(scope="session")
async def board(real: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Board]:
    """One board for all: it lives through everything that the tests do to the cluster."""
    async with watching(real.api.kubeconfig, tmp_path_factory.mktemp("board")) as shown:
        yield shown


async def new_namespace(api: Api) -> str:
    """A namespace of its own, with the account that pods need."""
    name = f"t{next(_serial)}-{secrets.token_hex(3)}"
    await api.create(
        "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    )
    return name


@pytest.fixture
async def namespace(real: RealCluster) -> AsyncIterator[str]:
    name = await new_namespace(real.api)
    await real.api.until(f"/api/v1/namespaces/{name}/serviceaccounts/default", lambda _: True)
    yield name
    await real.api.ask("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture(params=["real", "embedded"])
def api(request: pytest.FixtureRequest) -> Api:
    """Either cluster's API: a test that takes it runs on both."""
    cluster: Api | RealCluster = request.getfixturevalue(request.param)
    return cluster if isinstance(cluster, Api) else cluster.api


@pytest.fixture
async def space(api: Api) -> AsyncIterator[str]:
    """A namespace of its own there."""
    namespace = await new_namespace(api)
    yield namespace
    await api.ask("DELETE", f"/api/v1/namespaces/{namespace}")


@pytest.fixture
async def argo(api: Api, real: RealCluster) -> Api:
    """Either, with Argo Rollouts."""
    if api is real.api:
        await real.install_argo()
    return api


@pytest.fixture(scope="module")
async def shipboard(real: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Board]:
    """The account of deploy/, and a board that runs as it and acts."""
    folder = tmp_path_factory.mktemp("acting")
    async with account(real, folder) as shipped, watching(shipped.kubeconfig, folder) as board:
        yield board
        shipped.used()  # nothing was refused


@pytest.fixture
async def places(real: RealCluster) -> AsyncIterator[list[str]]:
    """Two namespaces."""
    found = [await new_namespace(real.api) for _ in range(2)]
    for place in found:
        await real.api.until(f"/api/v1/namespaces/{place}/serviceaccounts/default", lambda _: True)
    yield found
    for place in found:
        await real.api.ask("DELETE", f"/api/v1/namespaces/{place}")


@pytest.fixture
def twins(real: RealCluster, shipboard: Board, places: list[str], tmp_path: Path) -> Callable[..., Twins]:
    """Makes twins of a kind."""
    mine, theirs = places
    return lambda kind, name="web": Twins(real.api, shipboard, mine, theirs, tmp_path, kind, name)
