"""Kubernetes `Status` failures, worded and shaped as kube-apiserver 1.36 sends them.

Every refusal of the embedded cluster is an `ApiError`; the HTTP edge turns it into bytes.
"""

from __future__ import annotations

from typing import Any

from app.demo.resources import Resource


class ApiError(Exception):
    """A failure with an HTTP status code and a `Status` body (or plain text when `text` is given)."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        text: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.headers = headers or {}
        self.text = message if text else None
        self.body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
        }
        if details is not None:
            self.body["details"] = details
        self.body["code"] = code


def _details(resource: Resource, name: str = "", *, kind: str | None = None) -> dict[str, Any]:
    details: dict[str, Any] = {"name": name} if name else {}
    if resource.group:
        details["group"] = resource.group
    details["kind"] = kind or resource.plural
    return details


def not_served() -> ApiError:
    """An unknown group or path: plain text, as the mux of the server answers."""
    return ApiError(404, "NotFound", "404 page not found\n", text=True)


def no_resource() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource", details={})


def not_found(resource: Resource, name: str) -> ApiError:
    return ApiError(
        404, "NotFound", f'{resource.qualified} "{name}" not found', details=_details(resource, name)
    )


def already_exists(resource: Resource, name: str) -> ApiError:
    message = f'{resource.qualified} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, details=_details(resource, name))


def conflict(resource: Resource, name: str, why: str = "", kind: str = "") -> ApiError:
    """409; a precondition of a DELETE names the `kind`, everything else the resource."""
    qualified = f"{kind}.{resource.group}".rstrip(".") if kind else resource.qualified
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {qualified} "{name}": {why}'
    return ApiError(409, "Conflict", message, details=_details(resource, name, kind=kind or None))


def forbidden(
    resource: Resource, verb: str, user: str, *, namespace: str | None, name: str = "", sub: str = ""
) -> ApiError:
    subject = f'{resource.qualified} "{name}"' if name else resource.qualified
    what = f"{resource.plural}/{sub}" if sub else resource.plural
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    message = (
        f'{subject} is forbidden: User "{user}" cannot {verb} resource "{what}" '
        f'in API group "{resource.group}" {where}'
    )
    return ApiError(403, "Forbidden", message, details=_details(resource, name))


def terminating(resource: Resource, name: str, namespace: str) -> ApiError:
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    message = (
        f'{resource.qualified} "{name}" is forbidden: unable to create new content in namespace '
        f"{namespace} because it is being terminated"
    )
    return ApiError(403, "Forbidden", message, details={**_details(resource, name), "causes": [cause]})


def invalid(kind: str, group: str, name: str, causes: list[tuple[str, str, str]]) -> ApiError:
    """422 from (reason, message, field) triples; a single cause is written without brackets."""
    listed = list(dict.fromkeys(f"{field}: {message}" for _, message, field in causes))
    qualified = f"{kind}.{group}" if group else kind
    text = listed[0] if len(listed) == 1 else "[" + ", ".join(listed) + "]"
    details: dict[str, Any] = {"name": name} if name else {}
    if group:
        details["group"] = group
    details["kind"] = kind
    details["causes"] = [{"reason": r, "message": m, "field": f} for r, m, f in causes]
    return ApiError(422, "Invalid", f'{qualified} "{name}" is invalid: {text}', details=details)


def rejected() -> ApiError:
    """A JSON patch whose test or path fails: 422 that names nothing."""
    message = "the server rejected our request due to an error in our request"
    return ApiError(422, "Invalid", message, details={})


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def method_not_allowed() -> ApiError:
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, details={})


def not_acceptable() -> ApiError:
    return ApiError(
        406, "NotAcceptable", "406: Not Acceptable\n\nAvailable representations: application/json", details={}
    )


def unsupported_media() -> ApiError:
    return ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", details={})


def expired(message: str, continue_token: str = "") -> ApiError:
    error = ApiError(410, "Expired", message)
    if continue_token:
        error.body["metadata"] = {"continue": continue_token}
    return error


def too_old(asked: int, floor: int) -> ApiError:
    return expired(f"too old resource version: {asked} ({floor})")


def too_large(asked: int, current: int) -> ApiError:
    details = {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    return ApiError(504, "Timeout", message, details=details)


def disrupted(budget: str, needed: int, healthy: int) -> ApiError:
    """An eviction that a disruption budget does not allow."""
    why = f"The disruption budget {budget} needs {needed} healthy pods and has {healthy} currently"
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    causes = [{"reason": "DisruptionBudget", "message": why}]
    return ApiError(429, "TooManyRequests", message, details={"causes": causes})


def busy(code: int, retry_after: int) -> ApiError:
    """429 (throttled) or 503 (unavailable), with Retry-After."""
    if code == 429:
        message, reason = "Too many requests, please try again later.", "TooManyRequests"
    else:
        message, reason = "the server is currently unable to handle the request", "ServiceUnavailable"
    return ApiError(
        code,
        reason,
        message,
        details={"retryAfterSeconds": retry_after},
        headers={"Retry-After": str(retry_after)},
    )
