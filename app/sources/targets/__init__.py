"""Where notices go. One module a sort of target: each turns a message into what that place takes, and sends it."""

from __future__ import annotations

from app.settings import TargetSettings

from ..outbound import Outbound, bearer
from .chat import Chat
from .port import Message, Target
from .slack import Bot, IncomingWebhook
from .webhook import CdEvents, Webhook

__all__ = ["Message", "Target", "opened"]


def opened(settings: TargetSettings) -> Target:
    """The target that `settings` describe; nothing is connected yet."""
    private, secret = settings.private, settings.secret
    if settings.sort == "apprise":
        return Chat(secret, private)
    if settings.sort == "webhook":
        return Webhook(Outbound(settings.url, {}, private), secret)
    if settings.sort == "cdevents":
        return CdEvents(Outbound(settings.url, bearer(secret), private))
    if settings.channel:
        return Bot(Outbound(settings.url, bearer(secret), private), settings.channel)
    return IncomingWebhook(Outbound(secret, {}, private))
