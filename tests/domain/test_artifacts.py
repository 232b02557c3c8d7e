"""Which commit an image is of: the most trusted source answers and is named; flags say what is not as it should be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.artifacts import (
    Alias,
    AliasKind,
    FlagKind,
    Known,
    Link,
    Trust,
    above,
    commit_of,
    disagree,
    divergent,
    image_digest,
    of_tag,
    retagged,
    same_image,
    tag_flags,
    unsigned,
)
from app.domain.names import ImageRef
from app.domain.signing import Signer, SigningRule, may_sign, wants_signature

REPO = "github.com/acme/cart"
A, B, C, D = (f"sha256:{letter * 64}" for letter in "abcd")
SHA, OTHER = "1234567" + "a" * 33, "7654321" + "b" * 33
ALIASES = (Alias(B, AliasKind.CONFIG, A), Alias(C, AliasKind.MANIFEST, A))


@pytest.mark.parametrize(
    ("told", "want"),
    [
        (f"docker-pullable://h/r@{A}", A),
        (f"docker://{A}", A),
        (f"h:5000/r@{A}", A),
        (A, A),
        ("", ""),
        ("some-image-id", ""),
        ("h/r@sha256:abc", ""),
    ],
)
def test_image_digest_is_read_from_every_form_that_runtimes_write(told, want):
    assert image_digest(told) == want


def test_commit_comes_from_the_most_trusted_source_and_names_it():
    links = [Link(A, f"{trust:x}" * 40, REPO, trust) for trust in reversed(Trust)]
    for place, trust in enumerate(Trust):
        found = commit_of("", ["h/r:1"], [A], Known(links[: len(links) - place]))
        assert found is not None
        assert (found.trust, found.sha) == (trust, f"{trust:x}" * 40)
        assert len(found.others) == len(Trust) - place - 1
        assert found.said


def test_verified_link_outweighs_a_claim_of_the_same_trust():
    links = [Link(A, SHA, REPO, Trust.PROVENANCE), Link(A, OTHER, REPO, Trust.PROVENANCE, verified=True)]
    found = commit_of("", [], [A], Known(links))
    assert found is not None
    assert (found.sha, found.verified, found.others) == (OTHER, True, (SHA,))


@pytest.mark.parametrize("running", [A, B, C])
def test_commit_is_found_by_index_manifest_and_config(running):
    found = commit_of("", [], [running], Known([Link(A, SHA, REPO, Trust.BUILD)], ALIASES))
    assert found is not None
    assert found.sha == SHA


@pytest.mark.parametrize(
    "tag", [SHA, SHA[:12], SHA[:7], f"main-{SHA[:7]}", f"sha-{SHA[:7]}", f"1.2.3-g{SHA[:8]}"]
)
def test_commit_of_a_tag_that_names_one(tag):
    found = commit_of(tag, [f"h/r:{tag}"], [], Known(commits=[(REPO, SHA), (REPO, OTHER)]))
    assert found is not None
    assert (found.sha, found.trust) == (SHA, Trust.TAG)
    assert tag in found.said


def test_tag_is_no_commit_when_unknown_or_two_commits_begin_so():
    twin = SHA[:-1] + "f"
    assert of_tag(SHA[:7], Known(commits=[(REPO, SHA), (REPO, twin)])) is None
    assert of_tag("deadbee", Known(commits=[(REPO, SHA)])) is None
    assert of_tag("v1.2.3", Known()) is None


def test_version_is_resolved_by_the_git_tag_of_that_name():
    found = commit_of("1.2.3", ["h/r:1.2.3"], [], Known(tagged={"v1.2.3": (REPO, SHA)}))
    assert found is not None
    assert (found.sha, found.said) == (SHA, "Git tag v1.2.3")


@pytest.mark.parametrize(
    ("image", "want"),
    [
        ("h/r:latest", {FlagKind.FLOATING, FlagKind.NO_SHA}),
        ("h/r", {FlagKind.FLOATING, FlagKind.NO_SHA}),
        ("h/r:1.2", {FlagKind.FLOATING, FlagKind.NO_SHA}),
        ("h/r:main", {FlagKind.FLOATING, FlagKind.NO_SHA}),
        ("h/r:1.2.3", {FlagKind.NO_SHA}),
        ("h/r:20261125", {FlagKind.NO_SHA}),
        (f"h/r:main-{SHA[:6]}f", set()),
        (f"h/r:1.2.3-g{'a1b2c3d'}", set()),
        (f"h/r@{A}", set()),
        (f"h/r:latest@{A}", {FlagKind.NO_SHA}),
    ],
)
def test_tag_flags(image, want):
    assert {flag.kind for flag in tag_flags(ImageRef.parse(image))} == want


def test_tag_with_other_bytes_is_flagged_unless_they_are_one_image():
    tag = ImageRef("h/r", "1.2.3")
    assert retagged(tag, [A, B, C], ALIASES) is None
    flag = retagged(tag, [A, B, D], ALIASES)
    assert flag is not None
    assert "2 images" in flag.message


def test_deployed_and_running_disagree_only_about_different_images():
    assert disagree(A, [C], ALIASES) is None
    assert disagree("", [C]) is None
    assert disagree(A, []) is None
    flag = disagree(A, [D], ALIASES)
    assert flag is not None
    assert flag.kind is FlagKind.DISAGREES


def test_two_images_of_one_commit_are_not_reproducible():
    links = [Link(A, SHA, REPO, Trust.BUILD), Link(B, SHA, REPO, Trust.LABEL)]
    assert divergent(A, links, ALIASES) is None
    assert divergent(A, [*links, Link(D, OTHER, REPO, Trust.BUILD)], ALIASES) is None
    flag = divergent(A, [*links, Link(D, SHA, REPO, Trust.BUILD)], ALIASES)
    assert flag is not None
    assert flag.kind is FlagKind.DIVERGENT


def test_scan_is_flagged_from_its_threshold_up():
    counts = {"critical": 0, "high": 2, "medium": 9}
    assert above("critical", counts) is None
    flag = above("high", counts)
    assert flag is not None
    assert flag.message == "The scan found 2 high."
    assert above("", counts) is None


def test_unsigned_is_flagged_only_where_the_policy_wants_a_signature():
    rules = [SigningRule("github.com/acme/*", wanted=True)]
    assert unsigned(wants_signature("github.com/other/x", rules), verified=False) is None
    assert unsigned(wants_signature(REPO, rules), verified=True) is None
    assert unsigned(wants_signature(REPO, rules), verified=False) is not None


GITHUB = "https://token.actions.githubusercontent.com"


@pytest.mark.parametrize(
    ("signer", "rules", "may"),
    [
        (Signer(GITHUB, "x", REPO), [], True),
        (Signer(GITHUB, "x", "github.com/evil/cart"), [], False),
        (Signer("https://gitlab.com", "x", REPO), [], False),
        (Signer("https://accounts.example.org", "me@example.org"), [], False),
        (Signer(GITHUB, "x", "github.com/evil/cart"), [SigningRule("*", GITHUB)], False),
        (Signer(GITHUB, "x", REPO), [SigningRule("*", GITHUB)], True),
        (Signer("https://i", "bot@acme.example"), [SigningRule("*", "https://i", "*@acme.example")], True),
        (Signer("https://j", "bot@acme.example"), [SigningRule("*", "https://i", "*@acme.example")], False),
        (Signer("https://i", "bot@evil.example"), [SigningRule("*", "https://i", "*@acme.example")], False),
    ],
)
def test_only_the_repositorys_own_ci_or_whom_a_rule_names_may_sign(signer, rules, may):
    assert (may_sign(signer, REPO, rules) == "") is may


def test_nobody_may_sign_for_a_repository_that_is_not_told():
    assert may_sign(Signer(GITHUB, "x", REPO), "", [])


@given(st.lists(st.tuples(st.sampled_from([A, B, C, D]), st.sampled_from([A, B, C, D])), max_size=8))
def test_being_the_same_image_is_an_equivalence(pairs):
    aliases = [Alias(left, AliasKind.INDEX, right) for left, right in pairs]
    for digest in (A, B, C, D):
        names = same_image(digest, aliases)
        assert digest in names
        assert all(same_image(name, aliases) == names for name in names)
