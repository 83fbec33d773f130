"""The figures of the measurements."""
