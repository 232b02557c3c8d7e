"""/me: who the caller is to the board, and what it may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.domain.people import EVERYWHERE
from app.domain.policy import Permission
from app.web.answers import tagged
from app.web.auth import needs, of
from app.web.streams import Hub

from .contents import encode
from .listing import answers


@dataclass(frozen=True, slots=True)
class Me:
    """A caller: what sort, who, and its roles by environment ("*": all). `verbs` narrows a token (null: it is not), and
    `repositories` what it reports for."""

    kind: str
    identity: str
    name: str
    roles: Mapping[str, tuple[str, ...]]
    verbs: tuple[str, ...] | None
    signed_in_at: datetime | None
    repositories: tuple[str, ...] | None = None


_ROLES = {EVERYWHERE: ("operator", "viewer")}
_EXAMPLE = Me("token", "local|ada", "deploy script (Ada)", _ROLES, ("abort", "pause"), None)
_ANSWERS = answers(_EXAMPLE, [])


def add(router: APIRouter, hub: Hub) -> None:
    """Add the operation to `router`."""

    @router.get("/me", dependencies=[needs(Permission.VIEW)], response_model=Me, responses=_ANSWERS)
    async def me(request: Request) -> Response:
        """Who you are to this board: what your session or token may do, and where."""
        who = of(request.scope)
        roles = {where: tuple(sorted(role.value for role in held)) for where, held in who.roles.items()}
        verbs = None if who.verbs is None else tuple(sorted(who.verbs))
        found = Me(who.kind.value, who.identity, who.name, roles, verbs, who.signed_in_at, who.repositories)
        return tagged(request, encode(found))
