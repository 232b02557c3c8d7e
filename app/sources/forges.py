"""Conversations with the API of a forge about a gate: GitHub is answered or asked to start a workflow, GitLab likewise.

Every address is made of the configured one, the repository (which the hook's scope held) and ids. Answers may be given
twice; what starts something is not tried again once it may have been.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from app.domain.forges import CallKind, ForgeCall
from app.domain.refusals import Broken, ClusterError, Denied, Misconfigured, Unauthorized
from app.settings import HookSettings

from .hooks import tree
from .outbound import Outbound

JWT_SECONDS = 540
"""How long an App's own token holds; GitHub takes at most ten minutes."""
TOKEN_SECONDS = 50 * 60
"""How long an installation's token is used; GitHub's hold an hour."""
MAX_COMMENT = 1000
_STARTED = frozenset({"created", "pending", "preparing", "running", "success", "waiting_for_resource"})
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Forge:
    """The API of one hook's gates. Its credential is a `token`, or the id and the private `key` (PEM) of a GitHub App;
    `trigger` is a GitLab trigger token."""

    provider: str
    api: Outbound
    token: str = field(default="", repr=False)
    app: str = ""
    key: str = field(default="", repr=False)
    trigger: str = field(default="", repr=False)
    _tokens: dict[tuple[str, str], tuple[str, float]] = field(default_factory=dict, init=False, repr=False)

    async def tell(self, call: ForgeCall, yes: bool, comment: str) -> str:
        """Have the forge do what a gate's answer comes to; what it did, in words. Raises ClusterError: Lost where it is
        not known whether it was done."""
        comment = comment[:MAX_COMMENT]
        if self.provider == "gitlab":
            return await (
                self._job(call, yes, comment) if call.kind is CallKind.JOB else self._pipeline(call)
            )
        return await (self._protection(call, yes, comment) if not call.starts else self._started(call))

    async def _protection(self, call: ForgeCall, yes: bool, comment: str) -> str:
        state = "approved" if yes else "rejected"
        body = {"environment_name": call.environment, "state": state, "comment": comment}
        path = f"repos/{_path(call)}/actions/runs/{quote(call.run, safe='')}/deployment_protection_rule"
        await self._github(call, path, body)
        return f"run {call.run} was told: {state}"

    async def _started(self, call: ForgeCall) -> str:
        if call.kind is CallKind.EVENT:
            body: dict[str, Any] = {"event_type": call.workflow, "client_payload": dict(call.inputs)}
            await self._github(call, f"repos/{_path(call)}/dispatches", body)
            return f"the event {call.workflow} was raised in {call.repo}"
        path = f"repos/{_path(call)}/actions/workflows/{quote(call.workflow, safe='')}/dispatches"
        await self._github(call, path, {"ref": call.ref, "inputs": dict(call.inputs)})
        return f"{call.workflow} of {call.repo} was started at {call.ref}"

    async def _github(self, call: ForgeCall, path: str, body: Mapping[str, Any]) -> None:
        headers = {"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28"}
        for again in (False, True):
            bearer = {"authorization": f"Bearer {await self._bearer(call)}"}
            try:
                await self.api.ask("POST", path, {**_JSON, **headers, **bearer}, _encode(body))
            except Unauthorized:  # a token may be revoked before its time
                if again or not self._tokens.pop((call.repo, call.installation), None):
                    raise
            else:
                return

    async def _bearer(self, call: ForgeCall) -> str:
        """The token to speak with: the configured one, or one of the App's installation, for that repository alone."""
        if not self.app:
            return self.token
        at = (call.repo, call.installation)
        kept, until = self._tokens.get(at, ("", 0.0))
        if time.monotonic() < until:
            return kept
        app = {"authorization": f"Bearer {self._own()}", "accept": "application/vnd.github+json"}
        installation = call.installation
        if not installation:
            found = await self.api.get(f"repos/{_path(call)}/installation", **app)
            installation = tree.word(found.body, "id") or ""
        wanted = {"repositories": [call.repo.rpartition("/")[2]]}
        path = f"app/installations/{quote(installation, safe='')}/access_tokens"
        answer = await self.api.ask("POST", path, {**_JSON, **app}, _encode(wanted), reads=True)
        token = tree.text(answer.body, "token")
        if not token:
            raise Broken("GitHub gave the App no token", "Its answer has none")
        if len(self._tokens) > 1000:
            self._tokens.clear()
        self._tokens[at] = (token, time.monotonic() + TOKEN_SECONDS)
        return token

    def _own(self) -> str:
        """The App's own token (RFC 7519, RS256), dated back a minute against clocks that differ."""
        now = int(time.time())
        claims = {"iat": now - 60, "exp": now + JWT_SECONDS, "iss": self.app}
        try:
            return jwt.encode({"alg": "RS256", "typ": "JWT"}, claims, RSAKey.import_key(self.key))
        except (JoseError, ValueError, TypeError) as error:
            raise Misconfigured("The App's key cannot be used", type(error).__name__) from None

    async def _job(self, call: ForgeCall, yes: bool, comment: str) -> str:
        """Approve or reject the deployment that is blocked, if there is one, and start its job after a yes."""
        project, did = f"projects/{_path(call)}", []
        if deployment := await self._blocked(call):
            body = {"status": "approved" if yes else "rejected", "comment": comment}
            await self._gitlab(f"{project}/deployments/{quote(deployment, safe='')}/approval", body)
            did.append(f"deployment {deployment} was {body['status']}")
        if yes:
            job = f"{project}/jobs/{quote(call.job, safe='')}"
            status = tree.text((await self.api.get(job, **self._private)).body, "status") or "unknown"
            if status not in _STARTED:
                await self._gitlab(f"{job}/play", {})
            did.append(f"job {call.job} was started")
        return " and ".join(did) or f"job {call.job} stays where it is"

    async def _blocked(self, call: ForgeCall) -> str:
        """The id of the job's deployment while it waits for an approval; empty: it does not."""
        project = f"projects/{_path(call)}"
        if call.deployment:
            where = f"{project}/deployments/{quote(call.deployment, safe='')}"
            found = (await self.api.get(where, **self._private)).body
            return call.deployment if tree.text(found, "status") == "blocked" else ""
        where = f"{project}/deployments?status=blocked&environment={quote(call.environment, safe='')}"
        try:
            answer = await self.api.get(where, **self._private)
        except Denied:  # whoever may not see deployments may still start a job
            return ""
        for each in tree.nodes({"all": answer.body}, "all"):
            if tree.word(each, "deployable", "id") == call.job:
                return tree.word(each, "id") or ""
        return ""

    async def _pipeline(self, call: ForgeCall) -> str:
        project = f"projects/{_path(call)}"
        if self.trigger:
            body = {"token": self.trigger, "ref": call.ref, "variables": dict(call.inputs)}
            await self.api.ask("POST", f"{project}/trigger/pipeline", _JSON, _encode(body))
        else:
            variables = [{"key": name, "value": value} for name, value in call.inputs]
            await self._gitlab(f"{project}/pipeline", {"ref": call.ref, "variables": variables})
        return f"a pipeline of {call.repo} was started at {call.ref}"

    async def _gitlab(self, path: str, body: Mapping[str, Any]) -> None:
        await self.api.ask("POST", path, {**_JSON, **self._private}, _encode(body))

    @property
    def _private(self) -> dict[str, str]:
        return {"private-token": self.token}


_JSON = {"content-type": "application/json"}


def _path(call: ForgeCall) -> str:
    """The repository as an API's addresses have it. Raises ClusterError."""
    if call.kind in (CallKind.JOB, CallKind.PIPELINE):
        return quote(call.repo.partition("/")[2], safe="")
    parts = call.repo.split("/")
    if len(parts) != 3 or not all(parts) or set(parts) & {".", ".."}:
        raise ClusterError(f"{call.repo} is no repository of GitHub", "It is HOST/OWNER/NAME")
    return "/".join(quote(part, safe="") for part in parts[1:])


def opened(hooks: Iterable[HookSettings]) -> Mapping[str, tuple[Forge, tuple[str, ...]]]:
    """The APIs that gates are answered at, by hook, each with the repositories that it may speak of."""
    found = {}
    for hook in hooks:
        if gates := hook.gates:
            said = gates.secrets.get
            api, scope = Outbound(gates.url, private=gates.private), hook.repositories
            secrets = said("token", ""), gates.app, said("key", ""), said("trigger", "")
            found[hook.id] = Forge(hook.provider, api, *secrets), scope
    return found
