"""Data sets that are not tables."""
