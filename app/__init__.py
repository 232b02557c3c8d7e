"""Shipboard: the board a team watches while software ships.

    kubernetes watch ─ sources ─ facts ─▶ ingest ─▶ store ─▶ read ─┬─ pages   (HTML)
                       normalise          one door   ledger        ├─ streams (the same pages, live)
                                                                   └─ /api/v1 (the same read models, JSON)

Facts come in through `ingest`; everything between is pure, everything shown is read. Imports go one way:
main, cli > web > sources > ingest | perform | read > store | kube | live > engines > domain; siblings do not see
each other, and import-linter holds it in CI.
"""

__version__ = "0.1.0"
