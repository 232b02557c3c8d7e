"""Trivy's JSON: of images and repositories (schema 2, and the bare list before it), of clusters, and the reports
that trivy-operator keeps as objects. `null` and a report without results are clean.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.domain.reports import Finding, ScanReport, Severity
from app.domain.repositories import full_sha, repo_key

from ..hooks.tree import at, node, text
from .images import image_of, items
from .port import Format
from .reading import Document, Refused, words

_SEVERITIES = {
    "critical": Severity.CRITICAL,
    "high": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
    "none": Severity.INFO,
}
_OPERATOR = "aquasecurity.github.io"


def _severity(item: dict[str, Any], name: str = "Severity") -> Severity:
    return _SEVERITIES.get((text(item, name) or "").lower(), Severity.UNKNOWN)


def _finding(item: dict[str, Any], target: str) -> Finding | None:
    """One item of a result: a vulnerability, a misconfiguration, a secret or a licence."""
    title = words(item.get("Title") or item.get("Message") or item.get("Description"), 300)
    fixed = text(item, "FixedVersion", limit=200) or ""
    if name := text(item, "VulnerabilityID", limit=200):
        package = " ".join(filter(None, (text(item, "PkgName"), text(item, "InstalledVersion", limit=100))))
        return Finding(name, _severity(item), package, fixed, title)
    if "Status" in item and item["Status"] not in ("FAIL", ""):
        return None  # a check that passed, or an exception
    name = text(item, "ID", limit=200) or text(item, "AVDID", limit=200) or text(item, "RuleID", limit=200)
    if name:
        line = at(item, "StartLine") or at(item, "CauseMetadata", "StartLine")
        place = f"{target}:{line}" if isinstance(line, int) and line else target
        return Finding(name, _severity(item), place, "", title)
    if name := text(item, "Name", limit=200):
        place = text(item, "PkgName") or text(item, "FilePath") or target
        return Finding(name, _severity(item), place, "", "licence " + (text(item, "Category") or ""))
    return None


def _results(results: Any) -> Iterator[Finding]:
    for result in items(results):
        target = text(result, "Target") or ""
        for kind in ("Vulnerabilities", "Misconfigurations", "Secrets", "Licenses"):
            for item in items(result.get(kind)):
                if (found := _finding(item, target)) is not None:
                    yield found


def _cluster(tree: dict[str, Any]) -> Iterator[Finding]:
    for name in ("Resources", "Vulnerabilities", "Misconfigurations"):
        for resource in items(tree.get(name)):
            yield from _results(resource.get("Results"))


def parse(document: Document) -> ScanReport:
    """What Trivy says. Raises Refused."""
    tree = document.tree
    if tree is None:
        return ScanReport("Trivy")
    if isinstance(tree, list):
        if any(_is_object(item) for item in items(tree)):
            return _operator(tree)
        if all(isinstance(item, dict) and "Target" in item for item in tree):
            return ScanReport("Trivy", "", tuple(_results(tree)))
    elif isinstance(tree, dict):
        if _is_object(tree) or tree.get("kind") == "List":
            return _operator(list(items(tree.get("items"))) or [tree])
        if "ClusterName" in tree:
            return ScanReport("Trivy", _version(tree), tuple(_cluster(tree)))
        if "Results" in tree or "ArtifactName" in tree or "SchemaVersion" in tree:
            return _artifact(tree)
    raise Refused("It has neither `Results` nor `ArtifactName`, so it is not Trivy's.")


def _version(tree: dict[str, Any]) -> str:
    return text(tree, "Trivy", "Version", limit=60) or ""


def _artifact(tree: dict[str, Any]) -> ScanReport:
    told = tree.get("Results")
    if told is not None and not isinstance(told, list):
        raise Refused("Its `Results` are no list.")
    about = node(tree, "Metadata")
    tags, digests = about.get("RepoTags"), about.get("RepoDigests")
    hidden = sum(len(list(items(r.get("ExperimentalModifiedFindings")))) for r in items(told))
    return ScanReport(
        "Trivy",
        _version(tree),
        tuple(_results(told)),
        hidden,
        repo=repo_key(text(about, "RepoURL") or ""),
        sha=full_sha(about.get("Commit")) or "",
        branch=text(about, "Branch") or "",
        image=image_of(
            digests=digests if isinstance(digests, list) else (),
            config=about.get("ImageID"),
            tags=tags if isinstance(tags, list) else (),
            labels=at(about, "ImageConfig", "config", "Labels"),
            said="Trivy",
        ),
    )


def _is_object(tree: Any) -> bool:
    return _OPERATOR in (text(tree, "apiVersion") or "")


def _operator(objects: list[Any]) -> ScanReport:
    """Objects of trivy-operator: VulnerabilityReport, ConfigAuditReport, ExposedSecretReport and their kin."""
    findings: list[Finding] = []
    for each in items(objects):
        report = node(each, "report")
        where = text(each, "metadata", "name") or ""
        for item in items(report.get("vulnerabilities")):
            package = f"{text(item, 'resource') or ''} {text(item, 'installedVersion') or ''}".strip()
            fixed = text(item, "fixedVersion") or ""
            title = words(item.get("title"), 300)
            name = text(item, "vulnerabilityID") or ""
            findings.append(Finding(name, _severity(item, "severity"), package, fixed, title))
        for item in items(report.get("checks")):
            if item.get("success") is not True:
                name = text(item, "checkID") or text(item, "id") or ""
                title = words(item.get("title"), 300)
                findings.append(Finding(name, _severity(item, "severity"), where, "", title))
        for item in items(report.get("secrets")):
            place, name = text(item, "target") or where, text(item, "ruleID") or ""
            title = words(item.get("title"), 300)
            findings.append(Finding(name, _severity(item, "severity"), place, "", title))
    only = node(objects[0], "report") if len(objects) == 1 else {}
    digest = text(only, "artifact", "digest")
    image = image_of(digests=[digest] if digest else ())
    return ScanReport("Trivy", text(only, "scanner", "version", limit=60) or "", tuple(findings), image=image)


def looks(document: Document) -> bool:
    """Whether it is Trivy's."""
    tree = document.tree if document.is_json else ""
    if isinstance(tree, list):
        return bool(tree) and (_is_object(tree[0]) or (at(tree[0], "Target") is not None))
    return isinstance(tree, dict) and (
        "ArtifactName" in tree or "ClusterName" in tree or "Results" in tree or _is_object(tree)
    )


FORMAT = Format("trivy", looks, parse)
