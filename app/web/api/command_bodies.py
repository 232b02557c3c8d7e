"""What a command is in JSON: what is sent to ask for one, and what is answered of one."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

from pydantic import ConfigDict, Field

from app.domain.commands import Verb, takers
from app.domain.rollout import Phase
from app.perform import Receipt
from app.read.landing import Landing
from app.web.fields import Body, Instant

Short = Annotated[str, Field(max_length=300)]


class ArgumentsBody(Body):
    """What a verb needs beside the workload; one that it does not take is refused with 422."""

    revision: Short = Field(default="", description=f"The key of a revision: {takers('revision')}.")
    images: dict[Short, Annotated[str, Field(max_length=500)]] = Field(
        default_factory=dict, max_length=50, description=f"Images by container: {takers('images')}."
    )
    weight: int | None = Field(default=None, ge=0, le=100, description=f"Percent: {takers('weight')}.")
    delete_blocking: bool = Field(
        default=False,
        description=f"Delete broken pods that block an ordered set: {takers('delete_blocking')}.",
    )
    until: Instant | None = Field(default=None, description=f"When it ends: {takers('until')}.")


class ExpectedBody(Body):
    """What was seen; if any of it no longer holds, nothing is done. Take it from a dry run."""

    uid: Short = ""
    revision: Short = ""
    stable: Short = ""
    step: int | None = Field(default=None, ge=0, le=10_000)
    phase: Phase | None = None
    paused_at: Instant | None = None


class CommandBody(Body):
    """A command."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"verb": "abort", "expected": {"revision": "7c9d"}, "reason": "Errors rose."}
        },
    )
    verb: Verb
    arguments: ArgumentsBody = ArgumentsBody()
    expected: ExpectedBody = ExpectedBody()
    reason: str = Field(default="", max_length=500)


@dataclass(frozen=True, slots=True)
class Followed(Receipt):
    """A receipt with what becomes of the pods that it moves, once the cluster took it; null where it moves none."""

    landing: Landing | None = None


def followed(receipt: Receipt, goes: Landing | None = None) -> Followed:
    """`receipt` with how its pods go on."""
    return Followed(**{f.name: getattr(receipt, f.name) for f in fields(Receipt)}, landing=goes)
