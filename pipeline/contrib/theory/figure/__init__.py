"""The figures of theory."""
