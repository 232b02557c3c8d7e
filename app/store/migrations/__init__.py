"""The schema's history, one file a step, and the one way to apply it.

A step only ever adds (expand in one release, contract in the next), so that replicas of two versions can
share a database. A run is one transaction on both databases: it is applied whole or not at all.
"""

from __future__ import annotations

import threading
from pathlib import Path

_one_at_a_time = threading.Lock()
HERE = Path(__file__).parent
REVISIONS: tuple[str, ...] = tuple(
    sorted(p.name.partition("_")[0] for p in (HERE / "versions").glob("[0-9]*.py"))
)
"""Every revision this code knows, oldest first: the number each file's name begins with."""


def upgrade(url: str) -> None:
    """Bring the database at `url` to the newest revision. Blocks; raises SQLAlchemy's errors."""
    # An ordinary start needs no migration and should not wait for Alembic.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    config.attributes["url"] = url
    with _one_at_a_time:  # Alembic keeps its context in the module
        command.upgrade(config, "head")
