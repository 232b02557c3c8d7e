"""Signatures and provenance: Sigstore bundles, DSSE envelopes (one, or one a line), in-toto statements, and cosign's
simple signing as `cosign download signature` writes it (https://github.com/sigstore/cosign, specs/SIGNATURE_SPEC.md).

Reading proves nothing: what stands here is a claim until `sources.signatures` has verified it.
"""

from __future__ import annotations

import base64
import binascii
from enum import StrEnum
from typing import Any

import msgspec

from app.domain.artifacts import Link, Trust
from app.domain.reports import Attestation, Image, Verification
from app.domain.repositories import full_digest, full_sha, repo_key

from ..hooks.tree import at, node, nodes, text
from .port import Format
from .reading import Document, Refused

_IN_TOTO = "application/vnd.in-toto+json"
_BUNDLE = "application/vnd.dev.sigstore.bundle"
MAX_SUBJECTS = 200


class Content(StrEnum):
    """What is said: by a DSSE envelope, by a digest, by cosign of an image, or by a statement nobody signed."""

    ENVELOPE = "envelope"
    DIGEST = "digest"
    IMAGE = "image"
    STATEMENT = "statement"


def envelope(document: Document) -> dict[str, Any]:
    """The outermost object: of a file with one a line, the first. Raises Refused."""
    try:
        tree = document.tree
    except Refused:
        first, _, rest = document.body.strip().partition(b"\n")
        if not rest.lstrip().startswith(b"{"):
            raise
        tree = Document(first).tree
    if not isinstance(tree, dict):
        raise Refused("It is no JSON object.")
    return tree


def is_bundle(tree: dict[str, Any]) -> bool:
    """Whether it is a Sigstore bundle."""
    return (text(tree, "mediaType") or "").startswith(_BUNDLE)


def statement_of(payload: Any) -> dict[str, Any]:
    """The in-toto statement in a DSSE envelope's payload (base64). Raises Refused."""
    try:
        raw = base64.b64decode(payload, validate=True)
        found = Document(raw).tree
    except (TypeError, ValueError, binascii.Error, msgspec.DecodeError):
        raise Refused("Its payload is not base64.") from None
    if not isinstance(found, dict):
        raise Refused("Its payload is no JSON object.")
    return found


def content(tree: dict[str, Any]) -> tuple[Content, dict[str, Any]]:
    """What is said in it, and what kind of thing that is. Who verifies it goes by this too, lest one thing be proven
    and another read. Raises Refused where it is nothing of these, or more than one at once."""
    if is_bundle(tree):
        there = [(Content.ENVELOPE, "dsseEnvelope"), (Content.DIGEST, "messageSignature")]
        found = [(kind, node(tree, name)) for kind, name in there if tree.get(name) is not None]
    else:
        outer = [
            (Content.ENVELOPE, ("payload", "payloadType")),
            (Content.IMAGE, ("Base64Signature", "Payload")),
            (Content.STATEMENT, ("_type",)),
        ]
        found = [(kind, tree) for kind, names in outer if all(name in tree for name in names)]
    if len(found) > 1:
        raise Refused("It says two things at once, and nobody could tell which one is signed.")
    if not found:
        raise Refused(
            "It is neither a Sigstore bundle nor a DSSE envelope nor an in-toto statement nor a signature of cosign."
        )
    return found[0]


def parse(document: Document) -> Attestation:
    """What it claims. Raises Refused."""
    kind, found = content(envelope(document))
    match kind:
        case Content.ENVELOPE:
            return _dsse(found)
        case Content.IMAGE:
            return _simple(statement_of(found["Payload"]))
        case Content.STATEMENT:
            return told(found)
    digest = text(found, "messageDigest", "digest")
    if digest is None or text(found, "messageDigest", "algorithm") != "SHA2_256":
        raise Refused("The bundle signs neither an envelope nor a SHA-256.")
    return Attestation((_hex(digest),), Verification.CLAIMED, reason="Nobody has verified it.")


def _simple(payload: dict[str, Any]) -> Attestation:
    critical = node(payload, "critical")
    if text(critical, "type") not in ("cosign container image signature", "atomic container signature"):
        raise Refused("It signs no container image: its critical.type is another.")
    digest = full_digest(at(critical, "image", "docker-manifest-digest"))
    if digest is None:
        raise Refused("It names no image: critical.image has no docker-manifest-digest.")
    return Attestation((digest,), Verification.CLAIMED, reason="Nobody has verified it.")


def _hex(digest: str) -> str:
    try:
        raw = base64.b64decode(digest, validate=True)
    except (ValueError, binascii.Error):
        raise Refused("The bundle's digest is not base64.") from None
    if len(raw) != 32:
        raise Refused("The bundle's digest is no SHA-256.")
    return f"sha256:{raw.hex()}"


def _dsse(signed: dict[str, Any]) -> Attestation:
    if text(signed, "payloadType") != _IN_TOTO:
        raise Refused("The envelope holds no in-toto statement.")
    return told(statement_of(signed.get("payload")))


def told(statement: dict[str, Any]) -> Attestation:
    """What an in-toto statement says: its subjects, and for provenance builder and commit. Raises Refused."""
    if not (text(statement, "_type") or "").startswith("https://in-toto.io/Statement/"):
        raise Refused("It is no in-toto statement.")
    found = []
    for subject in list(nodes(statement, "subject"))[:MAX_SUBJECTS]:
        digest = text(subject, "digest", "sha256") or ""
        if len(digest) == 64 and not set(digest.lower()) - set("0123456789abcdef"):
            found.append(f"sha256:{digest.lower()}")
    if not found:
        raise Refused("Its statement names no subject by SHA-256.")
    predicate = node(statement, "predicate")
    repo, sha = _source(predicate)
    builder = text(predicate, "builder", "id") or text(predicate, "runDetails", "builder", "id") or ""
    subjects = tuple(dict.fromkeys(found))
    said = "provenance, not verified"
    links = tuple(Link(one, sha, repo, Trust.PROVENANCE, said) for one in subjects) if sha else ()
    return Attestation(
        subjects,
        Verification.CLAIMED,
        text(statement, "predicateType") or "",
        builder,
        repo=repo,
        sha=sha,
        reason="Nobody has verified it.",
        image=Image(subjects[0] if len(subjects) == 1 else "", links=links),
    )


def _source(predicate: dict[str, Any]) -> tuple[str, str]:
    """Repository and commit that SLSA provenance (0.2 and 1) names; empty where it does not."""
    asked = node(predicate, "invocation", "configSource")
    if sha := full_sha(at(asked, "digest", "sha1")):
        return _repo(text(asked, "uri")), sha
    workflow = repo_key(
        text(predicate, "buildDefinition", "externalParameters", "workflow", "repository") or ""
    )
    wanted: list[tuple[str, str]] = []
    for one in (*nodes(predicate, "buildDefinition", "resolvedDependencies"), *nodes(predicate, "materials")):
        uri = text(one, "uri") or ""
        sha = full_sha(at(one, "digest", "gitCommit")) or full_sha(at(one, "digest", "sha1"))
        if sha and (uri.startswith("git+") or at(one, "digest", "gitCommit")):
            wanted.append((_repo(uri), sha))
    return next((one for one in wanted if one[0] == workflow), wanted[0] if wanted else ("", ""))


def _repo(uri: str | None) -> str:
    address = (uri or "").removeprefix("git+")
    head, at_, ref = address.rpartition("@")
    return repo_key(head if at_ and "/" in head.partition("://")[2] and ":" not in ref else address)


def looks(document: Document) -> bool:
    """Whether it is one of them."""
    if not document.is_json:
        return False
    try:
        tree = envelope(document)
    except Refused:
        return False
    return (
        is_bundle(tree)
        or "payloadType" in tree
        or "Base64Signature" in tree
        or "in-toto.io" in (text(tree, "_type") or "")
    )


FORMAT = Format("attestation", looks, parse)
