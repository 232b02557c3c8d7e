"""Custom resource definitions: put in from the files an operator publishes, and taken out with all of their kind."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import yaml

from tests.cluster.api import Api, Obj

_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


async def install(api: Api, files: Iterable[Path]) -> None:
    """Create what the files hold, and wait until it is served."""
    documents = [
        document
        for file in sorted(files)
        for document in yaml.load_all(file.read_text(), yaml.CSafeLoader)
        if document
    ]
    await asyncio.gather(*(define(api, document) for document in documents))


async def define(api: Api, definition: Obj) -> None:
    """Create one, and wait until it is served."""
    await api.create(_PATH, definition)
    spec = definition["spec"]
    place = "namespaces/default/" if spec["scope"] == "Namespaced" else ""
    # served a moment after it is established; until then there is plain text
    path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{place}{spec['names']['plural']}"
    await api.until(path, lambda _: True)


async def remove(api: Api, group: str) -> None:
    """Delete those of a group, and wait until they are gone."""

    def left(listed: Obj) -> list[str]:
        return [o["metadata"]["name"] for o in listed["items"] if o["spec"]["group"] == group]

    for name in left(await api.get(_PATH)):
        await api.delete(f"{_PATH}/{name}")
    await api.until(_PATH, lambda listed: not left(listed))


async def remove_one(api: Api, definition: Obj) -> None:
    """Delete one, and wait until it is gone."""
    name = definition["metadata"]["name"]
    await api.delete(f"{_PATH}/{name}")
    await api.until(_PATH, lambda listed: name not in [o["metadata"]["name"] for o in listed["items"]])


def minimal(api_version: str, plural: str, kind: str) -> Obj:
    """A definition that takes anything for a spec and a status."""
    group, _, version = api_version.rpartition("/")
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"},
        },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
            "versions": [{
                "name": version, "served": True, "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }],
        },
    }  # fmt: skip
