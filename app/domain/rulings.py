"""What stands in the way of a gate: every rule of its environment, held against evidence, votes, freezes and the clock.

A rule without facts is UNKNOWN and closes the gate, in words that say who or what can clear it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from .delivery import Approvals, Delivery, Rules
from .evidence import Evidence, Holds, Proof, Severity
from .eyes import involved, resolved
from .freezes import Freeze, holding
from .gates import Gate, Origin, Vote
from .people import Principal
from .policy import Blocker, Permission, permits


@dataclass(frozen=True, slots=True)
class Ruling:
    """One rule: its short `rule`, its `name` for people, whether it holds, what was found, `aside` (a count, an age),
    who or what can clear it, and when that happens by itself. `personal`: people clear it with their votes."""

    rule: str
    name: str
    holds: Holds
    said: str
    aside: str = ""
    clears: str = ""
    until: datetime | None = None
    personal: bool = False

    @property
    def met(self) -> bool:
        """Whether it does not stand in the way."""
        return self.holds is Holds.YES

    @property
    def blocker(self) -> Blocker:
        """The same as policy says it."""
        return Blocker(self.rule, f"{self.name}: {self.said}.", self.clears, self.until)


@dataclass(frozen=True, slots=True)
class Around:
    """What else there is at the moment of judging: freezes that are known, and what of the service moves there."""

    freezes: tuple[Freeze, ...] = ()
    moving: tuple[str, ...] = ()


def rulings(gate: Gate, delivery: Delivery, around: Around, now: datetime) -> tuple[Ruling, ...]:
    """Every rule that the gate's environment has, in the order people should read them."""
    rules, evidence, subject = delivery.of(gate.subject.environment), gate.evidence, gate.subject
    votes = valid(gate, delivery)
    found = [
        _freeze(f, votes, now) for f in holding(around.freezes, subject.environment, subject.service, now)[:1]
    ]
    if not found and around.freezes:
        found.append(Ruling("freeze", "No freeze", Holds.YES, "nothing is frozen here"))
    found += _votes(gate, rules, votes, delivery)
    if rules.ci:
        found.append(_proof("ci", "CI", evidence.ci, "a green run for this commit"))
    if rules.tests:
        found.append(_proof("tests", "Tests", evidence.tests, "a test report for this commit"))
    if rules.scan is not None:
        found.append(_scan(evidence, rules.scan))
    if rules.signature:
        found.append(_proof("signature", "Signature", evidence.signature, "a signature that can be verified"))
    if rules.soak or gate.origin is Origin.PROMOTION:
        found.append(_soak(evidence, rules.soak, delivery.before(subject.environment), now))
    if rules.rollback:
        found.append(_rollback(evidence))
    if rules.one_at_a_time:
        found.append(_alone(around.moving))
    return tuple(found)


def missing(found: Iterable[Ruling]) -> tuple[Ruling, ...]:
    """The rules that stand in the way."""
    return tuple(r for r in found if not r.met)


def valid(gate: Gate, delivery: Delivery) -> tuple[Vote, ...]:
    """The votes that count: on the evidence of now, by people who may decide there and had no part in it."""
    return tuple(v for v in gate.counting if not barred(gate, v.principal, delivery))


def barred(gate: Gate, who: Principal, delivery: Delivery) -> tuple[Blocker, ...]:
    """Why `who` may not approve this gate; empty: they may."""
    subject, rules = gate.subject, delivery.of(gate.subject.environment)
    found = list(permits(who, Permission.DECIDE, subject.environment).blocked_by)
    if not found and not who.decides:
        found.append(Blocker("token", "Only a person may decide.", "Sign in as a person."))
    groups = {g for a in rules.asked_of_people for g in a.groups}
    if not found and groups and all(a.groups for a in rules.asked_of_people) and not groups & who.groups:
        said = f"This takes somebody of {' or '.join(sorted(groups))}."
        found.append(Blocker("group", said, "Somebody of that group."))
    if rules.four_eyes and (parts := involved(who, gate.evidence.people or (), delivery.aliases)):
        said = f"You had a part in it ({', '.join(parts)})."
        found.append(Blocker("four-eyes", said, "Somebody who had none."))
    return tuple(found)


def _votes(gate: Gate, rules: Rules, votes: tuple[Vote, ...], delivery: Delivery) -> list[Ruling]:
    asked = rules.asked_of_people
    given = _given(asked, votes)
    found = [_approvals(each, n, four_eyes=rules.four_eyes) for each, n in zip(asked, given, strict=True)]
    if asked and rules.four_eyes and sum(a.count for a in asked) < 2 and not known(gate, delivery):
        n = min(2, len(votes))
        said = "it is not known who wrote it, so two people must approve"
        holds = Holds.YES if n == 2 else Holds.NO
        clears = "Two people who may decide here."
        found.append(Ruling("four-eyes", "Four eyes", holds, said, f"{n} of 2", clears, personal=True))
    return found


def known(gate: Gate, delivery: Delivery) -> bool:
    """Whether everybody who had a part in it is known by identity."""
    people = gate.evidence.people
    return people is not None and all(resolved(person, delivery.aliases) for person in people)


def _given(asked: tuple[Approvals, ...], votes: tuple[Vote, ...]) -> list[int]:
    """How many of each rule's approvals are there, each vote counted once, so that as many as possible are met."""
    seats = [index for index, each in enumerate(asked) for _ in range(each.count)]
    taken: dict[int, int] = {}  # seat to vote

    def seat(vote: int, tried: set[int]) -> bool:
        groups = votes[vote].principal.groups
        for at, index in enumerate(seats):
            fits = not asked[index].groups or groups & frozenset(asked[index].groups)
            if fits and at not in tried:
                tried.add(at)
                if at not in taken or seat(taken[at], tried):
                    taken[at] = vote
                    return True
        return False

    for vote in range(len(votes)):
        seat(vote, set())
    return [sum(1 for at in taken if seats[at] == index) for index in range(len(asked))]


def _approvals(asked: Approvals, given: int, *, four_eyes: bool) -> Ruling:
    holds = Holds.YES if given >= asked.count else Holds.NO
    whose = f"Somebody of {' or '.join(asked.groups)}." if asked.groups else "Anybody who may decide here."
    aside = f"{min(given, asked.count)} of {asked.count}"
    said = f"by {asked}" + (" and had no part in it" if four_eyes else "")
    return Ruling(
        "approvals", "Four eyes" if four_eyes else "Approval", holds, said, aside, whose, personal=True
    )


def _freeze(freeze: Freeze, votes: tuple[Vote, ...], now: datetime) -> Ruling:
    ends = freeze.ends(now)
    by = f" ({freeze.by})" if freeze.by else ""
    overridden = any(v.override and v.reason for v in votes)
    return Ruling(
        "freeze",
        "Freeze",
        Holds.YES if overridden else Holds.NO,
        f"{freeze.where} is frozen: {freeze.reason}{by}" + (", overridden" if overridden else ""),
        "overridden" if overridden else "",
        "An approver can override it with a reason; an admin can lift it.",
        ends,
        personal=True,
    )


def _proof(rule: str, name: str, proof: Proof, what: str) -> Ruling:
    said = proof.said or f"nobody has told of {what}"
    clears = {
        Holds.YES: "",
        Holds.NO: "A new run that passes, or a newer version.",
        Holds.UNKNOWN: f"Whoever reports it: {what}.",
    }[proof.holds]
    return Ruling(
        rule, name, proof.holds, said, "" if proof.holds is not Holds.UNKNOWN else "not known", clears
    )


def _scan(evidence: Evidence, limit: Severity) -> Ruling:
    scan = evidence.scan
    if scan.worst is None:
        return Ruling("scan", "Scan", Holds.UNKNOWN, scan.said or "this image was not scanned", "not known",
                      "The scanner, when it reports this image.")  # fmt: skip
    holds = Holds.YES if scan.worst < limit else Holds.NO
    said = scan.said or f"the worst finding is {scan.worst.name.lower()}"
    return Ruling("scan", "Scan", holds, said, f"below {limit.name.lower()}", "" if holds is Holds.YES else
                  "A version without the finding.")  # fmt: skip


def _soak(evidence: Evidence, wanted: timedelta, before: str, now: datetime) -> Ruling:
    where = before or "the environment before"
    since = evidence.soaking_since
    if since is None:
        said = evidence.soak or f"it is not seen to run in {where} with all pods ready"
        return Ruling(
            "soak", "Soak", Holds.UNKNOWN, said, "", f"This version in {where}, with all pods ready."
        )
    if evidence.soak_broke_at is not None:
        clears = "All pods ready again soon; else it begins anew."
        return Ruling(
            "soak", "Soak", Holds.NO, evidence.soak or f"not all pods are ready in {where}", "", clears
        )
    ends = since + wanted
    if now < ends:
        said = f"all pods ready in {where}, but not yet for {_span(wanted)}"
        return Ruling("soak", "Soak", Holds.NO, said, "", "Time alone.", ends)
    return Ruling("soak", "Soak", Holds.YES, f"all pods ready in {where} for {_span(wanted)} or more")


def _rollback(evidence: Evidence) -> Ruling:
    back = evidence.rollback
    if not back.to or not back.kept:
        return Ruling("rollback", "Way back", Holds.NO, "there is no revision to go back to", "",
                      "A first version that stays good.")  # fmt: skip
    if back.proven_at is None:
        return Ruling("rollback", "Way back", Holds.UNKNOWN, f"going back to {back.to} was never seen to work", "",
                      "A drill: roll back once, and forward again.")  # fmt: skip
    took = f" in {_span(back.took)}" if back.took else ""
    return Ruling("rollback", "Way back", Holds.YES, f"{back.to} is kept; going back worked{took}")


def _alone(moving: tuple[str, ...]) -> Ruling:
    if moving:
        said = f"{', '.join(moving[:3])} still moves"
        return Ruling("one-at-a-time", "One at a time", Holds.NO, said, "", "The end of that rollout.")
    return Ruling("one-at-a-time", "One at a time", Holds.YES, "nothing else of it moves here")


def _span(span: timedelta) -> str:
    seconds = round(span.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
