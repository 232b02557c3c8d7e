"""Which commit an image was made from, who says so, and what about it is not as it should be. Pure.

Many names may mean the same bytes (index, platform manifest, config), and a digest may be linked with more than
one commit, so both are sets. Of several answers the most trusted one is given, together with its source.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import lru_cache

from .names import ImageRef, cut
from .repositories import full_digest, full_sha

_TAG_SHA = re.compile(r"(?:^|[-_.+])(?:sha-|git-|g)?([0-9a-f]{7,40})(?=$|[-_.+])")
_SEMVER = re.compile(r"v?\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]*)?")
_SERIES = re.compile(r"v?\d{1,3}(?:\.\d{1,4})?(?:-[a-z]+)?")
_FLOATING = frozenset(
    {
        *("latest", "stable", "edge", "nightly", "main", "master", "trunk", "develop", "dev", "staging"),
        *("production", "prod", "release", "canary", "head", "current", "test", "qa", "preview", "next"),
        *("beta", "alpha", "rolling"),
    }
)


class Trust(IntEnum):
    """What links a digest with a commit, the most trusted first."""

    LABEL = 1  # org.opencontainers.image.revision in the image itself
    PROVENANCE = 2
    BUILD = 3  # CI said which commit it built this digest from
    TAG = 4  # the tag looks like a commit, or names one that was tagged


TRUST_WORDS: Mapping[Trust, str] = {
    Trust.LABEL: "label of the image",
    Trust.PROVENANCE: "provenance",
    Trust.BUILD: "result of the build",
    Trust.TAG: "pattern of the tag",
}


class AliasKind(StrEnum):
    """What an image's other digest is of."""

    INDEX = "index"
    MANIFEST = "manifest"
    CONFIG = "config"


@dataclass(frozen=True, slots=True)
class Alias:
    """`digest` (of `kind`) names the same image as `of`."""

    digest: str
    kind: AliasKind
    of: str


@dataclass(frozen=True, slots=True)
class Link:
    """That `digest` was made from commit `sha` of `repo` (empty when not told). `said` names who says so, and
    `verified` is set where a signature proves it."""

    digest: str
    sha: str
    repo: str
    trust: Trust
    said: str = ""
    verified: bool = False


@dataclass(frozen=True, slots=True)
class Origin:
    """The answer: commit and repository of what runs, by which source, and what other sources say instead."""

    sha: str
    repo: str
    trust: Trust
    said: str
    digest: str = ""
    verified: bool = False
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of artifacts and commits: links and aliases in any order, and commits as (repo, sha).
    `tagged` has commits by Git tag. Any of them may be cut to what concerns the images in question."""

    links: Sequence[Link] = ()
    aliases: Sequence[Alias] = ()
    commits: Sequence[tuple[str, str]] = ()
    tagged: Mapping[str, tuple[str, str]] | None = None


@lru_cache(4096)
def image_digest(image_id: str) -> str:
    """The digest in a container's `imageID`, in any of the forms that runtimes write ("docker-pullable://r@sha256:…",
    "docker://sha256:…", "r@sha256:…", "sha256:…"); empty when it names none."""
    text = image_id.rpartition("://")[2]
    return full_digest(text.rpartition("@")[2]) or ""


def same_image(digest: str, aliases: Iterable[Alias]) -> frozenset[str]:
    """All digests that name the image `digest` names, itself included."""
    pairs = [(alias.digest, alias.of) for alias in aliases]
    found, grew = {digest}, True
    while grew:
        more = {other for pair in pairs if found & set(pair) for other in pair}
        grew = not more <= found and len(found) < 64
        found |= more
    return frozenset(found)


def commit_of(version: str, images: Sequence[str], digests: Sequence[str], known: Known) -> Origin | None:
    """The commit of what runs: `digests` are those that run, `images` the references asked for, `version` what
    people call it. None when nothing tells."""
    asked = [ImageRef.parse(image) for image in images]
    running = [*digests, *(one for ref in asked if (one := full_digest(ref.digest)))]
    found: list[tuple[Trust, bool, int, Link]] = []
    for place, digest in enumerate(dict.fromkeys(running)):
        names = same_image(digest, known.aliases)
        found += [
            (link.trust, not link.verified, place, link) for link in known.links if link.digest in names
        ]
    found.sort(key=lambda each: (each[0], each[1], each[2], each[3].sha))
    if found:
        best = found[0][3]
        others = {each[3].sha for each in found} - {best.sha}
        return Origin(
            best.sha,
            best.repo,
            best.trust,
            best.said or TRUST_WORDS[best.trust],
            best.digest,
            best.verified,
            tuple(sorted(others)),
        )
    tags = [ref.tag for ref in asked if ref.tag] or [version]
    return next((origin for tag in tags if (origin := of_tag(tag, known))), None)


def of_tag(tag: str, known: Known) -> Origin | None:
    """The commit that a tag names: by a Git tag of the same name, or by hex digits (7 to 40) that are those of a
    whole commit, or that only one known commit begins with."""
    tagged = known.tagged or {}
    for name in (tag, f"v{tag}", tag.removeprefix("v")):
        if name in tagged:
            repo, sha = tagged[name]
            return Origin(sha, repo, Trust.TAG, f"Git tag {cut(name, 60)}")
    for found in digits(tag):
        fits = [(repo, sha) for repo, sha in known.commits if sha.startswith(found)]
        if len(set(fits)) == 1:
            repo, sha = fits[0]
            return Origin(sha, repo, Trust.TAG, f"tag {cut(tag, 60)}")
        if not fits and (whole := full_sha(found)):
            return Origin(whole, "", Trust.TAG, f"tag {cut(tag, 60)}")
    return None


def digits(tag: str) -> list[str]:
    """The hex digits in a tag that may be those of a commit."""
    return [matched[1] for matched in _TAG_SHA.finditer(tag.lower()[:128])]


class FlagKind(StrEnum):
    """What is not as it should be."""

    FLOATING = "floating"
    NO_SHA = "no_sha"
    RETAGGED = "retagged"
    DISAGREES = "disagrees"
    UNSIGNED = "unsigned"
    SCAN = "scan"
    DIVERGENT = "divergent"


FLAG_WORDS: Mapping[FlagKind, str] = {
    FlagKind.FLOATING: "moving tag",
    FlagKind.NO_SHA: "tag without a commit",
    FlagKind.RETAGGED: "tag used twice",
    FlagKind.DISAGREES: "not what CI deployed",
    FlagKind.UNSIGNED: "not signed",
    FlagKind.SCAN: "weakness found",
    FlagKind.DIVERGENT: "built twice",
}
"""Each kind in two or three words, for a mark."""
_TODO: Mapping[FlagKind, str] = {
    FlagKind.FLOATING: "Deploy a tag that stays, or the digest.",
    FlagKind.NO_SHA: "Put the commit into the tag, or have CI report which commit it built the image from.",
    FlagKind.RETAGGED: "Push every build under a tag of its own, and make tags immutable in the registry.",
    FlagKind.DISAGREES: "See whether the rollout was taken back, or another pipeline deploys here as well.",
    FlagKind.UNSIGNED: "Sign the image in its own pipeline and upload the bundle: see docs/ci.md.",
    FlagKind.SCAN: "Build it anew on a base that mends them, or have the finding accepted where it is scanned.",
    FlagKind.DIVERGENT: "Build once and promote that digest from environment to environment.",
}


@dataclass(frozen=True, slots=True)
class Flag:
    """One thing to know about an artifact, in one sentence, and what to do about it (by default what its kind
    asks for)."""

    kind: FlagKind
    message: str
    todo: str = ""

    def __post_init__(self) -> None:
        if not self.todo:
            object.__setattr__(self, "todo", _TODO[self.kind])


def tag_flags(ref: ImageRef) -> list[Flag]:
    """What an image reference promises too little of."""
    found: list[Flag] = []
    tag = ref.tag or ("" if ref.digest else "latest")
    if not tag:
        return found
    words = tag.lower()
    moves = words in _FLOATING or (_SERIES.fullmatch(words) and not _SEMVER.fullmatch(words))
    if moves and not ref.digest:
        why = f"The tag {cut(tag, 60)} moves: it may mean other bytes tomorrow."
        found.append(Flag(FlagKind.FLOATING, why))
    if not names_sha(tag):
        found.append(Flag(FlagKind.NO_SHA, f"The tag {cut(tag, 60)} does not name a commit."))
    return found


def names_sha(tag: str) -> bool:
    """Whether a tag has the digits of a commit: 7 to 40 hex digits, of which not all are decimal unless they are
    all of a commit's (else any date would be one)."""
    return any(len(one) == 40 or not one.isdecimal() for one in digits(tag))


def retagged(ref: ImageRef, digests: Iterable[str], aliases: Sequence[Alias] = ()) -> Flag | None:
    """A flag when one tag was seen with digests that are not of the same image."""
    images = {min(same_image(digest, aliases)) for digest in digests}
    if ref.tag and len(images) > 1:
        shown = ", ".join(sorted(name[7:19] for name in images)[:4])
        return Flag(
            FlagKind.RETAGGED, f"The tag {cut(ref.tag, 60)} was seen with {len(images)} images: {shown}."
        )
    return None


def disagree(deployed: str, running: Sequence[str], aliases: Sequence[Alias] = ()) -> Flag | None:
    """A flag when CI says that it deployed one digest and others run."""
    if not deployed or not running or any(deployed in same_image(one, aliases) for one in running):
        return None
    return Flag(
        FlagKind.DISAGREES, f"CI says that it deployed {deployed[7:19]}, but {running[0][7:19]} is running."
    )


def divergent(digest: str, links: Iterable[Link], aliases: Sequence[Alias] = ()) -> Flag | None:
    """A flag when the commit of `digest` gave other bytes as well, so that its build cannot be repeated."""
    all_, names = list(links), same_image(digest, aliases)
    commits = {(link.repo, link.sha) for link in all_ if link.digest in names and link.trust < Trust.TAG}
    images = {
        min(same_image(link.digest, aliases))
        for link in all_
        if (link.repo, link.sha) in commits and link.trust < Trust.TAG
    }
    if len(images) < 2:
        return None
    return Flag(
        FlagKind.DIVERGENT,
        f"One commit gave {len(images)} images, so the build is not reproducible as it is.",
    )


def unsigned(wanted: bool, verified: bool, why: str = "") -> Flag | None:
    """A flag when the policy wants a signature and none was verified."""
    if not wanted or verified:
        return None
    said = f": {why.rstrip('.')}" if why else ""
    return Flag(FlagKind.UNSIGNED, f"The policy wants a signature, and none was verified{said}.")


def above(threshold: str, counts: Mapping[str, int]) -> Flag | None:
    """A flag when a scan found something as bad as `threshold` ("critical", "high" …) or worse."""
    order = ("critical", "high", "medium", "low")
    if threshold not in order:
        return None
    bad = [(counts.get(word, 0), word) for word in order[: order.index(threshold) + 1] if counts.get(word, 0)]
    if not bad:
        return None
    return Flag(FlagKind.SCAN, f"The scan found {', '.join(f'{n} {word}' for n, word in bad)}.")
