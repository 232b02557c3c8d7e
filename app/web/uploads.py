"""`POST /api/v1/ingest/{kind}`: a report of CI is read within limits and on disk before it gets 201.

The kind is a format, or `auto`. What cannot be read is kept with the reason and answered 422; it never takes the
place of an earlier report. The same report again, or the same Idempotency-Key, gets the same answer and changes
nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.responses import Response

from app.domain.facts import Door
from app.domain.names import cut
from app.domain.policy import Permission, may_report
from app.domain.reports import Attestation, Contents, Reported, ReportSubject, Upload
from app.domain.repositories import full_digest, full_sha, repo_key
from app.read import reports as read
from app.sources import reports
from app.sources.signatures import Signatures
from app.store.db import Database

from .answers import refusal
from .api.contents import encode
from .auth import access, needs
from .bodies import Intake

MAX_FILES = 50
"""Most reports in one multipart body."""
TOGETHER = 96 << 20
BODY_SECONDS = 60.0
PARSERS = 2
"""Reports that are read at one time."""
_ACCEPTS: dict[str, Any] = {name: {} for name in ("application/octet-stream", "multipart/form-data")}


@dataclass(slots=True)
class Desk:
    """Where uploads are taken in."""

    database: Database
    ingest: Door
    signatures: Signatures
    intake: Intake = field(default_factory=lambda: Intake(reports.MAX_BYTES, TOGETHER, BODY_SECONDS))
    _reading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PARSERS))

    async def take(self, request: Request, kind: str, about: ReportSubject) -> Response:
        """Take one upload in. Raises Refusal."""
        if kind != reports.AUTO and kind not in reports.FORMATS:
            why = f"There is no kind {kind[:40]!r}."
            raise refusal(request, 404, "Unknown kind", why, f"Take one of {', '.join(reports.FORMATS)}.")
        who = access.of(request.scope)
        key, by = _key(request), who.identity
        if about.repo:  # before its body is looked at
            await access.refuse_unless(may_report(who, about.repo), request.scope)
        body = await self.intake.body(request)
        files = await _files(request, body)
        digests = [hashlib.sha256(one).hexdigest() for one in files]
        if key and (again := await self._again(request, by, key, digests, about)):
            return await self._answer(request, again, 200)
        now = datetime.now(UTC)
        facts = []
        for one, digest in zip(files, digests, strict=True):
            upload = Upload(about, kind, digest, len(one), by, key, now)
            facts.append(fact := await self._reported(one, upload))
            repo = about.repo or (fact.contents.repo if fact.contents else "")
            await access.refuse_unless(may_report(who, repo), request.scope)
        await self.ingest(facts)
        return await self._answer(request, [fact.upload.id for fact in facts], 201)

    async def _reported(self, body: bytes, upload: Upload) -> Reported:
        """What one report says, or that it was refused."""
        async with self._reading:
            kind, contents, why = await asyncio.to_thread(self._read, upload.kind, body, upload.target)
        if contents is not None:
            image = getattr(contents, "image", None)
            whole = upload.target.or_else(contents.repo, contents.sha, image.digest if image else "")
            subjects = contents.subjects if isinstance(contents, Attestation) else ()
            if not (whole.sha or whole.digest or subjects):
                contents, why = (
                    None,
                    "Neither the address nor the report says which commit or image it is about.",
                )
        return Reported(replace(upload, kind=kind, refused=why), contents)

    def _read(self, kind: str, body: bytes, about: ReportSubject) -> tuple[str, Contents | None, str]:
        try:
            kind, contents = reports.read(kind, body)
        except reports.Refused as refused:
            return kind, None, str(refused)
        if isinstance(contents, Attestation):
            contents = self.signatures.verified(body, contents, about)
        return kind, contents, ""

    async def _again(
        self, request: Request, by: str, key: str, digests: list[str], about: ReportSubject
    ) -> list[str]:
        """The reports that were uploaded under this key before; empty when there are none. Raises Refusal (422)
        when the key was used for something else."""
        async with self.database.reading() as connection:
            found = await read.earlier(connection, by, key, datetime.now(UTC) - read.KEY_LASTS)
        same = {sha256 for _, sha256, _ in found} == set(digests)
        if found and not (same and all(about.or_else(*_told(kept)) == kept for _, _, kept in found)):
            why = "This Idempotency-Key was used for another upload."
            raise refusal(request, 422, "Key used twice", why, "Take a new key for a new upload.")
        return [ident for ident, *_ in found]

    async def _answer(self, request: Request, ids: Sequence[str], status: int) -> Response:
        """What became of the reports; 422 when one of them was refused."""
        async with self.database.reading() as connection:
            lines = {line.id: line for line in await read.lines(connection, ids=ids, limit=MAX_FILES)}
        found = [lines[ident] for ident in dict.fromkeys(ids) if ident in lines]
        refused = [line for line in found if line.state == "refused"]
        if refused:
            why = " ".join(dict.fromkeys(line.reason for line in refused))
            problem = refusal(
                request,
                422,
                "Not a report",
                cut(why),
                "Send a whole report of one of the kinds that are read.",
            )
            problem.members["reports"] = [
                {"id": line.id, "kind": line.kind, "state": line.state, "reason": line.reason}
                for line in found
            ]
            raise problem
        headers = {"cache-control": "no-store"}
        if len(found) == 1:
            headers["location"] = f"/api/v1/reports/{found[0].id}"
        return Response(encode({"reports": found}), status, headers, "application/json")


def _told(about: ReportSubject) -> tuple[str, str, str, str]:
    """What a report may have told by itself."""
    return about.repo, about.sha, about.digest, about.branch


def routes(desk: Desk) -> APIRouter:
    """The door for uploads."""
    router = APIRouter(tags=["reports"], dependencies=[needs(Permission.REPORT)])

    @router.post(
        "/api/v1/ingest/{kind}",
        status_code=201,
        max_body_size=reports.MAX_BYTES + 1,
        openapi_extra={"requestBody": {"required": True, "content": _ACCEPTS}},
    )
    async def ingest(
        request: Request,
        kind: str,
        repo: Annotated[str, Query(max_length=300, description="The repository, in any form.")] = "",
        sha: Annotated[str, Query(max_length=64, description="The whole commit id.")] = "",
        digest: Annotated[str, Query(max_length=71, description="The image, as sha256:….")] = "",
        job: Annotated[str, Query(max_length=200, description="The job that made it.")] = "",
        branch: Annotated[str, Query(max_length=250, description="The branch of the commit.")] = "",
    ) -> Response:
        """A report of tests, a scan, a bill of materials or an attestation, as it is or as files of a form; the
        kind is its format, or `auto`. Packed with gzip at will."""
        about = ReportSubject(
            repo_key(repo), full_sha(sha) or "", full_digest(digest) or "", cut(job), cut(branch)
        )
        for name, told, read_ in (
            ("repo", repo, about.repo),
            ("sha", sha, about.sha),
            ("digest", digest, about.digest),
        ):
            if told and not read_:
                why = f"{name}={told[:80]!r} is not one."
                todo = "Take a repository's address, a whole commit id (40 or 64 hex digits), sha256:… ."
                raise refusal(request, 422, "Invalid request", why, todo)
        return await desk.take(request, kind, about)

    return router


def _key(request: Request) -> str:
    key = request.headers.get("idempotency-key", "").strip()
    if len(key) > 200 or not key.isprintable():
        why = "The Idempotency-Key is longer than 200 characters, or not printable."
        raise refusal(request, 422, "Invalid request", why, "Take a UUID.")
    return key


async def _files(request: Request, body: bytes) -> list[bytes]:
    """The reports in a body: itself, or the files of a form. Raises Refusal."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "multipart/form-data":
        return [body]

    async def whole() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        parser = MultiPartParser(
            request.headers, whole(), max_files=MAX_FILES, max_fields=20, max_part_size=1 << 16
        )
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        why = f"The form cannot be read: {cut(str(getattr(error, 'message', error)), 120)}"
        raise refusal(request, 400, "Unreadable", why, "Send one file, or a form with files.") from None
    try:
        files = [await one.read() for _, one in form.multi_items() if isinstance(one, UploadFile)]
    finally:
        await form.close()
    if not files:
        why = "The form has no file."
        raise refusal(request, 400, "Unreadable", why, "Give the report as a part with a filename.")
    return files
