"""`shipboard user`, `token` and `kiosk`, and what a served board keeps to itself."""

import http.client
import json
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from urllib.parse import urlencode

import pytest

from tests.processes import ROOT, free_port, kubeconfig, run, shipboard, until

PASSWORD = "canary nine lanterns"


def command(home, *arguments: str, typed: str = "") -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command that is typed something."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", "from app.cli import main; main()", *arguments],
        cwd=home, input=typed, capture_output=True, text=True, timeout=60,
        env={"PYTHONPATH": str(ROOT), "HOME": str(home), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def post(port: int, path: str, fields: dict[str, str], **headers: str) -> tuple[int, str, str]:
    """Status, cookie and body of a form."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    sent = {
        "content-type": "application/x-www-form-urlencoded",
        "origin": f"http://127.0.0.1:{port}",
        **headers,
    }
    connection.request("POST", path, urlencode(fields), sent)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, (answer.getheader("set-cookie") or "").partition(";")[0], body


def audited(database) -> list[tuple[str, str, str]]:
    """What the audit has: verb, kind and object of each entry."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT verb, kind, object FROM audit ORDER BY seq").fetchall()


def test_users_are_made_listed_and_let_in_no_more(tmp_path):
    """SR-02, SR-06: nobody is there until somebody is made; the password never stands on a command line."""
    store = ("--database", str(tmp_path / "x.db"))
    assert command(tmp_path, "user", "list", *store)[:2] == (0, "")
    arguments = ("user", "add", "vera", "--role", "operator@staging", "--group", "dev", *store)
    assert command(tmp_path, *arguments, typed="short\n")[0] == 2
    code, said, _ = command(tmp_path, *arguments, typed=PASSWORD + "\n")
    assert (code, said) == (0, "vera may sign in.\n")
    assert command(tmp_path, *arguments, typed=PASSWORD + "\n")[0] == 1
    assert "operator@staging, group dev" in command(tmp_path, "user", "list", *store)[1]
    assert command(tmp_path, "user", "disable", "vera", *store)[0] == 0
    assert "disabled" in command(tmp_path, "user", "list", *store)[1]
    code, _, said = command(tmp_path, "user", "disable", "nobody", *store)
    assert code == 1
    assert "There is no user nobody" in said
    assert command(tmp_path, "user", "enable", "vera", *store)[0] == 0
    assert command(tmp_path, "user", "password", "vera", *store, typed=PASSWORD + "!\n")[0] == 0
    assert PASSWORD.encode() not in (tmp_path / "x.db").read_bytes()
    assert audited(tmp_path / "x.db") == [
        ("add-user", "done", "user vera, operator@staging, group dev"),
        ("disable-user", "done", "user vera"),
        ("enable-user", "done", "user vera"),
        ("set-password", "done", "user vera"),
    ]
    assert command(tmp_path, "audit", "verify", *store)[0] == 0


@pytest.mark.parametrize(
    "wrong", [("Vera",), ("vera", "--role", "root"), ("../vera",), ("vera", "--role", "viewer@")]
)
def test_users_that_may_not_be_are_refused(tmp_path, wrong):
    code, _, said = command(
        tmp_path, "user", "add", *wrong, "--database", str(tmp_path / "x.db"), typed=PASSWORD
    )
    assert code == 2
    assert "is no" in said


def test_a_served_board_keeps_its_secrets(tmp_path):
    """SR-39, SR-40: canaries of every sort, in no log, page, answer or database; each line of the log is JSON. The
    commands work on the database of the running board."""
    file, port = tmp_path / "auth.yaml", free_port()
    file.write_text(
        "log_format: json\nauth:\n  modes: [local, oidc, proxy]\n"
        "  oidc: {issuer: 'https://id.invalid', client_id: ship}\n  proxy: {peers: [10.0.0.7]}\n"
    )
    secrets = {
        "SHIPBOARD_OIDC_CLIENT_SECRET": "canary-oidc-secret",
        "SHIPBOARD_PROXY_SECRET": "canary-proxy-secret",
    }
    store = ("--database", str(tmp_path / "x.db"))
    where = {"KUBECONFIG": str(kubeconfig(tmp_path)), **secrets}
    canaries = [PASSWORD, "canary-wrong-password", "canary-wrong-token", *secrets.values()]
    with shipboard(tmp_path, "serve", "--config", str(file), *store, port=port, **where) as board:
        board.until_serving("/login")
        assert command(tmp_path, "user", "add", "ada", "--role", "admin", *store, typed=PASSWORD)[0] == 0
        code, token, _ = command(tmp_path, "token", "create", "script", *store)
        assert code == 0
        code, link, _ = command(tmp_path, "kiosk", "create", "lift", "--view", "/sources", *store)
        assert code == 0
        secret = link.strip().rpartition("/")[2]
        canaries += [token.strip(), secret]
        assert post(port, "/login", {"user": "ada", "password": "canary-wrong-password"})[0] == 401
        status, cookie, _ = post(port, "/login", {"user": "ada", "password": PASSWORD})
        assert status == 303
        canaries.append(cookie.partition("=")[2])
        bearer = {"Authorization": f"Bearer {token.strip()}"}
        assert board.get("/api/v1/board", **bearer)[0] in (200, 202)
        assert board.get("/", Authorization="Bearer canary-wrong-token")[0] == 401
        assert (
            board.get("/", **{"x-shipboard-proxy-secret": "canary-proxy-secret", "x-forwarded-user": "x"})[0]
            == 401
        )
        status, headers, _ = board.get(f"/kiosk/{secret}")
        assert (status, headers["location"]) == (303, "/sources")
        canaries.append(headers["set-cookie"].partition("=")[2].partition(";")[0])
        pages = b"".join(
            board.get(path, cookie=cookie)[2]
            for path in (
                "/",
                "/account",
                "/sources",
                "/login",
                "/metrics",
                "/api/v1/me",
                "/nothing",
                "/healthz",
            )
        )
        csrf = re.findall(rb'data-csrf="(\w+)"', pages)[0].decode()
        assert post(port, "/account/sessions/x/end", {"csrf": "canary"}, cookie=cookie)[0] == 403
        listed = command(tmp_path, "token", "list", *store)[1]
        ident = listed.split()[0]
        assert command(tmp_path, "token", "revoke", ident, *store)[0] == 0
        until(lambda: board.get("/api/v1/board", **bearer)[0] == 401, "the token holds no more", 5)
        assert command(tmp_path, "user", "disable", "ada", *store)[0] == 0
        until(lambda: board.get("/account", cookie=cookie)[0] == 401, "the session is over", 5)
        board.signal(signal.SIGINT)
        assert board.ended() == 0
    done = [(verb, kind) for verb, kind, what in audited(tmp_path / "x.db") if what[:1] != "/"]
    assert done == [
        ("add-user", "done"),
        ("create-token", "done"),
        ("create-kiosk", "done"),
        ("sign-in", "refused"),
        ("sign-in", "done"),
        ("set-up-kiosk", "done"),
        ("enter", "refused"),
        ("revoke-token", "done"),
        ("disable-user", "done"),
    ]
    assert any(verb == "enter" and what == "/api" for verb, _, what in audited(tmp_path / "x.db"))
    assert command(tmp_path, "audit", "verify", *store)[0] == 0
    log = board.log.read_text()
    stored = b"".join(f.read_bytes() for f in tmp_path.glob("x.db*"))
    for canary in canaries:
        assert canary not in log
        assert canary.encode() not in stored + pages, canary
    assert csrf not in log
    lines = [json.loads(line) for line in log.splitlines() if not line.startswith("Shipboard is at")]
    told = {line["event"]: line for line in lines}
    assert told["sign-in failed"]["source"] == "127.0.0.1"
    assert told["signed in"]["principal"] == "local|ada"
    assert {"credentials refused", "request refused", "screen set up"} <= told.keys()
    assert all("request_id" in told[event] for event in ("sign-in failed", "credentials refused"))


@pytest.mark.parametrize(
    ("host", "auth", "starts"),
    [
        ("127.0.0.1", "", True),
        ("0.0.0.0", "", False),
        ("0.0.0.0", "auth: {}", False),
        ("0.0.0.0", "auth: {modes: []}", False),
        ("0.0.0.0", "auth: {modes: [local]}", True),
        ("0.0.0.0", "auth: {modes: [lokal]}", False),
    ],
)
def test_it_listens_to_others_only_with_a_way_to_sign_in(tmp_path, host, auth, starts):
    """SR-02: host × mode."""
    file, port = tmp_path / "s.yaml", free_port()
    file.write_text(f"retention_days: 7\n{auth}\n")
    arguments = ("serve", "--config", str(file), "--host", host, "--database", str(tmp_path / "x.db"))
    where = {"KUBECONFIG": str(kubeconfig(tmp_path))}
    if not starts:
        assert run(tmp_path, *arguments, **where)[0] == 2
        return
    with shipboard(tmp_path, *arguments, port=port, **where) as board:
        board.until_serving("/login")
        assert board.get("/", accept="text/html")[0] == (303 if auth else 200)
