"""One module a page: its URL, its read model, its template."""
