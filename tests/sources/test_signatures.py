"""Bundles of public corpora are verified offline: no bad one counts, and good ones only for their own repository."""

import builtins
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.domain.reports import Attestation, ReportSubject, Verification
from app.domain.signing import SigningRule
from app.sources import reports
from app.sources.signatures import ABSENT, Signatures

pytest.importorskip("sigstore")
_REPOSITORY = Path(__file__).parents[2]
CORPORA = Path(os.environ.get("SHIPBOARD_CORPORA") or _REPOSITORY / ".." / "shared" / "corpora")
pytestmark = pytest.mark.skipif(not CORPORA.is_dir(), reason="no corpora here")
BEACON = "github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon"
EXAMPLE = "github.com/slsa-framework/example-package"


@pytest.fixture(scope="module")
def signatures() -> Signatures:
    return Signatures()


def cases(pattern: str) -> Iterator[Path]:
    yield from sorted((CORPORA / "sigstore-bundle").rglob(pattern))


def claim(path: Path) -> Attestation:
    _, found = reports.read("attestation", path.read_bytes())
    assert isinstance(found, Attestation)
    assert found.proof is Verification.CLAIMED
    return found


def test_no_bundle_that_must_fail_is_verified(signatures):
    rules = [SigningRule("*", signer="*@*"), SigningRule("*", "https://token.actions.githubusercontent.com")]
    checked = 0
    for path in cases("*_fail/bundle.sigstore.json"):
        try:
            told = claim(path)
        except reports.Refused:
            continue
        root = path.parent / "trusted_root.json"
        asked = Signatures(rules, root) if root.exists() else signatures
        for repo in (BEACON, "github.com/loosebazooka/aa-test", ""):
            found = asked.verified(path.read_bytes(), told, ReportSubject(repo))
            assert (found.proof, found.image.links) == (Verification.UNVERIFIABLE, ()), path
            assert found.reason
        checked += 1
    assert checked >= 20


@pytest.mark.parametrize("version", ["v0.1", "v0.2", "v0.3"])
def test_good_bundle_is_verified_and_tells_the_commit_of_its_certificate(signatures, version):
    (path,) = cases(f"happy-path-{version}/bundle.sigstore.json")
    found = signatures.verified(path.read_bytes(), claim(path), ReportSubject(BEACON))
    assert (found.proof, found.repo, len(found.sha)) == (Verification.VERIFIED, BEACON, 40)
    assert found.identity.startswith("https://github.com/sigstore-conformance/")
    assert found.signed_at is not None
    assert [link.verified for link in found.image.links] == [True]


def test_bundle_counts_only_for_its_own_repository_and_digest(signatures):
    (path,) = cases("happy-path-v0.3/bundle.sigstore.json")
    body, told = path.read_bytes(), claim(path)
    for about in (
        ReportSubject("github.com/acme/cart"),
        ReportSubject(""),
        ReportSubject(BEACON, digest="sha256:" + "0" * 64),
    ):
        found = signatures.verified(body, told, about)
        assert (found.proof, found.image.links) == (Verification.UNVERIFIABLE, ())
        assert found.reason


def test_provenance_of_the_slsa_generator_is_verified(signatures):
    (path,) = (CORPORA / "slsa-provenance").rglob("gha_go/v2.1.0/binary-linux-amd64-push-v14.intoto.jsonl")
    told = claim(path)
    found = signatures.verified(path.read_bytes(), told, ReportSubject(EXAMPLE, digest=told.subjects[0]))
    assert (found.proof, found.repo, found.sha[:8]) == (Verification.VERIFIED, EXAMPLE, "4d329c75")
    assert "slsa-github-generator" in found.identity


def test_envelope_without_a_certificate_stays_a_claim(signatures):
    (path,) = (CORPORA / "slsa-provenance").rglob("gha_go/v2.0.0/binary-linux-amd64-push-v14.intoto.jsonl")
    found = signatures.verified(path.read_bytes(), claim(path), ReportSubject(EXAMPLE))
    assert (found.proof, found.sha[:8]) == (Verification.CLAIMED, "693130cb")


def test_without_the_extra_nothing_is_verified_and_it_says_so(monkeypatch):
    (path,) = cases("happy-path-v0.3/bundle.sigstore.json")
    real = builtins.__import__

    def absent(name, *rest, **more):
        if name.startswith("sigstore"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    found = Signatures().verified(path.read_bytes(), claim(path), ReportSubject(BEACON))
    assert (found.proof, found.reason) == (Verification.UNVERIFIABLE, ABSENT)
