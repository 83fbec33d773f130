"""Numbers that stay: what a set of results came to in one small file, and what has changed since.

``collected`` reads a folder of results, ``summary`` makes the baseline of it, ``compare`` sets one baseline beside
another, and ``words`` says in words what it found. ``docs/baseline.md`` says what counts as a change.
"""
