"""What a set of results came to, in one small file, and what has changed since.

``table`` makes the rows of a baseline from a folder of results, ``compare`` joins two of them and says which
conclusions changed. ``docs/baseline.md`` says what counts as a change.
"""
