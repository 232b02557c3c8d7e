"""What gates have to do with a Git forge: pipelines there that wait for an answer, and workflows that a yes starts.

Pure. A call is put together from the configuration and from ids; no address in it was taken from a webhook.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class CallKind(StrEnum):
    """What is asked of a forge's API once a gate is decided."""

    PROTECTION = "protection"  # GitHub: a run waits for our deployment protection rule
    JOB = "job"  # GitLab: a manual job, whose deployment may be blocked until it is approved
    WORKFLOW = "workflow"  # GitHub: workflow_dispatch
    EVENT = "event"  # GitHub: repository_dispatch
    PIPELINE = "pipeline"  # GitLab: a new pipeline


STARTS = frozenset({CallKind.WORKFLOW, CallKind.EVENT, CallKind.PIPELINE})
"""Kinds that start something, and so must not be asked for twice; the others answer, and may be."""


class CallPhase(StrEnum):
    """How far a call is; all but the first two are final."""

    DUE = "due"  # the gate is not decided, or the forge did not take it yet
    SENT = "sent"  # on its way; for what must not happen twice
    TOLD = "told"
    FAILED = "failed"
    MOOT = "moot"  # the forge does not wait any more


@dataclass(frozen=True, slots=True)
class ForgeCall:
    """A call: by the API of `hook` (its id), about `repo` (a repository key).

    `run` is GitHub's run, `job` and `deployment` GitLab's; `environment` is as the forge writes it; `installation` that
    of the GitHub App. `workflow` (a file, an event's type), `ref` and `inputs` are those of what is started.
    """

    hook: str
    kind: CallKind
    repo: str
    run: str = ""
    job: str = ""
    deployment: str = ""
    environment: str = ""
    installation: str = ""
    workflow: str = ""
    ref: str = ""
    inputs: tuple[tuple[str, str], ...] = ()

    @property
    def starts(self) -> bool:
        """Whether a yes starts something, in place of answering who asked."""
        return self.kind in STARTS

    @property
    def forge(self) -> str:
        """The forge's name, for people."""
        return "GitLab" if self.kind in (CallKind.JOB, CallKind.PIPELINE) else "GitHub"

    @property
    def what(self) -> str:
        """What a yes does, as the evidence has it: another workflow is another question."""
        if not self.starts:
            return "answer"
        return f"start {self.workflow or 'a pipeline'} of {self.repo} at {self.ref}"


@dataclass(frozen=True, slots=True)
class CallState:
    """What became of a gate's call: how often it was tried, when it is next, when it was taken, and why not."""

    phase: CallPhase = CallPhase.DUE
    tries: int = 0
    due_at: datetime | None = None
    told_at: datetime | None = None
    said: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """That something in a forge waits for an answer, or (`over_at`) does no longer.

    `thread` is what it belongs to (a run, a job), by which its end is told; `key` is unique to the question.
    """

    thread: str
    repo: str
    over_at: datetime | None = None
    key: str = ""
    call: ForgeCall | None = None
    sha: str = ""
    ref: str = ""
    actor: str = ""
    url: str = ""
    optional: bool = False
    """Only where the environment has rules: manual jobs are many."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What a yes to a promotion starts, in place of setting the image: a `workflow` (GitHub), an `event` (GitHub's
    repository_dispatch), or with neither a pipeline (GitLab), by the API of `hook`.

    "{service}", "{version}", "{environment}" and "{image}" (its first) in any of the texts stand for those of the gate.
    """

    hook: str
    repository: str
    workflow: str = ""
    event: str = ""
    ref: str = "main"
    inputs: tuple[tuple[str, str], ...] = ()

    def call(self, known: Mapping[str, str]) -> ForgeCall:
        """The call, with what is `known` filled in."""

        def filled(text: str) -> str:
            for name, value in known.items():
                text = text.replace(f"{{{name}}}", value)
            return text

        kind = CallKind.WORKFLOW if self.workflow else CallKind.EVENT if self.event else CallKind.PIPELINE
        return ForgeCall(
            self.hook,
            kind,
            filled(self.repository).lower(),
            workflow=filled(self.workflow or self.event),
            ref=filled(self.ref),
            inputs=tuple((name, filled(value)) for name, value in self.inputs),
        )
