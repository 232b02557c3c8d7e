"""The database, written: tables, migrations, the ledger that facts are recorded in, retention."""
