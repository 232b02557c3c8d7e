"""Signatures by keys count only where the settings trust the key for the repository, whole and about that digest."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.cli.personas import signing
from app.demo.ci_signing import STRANGER, UNSIGNED, Signing
from app.domain.reports import Attestation, ReportSubject, Verification
from app.domain.signing import Signer, SigningKey, SigningRule, may_sign
from app.sources import reports
from app.sources.signatures import Signatures

REPO, SHA = "github.com/acme/cart", "1234567" + "a" * 33
DIGEST, OTHER = "sha256:" + "d" * 64, "sha256:" + "e" * 64
ABOUT = ReportSubject(REPO, digest=DIGEST)
P256, P384 = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
RSA, EDWARDS = rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()
SIGN: dict[str, tuple[Any, Callable[[bytes], bytes]]] = {
    "p256": (P256, lambda text: P256.sign(text, ec.ECDSA(SHA256()))),
    "p384": (P384, lambda text: P384.sign(text, ec.ECDSA(SHA384()))),
    "rsa": (RSA, lambda text: RSA.sign(text, padding.PKCS1v15(), SHA256())),
    "ed25519": (EDWARDS, EDWARDS.sign),
}
IN_TOTO = "application/vnd.in-toto+json"


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def pem(key: Any) -> str:
    found: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return found.decode()


def rules(*names: str) -> list[SigningRule]:
    keys = tuple(SigningKey(name, pem(SIGN[name][0])) for name in names)
    return [SigningRule("github.com/acme/*", keys=keys)]


def statement(digest: str = DIGEST, repo: str = REPO) -> bytes:
    source = {"uri": f"git+https://{repo}@refs/heads/main", "digest": {"gitCommit": SHA}}
    tree = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "cart", "digest": {"sha256": digest[7:]}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {"buildDefinition": {"resolvedDependencies": [source]}},
    }
    return json.dumps(tree).encode()


def dsse(name: str, payload: bytes, kind: str = IN_TOTO) -> dict[str, Any]:
    said = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
    signatures = [{"keyid": "", "sig": b64(b"no")}, {"sig": b64(SIGN[name][1](said))}]
    return {"payloadType": kind, "payload": b64(payload), "signatures": signatures}


def bundle(**content: Any) -> dict[str, Any]:
    media = "application/vnd.dev.sigstore.bundle.v0.3+json"
    return {"mediaType": media, "verificationMaterial": {"publicKey": {"hint": "x"}}, **content}


def simple(name: str, digest: str = DIGEST) -> dict[str, Any]:
    image = {"image": {"docker-manifest-digest": digest}, "type": "cosign container image signature"}
    payload = json.dumps({"critical": image, "optional": None}).encode()
    return {"Base64Signature": b64(SIGN[name][1](payload)), "Payload": b64(payload), "Cert": None}


def message(digest: str = DIGEST) -> dict[str, Any]:
    raw = bytes.fromhex(digest[7:])
    signature = P256.sign(raw, ec.ECDSA(utils.Prehashed(SHA256())))
    about = {"algorithm": "SHA2_256", "digest": b64(raw)}
    return bundle(messageSignature={"messageDigest": about, "signature": b64(signature)})


def judged(
    tree: dict[str, Any], some: list[SigningRule], about: ReportSubject = ABOUT, kind: str = "attestation"
) -> Attestation:
    body = json.dumps(tree).encode()
    _, claim = reports.read(kind, body)
    assert isinstance(claim, Attestation)
    return Signatures(some).verified(body, claim, about)


@pytest.mark.parametrize("name", SIGN)
def test_signature_by_a_trusted_key_is_verified_and_names_the_key(name):
    told = [dsse(name, statement()), bundle(dsseEnvelope=dsse(name, statement())), simple(name)]
    for tree in (*told, *([message()] if name == "p256" else [])):
        found = judged(tree, rules("p384" if name != "p384" else "p256", name), kind="auto")
        assert (found.proof, found.identity, found.reason) == (Verification.VERIFIED, f"key {name}", ""), tree
    found = judged(told[0], rules(name))
    assert [(link.sha, link.repo, link.verified) for link in found.image.links] == [(SHA, REPO, True)]


def altered(tree: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**tree, **changes}


GOOD = dsse("p256", statement())
FORGED = altered(GOOD, payload=b64(statement(OTHER)))
WRONG: list[tuple[dict[str, Any], list[SigningRule], ReportSubject, str]] = [
    (GOOD, rules("rsa", "ed25519"), ABOUT, "None of the keys trusted for github.com/acme/cart"),
    (altered(GOOD, payload=b64(statement(OTHER))), rules("p256"), ReportSubject(REPO), "altered since"),
    (altered(GOOD, signatures=GOOD["signatures"][:1]), rules("p256"), ABOUT, "None of the keys"),
    (altered(simple("p256"), Payload=simple("p256", OTHER)["Payload"]), rules("p256"), ABOUT, "None of"),
    (bundle(dsseEnvelope=altered(GOOD, payload=b64(statement(OTHER)))), rules("p256"), ABOUT, "None of"),
    (message(), rules("p384", "ed25519"), ABOUT, "None of the keys"),
    (GOOD, rules("p256"), ReportSubject(REPO, digest=OTHER), "about another digest"),
    (simple("p256", OTHER), rules("p256"), ABOUT, "about another digest"),
    (dsse("p256", statement(repo="github.com/acme/other")), rules("p256"), ABOUT, "github.com/acme/other"),
]


@pytest.mark.parametrize(("tree", "some", "about", "why"), WRONG)
def test_wrong_key_altered_payload_or_another_subject_proves_nothing_and_says_so(tree, some, about, why):
    found = judged(tree, some, about)
    assert (found.proof, found.image.links) == (Verification.UNVERIFIABLE, ())
    assert why in found.reason


def test_key_counts_only_for_the_repositories_it_is_trusted_for():
    mine = [replace(rules("p256")[0], repository="github.com/acme/mail"), *rules("rsa")]
    assert judged(GOOD, mine).proof is Verification.UNVERIFIABLE
    for some, about in (([], ABOUT), (rules("p256"), ReportSubject("github.com/evil/cart", digest=DIGEST))):
        found = judged(GOOD, some, about)
        assert found.proof is Verification.CLAIMED
        assert "trust none for" in found.reason
    assert judged(GOOD, rules("p256"), ReportSubject()).repo == REPO  # the statement itself says which
    unsigned = judged(json.loads(statement()), rules("p256"))
    assert (unsigned.proof, unsigned.reason) == (
        Verification.CLAIMED,
        "Nobody signed it, so it is only a claim.",
    )


def test_where_a_key_is_wanted_a_certificate_does_not_do():
    own = Signer("https://token.actions.githubusercontent.com", "https://x", REPO)
    assert "signature of a key" in may_sign(own, REPO, rules("p256"))
    assert may_sign(own, REPO, [SigningRule("github.com/acme/*")]) == ""


@pytest.mark.parametrize(
    ("tree", "why"),
    [
        ({"Base64Signature": "", "Payload": b64(b"{}")}, "another"),
        ({"Base64Signature": "", "Payload": 7}, "not base64"),
        (
            {**simple("p256"), "Payload": b64(b'{"critical":{"type":"atomic container signature"}}')},
            "no image",
        ),
        (dsse("p256", json.dumps({**json.loads(statement()), "subject": []}).encode()), "no subject"),
        (dsse("p256", b"x", "text/plain"), "no in-toto statement"),
        (bundle(dsseEnvelope=FORGED, messageSignature=message()["messageSignature"]), "two things at once"),
        ({**simple("p256", OTHER), **FORGED}, "two things at once"),
        ({**GOOD, **json.loads(statement(OTHER))}, "two things at once"),
    ],
)
def test_signature_of_no_image_is_refused_in_words(tree, why):
    with pytest.raises(reports.Refused, match=why):
        reports.read("attestation", json.dumps(tree).encode())


@pytest.mark.parametrize("odd", [None, 7, [], "", "====", "ä", {"sig": 1}, [{"sig": []}, None]])
def test_signatures_of_any_shape_prove_nothing(odd):
    for tree in (
        altered(GOOD, signatures=odd),
        altered(simple("p256"), Base64Signature=odd),
        bundle(dsseEnvelope=altered(GOOD, signatures=odd)),
    ):
        assert judged(tree, rules("p256")).proof is not Verification.VERIFIED


def test_images_of_the_demo_are_verified_by_its_key_but_for_two():
    secret, some = signing()
    sign = Signing(secret)
    for service, proof in (
        ("cart", Verification.VERIFIED),
        (STRANGER, Verification.UNVERIFIABLE),
        (UNSIGNED, Verification.CLAIMED),
    ):
        repo = f"github.com/acme/{service}"
        tree = json.loads(sign(service, statement(repo=repo)))
        found = judged(tree, list(some), ReportSubject(repo, digest=DIGEST))
        assert (found.proof, "demo-ci" in found.identity) == (proof, proof is Verification.VERIFIED)
