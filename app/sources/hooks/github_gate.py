"""Runs of GitHub Actions that wait for our deployment protection rule."""

from __future__ import annotations

import re

from app.domain.forges import Asked, CallKind, ForgeCall
from app.domain.repositories import full_sha

from . import tree
from .github_shapes import Source
from .port import Reading, Refused, ignored

_CALLBACK = re.compile(r"/actions/runs/([0-9]{1,20})/deployment_protection_rule$")


def protection(source: Source) -> Reading:
    """A run waits for us. Of the address for the answer only the run's id is believed."""
    body = source.body
    matched = _CALLBACK.search(tree.url(body, "deployment_callback_url") or "")
    environment = tree.text(body, "environment")
    if source.provider != "github" or tree.text(body, "action") != "requested":
        return ignored(source.delivery)
    if not matched or not environment:
        raise Refused("Its callback names no run, or it names no environment.")
    run, deployment = matched[1], tree.node(body, "deployment")
    call = ForgeCall(
        "",
        CallKind.PROTECTION,
        source.repo,
        run=run,
        environment=environment,
        installation=tree.word(body, "installation", "id") or "",
    )
    login = tree.text(deployment, "creator", "login") or tree.text(body, "sender", "login")
    asked = Asked(
        f"github|{source.repo}|{run}",
        source.repo,
        key=f"{source.repo}|{run}|{environment}|{tree.word(deployment, 'id') or ''}",
        call=call,
        sha=full_sha(tree.at(deployment, "sha")) or "",
        ref=tree.text(deployment, "ref") or tree.text(body, "ref") or "",
        actor=f"{login}@users.noreply.github.com" if login else "",
        url=f"https://{source.repo}/actions/runs/{run}",
    )
    return Reading(asked=(asked,))
