"""The script of a tape: what people and kubectl asked of the real cluster, to be asked of another one again.

Only requests that meant to change something are in it, refused ones too: they change nothing elsewhere either.
"""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.engines.tape import TAPES, Change, lines

Obj = dict[str, Any]
_METRIC = re.compile(r"metric now ([\d.]+)")


@dataclass(frozen=True)
class Action:
    """One request, `t` seconds after the tape began; `metric`: what a web metric says from here on (None: it
    answers no more), instead of a request."""

    t: float
    method: str = ""
    path: str = ""
    query: str = ""
    content: str = ""
    body: Any = None
    status: int = 0
    metric: float | None = None

    def __str__(self) -> str:
        if not self.method:
            return f"metric {self.metric}"
        return f"{self.method} {self.path.partition('/namespaces/')[2] or self.path} {json.dumps(self.body)[:80]}"


@dataclass(frozen=True)
class Script:
    """A tape taken apart: its actions, the nodes it had, when it began (epoch seconds), and its events."""

    namespace: str
    started: float
    actions: tuple[Action, ...]
    nodes: tuple[Obj, ...]
    events: tuple[tuple[float, str, Change], ...]
    ended: float


def read(tape: str) -> Script:
    """The script of a tape, given by its number."""
    meta: Obj = {}
    actions: list[Action] = []
    nodes: list[Obj] = []
    with gzip.open(next(TAPES.glob(f"{tape}-*.jsonl.gz")), "rt") as file:
        for text in file:
            kind = text[: text.find('"', text.find('"kind"') + 9)].rpartition('"')[2]
            if kind in ("meta", "request", "mark", "list"):
                line = json.loads(text)
                if kind == "meta":
                    meta = line
                elif kind == "mark":
                    actions += _metric(line)
                elif kind == "request":
                    actions += _asked(line, meta["namespace"])
                elif line["res"] == "nodes" and not nodes:
                    nodes = line["body"]["items"]
    events = [(line.t, line.res, line.event) for line in lines(tape) if line.kind == "watch" and line.event]
    started = datetime.fromisoformat(meta["started"]).timestamp()
    ordered = tuple(sorted(actions, key=lambda action: action.t))
    return Script(meta["namespace"], started, ordered, tuple(nodes), tuple(events), max(e[0] for e in events))


def _metric(mark: Obj) -> list[Action]:
    found = _METRIC.match(mark["text"])
    if found:
        return [Action(mark["t"], metric=float(found[1]))]
    return [Action(mark["t"])] if mark["text"].startswith("provider down") else []


def _asked(line: Obj, namespace: str) -> list[Action]:
    if line["method"] == "GET" or line["as_user"] != "admin":
        return []
    body, content = line["req_body"], (line["req_headers"] or {}).get("Content-Type", "")
    if isinstance(body, dict) and "_text" in body:  # kubectl's protobuf, which only makes the namespace
        body, content = {"metadata": {"name": namespace}}, "application/json"
    return [Action(line["t0"], line["method"], line["path"], line["query"], content, body, line["status"])]
