"""What scanners and bills of materials know of the image they looked at: its digests, its tags, its labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from app.domain.artifacts import Alias, AliasKind, Link, Trust
from app.domain.names import cut
from app.domain.reports import Image
from app.domain.repositories import full_digest, full_sha, repo_key

REVISION = ("org.opencontainers.image.revision", "org.label-schema.vcs-ref")
SOURCE = ("org.opencontainers.image.source", "org.label-schema.vcs-url")


def image_of(
    *,
    digests: Iterable[Any] = (),
    manifest: Any = None,
    config: Any = None,
    tags: Iterable[Any] = (),
    labels: Any = None,
    said: str = "",
) -> Image:
    """An image by its names: `digests` as registries give them ("repo@sha256:…" or bare), the digest of its manifest
    and of its config. Its labels link it to a commit; `said` names who read them."""
    found = [d for one in digests if isinstance(one, str) and (d := full_digest(one.rpartition("@")[2]))]
    own, inner = full_digest(manifest), full_digest(config)
    main = (found[0] if found else None) or own or inner or ""
    aliases = {Alias(one, AliasKind.INDEX, main) for one in found}
    aliases |= {Alias(own, AliasKind.MANIFEST, main)} if own else set()
    aliases |= {Alias(inner, AliasKind.CONFIG, main)} if inner else set()
    names = tuple(cut(tag, 300) for tag in list(tags)[:20] if isinstance(tag, str))
    kept = tuple(sorted((a for a in aliases if a.digest != main), key=lambda a: a.digest)[:20])
    return Image(main, names, kept, tuple(_links(main, labels, said)))


def _links(digest: str, labels: Any, said: str) -> Iterator[Link]:
    if not digest or not isinstance(labels, Mapping):
        return
    sha = next((sha for name in REVISION if (sha := full_sha(labels.get(name)))), None)
    source = next((one for name in SOURCE if isinstance(one := labels.get(name), str)), "")
    if sha:
        yield Link(digest, sha, repo_key(source[:500]), Trust.LABEL, f"label, as {said} read it")


def items(value: Any) -> Iterator[dict[str, Any]]:
    """The objects of a list; nothing where it is none."""
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def named(value: Any, name: str = "name", of: str = "value") -> dict[str, str]:
    """A list of `{"name": …, "value": …}` as a mapping; the first of a name counts."""
    found: dict[str, str] = {}
    for item in items(value):
        key, text = item.get(name), item.get(of)
        if isinstance(key, str) and isinstance(text, str):
            found.setdefault(key, text)
    return found
