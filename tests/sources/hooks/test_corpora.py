"""Payloads from public repositories, outside this tree: each is taken in, passed over or refused, with a reason.

Looked for in $SHIPBOARD_CORPORA, else in ../shared/corpora beside the repository; skipped where there are
none.
"""

import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.domain.ci import RunSeen, thing
from app.sources.hooks import PROVIDERS, Delivery, Reading, Refused
from app.sources.hooks.payload import decoded

_REPOSITORY = Path(__file__).parents[3]
CORPORA = Path(os.environ.get("SHIPBOARD_CORPORA") or _REPOSITORY / ".." / "shared" / "corpora")
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
GITHUB = (
    *("workflow_run", "workflow_job", "check_run", "check_suite", "deployment_status", "deployment"),
    *("registry_package", "package", "pull_request"),
)

pytestmark = pytest.mark.skipif(not CORPORA.is_dir(), reason="no corpora here")


def files(folder: str) -> Iterator[Path]:
    yield from sorted(path for path in (CORPORA / folder).rglob("*") if path.is_file())


def github_event(path: Path, body: Any) -> str:
    """The event a file is of: its folder's name, else what its members say."""
    if "octokit+webhooks" in str(path):
        return path.parent.name
    found = next((name for name in GITHUB if isinstance(body, dict) and name in body), "")
    return found or (
        "push" if "ref" in body and "after" in body else "status" if "context" in body else "other"
    )


def bitbucket_event(path: Path, body: Any) -> str:
    if "commit_status" in body:
        return "repo:commit_status_updated"
    return "repo:push" if "push" in body else "pullrequest:updated" if "pullrequest" in body else ""


def tekton_headers(body: Any) -> dict[str, str]:
    return {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "/apis/tekton.dev/v1beta1/namespaces/ns/taskruns/x",
        "ce-type": "dev.tekton.event.taskrun.running.v1",
    }


def cdevents_headers(body: Any) -> dict[str, str]:
    context = body["context"]
    return {
        "ce-specversion": "1.0",
        "ce-id": context["id"],
        "ce-source": context["source"],
        "ce-type": context["type"],
    }


def gitea_event(path: Path, body: Any) -> str:
    return (
        "push" if "after" in body and "ref" in body else "pull_request" if "pull_request" in body else "other"
    )


def no_event(path: Path, body: Any) -> str:
    return ""


def no_headers(body: Any) -> dict[str, str]:
    return {}


# folder, provider, event, headers, fewest files that must tell something, most that may be refused
CASES = [
    ("github-webhook", "github", github_event, no_headers, 40, 3),
    ("gitlab-webhook", "gitlab", no_event, no_headers, 20, 2),
    ("buildkite-webhook", "buildkite", no_event, no_headers, 4, 2),
    ("azure-webhook", "azure", no_event, no_headers, 3, 0),
    ("bitbucket-webhook", "bitbucket", bitbucket_event, no_headers, 15, 2),
    ("gitea-webhook", "gitea", gitea_event, no_headers, 8, 1),
    ("jenkins-notification", "jenkins", no_event, no_headers, 1, 0),
    ("tekton-event", "tekton", no_event, tekton_headers, 1, 0),
    ("cdevents", "cdevents", no_event, cdevents_headers, 20, 0),
]


@pytest.mark.parametrize(("folder", "provider", "event", "headers", "least", "refusals"), CASES)
def test_public_payloads_tell_something_or_are_passed_over_with_a_reason(
    folder, provider, event, headers, least, refusals
) -> None:
    seen: Counter[str] = Counter()
    reasons: list[str] = []
    for path in files(folder):
        try:
            body = decoded(path.read_bytes())
        except Refused:
            seen["not JSON"] += 1
            continue
        delivery = Delivery(event(path, body), body, headers(body), NOW, "git.example.org/acme/cart")
        try:
            reading = PROVIDERS[provider].read(delivery)
        except Refused as refused:
            reasons.append(f"{path.name}: {refused}")
            continue
        assert isinstance(reading, Reading)
        assert bool(reading.facts) is not bool(reading.ignored), path
        for fact in reading.of_ci:
            thing(fact)
            assert fact.repo
        seen["told" if reading.facts else "ignored"] += 1
        seen["unknown words"] += len(delivery.unknown)
    assert seen["told"] >= least, (seen, reasons)
    assert len(reasons) <= refusals, reasons


def test_public_payloads_of_other_senders_are_never_an_error() -> None:
    """Each provider over every webhook of every other: at worst a refusal."""
    asked, reasons = 0, set()
    for folder in sorted(
        path.name for path in CORPORA.iterdir() if path.name.endswith(("-webhook", "-rest"))
    ):
        for path in list(files(folder))[:25]:
            try:
                body = decoded(path.read_bytes())
            except Refused:
                continue
            for provider in PROVIDERS.values():
                event = github_event(path, body if isinstance(body, dict) else {})
                for headers in ({}, tekton_headers(body)):
                    try:
                        provider.read(Delivery(event, body, headers, NOW, "h/r"))
                    except Refused as refused:
                        reasons.add(str(refused))
                    asked += 1
    assert asked > 1000
    assert all(reason.endswith((".", "?")) for reason in reasons)


def test_jenkins_cdevents_plugin_is_refused_and_not_half_taken() -> None:
    for path in files("jenkins-cdevents"):
        delivery = Delivery("", decoded(path.read_bytes()), {"content-type": "application/json"}, NOW, "h/r")
        with pytest.raises(Refused, match="no CloudEvent"):
            PROVIDERS["cdevents"].read(delivery)


def test_runs_of_public_payloads_say_how_far_they_are() -> None:
    runs = []
    for path in files("github-webhook"):
        body = decoded(path.read_bytes())
        if path.parent.name in ("workflow_run", "workflow_job"):
            delivery = Delivery(github_event(path, body), body, {}, NOW)
            facts = PROVIDERS["github"].read(delivery).facts
            runs += [fact for fact in facts if isinstance(fact, RunSeen)]
            assert not delivery.unknown
    assert len(runs) >= 5
    assert all(run.status and run.sha and run.created_at for run in runs)
