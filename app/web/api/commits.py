"""/commits/{sha}: the road of a commit and where it is now."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from app.domain.errors import StoreUnavailable
from app.domain.policy import Permission
from app.read.commits import CommitPage
from app.web.answers import live, refusal, unavailable
from app.web.auth import needs
from app.web.pages import commit as page
from app.web.streams import Hub
from app.web.views import ViewKey

from . import sample_ci
from .contents import ResourceContent
from .listing import answers, starting


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
        if not hub.ready:
            return starting()
        try:
            held = await page.find(hub.fleet, page.CommitQuery(sha))
        except LookupError as error:
            raise refusal(
                request, 404, "No such commit", str(error.args[0]), "See GET /api/v1/pipelines."
            ) from None
        except StoreUnavailable as error:
            raise unavailable(request, error) from None
        key = ViewKey(request.url.path, "", "application/json")
        return live(request, hub, key, lambda fleet, now: ResourceContent(lambda _: held.value, now))
