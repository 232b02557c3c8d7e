"""/artifacts/{digest}: an image, the commit it is of and who says so, and what about it is not as it should be."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from app.domain.artifacts import Flag, FlagKind
from app.domain.policy import Permission
from app.domain.rollout import Attention
from app.read.artifacts import ArtifactShown, LinkLine, RunningLine, TagLine
from app.web.auth import needs
from app.web.pages import artifact as page
from app.web.streams import Hub

from .held import resource
from .listing import answers

_AT = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
_SHA = "9c1f0e7d" * 5
_EXAMPLE = ArtifactShown(
    "sha256:" + "4f" * 32,
    ("sha256:" + "1a" * 32,),
    _SHA,
    "github.com/acme/cart",
    "result of the build",
    "result of the build",
    False,
    (),
    (Flag(FlagKind.UNSIGNED, "The policy wants a signature, and none was verified."),),
    (TagLine("ghcr.io/acme/cart", "1.2.3", _AT, _AT),),
    (LinkLine(_SHA, "github.com/acme/cart", "result of the build", "", False),),
    (),
    (),
    (),
    (RunningLine("prod/shop/Deployment/cart", "cart", "production", "1.2.3", Attention.GOOD, "Good"),),
)


def add(router: APIRouter, hub: Hub) -> None:
    """Add the operation to `router`."""

    @router.get(
        "/artifacts/{digest}",
        dependencies=[needs(Permission.VIEW)],
        response_model=ArtifactShown,
        responses=answers(_EXAMPLE, [_EXAMPLE], 404),
    )
    async def artifact(
        request: Request, digest: Annotated[str, Path(pattern="^sha256:[0-9a-f]{64}$")]
    ) -> Response:
        """One image, by the digest of its index, manifest or config. As a stream: the whole, whenever it changed."""
        return await resource(request, hub, page.ArtifactQuery(digest), page.find, absent="No such image")
