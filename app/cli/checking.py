"""`shipboard check`: could the board run here, and what would each cluster let it see?"""

from __future__ import annotations

from collections.abc import Callable

from app.domain.errors import ShipboardError
from app.domain.refusals import ClusterError
from app.settings import ClusterSettings, Settings
from app.settings.model import without_password
from app.sources.check import check
from app.sources.clusters import open_cluster
from app.store.db import Database


async def report(settings: Settings, say: Callable[[str], None]) -> bool:
    """Say what was found, one line each; whether all is well."""
    say(f"ok    settings: {settings.file or 'no file, the defaults'}")
    for warning in settings.warnings:
        say(f"warn  {warning}")
    well = await _database(settings, say)
    for cluster in settings.clusters:
        well &= await _cluster(cluster, say)
    say(
        "All is well: shipboard serve will show it."
        if well
        else "Something is to be mended; see the lines with FAIL."
    )
    return well


async def _database(settings: Settings, say: Callable[[str], None]) -> bool:
    shown = without_password(settings.database)
    try:
        database = await Database.open(settings.database)
    except ShipboardError as error:
        say(f"FAIL  database {shown}: {error}")
        return False
    await database.close()
    say(f"ok    database {shown}")
    return True


async def _cluster(settings: ClusterSettings, say: Callable[[str], None]) -> bool:
    try:
        cluster = await open_cluster(settings)
    except ClusterError as error:
        say(f"FAIL  cluster {settings.name}: {error}")
        return False
    try:
        found = await check(cluster, settings.namespaces)
    except ClusterError as error:
        say(f"FAIL  cluster {settings.name}: {error}")
        return False
    finally:
        await cluster.close()
    first, *others = found.lines()
    say(f"{'ok   ' if found.well else 'FAIL '} cluster {first}")
    for line in others:
        say(f"      {line}")
    return found.well
