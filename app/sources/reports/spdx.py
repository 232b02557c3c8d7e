"""SPDX 2.x as JSON or tag-value, and 3.0 as JSON-LD: how many packages a bill names and what it is about.

The XML, RDF and YAML forms are not read.
"""

from __future__ import annotations

import re
from typing import Any

from app.domain.names import cut
from app.domain.reports import Bill

from ..hooks.tree import at, text
from .images import image_of, items
from .port import Format
from .reading import Document, Refused

_TAG = re.compile(r"^(SPDXVersion|DocumentName|PackageName):[ \t]*(.*)$", re.MULTILINE)
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
    return Bill(
        version.replace("-", " "),
        text(tree, "name", limit=400) or "",
        len(list(items(packages))),
        image=image_of(digests=_digests(tree)),
    )


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
    for package in items(tree.get("packages")):
        if package.get("SPDXID") in about:
            for reference in items(package.get("externalRefs")):
                matched = _IMAGE.match(text(reference, "referenceLocator", limit=500) or "")
                found += [matched[1].replace("%3A", ":").replace("%3a", ":")] if matched else []
    return found[:5]


def _graph(graph: list[Any]) -> Bill:
    kinds = [str(one.get("type") or one.get("@type") or "") for one in items(graph)]
    info = next((one for one in items(graph) if one.get("type") == "CreationInfo"), {})
    document = next((one for one in items(graph) if one.get("type") == "SpdxDocument"), {})
    packages = sum(kind.endswith(("software_Package", "Package")) for kind in kinds)
    version = text(info, "specVersion", limit=20) or "3.0"
    return Bill(f"SPDX {version}", text(document, "name", limit=400) or "", packages)


def _tags(said: str) -> Bill:
    version = name = ""
    packages = 0
    for tag, value in _TAG.findall(said):
        if tag == "PackageName":
            packages += 1
        elif tag == "SPDXVersion":
            version = version or value.strip()
        else:
            name = name or value.strip()
    if not re.fullmatch(r"SPDX-2\.\d+", version):
        raise Refused("It has no line `SPDXVersion: SPDX-2.…`, so it is not SPDX as tag-value.")
    return Bill(version.replace("-", " "), cut(name, 400), packages)


def looks(document: Document) -> bool:
    """Whether it is SPDX."""
    if document.is_json:
        tree = document.tree
        return at(tree, "spdxVersion") is not None or (
            "spdx.org/rdf/3" in str(at(tree, "@context")) and isinstance(at(tree, "@graph"), list)
        )
    return "SPDXVersion:" in document.head or "spdx.org/rdf/terms" in document.head


FORMAT = Format("spdx", looks, parse)
