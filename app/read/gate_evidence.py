"""What a gate is decided by, in words: what is proven, what becomes of each image, and the way back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from ..domain.evidence import Holds, Severity
from ..domain.gates import Gate
from ..domain.names import ImageRef
from ..domain.rollout import Attention
from .gate_models import ImageLine, ProofLine
from .readiness import DECAYS

_SEEN = {Holds.YES: Attention.GOOD, Holds.NO: Attention.FAILED, Holds.UNKNOWN: Attention.UNKNOWN}


def proofs(gate: Gate) -> tuple[ProofLine, ...]:
    """What is known of the version, and what nobody has told, whether a rule asks for it or not."""
    evidence = gate.evidence
    found = []
    for name, proof in (("CI", evidence.ci), ("Tests", evidence.tests)):
        said = proof.said or "nobody has reported it for this version"
        found.append(ProofLine(name, _SEEN[proof.holds], said, proof.at, "never" if not proof.said else ""))
    if gate.subject.came_from or gate.subject.source:
        where = (gate.subject.came_from or "before").capitalize()
        good = evidence.soaking_since is not None and evidence.soak_broke_at is None
        said = evidence.soak or "not seen there"
        state = Attention.GOOD if good else Attention.UNKNOWN
        found.append(
            ProofLine(where, state, said, evidence.soaking_since, "" if good else "not now", ago=False)
        )
    worst = evidence.scan.worst
    holds = Holds.UNKNOWN if worst is None else Holds.NO if worst >= Severity.HIGH else Holds.YES
    scanned = evidence.scan.said or (
        f"worst finding: {worst.name.lower()}" if worst is not None else "not scanned"
    )
    found.append(ProofLine("Scan", _SEEN[holds], scanned, evidence.scan.at, "never" if worst is None else ""))
    signed = evidence.signature
    found.append(
        ProofLine(
            "Signature",
            _SEEN[signed.holds],
            signed.said or "not looked for",
            signed.at,
            "" if signed.said else "never",
        )
    )
    return tuple(found)


def images(
    before: Iterable[str], after: Iterable[str], digests: Mapping[str, str] | None = None
) -> tuple[ImageLine, ...]:
    """What becomes of each image, by digest where both are known, those that change first."""
    known = digests or {}
    old = {ImageRef.parse(image).repository: image for image in before}
    new = {ImageRef.parse(image).repository: image for image in after}
    found = []
    for repository in dict.fromkeys((*new, *old)):
        was, will = old.get(repository, ""), new.get(repository, "")
        had, gets = known.get(was, ""), known.get(will, "")
        same = had == gets if had and gets else was == will
        how = "new" if not was else "removed" if not will else "unchanged" if same else "changed"
        found.append(ImageLine(how, repository, _tag(was), _tag(will), had, gets))
    return tuple(sorted(found, key=lambda i: (i.how == "unchanged", i.repository)))


def going_back(gate: Gate, now: datetime) -> tuple[tuple[str, str], ...]:
    """Where it goes back to and what is known of that, as names and words."""
    back = gate.evidence.rollback
    if not back.to:
        return (("Back to", "nothing: this is the first version"),)
    found = [
        ("Back to", back.to if back.kept or not gate.subject.workload else f"{back.to}, which is not kept")
    ]
    if back.proven_at:
        took = f" in {round(back.took.total_seconds())} s" if back.took else ""
        found.append(("Last gone back", f"{back.proven_at:%b} {back.proven_at.day}{took}"))
    elif gate.subject.workload:
        found.append(("Last gone back", "never seen"))
    if back.drilled_at:
        took = f" in {round(back.drilled.total_seconds())} s" if back.drilled else ""
        old = ", too old to prove anything" if now - back.drilled_at > DECAYS else ""
        found.append(("Drilled", f"{_ago(now - back.drilled_at)} in {back.drilled_in}{took}{old}"))
    elif gate.subject.workload:
        found.append(("Drilled", "never"))
    return tuple(found)


def _ago(age: timedelta) -> str:
    days = age.days
    return "today" if days < 1 else "a day ago" if days == 1 else f"{days} days ago"


def _tag(image: str) -> str:
    ref = ImageRef.parse(image)
    return (ref.digest or ref.tag or "latest") if image else ""
