"""Fetch a data set from the first source that answers, check its hash, and fall back on an offline twin."""
