"""LIST: selection, paging over a consistent snapshot, and joining cached bytes into an answer.

A continue token names the snapshot's version and the last key; when the snapshot is gone the answer is 410
with a token that goes on from there at the present version (inconsistently), as the server gives.
"""

from __future__ import annotations

import base64
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.demo import errors, selectors, tables
from app.demo.clock import Clock
from app.demo.resources import Resource
from app.demo.selectors import Predicate
from app.demo.store import Entry, Store, decode, encode

_TOO_OLD_CONTINUE = (
    "The provided continue parameter is too old to display a consistent list result. You can start a "
    "new list without the continue parameter, or use the continue token in this response to retrieve "
    "the remainder of the results. Continuing with the provided token results in an inconsistent list - "
    "objects that were created, modified, or deleted between the time the first chunk was returned and "
    "now may show up in the list."
)


@dataclass(slots=True)
class Ask:
    """A LIST as asked for."""

    resource: Resource
    namespace: str
    predicate: Predicate | None
    limit: int
    continue_token: str
    version: int
    match: str


@dataclass(slots=True)
class Page:
    """What a LIST answers: rows of one page, under one version."""

    rows: list[Entry]
    version: int
    continue_token: str
    remaining: int | None


def version_of(query: Mapping[str, str]) -> str:
    """resourceVersion as text, checked to be a number. Raises 400."""
    text = query.get("resourceVersion", "")
    if text and not text.isdigit():
        raise errors.bad_request(
            f'invalid resource version: resourceVersion: Invalid value: "{text}": '
            f'strconv.ParseUint: parsing "{text}": invalid syntax'
        )
    return text


def parse(query: Mapping[str, str], resource: Resource, namespace: str) -> Ask:
    """List options. Raises 400 on malformed ones."""
    limit = query.get("limit", "")
    if query.get("resourceVersionMatch") and not query.get("resourceVersion"):
        message = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
        raise errors.invalid(
            "ListOptions", "meta.k8s.io", "", [("FieldValueForbidden", message, "resourceVersionMatch")]
        )
    return Ask(
        resource=resource,
        namespace=namespace,
        predicate=selectors.both(
            selectors.labels(query.get("labelSelector", "")),
            selectors.fields(query.get("fieldSelector", ""), resource),
        ),
        limit=int(limit) if limit.isdigit() else 0,
        continue_token=query.get("continue", ""),
        version=int(version_of(query) or 0),
        match=query.get("resourceVersionMatch", ""),
    )


def page(store: Store, ask: Ask) -> Page:
    """The rows of one page. Raises 410 for a version or token no longer held, 504 for one not yet reached."""
    plural = ask.resource.plural
    if ask.version > store.version:
        raise errors.too_large(ask.version, store.version)
    table = store.tables[plural]
    version, start = store.version, ""
    if ask.continue_token:
        version, start = _decoded(ask.continue_token)
        if version < 0:
            version = store.version
        if version != store.version and version not in table.snapshots:
            raise stale_continue(store, ask)
    elif ask.match == "Exact":
        version = ask.version
    if version == store.version:
        rows = store.snapshot_rows(plural) if ask.limit else store.rows(plural, ask.namespace)
    elif version in table.snapshots:
        rows = table.snapshots[version]
    else:
        raise errors.expired("The resourceVersion for the provided list is too old.")
    chosen = rows[bisect_right(rows, start, key=_order) :] if start else rows
    if ask.namespace:
        chosen = [e for e in chosen if e.namespace == ask.namespace]
    if ask.predicate is not None:
        chosen = [e for e in chosen if ask.predicate(e.obj)]
    if not ask.limit or len(chosen) <= ask.limit:
        return Page(chosen, version, "", None)
    left = len(chosen) - ask.limit
    chosen = chosen[: ask.limit]
    # with a selector the server does not know how many are left
    return Page(chosen, version, _encoded(version, _order(chosen[-1])), None if ask.predicate else left)


def stale_continue(store: Store, ask: Ask) -> errors.ApiError:
    """410 with a token to go on inconsistently."""
    _, start = _decoded(ask.continue_token)
    return errors.expired(_TOO_OLD_CONTINUE, _encoded(-1, start))


def view(accept: str) -> str:
    """Which shape the Accept header asks for: json, table or partial. Raises 406 when none is possible."""
    for part in accept.split(","):
        kind = part.strip()
        if "as=Table" in kind and "json" in kind:
            return "table"
        if "as=PartialObjectMetadata" in kind and "json" in kind:
            return "partial"
        if kind.split(";")[0] in ("application/json", "*/*", "application/*", "") and "as=" not in kind:
            return "json"
    raise errors.not_acceptable()


def encoded(page: Page, resource: Resource, shape: str, clock: Clock) -> bytes:
    """The page as bytes: cached object bytes joined, never encoded again."""
    meta: dict[str, Any] = {"resourceVersion": str(page.version)}
    if page.continue_token:
        meta["continue"] = page.continue_token
    if page.remaining:
        meta["remainingItemCount"] = page.remaining
    if shape == "table":
        return encode(tables.table(resource, page.rows, meta, clock.now()))
    if shape == "partial":
        own = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
        return encode(
            {
                "kind": "PartialObjectMetadataList",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": meta,
                "items": [{**own, "metadata": entry.obj["metadata"]} for entry in page.rows],
            }
        )
    head = encode({"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": meta})[:-1]
    # items of built-in kinds carry no kind and apiVersion; those of custom resources do
    lead = b"{"
    if resource.custom:
        lead = b'{"apiVersion":"%s","kind":"%s",' % (resource.api_version.encode(), resource.kind.encode())
    if not page.rows:
        return head + b',"items":[]}'
    return b"".join(
        (head, b',"items":[', lead, (b"," + lead).join([entry.tail for entry in page.rows]), b"]}")
    )


def _order(entry: Entry) -> str:
    # "/" sorts before every character of a name except "-" and "."; NUL keeps namespaces apart
    return f"{entry.namespace}\x00{entry.name}"


def _encoded(version: int, start: str) -> str:
    raw = encode({"v": "meta.k8s.io/v1", "rv": version, "start": start})
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(token: str) -> tuple[int, str]:
    try:
        body = decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(body["rv"]), str(body["start"])
    except Exception as error:
        raise errors.bad_request("invalid continue token: continue key is not valid") from error
