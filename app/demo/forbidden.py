"""Refusals of pods that a behaviour asks for, where there is no object to refuse by: quota, limits, policy, account.

The texts are an API server's own, as recorded (quota, account) or as its plug-ins word them (LimitRanger,
PodSecurity). Which of them strikes is told by `Controllers.behaviour`; there are no quotas or limits as objects.
"""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]
MOST = "1Gi"
"""What the LimitRange lets a container have, of memory."""


def refusal(behaviour: str, pod: Obj, there: int) -> str:
    """Why a drafted pod is forbidden; empty when it is let in. `there`: pods its namespace has."""
    spec, namespace = pod["spec"], pod["metadata"]["namespace"]
    match behaviour:
        case "quota":
            return f"exceeded quota: compute, requested: pods=1, used: pods={there}, limited: pods={there}"
        case "limits":
            limit = ((spec["containers"][0].get("resources") or {}).get("limits") or {}).get("memory", "2Gi")
            return f"maximum memory usage per Container is {MOST}, but limit is {limit}"
        case "policy":
            paths = [v["name"] for v in spec.get("volumes") or () if "hostPath" in v]
            named = ", ".join(f'"{name}"' for name in paths)
            noun = "volume" if len(paths) == 1 else "volumes"
            return f'violates PodSecurity "baseline:latest": hostPath volumes ({noun} {named})'
        case "account":
            account = spec["serviceAccountName"]
            return f'error looking up service account {namespace}/{account}: serviceaccount "{account}" not found'
    return ""
