"""SPDX 2.x as JSON or tag-value, and 3.0 as JSON-LD: the packages a bill names and what it is about.

Of licences the concluded one counts, else the declared one. The XML, RDF and YAML forms are not read.
"""

from __future__ import annotations

import re
from typing import Any

from app.domain.names import cut
from app.domain.packages import listed, package
from app.domain.reports import Bill

from ..hooks.tree import at, text
from .images import image_of, items
from .port import Format
from .reading import Document, Refused

_TAG = re.compile(
    r"^(SPDXVersion|DocumentName|Package(?:Name|Version|LicenseConcluded|LicenseDeclared)|FileName|ExternalRef):"
    r"[ \t]*(.*)$",
    re.MULTILINE,
)
_SAYS_NOTHING = ("", "NOASSERTION", "NONE")
_IMAGE = re.compile(r"pkg:(?:oci|docker)/[^@\s]+@(sha256(?::|%3[Aa])[0-9a-f]{64})")


def parse(document: Document) -> Bill:
    """What an SPDX document says. Raises Refused."""
    if document.is_xml:
        raise Refused("It is SPDX as XML or RDF, and JSON or tag-value is what is read here.")
    if not document.is_json:
        return _tags(document.text)
    tree = document.tree
    version = text(tree, "spdxVersion", limit=40)
    if version is None and isinstance(at(tree, "@graph"), list):
        return _graph(tree["@graph"])
    if version is None:
        raise Refused("It has no `spdxVersion`, so it is not SPDX.")
    if not re.fullmatch(r"SPDX-2\.\d+", version):
        raise Refused(f"It is {cut(version, 40)}, and SPDX 2.x (or 3.0 as JSON-LD) is what is read here.")
    packages = tree.get("packages", [])
    if not isinstance(packages, list):
        raise Refused("Its `packages` are no list.")
    kept, left_out = listed(
        package(
            one.get("name"),
            one.get("versionInfo"),
            _licence(one.get("licenseConcluded"), one.get("licenseDeclared")),
            _purl(one),
        )
        for one in items(packages)
    )
    return Bill(
        version.replace("-", " "),
        text(tree, "name", limit=400) or "",
        len(list(items(packages))),
        image=image_of(digests=_digests(tree)),
        packages=kept,
        left_out=left_out,
    )


def _licence(*told: object) -> str:
    """The first that says something."""
    return next((one for one in told if isinstance(one, str) and one.strip() not in _SAYS_NOTHING), "")


def _purl(one: dict[str, Any]) -> object:
    """A package's address among its references."""
    references = list(items(one.get("externalRefs")))[:100]
    return next((r.get("referenceLocator") for r in references if r.get("referenceType") == "purl"), "")


def _digests(tree: dict[str, Any]) -> list[str]:
    """Digests of the image that the document describes, by its package URL."""
    told = tree.get("documentDescribes")
    about = {one for one in told if isinstance(one, str)} if isinstance(told, list) else set()
    about |= {
        one["relatedSpdxElement"]
        for one in items(tree.get("relationships"))
        if one.get("relationshipType") == "DESCRIBES" and isinstance(one.get("relatedSpdxElement"), str)
    }
    found: list[str] = []
    for one in items(tree.get("packages")):
        if one.get("SPDXID") in about:
            for reference in items(one.get("externalRefs")):
                matched = _IMAGE.match(text(reference, "referenceLocator", limit=500) or "")
                found += [matched[1].replace("%3A", ":").replace("%3a", ":")] if matched else []
    return found[:5]


def _graph(graph: list[Any]) -> Bill:
    info = next((one for one in items(graph) if one.get("type") == "CreationInfo"), {})
    document = next((one for one in items(graph) if one.get("type") == "SpdxDocument"), {})
    packages = [
        one for one in items(graph) if str(one.get("type") or one.get("@type") or "").endswith("Package")
    ]
    version = text(info, "specVersion", limit=20) or "3.0"
    licences = _licences(graph)
    kept, left_out = listed(
        package(
            one.get("name"),
            one.get("software_packageVersion"),
            _licence(*(licences.get((str(one.get("spdxId")), kind)) for kind in _LICENSED)),
            one.get("software_packageUrl"),
        )
        for one in packages
    )
    name = text(document, "name", limit=400) or ""
    return Bill(f"SPDX {version}", name, len(packages), packages=kept, left_out=left_out)


_LICENSED = ("hasConcludedLicense", "hasDeclaredLicense")


def _licences(graph: list[Any]) -> dict[tuple[str, str], object]:
    """Licences by package and by who says so, which are elements of their own in SPDX 3."""
    told = {
        str(one.get("spdxId")): one.get("simplelicensing_licenseExpression")
        for one in items(graph)
        if "simplelicensing_licenseExpression" in one
    }
    return {
        (str(one.get("from")), str(one["relationshipType"])): told.get(str(to))
        for one in items(graph)
        if one.get("relationshipType") in _LICENSED and isinstance(one.get("to"), list)
        for to in one["to"][:1]
    }


def _tags(said: str) -> Bill:
    version = name = ""
    found: list[dict[str, str]] = []
    part: dict[str, str] = {}
    for tag, told in _TAG.findall(said):
        value = told.strip()
        if tag == "PackageName":
            found.append(part := {tag: value})
        elif tag == "FileName":
            part = {}  # what follows is said of the file
        elif tag == "ExternalRef":
            kind, _, address = value.partition("purl ")
            if kind.strip() in ("PACKAGE-MANAGER", "PACKAGE_MANAGER"):
                part.setdefault("purl", address)
        elif tag.startswith("Package"):
            part.setdefault(tag, value)
        elif tag == "SPDXVersion":
            version = version or value
        else:
            name = name or value
    if not re.fullmatch(r"SPDX-2\.\d+", version):
        raise Refused("It has no line `SPDXVersion: SPDX-2.…`, so it is not SPDX as tag-value.")
    kept, left_out = listed(
        package(
            one["PackageName"],
            one.get("PackageVersion"),
            _licence(one.get("PackageLicenseConcluded"), one.get("PackageLicenseDeclared")),
            one.get("purl"),
        )
        for one in found
    )
    return Bill(version.replace("-", " "), cut(name, 400), len(found), packages=kept, left_out=left_out)


def looks(document: Document) -> bool:
    """Whether it is SPDX."""
    if document.is_json:
        tree = document.tree
        return at(tree, "spdxVersion") is not None or (
            "spdx.org/rdf/3" in str(at(tree, "@context")) and isinstance(at(tree, "@graph"), list)
        )
    return "SPDXVersion:" in document.head or "spdx.org/rdf/terms" in document.head


FORMAT = Format("spdx", looks, parse)
