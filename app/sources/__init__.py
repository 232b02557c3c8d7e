"""Where facts come from. Each module is data and pure functions, except `runner`, the only I/O here."""
