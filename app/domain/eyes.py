"""Four eyes: whether somebody who wants to approve is one of those who wrote, committed or started it.

The question is asked generously: an address that could be theirs counts as theirs, since a wrong "yes, the same" only
costs another pair of eyes. E-mail never gives anybody a right here; it can only take one away.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

from .evidence import Person
from .people import Principal

_NOREPLY = ("users.noreply.github.com", "noreply.github.com", "users.noreply.gitlab.com")


def involved(
    who: Principal, people: Iterable[Person], aliases: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """The parts that `who` had ("author", "starter"), each once; `aliases` are other names and addresses of an identity
    ("issuer|subject", or "issuer:subject" as settings write it)."""
    mine = _marks(who.email, who.name, who.subject)
    for key in (who.identity, f"{who.issuer}:{who.subject}"):
        for alias in aliases.get(key, ()):
            mine |= _marks(alias, alias)
    return tuple(
        dict.fromkeys(p.part for p in people if p.identity == who.identity or mine & _marks(p.email, p.name))
    )


def resolved(person: Person, aliases: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether it is known for sure which identity `person` is. An address alone could be anybody's."""
    if person.identity:
        return True
    mine = _marks(person.email)
    return bool(mine) and any(mine & _marks(alias) for known in aliases.values() for alias in known)


def _marks(email: str, *names: str) -> frozenset[str]:
    """All that could name the same person: the address without case and tag, a forge's login, names without case."""
    found = {_folded(name) for name in names}
    local, at, domain = _folded(email).rpartition("@")
    if at:
        local = local.partition("+")[0] if domain not in _NOREPLY else local.rpartition("+")[2]
        found |= {local} if domain in _NOREPLY else {f"{local}@{domain}"}
        if domain in ("gmail.com", "googlemail.com"):
            found.add(f"{local.replace('.', '')}@gmail.com")
    return frozenset(found - {""})


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().casefold()
