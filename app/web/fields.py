"""What bodies of requests are made of: nothing unknown, no text that PostgreSQL cannot keep, instants within reason."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from app.domain.instants import in_utc

Instant = Annotated[datetime, AfterValidator(in_utc)]


class Body(BaseModel):
    """The base of all JSON bodies."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_nul(cls, given: Any) -> Any:
        if _holds_nul(given):
            raise ValueError("it holds the character NUL")
        return given


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(each) for pair in value.items() for each in pair)
    return isinstance(value, list) and any(map(_holds_nul, value))
