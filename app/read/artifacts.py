"""Which commit an image is of, by which source, and what about it is not as it should be; from the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import artifacts
from app.domain.artifacts import TRUST_WORDS, Flag, FlagKind, Origin, Trust, commit_of
from app.domain.names import ImageRef
from app.domain.repositories import full_digest
from app.domain.rollout import Attention
from app.store.ci_tables import REPORTED, RUN
from app.store.report_tables import REPORT, SIGNATURE, TAG

from . import reports
from .board import Sentence
from .flags import NO_POLICY, ImageQuery, Policy, known, of_images
from .reports import ReportLine, SignatureLine

_MAX = 500


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
class RunningLine:
    """A workload that runs the image, or has pods of it."""

    ref: str
    service: str
    environment: str
    version: str
    attention: Attention
    word: str


@dataclass(frozen=True, slots=True)
class ArtifactShown:
    """An image by digest. `sha` is its commit by the most trusted source (`source`, `said`), null where nothing
    tells; `others` are commits that other sources name; `names` its other digests; `running` is where it is now."""

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
    running: tuple[RunningLine, ...] = ()
    sentence: Sentence | None = None


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
    """All that the database has of an image; None when that is nothing."""
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
    asked = ImageQuery(tuple(images[:10]), (digest,), origin.repo if origin else "")
    flags = (await of_images(connection, {"": asked}, policy))[""]
    if origin and origin.trust < Trust.TAG:  # where somebody told of the commit, the tag need not
        flags = tuple(flag for flag in flags if flag.kind is not FlagKind.NO_SHA)
    return ArtifactShown(
        digest,
        tuple(name for name in names if name != digest),
        origin.sha if origin else None,
        origin.repo if origin else "",
        TRUST_WORDS[origin.trust] if origin else "",
        origin.said if origin else "",
        origin.verified if origin else False,
        origin.others if origin else (),
        flags,
        tuple(tags),
        tuple(
            LinkLine(link.sha, link.repo, TRUST_WORDS[link.trust], link.said, link.verified)
            for link in sorted(told.links, key=lambda link: (link.trust, link.sha))
        ),
        tuple(signatures),
        tuple(lines),
        tuple(deployed),
    )
