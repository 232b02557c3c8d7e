"""Grype's JSON: matches of packages with vulnerabilities, and what it knows of the image it looked at."""

from __future__ import annotations

from typing import Any

from app.domain.names import cut
from app.domain.reports import Finding, ScanReport, Severity

from ..hooks.tree import at, node, text
from .images import image_of, items
from .port import Format
from .reading import Document, Refused, words

_SEVERITIES = {
    "critical": Severity.CRITICAL,
    "high": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
    "negligible": Severity.LOW,
}


def _finding(match: dict[str, Any]) -> Finding:
    found, package = node(match, "vulnerability"), node(match, "artifact")
    severity = _SEVERITIES.get((text(found, "severity") or "").lower(), Severity.UNKNOWN)
    versions = at(found, "fix", "versions")
    fixed = [one for one in versions if isinstance(one, str)] if isinstance(versions, list) else []
    place = " ".join(filter(None, (text(package, "name"), text(package, "version", limit=100))))
    title = words(found.get("description"), 300)
    if not title:
        related = (words(one.get("description"), 300) for one in items(match.get("relatedVulnerabilities")))
        title = next((one for one in related if one), "")
    return Finding(text(found, "id", limit=200) or "", severity, place, cut(", ".join(fixed), 200), title)


def parse(document: Document) -> ScanReport:
    """What Grype says. Raises Refused."""
    tree = document.tree
    matches = at(tree, "matches")
    if matches is None and at(tree, "descriptor") is not None:
        matches = []
    if not isinstance(matches, list):
        raise Refused("It has no list `matches`, so it is not Grype's.")
    about, target = node(tree, "descriptor"), node(tree, "source", "target")
    digests, tags = target.get("repoDigests"), target.get("tags")
    return ScanReport(
        text(about, "name", limit=100) or "grype",
        text(about, "version", limit=60) or "",
        tuple(_finding(match) for match in items(matches)),
        len(list(items(at(tree, "ignoredMatches")))),
        image=image_of(
            digests=digests if isinstance(digests, list) else (),
            manifest=target.get("manifestDigest"),
            config=target.get("imageID"),
            tags=tags if isinstance(tags, list) else (),
            labels=target.get("labels"),
            said="Grype",
        ),
    )


def looks(document: Document) -> bool:
    """Whether it is Grype's."""
    tree = document.tree if document.is_json else None
    return isinstance(tree, dict) and ("matches" in tree or at(tree, "descriptor", "name") == "grype")


FORMAT = Format("grype", looks, parse)
