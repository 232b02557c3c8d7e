"""Reports that CI uploads, read: bytes in, `domain.reports` out. All pure.

A new format is one module with a `FORMAT`, and its place in `FORMATS`.
"""

from __future__ import annotations

from app.domain.reports import Contents

from . import attestation, ctrf, cyclonedx, grype, junit, sarif, spdx, tap, trivy
from .port import Format, Refused
from .reading import MAX_BYTES, Document

FORMATS: dict[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (junit, ctrf, sarif, trivy, grype, cyclonedx, spdx, attestation, tap)
}
"""By name; in the order in which a report of unknown kind is tried."""
AUTO = "auto"
"""Stands for whichever format it is."""

__all__ = ["AUTO", "FORMATS", "MAX_BYTES", "Document", "Format", "Refused", "detect", "read"]


def detect(document: Document) -> Format:
    """The format of a report, by what stands in it. Raises Refused."""
    found = next((format_ for format_ in FORMATS.values() if format_.looks(document)), None)
    if found is None:
        raise Refused(f"It is none of the kinds that are read here: {', '.join(FORMATS)}.")
    return found


def read(kind: str, body: bytes) -> tuple[str, Contents]:
    """The kind of a report (told, or found for `AUTO`) and what it says. Raises Refused, with a reason a person
    can act on, for whatever is not a whole and harmless report."""
    document = Document(body)
    format_ = FORMATS.get(kind) if kind != AUTO else detect(document)
    if format_ is None:
        raise Refused(f"{kind!r} is no kind that is read here; there are {', '.join(FORMATS)} and {AUTO}.")
    return format_.name, format_.parse(document)
