"""States as documents: what another version wrote is read as far as it goes."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from app.domain.owners import Manager, Owner, Reverts
from app.domain.revisions import Lane
from app.domain.rollout import Health, Phase, RolloutState
from app.store.mapping import decode_state, encode_state


def test_state_comes_back_as_it_was_with_its_owner_and_lanes() -> None:
    at = datetime(2026, 11, 25, 12, tzinfo=UTC)
    owner = Owner(Manager.ARGOCD, "Application", "shop", "argocd", Reverts.NO, "tracking-id", held_until=at)
    state = RolloutState(
        Phase.IDLE,
        Health.HEALTHY,
        aborted=True,
        restarted_at=at,
        lanes=(Lane("blue", True, "uid", "1.0", 3, 3),),
        router="HTTPRoute/web",
        owner=owner,
    )

    assert decode_state(encode_state(state)) == state


def test_state_of_a_version_that_knew_less_or_more_is_read() -> None:
    document = json.loads(encode_state(RolloutState(Phase.IDLE, Health.HEALTHY, "good")))
    for member in ("aborted", "restarted_at", "lanes", "router", "owner"):
        del document[member]
    document["invented-later"] = {"x": 1}

    assert decode_state(json.dumps(document)) == RolloutState(Phase.IDLE, Health.HEALTHY, "good")
