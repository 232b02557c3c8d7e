"""CDEvents over CloudEvents: read by subject, predicate and the version of that type, whichever release it is of.

Events of the specification 0.3 to 0.5 are read, and held against its rules (`cdevents_rules`); those of another major
version are refused, since nobody can know what they will say. No field of CDEvents is sure to be a commit:
`customData.shipboard` may say which ("repository", "commit"), and a change's id counts when it is a whole one.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from app.domain.ci import (
    ArtifactSeen,
    CiFact,
    CiOutcome,
    CiPhase,
    CommitSeen,
    DeploymentSeen,
    JobSeen,
    RunSeen,
    Status,
)
from app.domain.converge import mark
from app.domain.repositories import full_digest, full_sha, repo_key

from . import cdevents_rules, cloudevents, tree, verify
from .cdevents_rules import TYPE
from .port import Delivery, Provider, Reading, Refused, run_key, run_of_job, told, weighed, words

OUTCOME = words(
    success="success", failure="failure fail", cancelled="cancel canceled cancelled", error="error"
)
_PHASES = {"queued": CiPhase.QUEUED, "started": CiPhase.RUNNING}
_SERVICE = frozenset({"deployed", "upgraded", "rolledback"})


class Event:
    """One event, taken apart."""

    def __init__(self, delivery: Delivery, body: Any, outer: str) -> None:
        context, subject = tree.node(body, "context"), tree.node(body, "subject")
        kind = tree.text(context, "type") or ""
        matched = TYPE.fullmatch(kind)
        self.custom = kind.startswith("dev.cdeventsx.")
        if outer != kind or not (matched or self.custom):
            raise Refused("Its types differ, or it is no CDEvent: context.type must be ce-type.")
        if matched and int(matched[3]) != 0:
            raise Refused(
                f"Version {matched[3]}.{matched[4]} of {matched[1]}.{matched[2]} is not known here."
            )
        self.subject, self.predicate = (matched[1], matched[2]) if matched else ("", "")
        self.kind, self.delivery = kind, delivery
        self.at = tree.time(context, "timestamp")
        self.id, self.subject_id = tree.word(context, "id"), tree.word(subject, "id")
        self.source = tree.text(context, "source") or ""
        self.content = tree.node(subject, "content")
        own = tree.node(body, "customData", "shipboard")
        named = tree.text(own, "repository") or tree.text(self.content, "repository", "uri") or ""
        self.named = repo_key(named) or delivery.repo
        self.sha = full_sha(tree.at(own, "commit")) or full_sha(tree.at(self.content, "change", "id"))
        if wrong := next(cdevents_rules.broken(body), ""):
            raise Refused(f"It is against the specification of CDEvents: {wrong}")

    @property
    def repo(self) -> str:
        """The repository; Refused where none is named."""
        if not self.named:
            raise Refused("It names no repository; a hook whose scope is one repository gives it that one.")
        return self.named

    @property
    def status(self) -> Status | None:
        """What the predicate tells, and for what is finished the outcome."""
        if self.predicate == "finished":
            word = tree.text(self.content, "outcome")
            known = self.delivery.status(OUTCOME, word)
            return known or Status(CiPhase.DONE, CiOutcome.NEUTRAL, word or "finished")
        phase = _PHASES.get(self.predicate)
        return Status(phase, None, self.predicate) if phase else None


def read(delivery: Delivery) -> Reading:
    """What one delivery says. Raises Refused."""
    found: list[CiFact | None] = []
    skipped = ""
    for each in cloudevents.received(delivery):
        event = Event(delivery, each.data, each.type)
        reader = _READERS.get(event.subject)
        if reader is None:
            skipped = event.kind
        else:
            found += reader(event)
    if not any(found):
        return Reading(ignored=f"Events of type {skipped or 'this'} are not kept.")
    return told(found)


def purl(text: str | None) -> tuple[str | None, str | None]:
    """Digest and name of the package address `text` ("pkg:oci/name@sha256%3A…"), None where it has none."""
    place, _, version = unquote((text or "").partition("?")[0]).partition("@")
    return full_digest(version), place.removeprefix("pkg:oci/")[:200] or None


def _run(event: Event) -> list[CiFact | None]:
    status = event.status
    begun = event.at if event.predicate == "started" else None
    ended = event.at if event.predicate == "finished" else None
    return [
        RunSeen(
            provider="cdevents",
            host=event.source,
            project="",
            run=str(event.subject_id),
            attempt=1,
            repo=event.repo,
            mark=weighed(status, event.at),
            pipeline=tree.text(event.content, "pipelineName"),
            sha=event.sha,
            # `url` until 0.2 of these types, `uri` since.
            url=tree.url(event.content, "uri") or tree.url(event.content, "url"),
            created_at=event.at if event.predicate == "queued" else begun,
            started_at=begun,
            finished_at=ended,
            status=status,
        )
    ]


def _task(event: Event) -> list[CiFact | None]:
    status = event.status
    parent = tree.word(event.content, "pipelineRun", "id") or f"{event.subject}-{event.subject_id}"
    source = tree.text(event.content, "pipelineRun", "source") or event.source
    job = JobSeen(
        provider="cdevents",
        host=source,
        job=f"{event.subject}-{event.subject_id}",
        run=run_key("cdevents", source, "", parent),
        repo=event.repo,
        mark=weighed(status, event.at),
        name=tree.text(event.content, "taskName") or event.subject,
        group="build" if event.subject == "build" else None,
        url=tree.url(event.content, "uri") or tree.url(event.content, "url"),
        started_at=event.at if event.predicate == "started" else None,
        finished_at=event.at if event.predicate == "finished" else None,
        status=status,
    )
    digest, name = purl(tree.text(event.content, "artifactId"))
    made = digest and ArtifactSeen(
        digest=digest, mark=mark(0, event.at), name=name, repo=event.repo, run=job.run, built_at=event.at
    )
    return [run_of_job(job, project="", run=parent, sha=event.sha), job, made or None]


def _artifact(event: Event) -> list[CiFact | None]:
    digest, name = purl(event.subject_id)
    if digest is None or event.predicate not in ("packaged", "published", "signed"):
        return []
    at = event.at if event.predicate == "packaged" else None
    return [
        ArtifactSeen(
            digest=digest,
            mark=mark(0, event.at),
            name=name,
            repo=event.named or None,
            sha=event.sha,
            built_at=at,
        )
    ]


def _service(event: Event) -> list[CiFact | None]:
    if event.predicate not in _SERVICE:
        return []
    digest, _ = purl(tree.text(event.content, "artifactId"))
    return [
        DeploymentSeen(
            provider="cdevents",
            host=event.source,
            project=str(event.subject_id),
            deployment=str(event.id),
            repo=event.repo,
            mark=mark(2, event.at),
            environment=tree.text(event.content, "environment", "id"),
            sha=event.sha,
            digest=digest,
            created_at=event.at,
            finished_at=event.at,
            status=Status(CiPhase.DONE, CiOutcome.SUCCESS, event.predicate),
        )
    ]


def _change(event: Event) -> list[CiFact | None]:
    sha = event.sha or full_sha(event.subject_id)
    if sha is None:
        return []
    merged = event.at if event.predicate == "merged" else None
    opened = event.at if event.predicate == "created" else None
    name = None if full_sha(event.subject_id) else str(event.subject_id)
    return [
        CommitSeen(
            repo=event.repo,
            sha=sha,
            mark=mark(0, event.at),
            change=name,
            opened_at=opened,
            merged_at=merged,
        )
    ]


_READERS = {
    "pipelinerun": _run,
    "taskrun": _task,
    "build": _task,
    "artifact": _artifact,
    "service": _service,
    "change": _change,
}
PROVIDER = Provider("cdevents", verify.TOKENS, read, key=cloudevents.key, kept=cloudevents.KEPT)
