"""Events as a cluster writes them: one object per (object, reason, message), counted up, expiring.

The scheduler writes events.k8s.io style (eventTime, no count); everybody else counts with first and last
time, and puts the tenth different message of one object and reason into one combined Event, with all later
ones (client-go's aggregator).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from app.demo.clock import micro_stamp, seconds_of
from app.demo.resources import BY_PLURAL
from app.demo.store import Store, copy

Obj = dict[str, Any]
TIME_TO_LIVE = 3600.0
MOST = 3000
SIMILAR_FOR = 600.0
DIFFERENT = 10
COMBINED = "(combined from similar events): "


class Recorder:
    """Writes Event objects and forgets old ones (the server's default is one hour)."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._known: OrderedDict[tuple[str, ...], tuple[str, str]] = OrderedDict()
        self._similar: OrderedDict[tuple[str, ...], tuple[float, list[str]]] = OrderedDict()

    def record(
        self,
        plural: str,
        about: Obj,
        reason: str,
        message: str,
        *,
        component: str,
        warning: bool = False,
        host: str = "",
        field_path: str = "",
    ) -> None:
        """Count an event about an object of a resource up, or write a new one."""
        meta, resource = about["metadata"], BY_PLURAL[plural]
        now = self.store.clock.now()
        scheduler = component == "default-scheduler"
        combined = not scheduler and self._is_one_of_many((meta["uid"], reason, component), message, now)
        key = (meta["uid"], reason, COMBINED if combined else message, component)
        if combined:
            message = COMBINED + message
        at = self._known.get(key)
        entry = self.store.get("events", *at) if at else None
        if entry is not None and not scheduler:
            obj = copy(entry)
            obj["message"] = message
            obj["count"] = obj.get("count", 1) + 1
            obj["lastTimestamp"] = self.store.clock.stamp()
            self.store.put("events", obj, quiet=True)
            return
        involved: Obj = {
            "kind": resource.kind,
            "namespace": meta.get("namespace", ""),
            "name": meta["name"],
            "uid": meta["uid"],
            "apiVersion": resource.api_version,
            "resourceVersion": meta.get("resourceVersion", ""),
        }
        if field_path:
            involved["fieldPath"] = field_path
        name = f"{meta['name']}.{int(now * 1e9) + self.store.version % 1000:016x}"
        namespace = meta.get("namespace") or "default"
        obj = {
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": involved,
            "reason": reason,
            "message": message,
        }
        if scheduler:
            obj |= {
                "source": {},
                "firstTimestamp": None,
                "lastTimestamp": None,
                "type": "Warning" if warning else "Normal",
                "eventTime": micro_stamp(now),
                "action": "Scheduling" if warning else "Binding",
                "reportingComponent": component,
                "reportingInstance": f"{component}-demo",
            }
        else:
            source = {"component": component, "host": host} if host else {"component": component}
            stamp = self.store.clock.stamp()
            obj |= {
                "source": source,
                "firstTimestamp": stamp,
                "lastTimestamp": stamp,
                "count": 1,
                "type": "Warning" if warning else "Normal",
                "eventTime": None,
                "reportingComponent": "" if combined else component,
                "reportingInstance": "" if combined else host,
            }
        self.store.create("events", obj, quiet=True)
        self._known[key] = (namespace, name)
        self._expire(now)

    def _is_one_of_many(self, about: tuple[str, ...], message: str, now: float) -> bool:
        last, messages = self._similar.pop(about, (now, []))
        if now - last > SIMILAR_FOR:
            messages = []
        if message not in messages:
            messages.append(message)
        many = len(messages) >= DIFFERENT
        self._similar[about] = now, messages[-(DIFFERENT - 1) :]
        while len(self._similar) > MOST:
            self._similar.popitem(last=False)
        return many

    def _expire(self, now: float) -> None:
        while self._known:
            key, at = next(iter(self._known.items()))
            entry = self.store.get("events", *at)
            if entry is not None:
                last = entry.obj.get("lastTimestamp") or entry.obj.get("eventTime")
                if now - seconds_of(last) < TIME_TO_LIVE and len(self._known) <= MOST:
                    return
                self.store.remove("events", *at, quiet=True)
            del self._known[key]
