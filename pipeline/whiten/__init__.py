"""Parse the raw table, check it, and bring its columns to a common scale."""
