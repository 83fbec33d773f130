"""Fetch a data set: sources in order, each checked by its hash, and an offline twin where none answers."""
