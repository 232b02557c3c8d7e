"""Which stage of the road a job belongs to, by its name: configured patterns first, then the usual words. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase


class JobStage(StrEnum):
    """In the order of the road."""

    BUILD = "build"
    LINT = "lint"
    UNIT = "unit"
    INTEGRATION = "integration"
    SECURITY = "security"
    DEPLOY = "deploy"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class JobRule:
    """Jobs whose name fits the glob `job` (upper and lower case alike) are of `stage`."""

    job: str
    stage: JobStage


# In this order: "build and test image" is a build, but "security scan of the build" and "deploy build" are not.
_WORDS: tuple[tuple[JobStage, str], ...] = (
    (JobStage.DEPLOY, r"deploy\w*|release|publish|rollout|promote|ship|deliver\w*|helm|argocd|terraform|cd"),
    (
        JobStage.SECURITY,
        r"security|sast|dast|scan\w*|trivy|grype|snyk|codeql|semgrep|audit|vuln\w*|sbom|secrets?|gitleaks",
    ),
    (JobStage.INTEGRATION, r"integration|e2e|end.to.end|acceptance|smoke|system|functional|contract|load"),
    (
        JobStage.LINT,
        r"lint\w*|format\w*|fmt|style|static|ruff|eslint|mypy|types?|typecheck|clippy|checkstyle",
    ),
    (JobStage.UNIT, r"units?|tests?|testing|pytest|jest|rspec|junit|spec|coverage"),
    (JobStage.BUILD, r"build\w*|compile|package|docker|image|bundle|assemble|container|prepare|install"),
)
_PATTERNS = tuple((stage, re.compile(rf"(?<![a-z0-9])(?:{words})(?![a-z0-9])")) for stage, words in _WORDS)


def stage_of(name: str, group: str = "", rules: Iterable[JobRule] = ()) -> JobStage:
    """The stage of the job `name`, filed under `group` by its provider; OTHER when nothing tells."""
    for rule in rules:
        if fnmatchcase(name.lower(), rule.job.lower()):
            return rule.stage
    for text in (name[:200].lower().replace("_", "-"), group[:200].lower().replace("_", "-")):
        for stage, pattern in _PATTERNS:
            if pattern.search(text):
                return stage
    return JobStage.OTHER
