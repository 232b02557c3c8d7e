"""CI's APIs, asked for what webhooks lost: one module a provider, `POLLS` lists them."""

from __future__ import annotations

from . import github, gitlab, woodpecker
from .port import Found, Poll

POLLS: dict[str, Poll] = {"github": github.poll, "gitlab": gitlab.poll, "woodpecker": woodpecker.poll}

__all__ = ["POLLS", "Found", "Poll"]
