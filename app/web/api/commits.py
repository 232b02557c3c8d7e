"""/commits/{sha}: the road of a commit and where it is now."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from app.domain.policy import Permission
from app.read.commits import CommitPage
from app.web.auth import needs
from app.web.pages import commit as page
from app.web.streams import Hub

from . import sample_ci
from .held import resource
from .listing import answers


def add(router: APIRouter, hub: Hub) -> None:
    """Add the operation to `router`."""

    @router.get(
        "/commits/{sha}",
        dependencies=[needs(Permission.VIEW)],
        response_model=CommitPage,
        responses=answers(sample_ci.COMMIT_PAGE, [sample_ci.COMMIT_PAGE], 404),
    )
    async def commit(request: Request, sha: Annotated[str, Path(pattern="^[0-9a-f]{7,64}$")]) -> Response:
        """Push, pipeline, image and environments with every instant; `sha` may be how the id begins. As a stream: the
        whole, whenever it changed."""
        return await resource(request, hub, page.CommitQuery(sha), page.find, absent="No such commit")
