"""What to do next about a problem or a caution: one sentence for each category, for a person who did not build the
cluster. Where nothing general can be said there is none."""

from __future__ import annotations

from .rollout import CautionKind

_PROBLEMS = {
    "invalid": "Correct the spec where it is refused; nothing moves before that.",
    "analysis": "Look at the measurements, then mend the release and retry, or go back.",
    "image": "Push this tag or ship one that exists; if the registry refuses, check the pull secret.",
    "crash": "Read its last lines, then fix forward or roll back.",
    "oom": "Raise the memory limit, or find what grows; roll back if this release brought it.",
    "config": "Create the ConfigMap, Secret or key that it asks for.",
    "container": "Check command, mounts and security context against what the runtime says.",
    "quota": "Make room in this namespace, or have its quota raised.",
    "limits": "Ask for less in the pod template, or have the namespace's LimitRange changed.",
    "admission": "Change the pod template so that the policy lets it in, or talk to whoever keeps the policy.",
    "account": "Create this ServiceAccount, or name one that exists in the pod template.",
    "node": "Wait until the node answers, or remove it so that its pods move.",
    "unschedulable": "Compare requests, node selector, affinity and taints with the nodes there are, or add a node.",
    "blocked": "Delete the pod; it comes back at the newest revision.",
    "probe": "Ask a pod what its probe answers; mend the service or the probe.",
    "volume": "Check that the claim is bound and that the node can attach the volume.",
    "sandbox": "Look at this node's network plug-in and container runtime.",
    "deadline": "It does not end by itself: fix forward or roll back.",
    "aborted": "Retry it, or stay with what serves.",
}
_CAUTIONS = {
    CautionKind.NO_PROBE: "Give it a readinessProbe, or a release that does not answer looks as good as one that does.",
    CautionKind.NO_ENDPOINTS: "Compare the Service's selector with the labels of the pods.",
    CautionKind.RESTARTS: "Find out why it ended before it does so again.",
    CautionKind.MISPLACED: "Delete them, or let the node selector and tolerations fit.",
    CautionKind.KILLED: "Requests in flight were cut: let it end on SIGTERM, or raise terminationGracePeriodSeconds.",
    CautionKind.OVERRAN: "Shorten its preStop hook, or raise terminationGracePeriodSeconds.",
    CautionKind.LEFT_BEHIND: "Scale that revision down.",
}


def remedy(of: str) -> str:
    """What to do about a problem of this category, or a caution of this kind; empty when nothing is known."""
    return _PROBLEMS.get(of) or {kind.value: text for kind, text in _CAUTIONS.items()}.get(of, "")
