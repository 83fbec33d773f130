"""Functions that return tables, one module a source; found by ``data.path=MODULE:FUNCTION``."""
