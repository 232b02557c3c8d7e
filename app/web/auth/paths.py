"""Where somebody may be sent after signing in: a path of ours, and nothing that could be read as another place."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

MAX = 2_000
_NOT = ("/login/", "/logout/", "/oidc/", "/kiosk/", "/api/", "/static/", "/hooks/")


def safe_next(path: str) -> str:
    """`path` if it is one of our own pages' (with its query), else "/"."""
    if not _plain(path):
        return "/"
    where = urlsplit(path).path
    for _ in range(3):  # also what a proxy or a browser might make of it
        if (decoded := unquote(where)) == where:
            break
        if not _plain(where := decoded):
            return "/"
    else:
        return "/"
    return "/" if f"{where}/".startswith(_NOT) else path


def _plain(path: str) -> bool:
    if not 0 < len(path) <= MAX or not path.startswith("/") or path[1:2] in ("/", "\\"):
        return False
    if "\\" in path or not path.isprintable() or " " in path:
        return False
    parts = urlsplit(path)
    return not parts.scheme and not parts.netloc and "//" not in parts.path and "/../" not in f"{parts.path}/"
