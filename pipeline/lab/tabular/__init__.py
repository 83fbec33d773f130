"""A table of the user's own: read, split, encoded. Nothing here runs before a configuration names such a table."""
