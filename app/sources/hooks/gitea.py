"""Gitea and Forgejo: pushes, pull requests, statuses, Actions, all written as GitHub does.

They send GitHub's headers too; the path says whose they are. With a form the signature is over the JSON text.
"""

from __future__ import annotations

from . import github, verify
from .port import Delivery, Provider, Reading


def read(delivery: Delivery) -> Reading:
    """What one delivery says. Raises Refused."""
    return github.read_as(delivery, "gitea")


PROVIDER = Provider(
    "gitea",
    (verify.FORGEJO, verify.GITEA),
    read,
    # The mapped name may be empty where the type is not.
    event=("x-forgejo-event", "x-gitea-event", "x-forgejo-event-type", "x-gitea-event-type"),
    delivery=("x-forgejo-delivery", "x-gitea-delivery"),
)
