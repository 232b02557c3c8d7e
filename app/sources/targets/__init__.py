"""Where notices go. One module a sort of target: each turns a message into what that place takes, and sends it."""

from __future__ import annotations

from .port import Message, Target

__all__ = ["Message", "Target"]
