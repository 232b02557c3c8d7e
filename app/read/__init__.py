"""The database, read: frozen read models that are at once template context and JSON body. Nothing here writes."""
