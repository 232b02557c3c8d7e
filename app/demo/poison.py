"""Objects no API server would let in, but caches and older versions have been seen to hold: a reader must
survive."""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]
_LONG = "x" * 20_000


def objects(resource: str, namespace: str) -> list[Obj]:
    """One object per way of being wrong; names say which."""
    spoiled: dict[str, Obj] = {
        "null-status": {"spec": {}, "status": None},
        "null-spec": {"spec": None, "status": {}},
        "text-spec": {"spec": "broken", "status": "broken"},
        "list-status": {"spec": {}, "status": []},
        "null-labels": {"spec": {}, "status": {}},
        "wrong-numbers": {
            "spec": {
                "replicas": "three",
                "template": None,
                "selector": None,
                "strategy": {"canary": {"steps": "all"}},
            },
            "status": {
                "replicas": "many",
                "observedGeneration": {},
                "readyReplicas": None,
                "currentStepIndex": "x",
            },
        },
        "null-items": {
            "spec": {
                "containers": [None, {"name": None, "image": None}],
                "template": {"spec": {"containers": None}},
            },
            "status": {
                "conditions": [None, {"type": None}, {}],
                "containerStatuses": [None, {"state": None}],
            },
        },
        "hostile-text": {
            "spec": {
                "containers": [
                    {"name": "<script>alert(1)</script>", "image": '"><img src=x onerror=alert(1)>'}
                ]
            },
            "status": {
                "message": "<script>alert(1)</script>\u202e\u0000",
                "conditions": [
                    {
                        "type": "Ready",
                        "status": "maybe",
                        "reason": "{{7*7}}",
                        "message": _LONG,
                        "lastTransitionTime": "soon",
                    }
                ],
            },
        },
        "huge-text": {"spec": {}, "status": {"phase": _LONG, "message": _LONG, "reason": _LONG}},
    }
    made = []
    for name, body in spoiled.items():
        meta: Obj = {"name": f"poison-{name}", "namespace": namespace}
        if name == "hostile-text":
            meta["labels"] = {"app.kubernetes.io/name": "<b>bold</b>", "team": "javascript:alert(1)"}
            meta["annotations"] = {"kubernetes.io/change-cause": "<img src=x onerror=alert(1)>" + _LONG}
        if name == "null-items":
            meta["ownerReferences"] = [{"apiVersion": None, "kind": None, "name": None, "uid": ""}]
        made.append({"metadata": meta, **body})
    return made
