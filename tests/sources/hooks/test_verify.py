"""Only who knows the secret gets in, whatever else is tried; two secrets may be valid at once."""

import base64
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sources.hooks import PROVIDERS
from app.sources.hooks.verify import Signed, proven
from tests.sources.hooks.signing import secret_of, signed, standard

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
BODY = b'{"message":"Foo \\u001b \xe2\x99\xa5"}'
CORPORA = Path(os.environ.get("SHIPBOARD_CORPORA") or Path(__file__).parents[3] / ".." / "shared" / "corpora")
ALL = sorted(PROVIDERS)
HASHED = ["github", "bitbucket", "gitea", "buildkite", "circleci", "drone", "generic"]


def asked(
    provider: str,
    headers: Mapping[str, str | Sequence[str]],
    body: bytes = BODY,
    secrets: Sequence[str] | None = None,
    now: datetime = NOW,
) -> bool:
    lines = {name: [value] if isinstance(value, str) else list(value) for name, value in headers.items()}
    known = [secret_of(provider)] if secrets is None else secrets
    return proven(PROVIDERS[provider].schemes, Signed(lines, body, body), known, now)


@pytest.mark.parametrize("provider", ALL)
def test_signature_of_a_valid_secret_is_taken_and_of_no_other(provider) -> None:
    fine = signed(provider, secret_of(provider), BODY, NOW)
    other = "whsec_" + base64.b64encode(b"other key of 32 bytes is this one").decode()
    assert asked(provider, fine)
    assert asked(provider, fine, secrets=[other, secret_of(provider)]), "either of two secrets"
    assert not asked(provider, fine, secrets=[other])
    assert not asked(provider, fine, secrets=[])
    assert not asked(provider, fine, secrets=[""])
    assert not asked(provider, {})


@pytest.mark.parametrize("provider", HASHED)
def test_signature_is_over_the_bytes_that_came(provider) -> None:
    fine = signed(provider, secret_of(provider), BODY, NOW)
    assert not asked(provider, fine, body=BODY + b" ")
    assert not asked(provider, fine, body=json.dumps(json.loads(BODY)).encode())


@pytest.mark.parametrize("provider", ALL)
def test_doubled_cut_or_empty_header_proves_nothing(provider) -> None:
    fine = signed(provider, secret_of(provider), BODY, NOW)
    for name, value in fine.items():
        if "delivery" in name or "uuid" in name:
            continue
        for wrong in ([value, value], "", value[:-1], value + "é", value + "0", "sha256="):
            assert not asked(provider, {**fine, name: wrong}), (name, wrong)


@pytest.mark.parametrize("provider", ["buildkite", "drone", "generic"])
def test_signed_time_too_far_from_now_proves_nothing(provider) -> None:
    fine = signed(provider, secret_of(provider), BODY, NOW)
    for minutes in (-6, 6):
        assert not asked(provider, fine, now=NOW + timedelta(minutes=minutes))
    assert asked(provider, fine, now=NOW + timedelta(minutes=4))


def test_gitlab_signature_decides_where_it_is_there_and_a_token_does_not_replace_it() -> None:
    secret = secret_of("generic")
    good, token = standard(secret, BODY, NOW, "1"), {"x-gitlab-token": secret}
    assert asked("gitlab", good, secrets=[secret])
    assert asked("gitlab", token, secrets=[secret])
    bad = {**good, **token, "webhook-signature": "v1," + "A" * 43 + "="}
    assert not asked("gitlab", bad, secrets=[secret])


def test_standard_webhooks_take_any_signature_of_a_list() -> None:
    good = standard(secret_of("generic"), BODY, NOW, "1")
    odd = "v1a,zzz v1," + "A" * 43 + "= " + good["webhook-signature"]
    assert asked("generic", {**good, "webhook-signature": odd})


def test_secret_that_is_no_key_proves_nothing_and_raises_nothing() -> None:
    assert not asked("generic", standard(secret_of("generic"), BODY, NOW, "1"), secrets=["not base64 !"])


def test_token_is_taken_as_bearer_and_as_the_password_of_basic_credentials() -> None:
    secret = secret_of("azure")
    basic = base64.b64encode(f"anyone:{secret}".encode()).decode()
    assert asked("azure", {"authorization": f"Bearer {secret}"})
    assert asked("azure", {"authorization": f"basic {basic}"})
    assert not asked("azure", {"authorization": f"Basic {secret}"})
    assert not asked("azure", {"authorization": secret})


@pytest.mark.parametrize("provider", ALL)
@given(data=st.data())
def test_no_header_whatever_is_in_it_raises(provider, data) -> None:
    names = [scheme.header for scheme in PROVIDERS[provider].schemes]
    names += ["webhook-id", "webhook-timestamp", "date", "digest"]
    lines = st.lists(st.text(st.characters(max_codepoint=255), max_size=60), max_size=2)
    headers = data.draw(st.dictionaries(st.sampled_from(names), lines))
    assert not asked(provider, headers)


@pytest.mark.skipif(not CORPORA.is_dir(), reason="no corpora here")
def test_vendors_own_vectors_are_told_right() -> None:
    headers = {"github": "x-hub-signature-256", "bitbucket-server": "x-hub-signature"}
    seen = 0
    for path in sorted((CORPORA / "signature-vector").rglob("*.json")):
        vector = json.loads(path.read_bytes())
        provider, body = vector["provider"], vector["body"].encode()
        if provider in headers:
            lines = {headers[provider]: vector["header"]}
            name = provider.partition("-")[0]
            assert asked(name, lines, body, [vector["secret"]]) is vector["valid"], path
        elif provider == "standard-webhooks":
            clock = datetime.fromtimestamp(vector["clock"], UTC)
            fine = asked("generic", vector["headers"], body, [vector["secret"]], clock)
            assert fine is vector.get("valid", True), path
        else:
            continue
        seen += 1
    assert seen >= 4


def test_github_documented_vector_is_proven() -> None:
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    secret = "It's a Secret to Everybody"
    assert asked("github", {"x-hub-signature-256": signature}, b"Hello, World!", [secret])
