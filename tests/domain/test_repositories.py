"""A repository has one name however it is written, and is some service's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.repositories import Ships, full_digest, full_sha, repo_key, services_of, within


@pytest.mark.parametrize(
    "address",
    [
        "git@Git.example.org:Acme/Cart.git",
        "ssh://git@git.example.org:2222/acme/cart",
        "https://user:token@git.example.org/acme/cart.git",
        "https://git.example.org/acme/cart/",
        "git.example.org/acme/cart",
        "git://git.example.org/acme/cart.git",
    ],
)
def test_repo_key_is_one_for_every_way_to_write_it(address: str) -> None:
    assert repo_key(address) == "git.example.org/acme/cart"


def test_repo_key_keeps_every_part_of_the_path() -> None:
    assert repo_key("https://gitlab.example.org/a/b/c/d.git") == "gitlab.example.org/a/b/c/d"


@pytest.mark.parametrize(
    "address", ["", "cart", "https://", "https://[", "a b/c", "https://h/", "x" * 400 + "/a"]
)
def test_repo_key_of_what_names_none_is_empty(address: str) -> None:
    assert repo_key(address) == ""


@given(st.text(max_size=40), st.text(alphabet="abcxyz", min_size=8, max_size=12))
def test_repo_key_never_raises_and_drops_credentials(text: str, secret: str) -> None:
    repo_key(text)
    assert secret not in repo_key(f"https://user:{secret}@host/acme/cart?token={secret}#x")


def test_full_sha_takes_whole_ids_only() -> None:
    assert full_sha("A" * 40) == "a" * 40
    assert full_sha("b" * 64) == "b" * 64
    assert [full_sha(text) for text in ("0" * 40, "abc1234", "", None, 4, "g" * 40)] == [None] * 6


def test_full_digest_takes_whole_digests_only() -> None:
    assert full_digest("sha256:" + "a" * 64)
    assert [full_digest(text) for text in ("sha256:abc", "latest", None)] == [None] * 3


def test_services_are_those_of_the_first_rule_that_fits_else_the_last_part_of_the_path() -> None:
    rules = [
        Ships("github.com/acme/mono", ("cart",), "cart*"),
        Ships("github.com/acme/mono", ("a", "b")),
    ]
    assert services_of("github.com/acme/mono", "Cart CI", rules) == ("cart",)
    assert services_of("github.com/acme/mono", "nightly", rules) == ("a", "b")
    assert services_of("github.com/acme/pricing", "CI", rules) == ("pricing",)


def test_scope_holds_what_its_globs_say_and_no_repository_is_within_none() -> None:
    assert within("github.com/acme/cart", ["github.com/Acme/*"])
    assert not within("github.com/other/cart", ["github.com/acme/*"])
    assert not within("", ["*"])
