"""A running board as commands know it: its API, and how it says no."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .say import refuse


def client(url: str, token: str) -> Any:
    """An HTTP client of the board at `url`, to be closed; no proxy of the environment stands between."""
    import httpx2

    signed = {"authorization": f"Bearer {token}"} if token else {}
    return httpx2.Client(base_url=url, headers=signed, timeout=60, trust_env=False)


def said(answer: Any) -> dict[str, Any]:
    """The body of an answer that went well; else the problem is told, and that is the end."""
    try:
        body = answer.json()
    except ValueError:
        refuse(f"The answer was {answer.status_code}, and no JSON.", "", "Is SHIPBOARD_URL a Shipboard?")
    if answer.status_code >= 400:
        what = body.get("what") or f"{body.get('title')}."
        if blocked := body.get("blocked_by"):
            refuse_blocked(blocked, what)
        refuse(what, body.get("why", body.get("detail", "")), body.get("todo", ""))
    return dict(body)


def refuse_blocked(blocked: Iterable[Mapping[str, Any]], what: str = "It is not possible now.") -> None:
    """End, with all that stands in the way and what clears it."""
    why = "\n".join(str(each["message"]) for each in blocked)
    refuse(what, why, " ".join(dict.fromkeys(str(each["clears"]) for each in blocked if each["clears"])))
