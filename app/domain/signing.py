"""Who may sign what: rules of the configuration against whom a certificate names. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .names import cut
from .repositories import within


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key that is trusted, by the name it is told by: `pem` as text, read from `file` (empty: from the
    settings themselves)."""

    name: str
    pem: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class SigningRule:
    """Who may sign what is made from repositories like `repository` (glob of repository keys): certificates of
    `issuer` whose subject fits the glob `signer`, and whoever has one of `keys`. `wanted`: an image without such a
    signature is flagged."""

    repository: str
    issuer: str = ""
    signer: str = "*"
    wanted: bool = False
    keys: tuple[SigningKey, ...] = ()


FORGES: Mapping[str, str] = {
    "https://token.actions.githubusercontent.com": "github.com/",
    "https://gitlab.com": "gitlab.com/",
}
"""Issuers that vouch for repositories of one host, and of no other."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Whom a certificate names: its issuer, its subject, and the repository and commit its build ran for."""

    issuer: str
    subject: str
    repo: str = ""
    sha: str = ""


def may_sign(signer: Signer, repo: str, rules: Iterable[SigningRule]) -> str:
    """Why `signer` may not sign for the repository `repo`; empty when it may.

    The first rule for the repository decides. Without one, only the repository's own CI may.
    """
    rule = _rule(repo, rules)
    if rule is not None and (rule.issuer or rule.signer != "*"):
        if rule.issuer and signer.issuer != rule.issuer:
            return f"Its issuer is {cut(signer.issuer, 100)}, and the policy wants {cut(rule.issuer, 100)}."
        if not fnmatchcase(signer.subject, rule.signer):
            return f"{cut(signer.subject, 200)} is not whom the policy lets sign."
        # Everybody has an account with a public issuer, so that alone says nothing.
        if rule.signer != "*" or signer.repo == repo:
            return ""
        return f"It was signed for {cut(signer.repo, 200) or 'no repository'}, and not for {cut(repo, 200)}."
    if rule is not None and rule.keys:
        return "The policy wants the signature of a key, and not a certificate."
    host = FORGES.get(signer.issuer)
    if host is None or not signer.repo.startswith(host):
        return f"No rule says that {cut(signer.subject or signer.issuer, 200)} may sign."
    if not repo:
        return "The upload does not say which repository it is for, so nobody knows who may sign."
    if signer.repo != repo:
        return f"It was signed for {cut(signer.repo, 200)}, and not for {cut(repo, 200)}."
    return ""


def trusted_keys(repo: str, rules: Iterable[SigningRule]) -> tuple[SigningKey, ...]:
    """The keys that may sign for the repository `repo`, by the first rule for it."""
    rule = _rule(repo, rules)
    return rule.keys if rule else ()


def wants_signature(repo: str, rules: Iterable[SigningRule]) -> bool:
    """Whether the policy wants images of `repo` signed."""
    rule = _rule(repo, rules)
    return rule is not None and rule.wanted


def _rule(repo: str, rules: Iterable[SigningRule]) -> SigningRule | None:
    return next((rule for rule in rules if within(repo, (rule.repository,))), None)
