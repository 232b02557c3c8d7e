"""What a writing request carries: its body, its patch type, dry run and field manager."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from app.demo import errors, patches, protobuf
from app.demo.store import decode

Obj = dict[str, Any]
PATCH_TYPES = {
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/json-patch+json": "json",
    "application/apply-patch+yaml": "apply",
}


async def read(request: web.Request, *, patch: bool = False) -> Any:
    """The decoded body. Raises 400 on what is not JSON, 415 on another content type."""
    raw = await request.read()
    try:
        if request.content_type == "application/vnd.kubernetes.protobuf":
            parsed = None if patch else protobuf.parse(raw)
            if parsed is None:
                raise errors.unsupported_media()
            return parsed
        if not patch and request.content_type not in ("application/json", "application/octet-stream"):
            raise errors.unsupported_media()
        return decode(raw) if raw or patch else {}
    except (msgspec.DecodeError, IndexError, ValueError) as error:
        what = "patch" if patch else "request body"
        truncated = "unexpected end of JSON input" if "truncated" in str(error) else str(error)
        raise errors.bad_request(f"error decoding {what}: {truncated}") from error


def dry_run(query: Mapping[str, str], method: str) -> bool:
    """Whether nothing is to be kept. Raises 422 on any value but All."""
    value = query.get("dryRun", "")
    if value in ("", "All") or method == "GET":
        return value == "All"
    kind = {"PATCH": "PatchOptions", "POST": "CreateOptions", "PUT": "UpdateOptions"}.get(
        method, "DeleteOptions"
    )
    cause = (
        "FieldValueNotSupported",
        f'Unsupported value: ["{value}"]: supported values: "All"',
        "dryRun",
    )
    raise errors.invalid(kind, "meta.k8s.io", "", [cause])


def patched(kind: str, base: Obj, body: Any) -> Any:
    """`base` changed by a patch of a kind (merge, strategic, json)."""
    if kind == "json":
        return patches.json_patch(base, body)
    if not isinstance(body, dict):
        raise errors.bad_request(
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"
        )
    return patches.merge(base, body) if kind == "merge" else patches.strategic(base, body)


def manager(request: web.Request) -> str:
    """Who writes: the fieldManager asked for, or the program's name."""
    agent = request.headers.get("User-Agent", "unknown").partition("/")[0]
    return request.query.get("fieldManager") or agent
