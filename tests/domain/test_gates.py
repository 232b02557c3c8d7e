"""A gate lives through its moves, and lets nothing through but what distinct, able and uninvolved people approved on
the evidence they saw."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.domain.delivery import Approvals, Delivery, Mode, Rules, explained, lint
from app.domain.evidence import (
    NOTHING,
    Evidence,
    Holds,
    Person,
    Proof,
    Rollback,
    Scan,
    Severity,
    canonical,
    difference,
)
from app.domain.freezes import Freeze
from app.domain.gates import (
    MOVES,
    Gate,
    GatePhase,
    Origin,
    Subject,
    Version,
    Vote,
    may_move,
    sheet,
    withdrawn,
)
from app.domain.people import EVERYWHERE, SYSTEM, Principal, PrincipalKind, Role
from app.domain.rulings import Around, barred, missing, rulings, valid

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SUBJECT = Subject("cart", "production", "May 2 go?", Version("1", ("cart:1",)), Version("2", ("cart:2",)))


def person(name: str, *roles: Role, groups: frozenset[str] = frozenset(), email: str = "") -> Principal:
    held = {EVERYWHERE: frozenset(roles or (Role.APPROVER,))}
    return Principal(PrincipalKind.PERSON, "local", name, name.title(), email, held, groups)


PEOPLE = [person(n) for n in ("ada", "bo", "cy", "di")]


def gate(rules: Rules, evidence: Evidence = NOTHING, *votes: Principal, override: bool = False) -> Gate:
    made = Gate("g", "k", Origin.ROLLOUT, SUBJECT, NOW, NOW + timedelta(days=1)).showing(
        evidence, rules.version
    )
    return replace(made, votes=tuple(Vote(p, made.digest, NOW, "because", override) for p in votes))


def of(rules: Rules) -> Delivery:
    order = ("staging", "production")
    return Delivery(
        order, {"staging": Rules("staging"), "production": rules}, aliases={"local:bo": ("bo@x.org",)}
    )


def left(
    rules: Rules, evidence: Evidence, *votes: Principal, around: Around | None = None, now: datetime = NOW
) -> set[str]:
    made = gate(rules, evidence, *votes)
    return {r.rule for r in missing(rulings(made, of(rules), around or Around(), now))}


EVERY = Rules(
    "production", ci=True, tests=True, scan=Severity.HIGH, signature=True, soak=timedelta(minutes=30), rollback=True,
    four_eyes=False,
)  # fmt: skip
YES = Proof(Holds.YES, "green", NOW)
PROVEN = Evidence(
    YES,
    YES,
    Scan(Severity.MEDIUM, "2 medium", NOW),
    YES,
    NOW - timedelta(hours=1),
    "",
    Rollback("1", True, NOW),
    (),
)


def test_rule_without_facts_closes_the_gate_and_says_who_can_clear_it():
    made = gate(EVERY, NOTHING, PEOPLE[0])
    found = missing(rulings(made, of(EVERY), Around(), NOW))
    assert {r.rule for r in found} == {"ci", "tests", "scan", "signature", "soak", "rollback"}
    assert all(r.said and r.clears and r.holds is not Holds.YES for r in found)
    assert all(r.blocker.rule == r.rule and r.blocker.message and r.blocker.clears for r in found)


def test_all_rules_met_and_one_vote_leave_nothing_in_the_way():
    assert left(EVERY, PROVEN, PEOPLE[0]) == set()
    assert left(EVERY, PROVEN) == {"approvals"}


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"ci": Proof(Holds.NO, "red")}, "ci"),
        ({"tests": Proof(Holds.UNKNOWN)}, "tests"),
        ({"scan": Scan(Severity.HIGH)}, "scan"),
        ({"signature": Proof(Holds.NO)}, "signature"),
        ({"soaking_since": NOW - timedelta(minutes=29)}, "soak"),
        ({"rollback": Rollback("1", False, NOW)}, "rollback"),
        ({"rollback": Rollback("1", True, None)}, "rollback"),
    ],
)
def test_each_rule_stands_alone(wrong, rule):
    assert left(EVERY, replace(PROVEN, **wrong), PEOPLE[0]) == {rule}


def test_soak_says_when_it_is_over():
    evidence = replace(PROVEN, soaking_since=NOW - timedelta(minutes=10))
    (soak,) = missing(rulings(gate(EVERY, evidence, PEOPLE[0]), of(EVERY), Around(), NOW))
    assert soak.until == NOW + timedelta(minutes=20)
    assert left(EVERY, evidence, PEOPLE[0], now=NOW + timedelta(minutes=20)) == set()


def test_something_else_that_moves_is_waited_for():
    assert left(EVERY, PROVEN, PEOPLE[0], around=Around(moving=("cart-worker",))) == {"one-at-a-time"}


def test_freeze_takes_an_override_with_a_reason():
    frozen = Around((Freeze("f", "holidays", "production"),))
    plain, over = gate(EVERY, PROVEN, PEOPLE[0]), gate(EVERY, PROVEN, PEOPLE[0], override=True)
    (ruling,) = missing(rulings(plain, of(EVERY), frozen, NOW))
    assert (ruling.rule, "holidays" in ruling.said) == ("freeze", True)
    assert missing(rulings(over, of(EVERY), frozen, NOW)) == ()
    silent = replace(over, votes=tuple(replace(v, reason="") for v in over.votes))
    assert [r.rule for r in missing(rulings(silent, of(EVERY), frozen, NOW))] == ["freeze"]


@pytest.mark.parametrize(
    "who",
    [
        replace(PEOPLE[0], kind=PrincipalKind.TOKEN),
        replace(PEOPLE[0], kind=PrincipalKind.KIOSK),
        replace(PEOPLE[0], kind=PrincipalKind.NOBODY),
        SYSTEM,
        person("op", Role.OPERATOR),
        person("vi", Role.VIEWER),
        Principal(PrincipalKind.PERSON, "local", "st", roles={"staging": frozenset({Role.APPROVER})}),
    ],
)
def test_who_is_no_approver_there_and_no_person_does_not_count(who):
    made = gate(EVERY, PROVEN, who)
    assert barred(made, who, of(EVERY))
    assert valid(made, of(EVERY)) == ()
    assert "approvals" in left(EVERY, PROVEN, who)


ALIASES = {"local:ada": ("ada@example.org", "4711+ada-l@users.noreply.github.com")}


@pytest.mark.parametrize(
    "author",
    [
        Person("author", email="ada@example.org"),
        Person("author", email="ADA@Example.ORG"),
        Person("committer", email="ada+work@example.org"),
        Person("co-author", email="9+ada-l@users.noreply.github.com"),
        Person("author", email="ada-l@users.noreply.github.com"),
        Person("starter", name="ada"),
        Person("starter", name="ＡＤＡ"),
        Person("asker", identity="local|ada"),
    ],
)
def test_nobody_approves_what_they_had_a_part_in(author):
    rules = replace(EVERY, four_eyes=True)
    delivery = replace(of(rules), aliases=ALIASES)
    made = gate(rules, replace(PROVEN, people=(author,)), PEOPLE[0])
    assert [b.rule for b in barred(made, PEOPLE[0], delivery)] == ["four-eyes"]
    assert valid(made, delivery) == ()
    assert not barred(made, PEOPLE[1], delivery)


def test_where_it_is_not_known_who_wrote_it_two_people_approve():
    rules = replace(EVERY, four_eyes=True)
    nobody_knows = replace(PROVEN, people=None)
    stranger = replace(PROVEN, people=(Person("author", email="who@elsewhere.org"),))
    known = replace(PROVEN, people=(Person("author", email="bo@x.org"),))
    assert left(rules, nobody_knows, PEOPLE[0]) == {"four-eyes"}
    assert left(rules, nobody_knows, PEOPLE[0], PEOPLE[1]) == set()
    assert left(rules, stranger, PEOPLE[0]) == {"four-eyes"}
    assert left(rules, known, PEOPLE[0]) == set()
    assert left(rules, known, PEOPLE[1]) == {"approvals"}


@given(
    st.lists(st.sets(st.sampled_from("abc"), max_size=2), max_size=5),
    st.lists(
        st.tuples(st.integers(1, 2), st.sets(st.sampled_from("abc"), max_size=2)), min_size=1, max_size=3
    ),
)
def test_votes_are_seated_as_well_as_they_can_be(groups, wanted):
    """Against an exhaustive search: the rules are met exactly when some assignment of voters meets them."""
    asked = tuple(Approvals(n, tuple(sorted(g))) for n, g in wanted)
    rules = Rules("production", approvals=asked, four_eyes=False, one_at_a_time=False)
    voters = [person(f"p{i}", groups=frozenset(g)) for i, g in enumerate(groups)]
    seats = [frozenset(a.groups) for a in asked for _ in range(a.count)]

    def fits(rest: list[frozenset[str]], free: list[Principal]) -> bool:
        if not rest:
            return True
        return any(
            (not rest[0] or p.groups & rest[0]) and fits(rest[1:], free[:i] + free[i + 1 :])
            for i, p in enumerate(free)
        )

    able = [p for p in voters if not barred(gate(rules), p, of(rules))]
    assert (left(rules, NOTHING, *voters) == set()) == fits(seats, able)


def test_digest_follows_every_element_and_nothing_else():
    base = gate(EVERY, PROVEN)
    again = base.showing(replace(PROVEN, soak="other words", left_out=()), EVERY.version)
    assert again.digest == base.digest
    others = [
        base.showing(replace(PROVEN, ci=Proof(Holds.NO, "red", NOW)), EVERY.version),
        base.showing(replace(PROVEN, tests=Proof(Holds.YES, "one more", NOW)), EVERY.version),
        base.showing(replace(PROVEN, scan=Scan(Severity.LOW, "", NOW)), EVERY.version),
        base.showing(replace(PROVEN, signature=Proof()), EVERY.version),
        base.showing(replace(PROVEN, soaking_since=NOW), EVERY.version),
        base.showing(replace(PROVEN, rollback=Rollback("0", True)), EVERY.version),
        base.showing(replace(PROVEN, people=None), EVERY.version),
        base.showing(PROVEN, replace(EVERY, ci=False).version),
    ]
    subjects = (
        replace(SUBJECT, workload="x"),
        replace(SUBJECT, after=Version("2", ("cart@sha256:b",))),
        replace(SUBJECT, before=Version("0")),
        replace(SUBJECT, token="t"),
        replace(SUBJECT, expected=replace(SUBJECT.expected, step=3)),
        replace(SUBJECT, expected=replace(SUBJECT.expected, revision="r")),
    )
    others += [replace(base, subject=subject).showing(PROVEN, EVERY.version) for subject in subjects]
    digests = [each.digest for each in others]
    assert base.digest not in digests
    assert len(set(digests)) == len(digests)


def test_difference_names_what_changed():
    seen, now = (
        canonical(sheet(SUBJECT, evidence, "p"))
        for evidence in (PROVEN, replace(PROVEN, ci=Proof(Holds.NO, "red")))
    )
    assert [(d.what, d.before, d.after) for d in difference(seen, now)] == [("CI", "green", "red")]
    assert difference(seen, seen) == ()


def test_every_configuration_is_explained_and_odd_ones_are_told():
    manual, automatic = explained(EVERY, "staging"), explained(replace(EVERY, mode=Mode.AUTOMATIC), "staging")
    assert "one person" in manual[0]
    assert "30 minutes in staging" in manual[1]
    assert "by itself" in automatic[0]
    assert lint(of(EVERY)) == ()
    bad = Delivery(
        ("staging", "production"),
        {
            "staging": Rules("staging", soak=timedelta(hours=1)),
            "production": Rules("production", Mode.AUTOMATIC, approvals=(Approvals(2),)),
            "moon": Rules("moon", approvals=()),
        },
    )
    said = " ".join(lint(bad))
    for word in (
        "moon has rules",
        "no proof",
        "never asked for",
        "no environment comes before",
        "proven way back",
    ):
        assert word in said


class AGate(RuleBasedStateMachine):
    """Votes, changes of evidence, revocations and moves in any order; what is let through is held against a count."""

    asked = Rules("production", approvals=(Approvals(2),), four_eyes=True, one_at_a_time=False)

    def __init__(self) -> None:
        super().__init__()
        self.gate = gate(self.asked, replace(PROVEN, people=(Person("author", identity="local|di"),)))
        self.able = {p.identity for p in PEOPLE}
        self.on: dict[str, str] = {}
        self.answers = 0

    @precondition(lambda self: self.gate.phase is GatePhase.OPEN)
    @rule(who=st.sampled_from(PEOPLE))
    def approve(self, who: Principal) -> None:
        votes = withdrawn(self.gate.votes, who.identity)
        held = who if who.identity in self.able else replace(who, roles={})
        self.gate = replace(self.gate, votes=(*votes, Vote(held, self.gate.digest, NOW)))
        self.on[who.identity] = self.gate.digest

    @precondition(lambda self: self.gate.phase is GatePhase.OPEN)
    @rule(who=st.sampled_from(PEOPLE))
    def withdraw(self, who: Principal) -> None:
        self.gate = replace(self.gate, votes=withdrawn(self.gate.votes, who.identity))
        self.on.pop(who.identity, None)

    @rule(who=st.sampled_from(PEOPLE))
    def revoke(self, who: Principal) -> None:
        self.able.discard(who.identity)
        votes = tuple(replace(v, principal=replace(v.principal, roles={})) if v.person == who.identity else v
                      for v in self.gate.votes)  # fmt: skip
        self.gate = replace(self.gate, votes=votes)

    @rule(n=st.integers(0, 3))
    def evidence_changes(self, n: int) -> None:
        ci = Proof(Holds.YES, f"run {n}", NOW)
        self.gate = self.gate.showing(replace(self.gate.evidence, ci=ci), self.asked.version)

    @precondition(lambda self: self.gate.phase in MOVES)
    @rule(to=st.sampled_from(list(GatePhase)))
    def move(self, to: GatePhase) -> None:
        open_now = not missing(rulings(self.gate, of(self.asked), Around(), NOW))
        if not may_move(self.gate.phase, to) or (to is GatePhase.APPROVED and not open_now):
            return
        if to is GatePhase.APPROVED:
            assert self._counted() >= 2
        if to is GatePhase.EXECUTING and not open_now:
            return
        self.gate = replace(self.gate, phase=to)
        self.answers += to not in MOVES

    def _counted(self) -> int:
        return sum(
            1 for p, d in self.on.items() if d == self.gate.digest and p in self.able and p != "local|di"
        )

    @invariant()
    def open_only_with_two_able_uninvolved_people_on_this_very_evidence(self) -> None:
        through = not missing(rulings(self.gate, of(self.asked), Around(), NOW))
        assert through == (self._counted() >= 2)

    @invariant()
    def answered_once_at_most(self) -> None:
        assert self.answers <= 1
        assert (self.gate.phase in MOVES) == (self.answers == 0)


TestAGate = AGate.TestCase
TestAGate.settings = settings(max_examples=60, stateful_step_count=25)
