"""The Kubernetes API over HTTP: authentication, discovery, and the verbs on resources.

Paths are taken apart by hand since the grammar is one line; what a verb means is in `registry` (writing),
`lists` (reading), `watches` (streaming). Answers are JSON; tables and metadata-only views where asked.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from aiohttp import web

from app.demo import bodies, discovery, errors, lists, resources, reviews, scale, selectors, tables, watches
from app.demo.admission import evict
from app.demo.faults import Faults, among
from app.demo.registry import Registry
from app.demo.store import Entry, Store, copy, encode
from app.demo.targets import Target, taken_apart

log = logging.getLogger(__name__)
Obj = dict[str, Any]
MAX_BODY = 8 << 20
USER = "demo-admin"
_TRUE = ("true", "1", "True")


class Api:
    """Answers every request of the Kubernetes paths."""

    def __init__(self, store: Store, registry: Registry, faults: Faults, token: str, key: str) -> None:
        self.store = store
        self.registry = registry
        self.faults = faults
        self.token = token
        self.prefix = f"/key/{key}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One request, failures included: they become `Status` bodies."""
        try:
            if self.faults.latency:
                await asyncio.sleep(self.faults.latency)
            return await self._route(request)
        except (AttributeError, KeyError, TypeError) as error:
            # a body of the wrong shape where no rule of ours looked: the real server's decoder would refuse it
            log.info(
                "a malformed body for %s %s: %s", request.method, request.path[:200], type(error).__name__
            )
            refusal = errors.bad_request("the object provided is unrecognized or of the wrong shape")
            return web.Response(body=encode(refusal.body), status=400, content_type="application/json")
        except errors.ApiError as error:
            if error.text is not None:
                return web.Response(text=error.text, status=error.code)
            return web.Response(
                body=encode(error.body),
                status=error.code,
                headers=error.headers,
                content_type="application/json",
            )

    async def _route(self, request: web.Request) -> web.StreamResponse:
        path = request.path.rstrip("/") or "/"
        known = request.headers.get("Authorization") == f"Bearer {self.token}"
        if path.startswith(self.prefix + "/"):
            path, known = path.removeprefix(self.prefix), True
        if self.faults.hits_busy():
            raise errors.busy(self.faults.busy, self.faults.retry_after)
        if path in ("/healthz", "/livez", "/readyz"):
            return web.Response(text="ok")
        if self.faults.unauthorized or not known:
            raise errors.unauthorized()
        parts = path.split("/")[1:]
        installed = resources.served(self.faults.groups_absent())
        document = discovery.document(parts, installed, request.headers.get("Accept", ""))
        if document is not None:
            kind = (
                discovery.AGGREGATED
                if document.get("kind") == "APIGroupDiscoveryList"
                else "application/json"
            )
            return web.Response(body=encode(document), headers={"Content-Type": kind})
        review = reviews.of(parts)
        if review is not None:
            if request.method != "POST":
                raise errors.method_not_allowed()
            return _json(review(await bodies.read(request), self.faults, USER, self.store.clock.stamp()), 201)
        return await self._resource(request, taken_apart(parts, installed))

    async def _resource(self, request: web.Request, target: Target) -> web.StreamResponse:
        query, method = request.query, request.method
        watching = method == "GET" and query.get("watch") in _TRUE
        verb = {
            "GET": "get" if target.name else "list",
            "POST": "create",
            "PUT": "update",
            "PATCH": "patch",
            "DELETE": "delete" if target.name else "deletecollection",
        }.get(method, "")
        if watching:
            verb = "watch"
        evicting = method == "POST" and target.sub == "eviction"
        astray = method in ("POST", "PUT", "PATCH") and bool(target.name) is (method == "POST")
        if not verb or (not evicting and (astray or target.sub == "eviction")):
            raise errors.method_not_allowed()
        if self.faults.forbids(verb, target.resource.plural, target.namespace):
            raise errors.forbidden(
                target.resource, verb, USER, namespace=target.namespace, name=target.name, sub=target.sub
            )
        dry_run = bodies.dry_run(query, method)
        if verb == "watch":
            return await self._watch(request, target)
        if verb == "list":
            return await self._list(request, target)
        if verb == "get":
            return self._get(request, target)
        if evicting:
            return _json(evict(self.registry, target, await bodies.read(request), dry_run=dry_run), 201)
        if verb == "create":
            made = self._create(await bodies.read(request), target, request, dry_run)
            return self._shown(request, target, made, 201)
        if verb in ("update", "patch"):
            return await self._change(request, target, verb, dry_run)
        return await self._delete(request, target, dry_run)

    # -- reading ---------------------------------------------------------------------------------------------
    def _get(self, request: web.Request, target: Target) -> web.Response:
        entry = self._entry(target)
        if target.sub == "log":
            return web.Response(text=tables.pod_log(entry.obj, request.query))
        if target.sub == "scale":
            return _json(scale.of(target.resource, entry.obj))
        return self._shown(request, target, entry, 200)

    async def _list(self, request: web.Request, target: Target) -> web.StreamResponse:
        ask = lists.parse(request.query, target.resource, target.namespace)
        if ask.continue_token and among(target.resource.plural, self.faults.gone_continue):
            raise lists.stale_continue(self.store, ask)
        page = lists.page(self.store, ask)
        body = lists.encoded(
            page, target.resource, lists.view(request.headers.get("Accept", "")), self.store.clock
        )
        if not self.faults.bandwidth:
            return web.Response(body=body, content_type="application/json")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await watches.trickle(response, body, self.faults.bandwidth)
        return response

    async def _watch(self, request: web.Request, target: Target) -> web.StreamResponse:
        query = request.query
        view = lists.view(request.headers.get("Accept", ""))
        by_name = f"metadata.name={target.name}" if target.name else ""
        field_text = ",".join(filter(None, (query.get("fieldSelector", ""), by_name)))
        table = None
        if view == "table":

            def table(rows: list[Entry]) -> bytes:
                return encode(tables.table(target.resource, rows, {}, self.store.clock.now()))

        ask = watches.Request(
            resource=target.resource,
            namespace=target.namespace,
            predicate=selectors.both(
                selectors.labels(query.get("labelSelector", "")),
                selectors.fields(field_text, target.resource),
            ),
            version=lists.version_of(query),
            bookmarks=query.get("allowWatchBookmarks") in _TRUE,
            send_initial=query.get("sendInitialEvents") in _TRUE,
            match=query.get("resourceVersionMatch", ""),
            timeout=watches.timeout_of(query.get("timeoutSeconds")),
            partial=view == "partial",
            table=table,
        )
        watches.check(ask)
        return await watches.Stream(ask, self.store, self.faults).serve(request)

    # -- writing ---------------------------------------------------------------------------------------------
    def _create(self, obj: Obj, target: Target, request: web.Request, dry_run: bool) -> Entry:
        meta = obj.setdefault("metadata", {})
        if not isinstance(meta, dict):
            raise errors.bad_request("metadata: Invalid value")
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + tables.suffix()
        if target.resource.namespaced:
            if meta.setdefault("namespace", target.namespace) != target.namespace:
                raise errors.bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request"
                )
        else:
            meta.pop("namespace", None)
        meta.setdefault("name", "")
        return self.registry.create(
            target.resource.plural, obj, manager=bodies.manager(request), dry_run=dry_run
        )

    async def _change(self, request: web.Request, target: Target, verb: str, dry_run: bool) -> web.Response:
        kind = "put"
        if verb == "patch":
            content = request.content_type
            kind = bodies.PATCH_TYPES.get(content, "")
            if not kind or (kind == "strategic" and target.resource.custom):
                raise errors.unsupported_media()
        body = await bodies.read(request, patch=verb == "patch")
        entry = self._entry(target)
        if kind == "apply":
            raise errors.unsupported_media()
        base = {"kind": target.resource.kind, "apiVersion": target.resource.api_version, **copy(entry)}
        if target.sub == "scale":
            shown = scale.of(target.resource, entry.obj)
            changed = body if kind == "put" else bodies.patched(kind, shown, body)
            obj = scale.applied(target.resource, base, changed)
        else:
            obj = body if kind == "put" else bodies.patched(kind, base, body)
        obj = self._named(obj, target, entry)
        done = self.registry.update(
            target.resource.plural,
            obj,
            manager=bodies.manager(request),
            status=target.sub == "status",
            dry_run=dry_run,
        )
        if target.sub == "scale":
            return _json(scale.of(target.resource, done.obj))
        return self._shown(request, target, done, 200)

    def _named(self, obj: Any, target: Target, entry: Entry) -> Obj:
        if not isinstance(obj, dict) or not isinstance(obj.get("metadata"), dict):
            raise errors.rejected()
        meta = obj["metadata"]
        if meta.setdefault("name", target.name) != target.name:
            raise errors.bad_request(
                f"the name of the object ({meta['name']}) does not match the name on the URL ({target.name})"
            )
        if target.resource.namespaced:
            meta["namespace"] = target.namespace
        return obj

    async def _delete(self, request: web.Request, target: Target, dry_run: bool) -> web.Response:
        options = await bodies.read(request) if request.can_read_body else {}
        grace = options.get("gracePeriodSeconds", request.query.get("gracePeriodSeconds"))
        propagation = options.get("propagationPolicy") or request.query.get("propagationPolicy")
        plural = target.resource.plural
        if not target.name:
            ask = lists.parse(request.query, target.resource, target.namespace)
            page = lists.page(self.store, ask)
            for entry in list(page.rows):
                self.registry.delete(
                    plural, entry.namespace, entry.name, propagation=propagation, dry_run=dry_run
                )
            return web.Response(
                body=lists.encoded(page, target.resource, "json", self.store.clock),
                content_type="application/json",
            )
        entry, gone = self.registry.delete(
            plural,
            target.namespace,
            target.name,
            grace=None if grace is None else int(grace),
            propagation=propagation,
            preconditions=options.get("preconditions"),
            dry_run=dry_run,
        )
        if not gone or plural == "pods":
            return self._shown(request, target, entry, 200)
        details: Obj = {"name": entry.name}
        if target.resource.group:
            details["group"] = target.resource.group
        details |= {"kind": plural, "uid": entry.uid}
        return _json(
            {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
        )

    # -- inside ----------------------------------------------------------------------------------------------
    def _entry(self, target: Target) -> Entry:
        entry = self.store.get(target.resource.plural, target.namespace, target.name)
        if entry is None:
            raise errors.not_found(target.resource, target.name)
        return entry

    def _shown(self, request: web.Request, target: Target, entry: Entry, status: int) -> web.Response:
        view = lists.view(request.headers.get("Accept", ""))
        if view == "table":
            return _json(tables.table(target.resource, [entry], {}, self.store.clock.now()), status)
        if view == "partial":
            meta = entry.obj["metadata"]
            return _json(
                {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta}, status
            )
        head = b'{"kind":"%s","apiVersion":"%s",' % (
            target.resource.kind.encode(),
            target.resource.api_version.encode(),
        )
        return web.Response(body=head + entry.tail, status=status, content_type="application/json")


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(body=encode(body), status=status, content_type="application/json")
