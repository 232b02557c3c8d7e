"""Which commit an image is of, by which source, and what about it is not as it should be; from the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import artifacts
from app.domain.artifacts import TRUST_WORDS, Alias, AliasKind, Flag, Known, Link, Origin, Trust, commit_of
from app.domain.names import ImageRef
from app.domain.repositories import full_digest
from app.domain.signing import SigningRule, wants_signature
from app.store.ci_tables import ARTIFACT, COMMIT, REPORTED, RUN
from app.store.report_tables import ALIAS, LINK, REPORT, SIGNATURE, TAG

from . import reports
from .reports import ReportLine, SignatureLine

_MAX = 500


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings want of images: `rules` say who signs, `threshold` which severity a scan may not find
    (empty: any)."""

    rules: tuple[SigningRule, ...] = ()
    threshold: str = ""


NO_POLICY = Policy()


@dataclass(frozen=True, slots=True)
class Running:
    """What runs somewhere: the version people say, the image references asked for, the digests of its pods."""

    version: str = ""
    images: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LinkLine:
    """One source's word on the commit: "label of the image", "provenance", "result of the build"."""

    sha: str
    repo: str
    source: str
    said: str
    verified: bool


@dataclass(frozen=True, slots=True)
class TagLine:
    """A tag that was seen with the image."""

    name: str
    tag: str
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class DeployedLine:
    """Where CI says that it deployed the image."""

    environment: str | None
    repo: str
    at: datetime
    outcome: str | None


@dataclass(frozen=True, slots=True)
class ArtifactShown:
    """An image by digest. `sha` is its commit by the most trusted source (`source`, `said`), null where nothing
    tells; `others` are commits that other sources name; `names` its other digests."""

    digest: str
    names: tuple[str, ...]
    sha: str | None
    repo: str
    source: str
    said: str
    verified: bool
    others: tuple[str, ...]
    flags: tuple[Flag, ...]
    tags: tuple[TagLine, ...]
    links: tuple[LinkLine, ...]
    signatures: tuple[SignatureLine, ...]
    reports: tuple[ReportLine, ...]
    deployed: tuple[DeployedLine, ...]


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


async def origins(connection: AsyncConnection, asked: Mapping[str, Running]) -> dict[str, Origin]:
    """The commits of what runs, by the keys of `asked`; those are missing of which nothing tells."""
    refs = {key: [ImageRef.parse(image) for image in one.images] for key, one in asked.items()}
    digests = [digest for one in asked.values() for digest in one.digests]
    digests += [own for some in refs.values() for ref in some if (own := full_digest(ref.digest))]
    tags = {ref.tag for some in refs.values() for ref in some if ref.tag} | {
        one.version for one in asked.values()
    }
    told = await known(connection, digests, tags)
    runs = await _tagged(connection, tags)
    found: dict[str, Origin] = {}
    for key, one in asked.items():
        tagged = _tags_of(refs[key], runs)
        if origin := commit_of(one.version, one.images, one.digests, replace(told, tagged=tagged)):
            found[key] = origin
    return found


async def _tagged(connection: AsyncConnection, tags: Iterable[str]) -> list[tuple[str, str, str]]:
    """Runs that a Git tag of such a name started: (name, repository, commit)."""
    wanted = {name for tag in tags if tag for name in (tag, f"v{tag}", tag.removeprefix("v"))}
    versions = sorted(name for name in wanted if name.lstrip("v")[:1].isdigit() and "." in name)[:_MAX]
    query = select(RUN.c.branch, RUN.c.repo, RUN.c.sha).where(
        RUN.c.branch.in_(versions), RUN.c.sha.is_not(None)
    )
    return [
        (row.branch, row.repo, row.sha) for row in await connection.execute(query.distinct().limit(5 * _MAX))
    ]


def _tags_of(refs: Sequence[ImageRef], runs: Iterable[tuple[str, str, str]]) -> dict[str, tuple[str, str]]:
    """Of the tagged commits those of the image's own repository, by its last name; every repository has a v1.0.0."""
    names = {ref.repository.rpartition("/")[2].lower() for ref in refs}
    found: dict[str, set[tuple[str, str]]] = {}
    for tag, repo, sha in runs:
        if repo.rpartition("/")[2] in names:
            found.setdefault(tag, set()).add((repo, sha))
    return {tag: next(iter(fits)) for tag, fits in found.items() if len(fits) == 1}


async def shown(connection: AsyncConnection, digest: str, policy: Policy = NO_POLICY) -> ArtifactShown | None:
    """All that is known of an image; None when nothing is."""
    told = await known(connection, [digest])
    names = sorted(artifacts.same_image(digest, told.aliases))
    tags = [
        TagLine(row.name, row.tag, row.first_at, row.at)
        for row in await connection.execute(
            select(TAG).where(TAG.c.digest.in_(names)).order_by(TAG.c.at.desc()).limit(50)
        )
    ]
    deployed = [
        DeployedLine(row.environment, row.repo, row.at, row.outcome)
        for row in await connection.execute(
            select(REPORTED).where(REPORTED.c.digest.in_(names)).order_by(REPORTED.c.at.desc()).limit(50)
        )
    ]
    signatures = [
        SignatureLine(**{name: getattr(row, name) for name in SignatureLine.__dataclass_fields__})
        for row in await connection.execute(
            select(SIGNATURE)
            .where(SIGNATURE.c.subject.in_(names))
            .order_by(SIGNATURE.c.proof.desc())
            .limit(50)
        )
    ]
    query = (
        select(REPORT.c.id).where(REPORT.c.digest.in_(names)).order_by(REPORT.c.received_at.desc()).limit(50)
    )
    ids = list(await connection.scalars(query))
    lines = await reports.lines(connection, ids=ids) if ids else []
    images = [f"{tag.name}:{tag.tag}" for tag in tags]
    origin = (await origins(connection, {"": Running("", tuple(images), (digest,))})).get("")
    if not (told.links or told.aliases or tags or deployed or signatures or lines):
        return None
    flags = await _flags(connection, digest, told, tags, signatures, lines, origin, policy)
    return ArtifactShown(
        digest,
        tuple(name for name in names if name != digest),
        origin.sha if origin else None,
        origin.repo if origin else "",
        TRUST_WORDS[origin.trust] if origin else "",
        origin.said if origin else "",
        origin.verified if origin else False,
        origin.others if origin else (),
        tuple(flags),
        tuple(tags),
        tuple(
            LinkLine(link.sha, link.repo, TRUST_WORDS[link.trust], link.said, link.verified)
            for link in sorted(told.links, key=lambda link: (link.trust, link.sha))
        ),
        tuple(signatures),
        tuple(lines),
        tuple(deployed),
    )


async def _flags(
    connection: AsyncConnection,
    digest: str,
    told: Known,
    tags: Sequence[TagLine],
    signatures: Sequence[SignatureLine],
    lines: Sequence[ReportLine],
    origin: Origin | None,
    policy: Policy,
) -> list[Flag]:
    """What about the image is not as it should be, in the order of the tags, then of the rest."""
    found: dict[str, Flag] = {}

    def add(*flags: Flag | None) -> None:
        found.update({flag.message: flag for flag in flags if flag is not None})

    aliases = list(told.aliases)
    for line in tags[:10]:
        ref = ImageRef(line.name, line.tag)
        add(*artifacts.tag_flags(ref))
        query = select(TAG.c.digest).where(TAG.c.name == line.name, TAG.c.tag == line.tag).limit(_MAX)
        others = list(await connection.scalars(query))
        aliases += (await known(connection, others)).aliases
        add(artifacts.retagged(ref, others, aliases))
    links = list(told.links)
    if shas := sorted({link.sha for link in links})[:50]:
        rows = await connection.execute(select(LINK).where(LINK.c.sha.in_(shas)).limit(_MAX))
        links += [Link(row.digest, row.sha, row.repo, Trust(row.trust)) for row in rows]
        aliases += (await known(connection, [link.digest for link in links])).aliases
    add(artifacts.divergent(digest, links, aliases))
    verified = any(line.proof == "verified" for line in signatures)
    why = next((line.reason for line in signatures if line.reason), "")
    add(artifacts.unsigned(wants_signature(origin.repo if origin else "", policy.rules), verified, why))
    scan = next((line.scan for line in lines if line.scan and line.scan.components is None), None)
    if scan is not None:
        counts = {word: getattr(scan, word) for word in ("critical", "high", "medium", "low")}
        add(artifacts.above(policy.threshold, counts))
    return list(found.values())


async def disagreement(
    connection: AsyncConnection, repo: str, environment: str, running: Sequence[str]
) -> Flag | None:
    """A flag when the newest deployment to `environment` that CI reports succeeded with another image than runs."""
    latest = (
        select(REPORTED.c.digest)
        .where(REPORTED.c.repo == repo, func.lower(REPORTED.c.environment) == environment.lower())
        .where(REPORTED.c.outcome == "success", REPORTED.c.digest.is_not(None))
    )
    deployed = await connection.scalar(latest.order_by(REPORTED.c.at.desc()).limit(1))
    if not deployed:
        return None
    told = await known(connection, [deployed, *running])
    return artifacts.disagree(deployed, running, told.aliases)
