"""Analysis of Argo Rollouts: runs that measure, and what they are judged by. No provider is asked.

A metric's value is what `Controllers.metrics` holds under its name (1 unless set; None: nobody answers), compared
with conditions of the form `result >= 0.9`. Source: argo-rollouts analysis/analysis.go and recordings of it.
"""

from __future__ import annotations

import operator
import re
from typing import Any
from urllib.parse import urlsplit

from app.demo import shapes
from app.demo.clock import seconds_of
from app.demo.controllers import Controllers
from app.demo.rollout_status import seconds
from app.demo.store import Entry, copy

Obj = dict[str, Any]
MANAGER = "rollouts-controller"
OVER = ("Successful", "Failed", "Error", "Inconclusive")
ERROR_RETRY = 10.0
KEPT = 10
_LIMITS = (  # what is counted, the limit's name and its default, what the metric becomes beyond it
    ("failed", "failureLimit", 0, "Failed"),
    ("inconclusive", "inconclusiveLimit", 0, "Inconclusive"),
    ("consecutiveError", "consecutiveErrorLimit", 4, "Error"),
)
_CONDITION = re.compile(r"\s*result(?:\[0\])?\s*(<=|>=|==|!=|<|>)\s*(-?[\d.]+)\s*")
_COMPARED = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


class AnalysisRuns:
    """One instance measures for every run."""

    def __init__(self, controllers: Controllers) -> None:
        self.controllers = controllers
        self.store = controllers.store
        self.clock = controllers.clock
        controllers.add("analysisruns", self.reconcile)

    def reconcile(self, namespace: str, name: str) -> None:
        """Measure what is due, judge, and come back for the next measurement."""
        entry = self.store.get("analysisruns", namespace, name)
        if entry is None or (entry.obj.get("status") or {}).get("phase") in OVER:
            return
        run, now = copy(entry), self.clock.now()
        status = run.setdefault("status", {})
        results = {result["name"]: result for result in status.get("metricResults") or ()}
        waits = []
        for metric in run["spec"].get("metrics") or ():
            result = results.setdefault(metric["name"], {"name": metric["name"], "phase": "Running"})
            wait = self._due(metric, result, now)
            if wait is not None and wait <= 0:
                self._measure(run, metric, result)
                wait = self._due(metric, result, now)
            if wait is not None:
                waits.append(wait)
        status.setdefault("startedAt", self.clock.stamp())
        status |= {"dryRunSummary": {}, "metricResults": list(results.values())}
        self._conclude(run, status)
        if status != entry.obj.get("status"):
            self.store.put("analysisruns", run)
        if waits and status["phase"] == "Running":
            self.controllers.enqueue("analysisruns", namespace, name, max(0.01, min(waits)))

    def _due(self, metric: Obj, result: Obj, now: float) -> float | None:
        """In how many seconds to measure; None when the metric is decided."""
        if result["phase"] in OVER:
            return None
        taken = result.get("measurements")
        if not taken:
            return 0.0
        pause = seconds(metric.get("interval")) or 1.0
        if result.get("consecutiveError"):
            pause = ERROR_RETRY
        return seconds_of(taken[-1]["finishedAt"]) + pause - now

    def _measure(self, run: Obj, metric: Obj, result: Obj) -> None:
        now, value = self.clock.stamp(), self.controllers.metrics.get(metric["name"], 1.0)
        phase = "Error" if value is None else judged(metric, value)
        row: Obj = {"finishedAt": now, "phase": phase, "startedAt": now}
        row |= {"message": _unanswered(metric)} if value is None else {"value": f"{value:g}"}
        result["measurements"] = [*(result.get("measurements") or ()), row][-KEPT:]
        counter = phase.lower()
        result[counter] = result.get(counter, 0) + 1
        if phase != "Error":
            result["count"] = result.get("count", 0) + 1
        for word in ("Success", "Error"):
            if phase.startswith(word):
                result[f"consecutive{word}"] = result.get(f"consecutive{word}", 0) + 1
            else:
                result.pop(f"consecutive{word}", None)
        result["phase"] = assessed(metric, result)[0]
        if result["phase"] in OVER:
            if "message" in row:
                result["message"] = row["message"]
            bad = result["phase"] in ("Failed", "Error")
            self._event(
                run, f"Metric{result['phase']}", f"Metric '{metric['name']}' Completed", result["phase"], bad
            )

    def _conclude(self, run: Obj, status: Obj) -> None:
        results = {result["name"]: result for result in status["metricResults"]}
        status["runSummary"] = {"count": len(results)}
        status["phase"] = "Running"
        worst = min((_rank(result["phase"]) for result in results.values()), default=len(OVER))
        over = all(result["phase"] in OVER for result in results.values())
        if run["spec"].get("terminate") or over or worst < _rank("Successful"):
            status["phase"] = ("Failed", "Error", "Inconclusive", "Successful", "Successful")[worst]
            status["completedAt"] = self.clock.stamp()
            for metric in run["spec"].get("metrics") or ():
                phase, why = assessed(metric, results[metric["name"]])
                if phase == status["phase"] and why:
                    status["message"] = why
            for result in results.values():
                word = result["phase"].lower()
                status["runSummary"][word] = status["runSummary"].get(word, 0) + 1
            bad = status["phase"] in ("Failed", "Error")
            self._event(run, f"AnalysisRun{status['phase']}", "Analysis Completed", status["phase"], bad)

    def _event(self, run: Obj, reason: str, what: str, result: str, warning: bool) -> None:
        message = f"{what}. Result: {result}"
        self.controllers.recorder.record(
            "analysisruns", run, reason, message, component=MANAGER, warning=warning
        )


def judged(metric: Obj, value: float) -> str:
    """What one measurement is by the conditions of its metric."""
    fails, succeeds = (_holds(metric.get(f"{word}Condition"), value) for word in ("failure", "success"))
    if fails:
        return "Failed"
    if succeeds or (succeeds is None and fails is False) or (succeeds is None and fails is None):
        return "Successful"
    return "Failed" if fails is None else "Inconclusive"


def assessed(metric: Obj, result: Obj) -> tuple[str, str]:
    """What a metric is after its measurements so far, and why where it is not well."""
    for counter, name, default, phase in _LIMITS:
        limit, count = int(metric.get(name, default)), result.get(counter, 0)
        if count > limit:
            word = "consecutiveErrors" if phase == "Error" else counter
            why = f'Metric "{metric["name"]}" assessed {phase} due to {word} ({count}) > {name} ({limit})'
            said = result["measurements"][-1].get("message")
            return phase, f'{why}: "Error Message: {said}"' if said else why
    wanted = int(metric.get("count") or (0 if metric.get("interval") else 1))
    return ("Successful" if wanted and result.get("count", 0) >= wanted else "Running"), ""


def start(controllers: Controllers, ro: Obj, hashed: str, index: int, templates: list[Obj]) -> str:
    """Make the run of a canary's step; returns its name."""
    meta, store = ro["metadata"], controllers.store
    revision = (meta.get("annotations") or {}).get("rollout.argoproj.io/revision", "1")
    base = name = f"{meta['name']}-{hashed}-{revision}-{index}"
    again = 0
    while store.get("analysisruns", meta["namespace"], name):
        again += 1
        name = f"{base}.{again}"
    found = [store.get("analysistemplates", meta["namespace"], each["templateName"]) for each in templates]
    metrics = [
        _complete(metric) for template in found if template for metric in template.obj["spec"]["metrics"]
    ]
    labels = {
        **((ro["spec"].get("selector") or {}).get("matchLabels") or {}),
        "rollout-type": "Step",
        "rollouts-pod-template-hash": hashed,
        "step-index": str(index),
    }
    body: Obj = {
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "labels": labels,
            "annotations": {"rollout.argoproj.io/revision": revision},
            "ownerReferences": [shapes.reference(ro, "rollouts")],
        },
        "spec": {"metrics": metrics},
        "status": {"phase": "", "runSummary": {}},
    }
    controllers.registry.create("analysisruns", body, manager=MANAGER)
    return name


def stop(controllers: Controllers, run: Entry) -> None:
    """End a run whose answer is no longer wanted."""
    if (run.obj.get("status") or {}).get("phase") not in OVER:
        controllers.store.put("analysisruns", {**copy(run), "spec": {**run.obj["spec"], "terminate": True}})


def _complete(metric: Obj) -> Obj:
    """A template's metric as a run holds it."""
    web = (metric.get("provider") or {}).get("web")
    if not web:
        return metric
    authentication: Obj = {"basicAuth": {}, "oauth2": {}, "sigv4": {}}
    return {**metric, "provider": {"web": {"authentication": authentication, **web}}}


def _rank(phase: str) -> int:
    order = ("Failed", "Error", "Inconclusive", "Successful")
    return order.index(phase) if phase in order else len(order)


def _holds(condition: str | None, value: float) -> bool | None:
    """Whether a condition holds; None when there is none, or none that can be read."""
    found = _CONDITION.fullmatch(condition or "")
    return _COMPARED[found[1]](value, float(found[2])) if found else None


def _unanswered(metric: Obj) -> str:
    url = ((metric.get("provider") or {}).get("web") or {}).get("url", "http://127.0.0.1:80/")
    address = urlsplit(url).netloc
    return f'Get "{url}": dial tcp {address}: connect: connection refused'
