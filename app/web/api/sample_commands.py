"""Examples of commands and their answers, for the documentation."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter

from app.domain.commands import Arguments, CommandPhase, Expected, Verb
from app.engines.acting import Difference
from app.perform import Preview, Receipt
from app.read.landing import Landing, Whither
from app.store.commands import Sending
from app.web.errors import MEDIA_TYPE as PROBLEM

from . import sample
from .command_bodies import followed
from .contents import encode
from .listing import Problem

_SENDING = Sending(
    "PATCH",
    "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/checkout/status",
    "application/merge-patch+json",
    {"status": {"abort": True}, "metadata": {"uid": "5a1b", "resourceVersion": "4711"}},
)
_EXPECTED = Expected("5a1b", "7c9d")
_RECEIPT = Receipt(
    "5b1c9e0f2a6d4c1b8e7f0a3d",
    Verb.ABORT,
    sample.WORKLOAD.ref,
    "production",
    CommandPhase.SENT,
    "The cluster took it; its effect is awaited.",
    "Errors rose.",
    "Ada",
    sample.NOW,
    sample.NOW + timedelta(seconds=60),
    sample.NOW,
    None,
    Arguments(),
    _EXPECTED,
    "Abort 2.7.0; all traffic stays on 2.6.0.",
    (_SENDING,),
    (),
    (),
)
FOLLOWED = followed(_RECEIPT, Landing(Whither.MOVING, "2 of 4 pods on 1.1 are ready.", "", 2, 4))
_PREVIEW = Preview(
    Verb.ABORT,
    sample.WORKLOAD.ref,
    "production",
    _RECEIPT.sentence,
    (_SENDING,),
    (Difference("image", "2.7.0", "2.6.0"),),
    expected=_EXPECTED,
    dry_run="accepted",
)


def documented() -> dict[int | str, dict[str, Any]]:
    """What a POST of a command answers, by status, as OpenAPI has it."""

    def body(model: type, example: object, media_type: str = "application/json") -> dict[str, Any]:
        schema = TypeAdapter(model).json_schema(mode="serialization")
        return {"content": {media_type: {"schema": schema, "example": encode(example).decode()}}}

    found: dict[int | str, dict[str, Any]] = {
        200: {"description": "With dry_run: what would be done.", **body(Preview, _PREVIEW)},
        202: {"description": "Recorded, to be done at once.", **body(Receipt, _RECEIPT)},
    }
    for status, title in (
        (400, "No key"),
        (401, "Not signed in"),
        (403, "Not permitted"),
        (404, "Not found"),
        (409, "Not possible now: see blocked_by, or difference if it has changed"),
        (414, "Request too large"),
        (422, "Invalid request, an argument that the verb does not take, or the key of another command"),
        (429, "Too many requests"),
        (503, "The cluster or the database cannot be reached"),
    ):
        found[status] = {
            "description": title,
            **body(Problem, Problem("about:blank", title, status, "Why, and what to do."), PROBLEM),
        }
    return found
