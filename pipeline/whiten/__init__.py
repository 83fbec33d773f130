"""Read the raw table, refuse what is not one, and bring its columns to a common scale."""
