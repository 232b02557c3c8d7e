"""The repository that each service is built from."""

from __future__ import annotations

from collections.abc import Mapping

from .fleet import Fleet


def repositories(fleet: Fleet) -> Mapping[str, str]:
    """The repository of each service, as its pipeline says, else as what runs was made from."""
    found = {name: one.latest.repo for name, one in fleet.builds.by_service.items() if one.latest.repo}
    for row in fleet.workloads.values():
        run = fleet.origins.running(row)
        if run and run.repo:
            found.setdefault(row.place.service, run.repo)
    return found
