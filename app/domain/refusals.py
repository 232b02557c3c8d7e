"""How a cluster can fail to answer, as one tree of errors whose text is safe to show."""

from __future__ import annotations

from .errors import ShipboardError
from .names import cut


class ClusterError(ShipboardError):
    """What happened, why, and what to do; each a plain sentence without its full stop, `why` and `todo` may
    be empty. As text, all of them one after the other, each begun and ended as a sentence is. `status` is that of the
    HTTP answer, 0 when there was none."""

    status = 0

    def __init__(self, what: str, why: str = "", todo: str = "") -> None:
        super().__init__(what, cut(why), todo)

    def __str__(self) -> str:
        return " ".join(_sentence(part) for part in (self.what, self.why, self.todo) if part)


class Misconfigured(ClusterError):
    """The kubeconfig, context or service account cannot be used."""


class Unreachable(ClusterError):
    """No connection, or no answer in time."""


class Broken(ClusterError):
    """An answer that stopped half way, or that is not what it claims to be."""


class Garbled(Broken):
    """An answer that arrived whole and makes no sense."""


class Gone(ClusterError):
    """410: the version or continue token asked for is too old; list again."""


class Unauthorized(ClusterError):
    """401: the credentials are not accepted (any more)."""


class Denied(ClusterError):
    """403: the account may not do this."""


class Absent(ClusterError):
    """404: no such group, resource or object."""


class Conflict(ClusterError):
    """409: the object is not the one, or not as, the request says."""


class Invalid(ClusterError):
    """422: the server will not have the object so, or a test of a JSON patch does not hold."""


class Lost(ClusterError):
    """A request to change something was sent, and whether it was carried out is not known."""


class Oversized(ClusterError):
    """A page larger than is read at once; ask for fewer items."""


class Throttled(ClusterError):
    """429, or another status with Retry-After: come back in `retry_after` seconds."""

    def __init__(self, what: str, why: str, retry_after: float) -> None:
        super().__init__(what, why, "Shipboard waits as long as the server asked for")
        self.retry_after = retry_after


class Failed(ClusterError):
    """Any other error status."""


def _sentence(part: str) -> str:
    return part[0].upper() + part[1:] + ("" if part.endswith((".", "?", "!", "…")) else ".")
