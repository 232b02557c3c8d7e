"""What about images is not as it should be: asked for many at once, from the database.

Of the tags of an image those that move, name no commit, or were seen with other bytes; of its bytes whether their
commit gave others as well, and whether the policy wants more of them: a signature, a scan without worse findings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import artifacts
from app.domain.artifacts import Alias, AliasKind, Flag, Known, Link, Trust, same_image
from app.domain.names import ImageRef
from app.domain.repositories import full_digest
from app.domain.signing import SigningRule, wants_signature
from app.store.ci_tables import ARTIFACT, COMMIT, REPORTED
from app.store.report_tables import ALIAS, LINK, REPORT, SCAN, SIGNATURE, TAG

_MAX = 500
AT_ONCE = 40
"""Images that are asked for together."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings want of images: `rules` say who signs, `threshold` which severity a scan may not find
    (empty: any)."""

    rules: tuple[SigningRule, ...] = ()
    threshold: str = ""


NO_POLICY = Policy()


@dataclass(frozen=True, slots=True)
class ImageQuery:
    """Images to be looked at: the references asked for, the digests that are there, their repository (empty: not
    known), and the environment they run in (empty: none in particular)."""

    images: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    repo: str = ""
    environment: str = ""


async def of_images(
    connection: AsyncConnection, asked: Mapping[str, ImageQuery], policy: Policy = NO_POLICY
) -> dict[str, tuple[Flag, ...]]:
    """What is to be said of each of `asked`, by its key."""
    found: dict[str, tuple[Flag, ...]] = {}
    keys = list(asked)
    told = bool(keys) and await connection.scalar(_TOLD)
    for start in range(0, len(keys), AT_ONCE):
        some = {key: asked[key] for key in keys[start : start + AT_ONCE]}
        around = await _around(connection, some, policy) if told else _NOTHING
        found |= {key: tuple(_flags(one, around, policy)) for key, one in some.items()}
    return found


@dataclass(frozen=True, slots=True)
class _Around:
    """Rows that concern some images: digests by tag, names by digest, what is verified and why something is not,
    findings of the newest scan, and the digest that CI deployed last."""

    links: Sequence[Link]
    aliases: Sequence[Alias]
    tagged: Mapping[tuple[str, str], set[str]]
    names: Mapping[str, set[str]]
    verified: set[str]
    unproven: Mapping[str, str]
    scans: Mapping[str, Mapping[str, int]]
    deployed: Mapping[tuple[str, str], str]


_NOTHING = _Around((), (), {}, {}, set(), {}, {}, {})
_TOLD = select(
    or_(
        *(
            exists(select(key))
            for key in (
                TAG.c.digest,
                ALIAS.c.digest,
                LINK.c.digest,
                ARTIFACT.c.digest,
                SIGNATURE.c.subject,
                REPORT.c.id,
                REPORTED.c.id,
            )
        )
    )
)
"""Whether anybody told anything of any image."""


def _flags(one: ImageQuery, around: _Around, policy: Policy) -> Iterable[Flag]:
    found: dict[str, Flag] = {}

    def add(*flags: Flag | None) -> None:
        found.update({flag.message: flag for flag in flags if flag is not None})

    running = _digests(one)
    same = {name for digest in running for name in same_image(digest, around.aliases)}
    for ref in map(ImageRef.parse, one.images):
        add(*artifacts.tag_flags(ref))
        seen = {d for name in called(ref.repository) for d in around.tagged.get((name, ref.tag), ())}
        add(artifacts.retagged(ref, seen, around.aliases))
    if one.environment and (deployed := around.deployed.get((one.repo, one.environment.lower()))):
        add(artifacts.disagree(deployed, running, around.aliases))
    # A repository may build several images; only those of one name are the same thing built twice.
    mine = {name for digest in same for name in around.names.get(digest, ())}
    links = [
        link for link in around.links if link.digest in same or mine & around.names.get(link.digest, set())
    ]
    for digest in running:
        add(artifacts.divergent(digest, links, around.aliases))
    wanted = bool(running) and wants_signature(one.repo, policy.rules)
    why = next((around.unproven[name] for name in sorted(same) if name in around.unproven), "")
    add(artifacts.unsigned(wanted, bool(same & around.verified), why))
    for name in sorted(same):
        add(artifacts.above(policy.threshold, around.scans.get(name, {})))
    return found.values()


def called(repository: str) -> tuple[str, ...]:
    """What a repository is called: with its registry, and as registries call it themselves, without."""
    host, _, rest = repository.partition("/")
    return (repository, rest) if rest and ("." in host or ":" in host) else (repository,)


def _digests(one: ImageQuery) -> list[str]:
    own = (full_digest(ImageRef.parse(image).digest) for image in one.images)
    return list(dict.fromkeys([*one.digests, *(digest for digest in own if digest)]))


async def _around(connection: AsyncConnection, asked: Mapping[str, ImageQuery], policy: Policy) -> _Around:
    running = {digest for one in asked.values() for digest in _digests(one)}
    refs = {
        (name, ref.tag)
        for one in asked.values()
        for ref in map(ImageRef.parse, one.images)
        for name in called(ref.repository)
        if ref.tag
    }
    told = await known(connection, running)
    tagged = await _tagged(connection, refs)
    shas = sorted({link.sha for link in told.links})[:_MAX]
    rows = await connection.execute(select(LINK).where(LINK.c.sha.in_(shas)).limit(5 * _MAX)) if shas else ()
    links = [*told.links, *(Link(row.digest, row.sha, row.repo, Trust(row.trust)) for row in rows)]
    deployed = await _deployed(connection, asked.values())
    others = {digest for some in tagged.values() for digest in some} | {link.digest for link in links}
    others |= set(deployed.values())
    aliases = [*told.aliases]
    if others - running:
        aliases += (await known(connection, others - running)).aliases
    every = sorted({name for digest in running for name in same_image(digest, aliases)})[: 2 * _MAX]
    names = await _names(connection, {*every, *(link.digest for link in links)})
    verified, unproven = await _proofs(connection, every)
    scans = await _scans(connection, every) if policy.threshold else {}
    return _Around(links, aliases, tagged, names, verified, unproven, scans, deployed)


async def _tagged(
    connection: AsyncConnection, refs: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], set[str]]:
    wanted = set(refs)
    query = select(TAG.c.name, TAG.c.tag, TAG.c.digest).where(
        TAG.c.name.in_(sorted({name for name, _ in wanted})),
        TAG.c.tag.in_(sorted({tag for _, tag in wanted})),
    )
    found: dict[tuple[str, str], set[str]] = {}
    for row in await connection.execute(query.order_by(TAG.c.at.desc()).limit(5 * _MAX)) if wanted else ():
        if (row.name, row.tag) in wanted:
            found.setdefault((row.name, row.tag), set()).add(row.digest)
    return found


async def _names(connection: AsyncConnection, digests: Iterable[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    some = sorted(set(digests))[: 5 * _MAX]
    for start in range(0, len(some), _MAX):
        query = select(TAG.c.digest, TAG.c.name).where(TAG.c.digest.in_(some[start : start + _MAX]))
        for row in await connection.execute(query.distinct().limit(5 * _MAX)):
            found.setdefault(row.digest, set()).add(row.name)
    return found


async def _proofs(connection: AsyncConnection, digests: Sequence[str]) -> tuple[set[str], dict[str, str]]:
    """Digests with a verified signature, and of the others why theirs is none."""
    query = select(SIGNATURE.c.subject, SIGNATURE.c.proof, SIGNATURE.c.reason)
    rows = (await connection.execute(query.where(SIGNATURE.c.subject.in_(digests)).limit(5 * _MAX))).all()
    verified = {row.subject for row in rows if row.proof == "verified"}
    return verified, {row.subject: row.reason for row in rows if row.subject not in verified and row.reason}


async def _scans(connection: AsyncConnection, digests: Sequence[str]) -> dict[str, Mapping[str, int]]:
    """How many findings of each severity the newest scan of each digest has; a bill of materials is no scan."""
    words = ("critical", "high", "medium", "low")
    query = (
        select(REPORT.c.digest, *(SCAN.c[word] for word in words))
        .join(SCAN, SCAN.c.id == REPORT.c.id)
        .where(REPORT.c.digest.in_(digests), SCAN.c.components.is_(None), SCAN.c.failed == "")
        .order_by(REPORT.c.received_at.desc())
        .limit(5 * _MAX)
    )
    found: dict[str, Mapping[str, int]] = {}
    for row in await connection.execute(query):
        found.setdefault(row.digest, {word: getattr(row, word) for word in words})
    return found


async def _deployed(connection: AsyncConnection, asked: Iterable[ImageQuery]) -> dict[tuple[str, str], str]:
    """The digest that CI says it deployed last with success, by repository and environment."""
    repos = sorted({one.repo for one in asked if one.environment and one.repo})
    if not repos:
        return {}
    query = (
        select(REPORTED.c.repo, func.lower(REPORTED.c.environment).label("environment"), REPORTED.c.digest)
        .where(REPORTED.c.repo.in_(repos), REPORTED.c.outcome == "success", REPORTED.c.digest.is_not(None))
        .order_by(REPORTED.c.at.desc())
        .limit(_MAX)
    )
    found: dict[tuple[str, str], str] = {}
    for row in await connection.execute(query):
        found.setdefault((row.repo, row.environment or ""), row.digest)
    return found


async def known(connection: AsyncConnection, digests: Iterable[str], tags: Iterable[str] = ()) -> Known:
    """What is known of the images with `digests` and of commits that `tags` may name, for `commit_of`."""
    names = sorted({digest for digest in digests if digest})[:_MAX]
    aliases: dict[tuple[str, str], Alias] = {}
    for _ in range(3):  # config to manifest, manifest to index, index to its other manifests
        query = select(ALIAS).where(ALIAS.c.digest.in_(names) | ALIAS.c.of.in_(names)).limit(5 * _MAX)
        for row in await connection.execute(query):
            aliases[row.digest, row.of] = Alias(row.digest, AliasKind(row.kind), row.of)
        more = sorted({*names, *(name for pair in aliases for name in pair)})[: 2 * _MAX]
        if more == names:
            break
        names = more
    links = [
        Link(row.digest, row.sha, row.repo, Trust(row.trust), row.said, row.verified)
        for row in await connection.execute(select(LINK).where(LINK.c.digest.in_(names)).limit(5 * _MAX))
    ]
    told = {(link.digest, link.sha) for link in links}
    built = select(ARTIFACT.c.digest, ARTIFACT.c.sha, ARTIFACT.c.repo).where(
        ARTIFACT.c.digest.in_(names), ARTIFACT.c.sha.is_not(None)
    )
    links += [
        Link(row.digest, row.sha, row.repo or "", Trust.BUILD)
        for row in await connection.execute(built)
        if (row.digest, row.sha) not in told
    ]
    commits: list[tuple[str, str]] = []
    for digits in sorted({found for tag in tags for found in artifacts.digits(tag)})[:100]:
        begins = (COMMIT.c.sha >= digits, COMMIT.c.sha <= digits + "g")
        fits = select(COMMIT.c.repo, COMMIT.c.sha).where(*begins).limit(3)
        commits += [(row.repo, row.sha) for row in await connection.execute(fits)]
    return Known(tuple(links), tuple(aliases.values()), tuple(commits))
