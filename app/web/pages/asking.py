"""What the dialog of a command says before anything is done: from what to what, what happens, what stands in the way.

Put together for one person and one moment, from a preview on the cluster and from what the board remembers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.domain.commands import VERBS, Arguments, Expected, Offer, Reason, Verb
from app.domain.names import WorkloadRef
from app.domain.policy import Blocker
from app.domain.repositories import short
from app.domain.revisions import Revision, Weight
from app.domain.rollout import PodCondition
from app.domain.targets import Target
from app.engines.acting import Difference
from app.perform import Preview
from app.read.acts import Other
from app.read.changes import Between, Revert
from app.read.commands import Took
from app.read.readiness import Readiness
from app.read.rows import WorkloadRow
from app.read.words import title
from app.store.commands import Sending

BACKWARDS = (Verb.ROLLBACK, Verb.ABORT)
_BACK = {Verb.ABORT: "abort it", Verb.ROLLBACK: "roll back", Verb.PAUSE: "pause it", Verb.RESUME: "resume it"}
_TITLES = {
    Verb.PAUSE: "Pause {0}?",
    Verb.RESUME: "Resume {0}?",
    Verb.PROMOTE_FULL: "Promote {0} fully?",
    Verb.RESTART: "Restart {0}?",
    Verb.SET_IMAGE: "Set the image of {0}?",
    Verb.SET_WEIGHT: "Set the weight of {0}?",
    Verb.SYNC: "Sync {0} to an older revision?",
    Verb.HOLD: "Hold the automation of {0}?",
    Verb.RELEASE: "Release the automation of {0}?",
}


@dataclass(frozen=True, slots=True)
class End:
    """One end of from → to: version, what it is, digest of its image."""

    version: str
    note: str
    image: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the board remembers beside the preview: who else is on the way, how long it took last, the way back, the
    commits between the two versions, the one that an owner would have to lose, and the first lines of commits that can
    be chosen."""

    others: tuple[Other, ...] = ()
    took: Took | None = None
    readiness: Readiness | None = None
    between: Between | None = None
    revert: Revert | None = None
    titles: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FormProblem:
    """Why a form comes back: `status` of the answer, a sentence, what is different now."""

    status: int
    said: str
    difference: tuple[Difference, ...] = ()
    receipt: str = ""


@dataclass(frozen=True, slots=True)
class Asking:
    """All of the dialog. `blocked_by` is empty when it can be asked; `choose`: something is to be chosen before it can
    be told what would happen. `idle`: it is so already; `broken` pods
    block an ordered set until they are deleted, which can be chosen. `confirm`: this name must be typed."""

    verb: Verb
    label: str
    title: str
    ref: WorkloadRef
    service: str
    environment: str
    place: str
    before: End | None
    after: End | None
    sentence: str
    warnings: tuple[str, ...]
    blocked_by: tuple[Blocker, ...]
    personal: bool
    difference: tuple[Difference, ...]
    patches: tuple[Sending, ...]
    dry_run: str
    targets: tuple[Target, ...]
    containers: Mapping[str, str]
    arguments: Arguments
    expected: Expected
    weight: Weight | None
    choose: bool
    idle: bool
    reason_due: bool
    confirm: str
    told: Remembered
    back: str
    hours: int = 1
    drill: bool = False
    broken: int = 0
    problem: FormProblem | None = None
    lasts: tuple[Offer, ...] = ()
    rows: tuple[()] = field(default=())


def asking(
    row: WorkloadRow,
    offer: Offer,
    preview: Preview | None,
    arguments: Arguments,
    barred: Sequence[Blocker],
    told: Remembered,
    production: frozenset[str],
    now: datetime,
) -> Asking:
    """The dialog for a verb of `row`. `preview` is None where none was made, and `barred` says why."""
    verb, rule, place = offer.verb, VERBS[offer.verb], row.place
    blocked = tuple(b for b in (preview.blocked_by if preview else ()) if b.rule != "reason")
    blocked = (*barred, *(blocked if preview else offer.blocked_by))
    choose = _to_choose(verb, arguments, preview.targets if preview else ())
    before, after = _ends(row, verb, preview)
    chosen = _chosen(preview)
    label = _label(offer, preview.after if preview else None)
    return Asking(
        verb=verb,
        label=label,
        title=_title(verb, label, place.service, after.version if after else ""),
        ref=row.ref,
        service=place.service,
        environment=place.environment,
        place=title(place.environment),
        before=before,
        after=after,
        sentence=preview.sentence if preview and preview.sentence else offer.sentence,
        warnings=preview.warnings if preview else (),
        blocked_by=() if choose and preview and not barred and offer.available else tuple(dict.fromkeys(blocked)),
        personal=any(b.rule in ("role", "sign-in") for b in barred),
        difference=_differences(row, verb, preview),
        patches=preview.patches if preview else (),
        dry_run=preview.dry_run if preview else "",
        targets=preview.targets if preview else (),
        containers=preview.containers if preview and verb is Verb.SET_IMAGE else {},
        arguments=arguments if not chosen else replace(arguments, revision=chosen.revision.key),
        expected=preview.expected if preview else Expected(),
        weight=row.state.weight,
        choose=choose,
        idle=bool(preview and not preview.patches and not blocked and not choose),
        reason_due=rule.reason is Reason.ALWAYS
        or (rule.reason is Reason.PRODUCTION and place.environment in production),
        confirm=row.ref.name if rule.dangerous else "",
        told=told,
        back=_way_back(verb, row, told, now),
        broken=_broken(row) if verb is Verb.ROLLBACK else 0,
    )  # fmt: skip


def drilling(asked: Asking) -> Asking:
    """The same as a drill: back, and forward again."""
    now = asked.before.version if asked.before else "the version of now"
    to = asked.after.version if asked.after else "the one before"
    return replace(
        asked,
        label="Drill it",
        title=f"Drill {asked.service}: back to {to} and forward again?",
        sentence=f"{asked.sentence} As soon as that is ready, {now} is brought back the same way, and how long it "
        "took is kept as proof.",
        drill=True,
    )


def _chosen(preview: Preview | None) -> Target | None:
    """The target that a rollback would go to."""
    if preview is None or preview.after is None:
        return None
    return next((t for t in preview.targets if t.revision.key == preview.after.key), None)


def _to_choose(verb: Verb, arguments: Arguments, targets: Sequence[Target]) -> bool:
    return (
        (verb is Verb.SET_IMAGE and not arguments.images)
        or (verb is Verb.SET_WEIGHT and arguments.weight is None)
        or (verb is Verb.HOLD and arguments.until is None)
        or (verb is Verb.SYNC and not arguments.revision and not targets)
    )


def _broken(row: WorkloadRow) -> int:
    """Pods that an ordered set keeps, though they are broken."""
    failing = [pod for pod in row.state.pods if pod.condition is PodCondition.FAILING]
    return len(failing) if row.state.pace.ordered else 0


def _label(offer: Offer, to: Revision | None) -> str:
    if offer.verb is Verb.ROLLBACK and to and offer.label.startswith("Back to"):
        return f"Back to {to.version or to.key}"
    if offer.verb is Verb.SYNC and to:
        return f"Sync to {short(to.version or to.key)}"
    return offer.label


def _title(verb: Verb, label: str, service: str, to: str) -> str:
    """The question: "Promote checkout to 50 %?"."""
    if known := _TITLES.get(verb):
        return known.format(service)
    if verb is Verb.ABORT:
        return f"Abort {service} and go back to {to}?" if to else f"Abort {service}?"
    if label.startswith("Back to "):
        return f"Take {service} b{label[1:]}?"
    first, _, rest = label.partition(" ")
    return f"{first} {service} {rest}?" if rest else f"{first} {service}?"


def ends(row: WorkloadRow, verb: Verb, preview: Preview | None) -> tuple[Revision | None, Revision | None]:
    """From what to what. Where the plan does not say, it is the move that is on its way, or its reverse."""
    new, stable = row.state.revision, row.state.stable
    before, after = (preview.before, preview.after) if preview else (None, None)
    if verb is Verb.ABORT:
        return new, stable
    return (stable, new) if before is None and after is None else (before, after)


def _ends(row: WorkloadRow, verb: Verb, preview: Preview | None) -> tuple[End | None, End | None]:
    state = row.state
    new, stable = state.revision, state.stable
    before, after = ends(row, verb, preview)
    share = f", {state.weight.wanted} %" if state.weight else ""
    rest = f", {100 - state.weight.wanted} %" if state.weight else ""
    sides: list[End | None] = []
    for end in (before, after):
        if end is None:
            sides.append(None)
            continue
        note = "new"
        live = next((lane.live for lane in state.lanes if lane.revision == end.key), None)
        if live is not None:
            note = "serves now" if live else "beside it"
        elif stable and end.key == stable.key:
            note = f"stable{rest}"
        elif new and end.key == new.key:
            note = f"canary{share}" if stable and state.weight else "asked for" if stable else "live"
        elif end.roles:
            note = end.roles[0]
        if end.created_at and note in ("old", "new"):
            made = "synced" if verb is Verb.SYNC else "made"
            note = f"{made} {end.created_at:%b} {end.created_at.day}, {end.created_at:%H:%M} UTC"
        image = end.images[0] if end.images else ""
        sides.append(End(short(end.version) or image or end.key, note, image))
    if sides[0] == sides[1]:
        return None, sides[1]
    return sides[0], sides[1]


def _differences(row: WorkloadRow, verb: Verb, preview: Preview | None) -> tuple[Difference, ...]:
    if preview is None:
        return ()
    found, weight = list(preview.difference), row.state.weight
    if weight and verb in BACKWARDS and weight.wanted:
        found.append(Difference("traffic on the new one", f"{weight.wanted} %", "0 %"))
    elif weight and verb is Verb.PROMOTE_FULL:
        found.append(Difference("traffic on the new one", f"{weight.wanted} %", "100 %"))
    elif weight and verb is Verb.PROMOTE:
        state = row.state
        ahead = state.steps[state.step_index + 1 :] if state.step_index is not None else ()
        to = next((step.weight for step in ahead if step.weight is not None), 100)
        found.append(Difference("traffic on the new one", f"{weight.wanted} %", f"{to} %"))
    return tuple(found)


def _way_back(verb: Verb, row: WorkloadRow, told: Remembered, now: datetime) -> str:
    """The way back from it, in a sentence."""
    undo, ready = VERBS[verb].undo, told.readiness
    if undo is None or verb in BACKWARDS:
        return ""
    if verb not in (Verb.PROMOTE, Verb.PROMOTE_FULL, Verb.SET_IMAGE, Verb.RETRY):
        return (
            f"{_BACK.get(undo, VERBS[undo].label)}." if undo is not verb else "The same again, the other way."
        )
    stable = row.state.stable or row.state.revision
    to = f"; {stable.version} takes over again" if stable and stable.version else ""
    said = f"{_BACK.get(undo, VERBS[undo].label.lower())}{to}."
    if ready and ready.took is not None and ready.took_at:
        said += f" The last rollback took {_span(ready.took)}, {ready.took_at:%b} {ready.took_at.day}."
    return said


def _span(seconds: int) -> str:
    return f"{seconds} s" if seconds < 90 else f"{round(seconds / 60)} min"
