"""The forges of the settings, as the workers of gates need them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from app.settings import HookSettings
from app.sources.asked import Naming
from app.sources.forges import Forge
from app.sources.outbound import Outbound


def namings(hooks: Iterable[HookSettings]) -> Mapping[str, Naming]:
    """What environments are called here, by hook, of those whose gates are answered."""
    return {
        hook.id: Naming({theirs.lower(): ours for theirs, ours in hook.gates.environments})
        for hook in hooks
        if hook.gates
    }


def opened(hooks: Iterable[HookSettings]) -> Mapping[str, tuple[Forge, tuple[str, ...]]]:
    """The APIs that gates are answered at, by hook, each with the repositories that it may speak of."""
    found = {}
    for hook in hooks:
        if gates := hook.gates:
            said = gates.secrets.get
            api, scope = Outbound(gates.url, private=gates.private), hook.repositories
            secrets = said("token", ""), gates.app, said("key", ""), said("trigger", "")
            found[hook.id] = Forge(hook.provider, api, *secrets), scope
    return found
