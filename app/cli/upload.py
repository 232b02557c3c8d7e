"""`shipboard upload`: gives reports of CI to a board, as POST /api/v1/ingest/{kind} with a token.

Which repository, commit, branch and job they are of is taken from CI's variables where no option tells. Sent
again while the board is away, always under the same Idempotency-Key, so that it is taken in once.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from .report import FROM_CI, NotReported, detail

SECONDS = 60.0
TRIES = 3
MAX_BYTES = 32 << 20
_JOBS = (
    *("GITHUB_JOB", "CI_JOB_NAME", "STAGE_NAME", "BUILDKITE_LABEL", "CIRCLE_JOB", "SYSTEM_JOBDISPLAYNAME"),
    *("DRONE_STAGE_NAME", "CI_STEP_NAME"),
)


def about(given: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """What reports are of: what was `given` (repo, sha, digest, job, branch), else what CI's variables say."""
    names = {"repo": FROM_CI["repository"], "sha": FROM_CI["sha"], "branch": FROM_CI["branch"], "job": _JOBS}
    found = {name: value for name, value in given.items() if value}
    for member, variables in names.items():
        value = next((environ[name] for name in variables if environ.get(name)), "")
        if value:
            found.setdefault(member, value)
    if environ.get("GITHUB_REPOSITORY"):
        server = environ.get("GITHUB_SERVER_URL", "https://github.com")
        found.setdefault("repo", f"{server}/{environ['GITHUB_REPOSITORY']}")
    return found


def content_of(file: Path) -> bytes:
    """The bytes of a report. Raises NotReported."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise NotReported("The report was not sent.", f"{file} cannot be read: {error.strerror}.") from None
    if len(content) > MAX_BYTES:
        raise NotReported("The report was not sent.", f"{file} is larger than {MAX_BYTES >> 20} MiB.")
    return content


def send(
    url: str,
    token: str,
    kind: str,
    of: Mapping[str, str],
    content: bytes,
    *,
    tries: int = TRIES,
    pause: float = 2.0,
) -> dict[str, Any]:
    """Upload one report; answers the board's line of it. Raises NotReported."""
    if not url.startswith(("http://", "https://")):
        raise NotReported("The board was not reached.", "Its address is neither http:// nor https://.")
    query = urlencode(sorted(of.items()))
    key = hashlib.sha256(f"{kind}?{query}\n".encode() + content).hexdigest()
    packed = gzip.compress(content, 6, mtime=0)
    # The board takes nothing that becomes more than 20 times as large.
    packs = len(content) < 20 * len(packed)
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked
        f"{url.rstrip('/')}/api/v1/ingest/{kind}?{query}",
        data=packed if packs else content,
        headers={
            "authorization": f"Bearer {token}",
            "content-type": "application/octet-stream",
            "idempotency-key": key,
            **({"content-encoding": "gzip"} if packs else {}),
        },
    )
    why = ""
    for attempt in range(tries):
        if attempt:
            time.sleep(pause)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
                (line,) = json.loads(answer.read())["reports"]
                return dict(line)
        except urllib.error.HTTPError as error:
            said = detail(error)
            if error.code < 500:
                raise NotReported("The board refused the report.", said) from None
            why = f"It answered {error.code}."
        except OSError as error:
            why = f"{getattr(error, 'reason', error)}."
        except (ValueError, KeyError, TypeError):
            raise NotReported("The board was not reached.", "What answered is no board.") from None
    raise NotReported("The board was not reached.", why, "Is the address right, and the board up?")


def summary(line: Mapping[str, Any]) -> str:
    """One line of what the board took in."""
    if tests := line.get("tests"):
        known = "" if tests["compared"] is None else f", {tests['new']} of them new"
        return (
            f"{line['kind']}: {tests['passed']} passed, {tests['failed'] + tests['errors']} failed{known}, "
            f"{tests['skipped']} skipped, {tests['flaky']} flaky"
        )
    if scan := line.get("scan"):
        counts = ", ".join(f"{scan[word]} {word}" for word in ("critical", "high", "medium", "low"))
        parts = f", {scan['components']} components" if scan["components"] is not None else ""
        return f"{line['kind']}: {counts}{parts}{'; ' + scan['failed'] if scan['failed'] else ''}"
    proofs = sorted({signature["proof"] for signature in line.get("signatures") or ()})
    why = next((one["reason"] for one in line.get("signatures") or () if one["reason"]), "")
    return f"{line['kind']}: {', '.join(proofs) or 'taken'}{'; ' + why if why else ''}"
