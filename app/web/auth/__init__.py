"""Who are you, and what may you do: sign-in, sessions, tokens, and the guard before every route."""

from __future__ import annotations

from .access import declared, holder, needs, of, principal, refuse_bare, remember, rights, told_where
from .csrf import csrf_token
from .guard import LOCAL, Everybody, Guard
from .viewer import Viewer, viewer

__all__ = [
    "LOCAL",
    "Everybody",
    "Guard",
    "Viewer",
    "csrf_token",
    "declared",
    "holder",
    "needs",
    "of",
    "principal",
    "refuse_bare",
    "remember",
    "rights",
    "told_where",
    "viewer",
]
