"""The account that deploy/ ships, on a real control plane, with the shipped rights and no others; what it asked for.

Every kind that a shipped right is about is installed; what has no controller here is a definition that takes anything.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests.cluster import definitions
from tests.cluster.api import Api, Obj
from tests.cluster.control_plane import write_kubeconfig
from tests.cluster.manifests import CORE

if TYPE_CHECKING:
    from tests.cluster.conftest import RealCluster

DEPLOY = Path(__file__).parents[2] / "deploy"
MANIFESTS = ("read-role.yaml", "act-role.yaml")
"""Files of deploy/ that grant rights."""
FOREIGN = (
    definitions.minimal("gateway.networking.k8s.io/v1", "httproutes", "HTTPRoute"),
    definitions.minimal("argoproj.io/v1alpha1", "applications", "Application"),
    definitions.minimal("kustomize.toolkit.fluxcd.io/v1", "kustomizations", "Kustomization"),
    definitions.minimal("helm.toolkit.fluxcd.io/v2", "helmreleases", "HelmRelease"),
)
"""Kinds of operators that do not run here."""
_USER = "system:serviceaccount:shipboard:shipboard"

Right = tuple[str, str, str]
"""Verb, API group, resource with its subresource."""


def shipped() -> list[Obj]:
    """Every document of the manifests, and a binding for the roles that are bound to nobody there."""
    found = [d for name in MANIFESTS for d in yaml.safe_load_all((DEPLOY / name).read_text()) if d]
    bound = {d["roleRef"]["name"] for d in found if "roleRef" in d}
    account = {"kind": "ServiceAccount", "name": "shipboard", "namespace": "shipboard"}
    return found + [
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
         "metadata": {"name": role}, "subjects": [account],
         "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}}
        for role in (d["metadata"]["name"] for d in found if d["kind"] == "ClusterRole") if role not in bound
    ]  # fmt: skip


def granted() -> set[Right]:
    """All that the shipped roles grant."""
    return {
        (verb, group, resource)
        for document in shipped()
        for rule in document.get("rules", ())
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


class Account:
    """The account while it is there: its kubeconfig, and what the API server's audit log tells of it."""

    def __init__(self, kubeconfig: Path, audit: Path) -> None:
        self.kubeconfig, self._audit = kubeconfig, audit
        self._from = audit.stat().st_size if audit.exists() else 0

    def used(self) -> set[Right]:
        """All that it asked for. Raises AssertionError if anything was refused."""
        asked: set[Right] = set()
        with self._audit.open() as log:
            log.seek(self._from)
            for line in log:
                event = json.loads(line)
                if event["user"]["username"] != _USER:
                    continue
                assert event.get("responseStatus", {}).get("code", 200) != 403, line
                about = event.get("objectRef", {})
                resource = "/".join(filter(None, (about.get("resource"), about.get("subresource"))))
                asked.add((event["verb"], about.get("apiGroup", ""), resource or event["requestURI"]))
        return asked


@asynccontextmanager
async def account(real: "RealCluster", folder: Path) -> AsyncIterator[Account]:
    """The shipped account, on a cluster where every kind is installed; its kubeconfig lies in `folder`."""
    await real.install_argo()
    await real.install_flagger()
    for definition in FOREIGN:
        await definitions.define(real.api, definition)
    paths = [await apply(real.api, document) for document in shipped()]
    tokens = f"{CORE}/shipboard/serviceaccounts/shipboard/token"
    token = (await real.api.create(tokens, {"spec": {}}))["status"]["token"]
    authority = real.own.folder / "ca.crt"
    file = write_kubeconfig(folder / "kubeconfig", real.api.url, authority, {"token": token})
    yield Account(file, real.own.audit)
    for path in reversed(paths):
        await real.api.delete(path)
    await real.api.until(f"{CORE}?fieldSelector=metadata.name=shipboard", lambda found: not found["items"])
    for definition in FOREIGN:
        await definitions.remove_one(real.api, definition)


async def apply(api: Api, document: Obj, **query: str) -> str:
    """Create an object of a manifest; its path."""
    kind, meta = document["kind"], document["metadata"]
    base = f"/apis/{document['apiVersion']}" if "/" in document["apiVersion"] else "/api/v1"
    place = f"/namespaces/{meta['namespace']}" if "namespace" in meta else ""
    plural = "networkpolicies" if kind == "NetworkPolicy" else f"{kind.lower()}s"
    collection = f"{base}{place}/{plural}"
    await api.create(collection, document, **query)
    return f"{collection}/{meta['name']}"
