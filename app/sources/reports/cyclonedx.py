"""CycloneDX, JSON and XML: the components a bill names, what it is about, and the vulnerabilities it holds.

Components of type "file" are only counted, all others are packages.
Of a vulnerability the worst rating counts. One whose analysis says that it does not affect, is false or is
resolved counts as suppressed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from app.domain.names import cut
from app.domain.packages import Package, listed, package
from app.domain.reports import RANK, Bill, Finding, Image, Severity
from app.domain.repositories import full_digest, full_sha, repo_key

from ..hooks.tree import at, node, text
from .images import image_of, items, named
from .port import Format
from .reading import Document, Refused, seconds, words

_SEVERITIES = {"none": Severity.INFO, **{s.value: s for s in Severity}}
_SETTLED = frozenset({"not_affected", "false_positive", "resolved", "resolved_with_pedigree"})
_LABELS = ("syft:image:labels:", "aquasecurity:trivy:Labels:")


def _components(found: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    """Each component with those inside it."""
    for one in items(found) if depth <= 50 else ():
        yield one
        yield from _components(one.get("components"), depth + 1)


def _package(one: Mapping[str, Any], licence: str) -> Package | None:
    """A component as a package; None for a file."""
    group, name = one.get("group"), one.get("name")
    if one.get("type") == "file" or not isinstance(name, str):
        return None
    whole = f"{group}/{name}" if isinstance(group, str) and group else name
    return package(whole, one.get("version"), licence, one.get("purl"))


def _licence(component: dict[str, Any]) -> str:
    """Its licences: an expression, or ids and names."""
    found = []
    for one in list(items(component.get("licenses")))[:20]:
        told = one.get("expression") or at(one, "license", "id") or at(one, "license", "name")
        found += [told] if isinstance(told, str) else []
    return ", ".join(dict.fromkeys(found))


def _worst(ratings: Any) -> Severity:
    found = Severity.UNKNOWN
    for rating in items(ratings):
        severity = _SEVERITIES.get((text(rating, "severity") or "").lower())
        if severity is None and (score := seconds(rating.get("score"))):
            steps = ((9, Severity.CRITICAL), (7, Severity.HIGH), (4, Severity.MEDIUM), (0, Severity.LOW))
            severity = next(each for least, each in steps if score >= least)
        if severity is not None and (found is Severity.UNKNOWN or RANK[severity] < RANK[found]):
            found = severity
    return found


def _vulnerabilities(tree: dict[str, Any]) -> Iterator[Finding | None]:
    """Each vulnerability; None for one that is settled."""
    for each in items(tree.get("vulnerabilities")):
        if text(each, "analysis", "state") in _SETTLED:
            yield None
            continue
        where = text(next(items(each.get("affects")), {}), "ref", limit=300) or ""
        title = words(each.get("description") or each.get("detail"), 300)
        fix = words(each.get("recommendation"), 200)
        yield Finding(text(each, "id", limit=200) or "", _worst(each.get("ratings")), where, fix, title)


def _image(component: dict[str, Any], metadata: dict[str, Any]) -> Image:
    """What the bill's subject is, where that is an image."""
    told = named(metadata.get("properties")) | named(component.get("properties"))
    labels = {
        name.removeprefix(prefix): value
        for name, value in told.items()
        for prefix in _LABELS
        if name.startswith(prefix)
    }
    tags = [value for name, value in told.items() if name == "aquasecurity:trivy:RepoTag"]
    digests = [value for name, value in told.items() if name == "aquasecurity:trivy:RepoDigest"]
    if text(component, "type") != "container":
        return Image()
    purl, version = text(component, "purl", limit=500) or "", text(component, "version") or ""
    named_by = purl.rpartition("@")[2].partition("?")[0].replace("%3A", ":").replace("%3a", ":")
    digests += [one for one in (named_by, version) if full_digest(one)]
    config = told.get("aquasecurity:trivy:ImageID")
    return image_of(digests=digests, config=config, tags=tags, labels=labels, said="the bill of materials")


def parse(document: Document) -> Bill:
    """What a CycloneDX bill says. Raises Refused."""
    if document.is_xml:
        return _xml(document)
    tree = document.tree
    if not isinstance(tree, dict) or tree.get("bomFormat") != "CycloneDX":
        raise Refused("Its `bomFormat` is not CycloneDX.")
    for name in ("components", "vulnerabilities"):
        if not isinstance(tree.get(name, []), list | None):
            raise Refused(f"Its `{name}` are no list.")
    metadata, component = node(tree, "metadata"), node(tree, "metadata", "component")
    told = list(_vulnerabilities(tree))
    version = text(tree, "specVersion", limit=20) or ""
    subject = " ".join(filter(None, (text(component, "name"), text(component, "version", limit=100))))
    pedigree = next(items(at(component, "pedigree", "commits")), {})
    parts = list(_components(tree.get("components")))
    packages, left_out = listed(_package(one, _licence(one)) for one in parts)
    return Bill(
        f"CycloneDX {version}".strip(),
        cut(subject, 400),
        len(parts),
        tuple(one for one in told if one is not None),
        sum(one is None for one in told),
        repo_key(_reference(component)),
        full_sha(pedigree.get("uid")) or "",
        image=_image(component, metadata),
        packages=packages,
        left_out=left_out,
    )


def _reference(component: dict[str, Any]) -> str:
    """Where the subject's source is, by its external reference of type "vcs"."""
    told = items(component.get("externalReferences"))
    return next((text(one, "url") or "" for one in told if one.get("type") == "vcs"), "")


class _Xml:
    """Counts what the XML form names."""

    def __init__(self) -> None:
        self.version = self.subject = ""
        self.components = self.suppressed = 0
        self.findings: list[Finding] = []
        self.packages: list[Package | None] = []
        self._parts: list[dict[str, str]] = []
        self._open: list[str] = []
        self._now: dict[str, str] = {}
        self._ratings: list[dict[str, str]] = []
        self._text = ""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        if not self._open:
            if name != "bom":
                raise Refused(f"Its root is <{cut(name, 60)}>, and CycloneDX's is <bom>.")
            told = (value for key, value in attributes.items() if key.startswith("xmlns"))
            spaces = [value for value in told if "cyclonedx.org/schema/bom" in value]
            if not spaces:
                raise Refused("Its <bom> is not in the namespace of CycloneDX.")
            self.version = cut(spaces[0].rpartition("/")[2], 20)
        self._open.append(name)
        self._text = ""
        if name == "component" and "metadata" not in self._open and "vulnerabilities" not in self._open:
            self.components += 1
            self._parts.append({"type": attributes.get("type", "")})
        elif name == "vulnerability":
            self._now, self._ratings = {"ref": attributes.get("ref", "")}, []
        elif name == "rating":
            self._ratings.append({})

    def end(self, name: str) -> None:
        """It ends."""
        self._open.pop()
        inside = "vulnerability" in self._open
        if self._parts:
            self._part(name)
        if self._open == ["bom", "metadata", "component"] and name in ("name", "version"):
            self.subject = cut(f"{self.subject} {self._text.strip()}".strip(), 400)
        elif inside and self._ratings and name in ("severity", "score", "base"):
            self._ratings[-1].setdefault("score" if name != "severity" else name, self._text.strip())
        elif inside and name in ("id", "description", "recommendation", "state", "ref"):
            value = self._text.strip()
            if name != "ref" or value:
                self._now.setdefault(name, value) if name != "ref" else self._now.update(ref=value)
        elif name == "vulnerability":
            if self._now.get("state") in _SETTLED:
                self.suppressed += 1
                return
            rule, place = cut(self._now.get("id", ""), 200), cut(self._now.get("ref", ""), 300)
            fix, title = words(self._now.get("recommendation"), 200), words(self._now.get("description"), 300)
            self.findings.append(Finding(rule, _worst(self._ratings), place, fix, title))

    def _part(self, name: str) -> None:
        """An element ends within a component, or the component itself."""
        part, parent, value = self._parts[-1], self._open[-1], self._text.strip()
        if name == "component":
            self._parts.pop()
            self.packages.append(_package(part, part.get("licence", "")))
        elif parent == "component" and name in ("group", "name", "version", "purl"):
            part.setdefault(name, value)
        elif name == "expression" or (parent == "license" and name in ("id", "name")):
            known = part.get("licence", "")
            if len(known) < 300:
                part["licence"] = f"{known}, {value}" if known else value

    def text(self, text: str) -> None:
        """Text within an element."""
        if len(self._text) < 2000:
            self._text += text[:2000]


def _xml(document: Document) -> Bill:
    found = _Xml()
    document.walk(found)
    name = f"CycloneDX {found.version}".strip()
    packages, left_out = listed(found.packages)
    return Bill(
        name,
        found.subject,
        found.components,
        tuple(found.findings),
        found.suppressed,
        packages=packages,
        left_out=left_out,
    )


def looks(document: Document) -> bool:
    """Whether it is CycloneDX."""
    if document.is_xml:
        return "cyclonedx.org/schema/bom" in document.head
    return document.is_json and at(document.tree, "bomFormat") == "CycloneDX"


FORMAT = Format("cyclonedx", looks, parse)
