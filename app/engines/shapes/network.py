"""What leads traffic to pods: Services with their EndpointSlices, Ingresses, Gateway API routes."""

from __future__ import annotations

from .meta import Meta, Shape


class ServiceSpec(Shape):
    """A Service's spec, as far as it chooses pods; without selector somebody else names the endpoints."""

    selector: dict[str, str] | None = None
    type: str | None = None


class Service(Shape):
    """A Service; it has neither generation nor status worth reading."""

    metadata: Meta
    spec: ServiceSpec | None = None


class EndpointConditions(Shape):
    """Whether an endpoint takes traffic; an absent `ready` means yes."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class TargetReference(Shape):
    """The pod behind an endpoint."""

    kind: str = ""
    name: str = ""
    uid: str = ""


class Endpoint(Shape):
    """One endpoint of a slice."""

    conditions: EndpointConditions | None = None
    target_ref: TargetReference | None = None


class EndpointSlice(Shape):
    """Some endpoints of a Service, which label `kubernetes.io/service-name` names."""

    metadata: Meta
    endpoints: list[Endpoint] | None = None


class Ingress(Shape):
    """An Ingress, read for the weight that ingress-nginx takes from its annotations."""

    metadata: Meta


class BackendRef(Shape):
    """One destination of a route; an absent weight is 1."""

    kind: str | None = None
    name: str = ""
    weight: int | None = None


class RouteRule(Shape):
    """One rule of a route."""

    backend_refs: list[BackendRef] | None = None


class RouteSpec(Shape):
    """A route's spec."""

    rules: list[RouteRule] | None = None


class HTTPRoute(Shape):
    """A Gateway API HTTPRoute."""

    metadata: Meta
    spec: RouteSpec | None = None
