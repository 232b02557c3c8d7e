"""Which repository, under one name whatever way it is written, and which services it ships. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

_SCP = re.compile(r"(?:[^@/\s]+@)?([A-Za-z0-9._-]+):(?!//)(.+)")
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def repo_key(address: str) -> str:
    """One name a repository: "host/path" in lower case, without scheme, user, password, port and ".git".

    `git@h:a/b.git`, `ssh://git@h:2222/a/b` and `https://u:t@h/a/b.git` are one; empty when `address` names
    none. Never raises; credentials never survive it.
    """
    text = address.strip()
    if "://" in text:
        try:
            parts = urlsplit(text)
            host, path = parts.hostname or "", parts.path
        except ValueError:
            return ""
    elif matched := _SCP.fullmatch(text):
        host, path = matched[1], matched[2]
    else:
        host, _, path = text.rpartition("@")[2].partition("/")
    path = path.strip("/").removesuffix(".git").strip("/")
    found = f"{host}/{path}".lower()
    fine = host and path and len(found) <= 300 and found.isprintable() and not re.search(r"[\s@?#]", found)
    return found if fine else ""


def full_sha(text: object) -> str | None:
    """A whole commit id (40 or 64 hex digits, lower case); None for short ones, zeros and anything else."""
    found = text.strip().lower() if isinstance(text, str) else ""
    return found if _SHA.fullmatch(found) and found.strip("0") else None


def short(revision: str) -> str:
    """A revision as people read it: the first ten digits of a whole commit id, anything else as it is."""
    return revision[:10] if full_sha(revision) else revision


def commit_page(repo: str, sha: str) -> str:
    """Where the host of a repository most likely shows a commit: GitHub, Gitea and GitLab all answer there."""
    return f"https://{repo}/commit/{sha}" if repo and full_sha(sha) else ""


def full_digest(text: object) -> str | None:
    """A digest "sha256:…", in lower case; None for anything else."""
    found = text.strip().lower() if isinstance(text, str) else ""
    return found if _DIGEST.fullmatch(found) else None


@dataclass(frozen=True, slots=True)
class Ships:
    """A rule: pipelines of this repository (globs both) are those of `services`."""

    repository: str
    services: tuple[str, ...]
    pipeline: str = "*"


def services_of(repo: str, pipeline: str, rules: Iterable[Ships]) -> tuple[str, ...]:
    """The services of a pipeline: those of the first rule that fits, else the last part of the
    repository's path."""
    for rule in rules:
        if fnmatchcase(repo, rule.repository.lower()) and fnmatchcase(
            pipeline.lower(), rule.pipeline.lower()
        ):
            return rule.services
    return (repo.rpartition("/")[2],) if repo else ()


def within(repo: str, scope: Iterable[str]) -> bool:
    """Whether `repo` is one of `scope` (globs of repository keys)."""
    return bool(repo) and any(fnmatchcase(repo, glob.lower()) for glob in scope)
