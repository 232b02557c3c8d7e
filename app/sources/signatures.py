"""Signatures are verified without the network: those of keys against the keys of the settings, those of certificates,
in Sigstore bundles, against the trust root that comes with the library.

A signature counts only if three things hold: the mathematics, the policy (who may sign for this repository),
and that what is signed is what was uploaded. Bundles older than inclusion proofs cannot be verified here, and say so.
Certificates need the extra `verify`; without it only keys are verified.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from app.domain.artifacts import Link, Trust
from app.domain.names import cut
from app.domain.reports import Attestation, Image, ReportSubject, Verification
from app.domain.repositories import full_sha, repo_key
from app.domain.signing import Signer, SigningRule, may_sign, trusted_keys

from . import keys
from .reports.attestation import envelope, is_bundle, told
from .reports.reading import Document, Refused

ABSENT = "Nothing is verified here: install Shipboard with the extra `verify`."
_FULCIO = "1.3.6.1.4.1.57264.1"
log = structlog.get_logger("shipboard.signatures")


class _Denied(Exception):
    """The policy does not let the signer sign."""


@dataclass(slots=True)
class _Asking:
    """A policy for the library: remembers whom the certificate names, and denies whom our rules do not let sign."""

    repo: str
    rules: Sequence[SigningRule]
    signer: Signer | None = None

    def verify(self, cert: Any) -> None:
        """Let the certificate pass or raise."""
        self.signer = signer_of(cert)
        if why := may_sign(self.signer, self.repo, self.rules):
            raise _Denied(why)


class Signatures:
    """Verifies attestations, one at a time; blocks for about a second the first time. `root` is a file with a trust
    root of one's own."""

    def __init__(self, rules: Sequence[SigningRule] = (), root: Path | None = None) -> None:
        self._rules, self._root = rules, root
        self._verifier: Any = None
        self._turn = threading.Lock()

    def verified(self, body: bytes, claim: Attestation, about: ReportSubject) -> Attestation:
        """`claim`, which was read from `body`, with what it is worth. Never raises."""
        try:
            tree = envelope(Document(body))
        except Refused as refused:
            return replace(claim, proof=Verification.UNVERIFIABLE, reason=str(refused))
        if keys.is_signed(tree):
            return self._by_key(tree, claim, about)
        if not is_bundle(tree):
            return replace(claim, reason="Nobody signed it, so it is only a claim.")
        try:
            from sigstore.errors import Error
            from sigstore.models import Bundle
        except ImportError:
            return replace(claim, proof=Verification.UNVERIFIABLE, reason=ABSENT)
        asking = _Asking(about.repo, self._rules)
        try:
            with self._turn:
                bundle = Bundle.from_json(body)
                proven = self._proven(bundle, tree, claim, asking)
        except _Denied as denied:
            return _unproven(claim, asking.signer, str(denied))
        except Error as error:
            return _unproven(claim, asking.signer, f"It does not verify: {cut(str(error), 200)}.")
        except Exception as error:  # a library in the face of hostile input
            log.warning("a bundle could not be verified", error=type(error).__name__)
            return _unproven(claim, asking.signer, f"It does not verify ({type(error).__name__}).")
        return self._settled(proven, asking.signer, about, _logged(bundle))

    def _by_key(self, tree: dict[str, Any], claim: Attestation, about: ReportSubject) -> Attestation:
        """What is signed by a key: a claim where none is trusted for the repository."""
        repo = about.repo or claim.repo
        trusted = trusted_keys(repo, self._rules)
        where = cut(repo, 200) or "no repository"
        if not trusted:
            return replace(claim, reason=f"A key signed it, and the settings trust none for {where}.")
        key = keys.signer(tree, trusted)
        if key is None:
            why = f"None of the keys trusted for {where} made its signature: another one did, or it was altered since."
            return _unproven(claim, None, why)
        by = Signer("", f"key {key.name}")
        if about.repo and claim.repo and claim.repo != about.repo:
            return _unproven(claim, by, f"Its statement is about {cut(claim.repo, 200)}, and not {where}.")
        return self._settled(claim, by, about, None)

    def _proven(self, bundle: Any, tree: dict[str, Any], claim: Attestation, asking: _Asking) -> Attestation:
        """The claim as far as the signature covers it. Raises what the library raises."""
        from sigstore.hashes import Hashed
        from sigstore.models import TrustedRoot
        from sigstore.verify import Verifier
        from sigstore_models.common.v1 import HashAlgorithm

        if self._verifier is None:
            if self._root is not None:
                self._verifier = Verifier(trusted_root=TrustedRoot.from_file(str(self._root)))
            else:
                self._verifier = Verifier.production(offline=True)
        if "dsseEnvelope" in tree:
            kind, payload = self._verifier.verify_dsse(bundle, asking)
            if kind != "application/vnd.in-toto+json":
                raise _Denied(f"It signs {cut(kind, 100)}, and not an in-toto statement.")
            return told(Document(payload).tree)
        digest = bytes.fromhex(claim.subjects[0].partition(":")[2])
        hashed = Hashed(algorithm=HashAlgorithm.SHA2_256, digest=digest)
        self._verifier.verify_artifact(hashed, bundle, asking)
        return claim

    def _settled(
        self, proven: Attestation, signer: Signer | None, about: ReportSubject, at: datetime | None
    ) -> Attestation:
        """What the verified statement is worth for what the upload is about."""
        if signer is None:
            return _unproven(proven, signer, "Its certificate was not looked at.")
        if about.digest and about.digest not in proven.subjects:
            return _unproven(proven, signer, "It verifies, but is about another digest.")
        if signer.sha and proven.sha and signer.sha != proven.sha:
            return _unproven(proven, signer, "Its statement names another commit than its certificate.")
        repo, sha = signer.repo or proven.repo, signer.sha or proven.sha
        said = f"signed by {cut(signer.subject, 150)}"
        links = (
            tuple(Link(one, sha, repo, Trust.PROVENANCE, said, True) for one in proven.subjects)
            if sha
            else ()
        )
        return replace(
            proven,
            proof=Verification.VERIFIED,
            identity=signer.subject,
            issuer=signer.issuer,
            repo=repo,
            sha=sha,
            signed_at=at,
            reason="",
            image=Image(proven.subjects[0] if len(proven.subjects) == 1 else "", links=links),
        )


def _unproven(claim: Attestation, signer: Signer | None, why: str) -> Attestation:
    """What is left of a claim that failed: nothing that links an image with a commit."""
    return replace(
        claim,
        proof=Verification.UNVERIFIABLE,
        identity=signer.subject if signer else "",
        issuer=signer.issuer if signer else "",
        reason=why,
        image=Image(claim.image.digest),
    )


def signer_of(cert: Any) -> Signer:
    """Whom a Fulcio certificate names (github.com/sigstore/fulcio, docs/oid-info.md)."""
    from cryptography import x509

    told: dict[str, str] = {}
    subject = ""
    for extension in cert.extensions:
        oid, value = extension.oid.dotted_string, extension.value
        if oid.startswith(f"{_FULCIO}.") and isinstance(value, x509.UnrecognizedExtension):
            number = oid.removeprefix(f"{_FULCIO}.")
            told[number] = _text(value.value, der=number.isdecimal() and int(number) >= 8)
        elif isinstance(value, x509.SubjectAlternativeName):
            names = [n for n in value if isinstance(n, x509.UniformResourceIdentifier | x509.RFC822Name)]
            subject = cut(str(names[0].value), 300) if names else ""
    issuer = told.get("8") or told.get("1", "")
    old = f"https://github.com/{told['5']}" if told.get("5") else ""
    repo = repo_key(told.get("12") or old)
    sha = full_sha(told.get("13") or told.get("3")) or ""
    return Signer(cut(issuer, 300), subject, repo, sha)


def _text(raw: bytes, *, der: bool) -> str:
    """An extension's text: newer ones are a DER UTF8String of at most 64 KiB."""
    if der and raw[:1] == b"\x0c":
        length, start = raw[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(raw[2:start], "big")
        raw = raw[start : start + length]
    return raw.decode("utf-8", "replace")


def _logged(bundle: Any) -> datetime | None:
    """When a log took it in, where it says."""
    try:
        found = int(bundle.log_entry._inner.integrated_time or 0)
        return datetime.fromtimestamp(found, UTC) if found else None
    except (AttributeError, TypeError, ValueError, OverflowError, OSError):
        return None
