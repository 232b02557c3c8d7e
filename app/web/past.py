"""A request for a past minute: the instant it names, and the fleet as it was then."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request

from app.domain.instants import past_minute
from app.read.lookback import PastFleet, Unkept

from .answers import refusal, wants_stream
from .formats import stamp
from .streams import Hub

At = Annotated[
    str,
    Query(
        max_length=40,
        description="As it was at a past minute: `2026-11-25T14:03Z`, `-15m`, or seconds since 1970.",
    ),
]
TITLE = "That minute is not kept"


async def fleet_then(request: Request, hub: Hub, at: str) -> PastFleet:
    """The fleet at the instant that `at` names. Raises Refusal: 400 for what is no past instant and for a stream,
    404 for a minute that is not kept (`first` is the first that is), 503."""
    todo = "Change it, or leave it out to see what is so now."
    try:
        wanted = past_minute(at, hub.clock())
    except ValueError as error:
        raise refusal(request, 400, "Invalid parameter", str(error), todo) from None
    if wants_stream(request):
        why = "What was so at a past minute does not change, so there is no stream of it."
        raise refusal(request, 400, "Invalid parameter", why, "Ask for it without text/event-stream.")
    fleet = PastFleet(hub.database, hub.fleet, wanted)
    try:
        await fleet.load()
    except Unkept as error:
        later = f"Ask for {stamp(error.first)} or later." if error.first else "Ask again in a minute."
        found = refusal(request, 404, TITLE, str(error), later)
        if error.first:
            found.members["first"] = stamp(error.first)
        raise found from None
    return fleet
