"""ReplicaSets as revisions: their order."""

from __future__ import annotations

import pytest

from app.engines import revisions
from tests.engines.objects import decode


@pytest.mark.parametrize("notes", ["deployment.kubernetes.io", "rollout.argoproj.io"])
def test_replicasets_of_one_second_are_ordered_by_their_numbers(notes: str) -> None:
    made = [
        decode(
            {
                "kind": "ReplicaSet",
                "metadata": {
                    "name": name,
                    "uid": name,
                    "creationTimestamp": created,
                    "annotations": {f"{notes}/revision": number},
                },
            }
        )
        for name, created, number in (
            ("web-c", "2026-11-22T10:00:01Z", "9"),
            ("web-b", "2026-11-22T10:00:00Z", "10"),
            ("web-z", "2026-11-22T10:00:00Z", "9"),
        )
    ]

    assert [rs.metadata.name for rs in sorted(made, key=revisions.age)] == ["web-z", "web-b", "web-c"]
